"""What every training script shares: how a launch is checked, how batches are shared, how it ends."""

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from typing import NoReturn

import torch
from safetensors import SafetensorError

from grover_hf._internals.own_packages import require_own_packages
from grover_hf.errors import InputError
from training.runs.last_word import repeat_after_the_launcher

PREEMPTED = 75
"""The exit code of a run that SIGTERM stopped and that can go on: EX_TEMPFAIL of sysexits.h.

Not 143, which is what a shell says of a process that SIGTERM killed.
"""


class Preempted(Exception):  # noqa: N818
    """SIGTERM stopped the run after a step; it can go on."""


def world_size() -> int:
    """Return how many processes the launch started."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def batch_shape(batch_size: int, per_device_batch_size: int, world: int) -> tuple[int, int]:
    """Return examples at once on a device, and how often they are accumulated to `batch_size`.

    Raises:
        InputError: If the processes cannot share `batch_size` evenly.
    """
    share, rest = divmod(batch_size, world)
    if rest or not share:
        raise InputError(f"batch_size {batch_size} is not a multiple of {world} processes.")
    accumulation = -(-share // per_device_batch_size)
    while share % accumulation:
        accumulation += 1
    return share // accumulation, accumulation


def require_processes(*, wanted: int | None, bf16: bool, joined: int, n_gpu: int) -> None:
    """Refuse a launch whose processes train apart from each other, or are not as many as wanted.

    Args:
        wanted: Processes that the recipe asks for; None for as many as were started.
        bf16: Mixed precision of the recipe, which a launch file must not override.
        joined: Processes that know of each other.
        n_gpu: GPUs that one process sees.
    """
    precision = os.environ.get("ACCELERATE_MIXED_PRECISION", "no")
    if precision not in ("no", "bf16" if bf16 else "no"):
        raise InputError(
            f"The launch wants {precision} and the recipe has bf16: {bf16}; set it in the recipe alone."
        )
    started = world_size()
    wanted = started if wanted is None else wanted
    if not wanted == started == joined:
        raise InputError(
            f"{wanted} processes should train together; the launch started {started}, of which "
            f"{joined} know of each other. On CPUs, say accelerate launch --config_file "
            "training/recipes/accelerate/cpu_2.yaml, and ACCELERATE_USE_CPU=true before it where there is a GPU."
        )
    if n_gpu > 1:
        raise InputError(
            f"One process sees {n_gpu} GPUs and would split each batch among them. Launch a process a GPU "
            "(gpu_8.yaml), or show it one: CUDA_VISIBLE_DEVICES=0."
        )


def scheduler_type(name: str) -> str:
    """Return the Trainer's name of a schedule that begins with the warm-up.

    Raises:
        InputError: If there is no such schedule.
    """
    # The Trainer's own "constant" has no warm-up.
    known = {"linear": "linear", "cosine": "cosine", "constant": "constant_with_warmup"}
    if name not in known:
        raise InputError(f"scheduler is {name!r}; it is {', '.join(known)}.")
    return known[name]


def require_positive(**values: float) -> None:
    """Raise `InputError` if a field of a recipe that counts something is not at least 1."""
    for name, value in values.items():
        if value < 1:
            raise InputError(f"{name} is {value}; it is 1 or more.")


@contextlib.contextmanager
def sigterm_noted() -> Iterator[threading.Event]:
    """Yield what is set when the process gets SIGTERM, which does nothing else within the block."""
    noted = threading.Event()
    before = signal.signal(signal.SIGTERM, lambda *_: noted.set())
    try:
        yield noted
    finally:
        signal.signal(signal.SIGTERM, before)


@contextlib.contextmanager
def memory_explained(per_device_batch_size: int, batch_size: int) -> Iterator[None]:
    """Raise `InputError` that says what to do where memory is too small for the block.

    Args:
        per_device_batch_size: Examples at once on a device.
        batch_size: Examples a step, over all processes.
    """
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if explained := explained_out_of_memory(error, per_device_batch_size, batch_size):
            raise explained from error
        raise


def explained_out_of_memory(
    error: BaseException, per_device_batch_size: int, batch_size: int
) -> InputError | None:
    """Return an error that says what to do if `error` is one of memory, else None."""
    text = str(error).lower()
    known = isinstance(error, torch.OutOfMemoryError | MemoryError)
    if not known and "out of memory" not in text and "can't allocate memory" not in text:
        return None
    if per_device_batch_size == 1:
        how = "it holds one example already: take a smaller model, or shorter inputs"
    else:
        smaller, accumulation = batch_shape(batch_size, per_device_batch_size // 2, world_size())
        how = (
            f"say --per_device_batch_size {smaller}: batch_size stays {batch_size}, by accumulation of "
            f"{accumulation}"
        )
    return InputError(f"The memory is too small for {per_device_batch_size} examples at once; {how}.")


def run_script(script: Callable[[], object], *, when_stopped: str) -> None:
    """Run a training script; a problem with input or disk ends with its message and code 1.

    A run that SIGTERM stopped ends with code `PREEMPTED`. The message is the last thing that a launch prints.

    Args:
        script: What to run.
        when_stopped: What Ctrl-C says, before it ends with code 130.
    """
    try:
        require_own_packages()
        script()
    except (InputError, OSError, SafetensorError) as error:
        _end_alone(f"error: {error}", 1)
    except KeyboardInterrupt:
        _end_alone(when_stopped, 130)
    except Preempted as stopped:
        # First the message: on CPUs, leaving the others aborts a process now and then.
        _say_last(f"{stopped}; the same command with --resume true goes on")
        _leave_the_others()
        sys.exit(PREEMPTED)
    _leave_the_others()


def _end_alone(text: str, code: int) -> NoReturn:
    """End a process of which no other knows that it ends."""
    _say_last(text)
    if world_size() > 1:
        # The others may wait for this one, and it must not wait for them: that it is dead ends them all.
        sys.stdout.flush()
        os._exit(code)
    sys.exit(code)


def _say_last(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
    repeat_after_the_launcher(text)


def _leave_the_others() -> None:
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()
