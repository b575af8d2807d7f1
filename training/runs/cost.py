"""What a pretraining costs: floating-point operations, and the time they take on a CPU."""

import functools
import sys
import time
import types
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from grover_hf.model import grover_config
from training.runs.recipe import RECIPES, read_yaml

_DAY_SECONDS = 86_400
_MATRIX = 1_024
_SECONDS_TO_MEASURE = 0.3


class Pretraining(Protocol):
    """The fields of a recipe that its cost follows from."""

    @property
    def size(self) -> str: ...
    @property
    def max_steps(self) -> int: ...
    @property
    def batch_size(self) -> int: ...
    @property
    def p_select(self) -> float: ...
    @property
    def bf16(self) -> bool: ...


def warn_of_days_on_a_cpu(
    recipe: Pretraining, lengths: NDArray[np.int64], vocab_size: int, processes: int
) -> None:
    """Say what a pretraining takes on this CPU if it takes more than a day, and which recipes take less.

    Args:
        recipe: The recipe of the pretraining.
        lengths: Lengths of the train windows in tokens, shape (n,).
        vocab_size: Number of ids.
        processes: How many share the work.
    """
    speed = functools.cache(lambda bf16: processes * cpu_flop_per_second(bf16=bf16))

    def seconds(of: Pretraining) -> float:
        a_window = training_flop(lengths, vocab_size, of.size, of.p_select)
        return of.max_steps * of.batch_size * a_window / speed(of.bf16)

    if (whole := seconds(recipe)) < _DAY_SECONDS:
        return
    packaged = {path.stem: read_yaml(path) for path in (RECIPES / "pretrain").glob("*.yaml")}
    times = {
        name: seconds(types.SimpleNamespace(**{"bf16": False, **fields})) for name, fields in packaged.items()
    }
    fitting = [
        f"{name} (at least {readable_duration(times[name])})"
        for name in sorted(times, key=times.__getitem__) if times[name] < _DAY_SECONDS
    ]
    a_step = whole / recipe.max_steps
    print(
        f"warning: on this CPU {recipe.max_steps:,} steps of the size {recipe.size} take at least "
        f"{readable_duration(whole)}, {readable_duration(a_step)} a step. This is an estimate: "
        f"{a_step * speed(recipe.bf16) / 1e12:.3g} TFLOP a step at {speed(recipe.bf16) / 1e9:.3g} GFLOP/s, "
        "measured on a product of matrices; steps are slower than that, and are measured as they come. Packaged "
        f"recipes that take less than a day here: {', '.join(fitting) or 'none'}.",
        file=sys.stderr, flush=True,
    )


def training_flop(lengths: NDArray[np.int64], vocab_size: int, size: str, p_select: float) -> float:
    """Return the floating-point operations that training on a window takes, on average.

    6 a weight and token, forward and backward, and 12 a layer, token, position and hidden unit for attention
    (Chowdhery et al. 2022, appendix B); the head at the tokens to predict alone. No padding is counted.

    Args:
        lengths: Lengths of windows in tokens, without [CLS] and [SEP], shape (n,).
        vocab_size: Number of ids.
        size: Size of the model.
        p_select: Share of tokens to predict.
    """
    config = grover_config(vocab_size, size)  # type: ignore[arg-type]
    hidden, layers = config.hidden_size, config.num_hidden_layers
    tokens = lengths.astype(np.float64) + 2
    weights = layers * (4 * hidden**2 + 2 * hidden * config.intermediate_size)
    head = p_select * (hidden**2 + hidden * vocab_size)
    return float(np.mean(6 * (weights + head) * tokens + 12 * layers * hidden * tokens**2))


def cpu_flop_per_second(*, bf16: bool) -> float:
    """Return how many operations a second this process does in products of large matrices: a ceiling."""
    matrix = torch.ones(_MATRIX, _MATRIX, dtype=torch.bfloat16 if bf16 else torch.float32)
    fastest, begin = float("inf"), time.perf_counter()
    # The first product also allocates; the fastest counts.
    while time.perf_counter() - begin < _SECONDS_TO_MEASURE or fastest == float("inf"):
        before = time.perf_counter()
        torch.mm(matrix, matrix)
        fastest = min(fastest, time.perf_counter() - before)
    return 2 * _MATRIX**3 / fastest


def readable_duration(seconds: float) -> str:
    """Return a time as a person says it: its two largest units."""
    if seconds < 60:
        return f"{seconds:.0f} s"
    units = [("days", 86_400), ("h", 3_600), ("min", 60), ("s", 1)]
    rest = round(seconds)
    first = next(number for number, (_, size) in enumerate(units) if rest >= size)
    parts = []
    for name, size in units[first : first + 2]:
        count, rest = divmod(rest, size)
        if count:
            parts.append(f"{count:,} {'day' if (name, count) == ('days', 1) else name}")
    return " ".join(parts)
