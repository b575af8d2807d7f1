"""The Trainer of a run that may be stopped at any moment, and goes on from there bit for bit."""

import dataclasses
import math
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from transformers import Trainer

from grover_hf.errors import InputError
from training.checkpoints import newest_whole, read_manifest, remove_older, seal
from training.launch import Preempted, sigterm_noted


@dataclass
class Progress:
    """What the Trainer forgets between a line of its log and a checkpoint; kept in the manifest."""

    loss: float = 0.0
    """Sum over the steps since the last line."""
    n_steps: int = 0
    """Since the last line."""
    seconds: float = 0.0
    """Of training, over all sessions, without steps that were lost."""


class GuardedTrainer(Trainer):
    """The Trainer, with checkpoints that are whole or torn, and an eye on every step.

    After each step all processes agree on its loss, and on whether one of them got SIGTERM: one gather of
    two numbers. A loss or gradient that is no finite number ends the training there; SIGTERM ends it with a
    checkpoint.

    Args:
        run: What the run depends on, for the manifests.
        keep_checkpoints: How many whole checkpoints stay.
        trainer: As for `Trainer`; `args` without `save_total_limit`, which knows of no torn checkpoints,
            and without `logging_nan_inf_filter`, which hides what is looked for here.
    """

    def __init__(self, *, run: dict[str, Any], keep_checkpoints: int, **trainer: Any) -> None:
        super().__init__(**trainer)
        self.progress = Progress()
        self._run = run
        self._keep_checkpoints = keep_checkpoints
        self._sigterm = threading.Event()
        self._stopped = False
        self._loss: torch.Tensor | None = None
        self._clock = 0.0

    def train_from(self, checkpoint: Path | None) -> None:
        """Train to the end, from a whole checkpoint if there is one.

        Raises:
            Preempted: If a process got SIGTERM; the checkpoint is written by then.
            InputError: If a loss or gradient is no finite number, or a checkpoint cannot be written.
        """
        if checkpoint is not None:
            self.progress = Progress(**read_manifest(checkpoint)["progress"])
        with sigterm_noted() as self._sigterm:
            self._clock = time.perf_counter()
            self.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
        self._count_time()
        if self._stopped:
            raise Preempted(f"SIGTERM: stopped after step {self.state.global_step}, whose checkpoint is written")

    def examples_of_step(self) -> str:
        """Return which examples the last step was of, as a message names them."""
        raise NotImplementedError

    def get_train_dataloader(self) -> Any:
        """Return the Trainer's, with workers that outlive a SIGTERM to all processes of a job."""
        loader = super().get_train_dataloader()
        if self.args.dataloader_num_workers and sys.platform == "linux":
            inner = loader.base_dataloader
            inner.worker_init_fn = partial(_end_with_the_parent_alone, inner.worker_init_fn)
        return loader

    def get_batch_samples(self, *args: Any, **kwargs: Any) -> Any:
        """Return no batch where the training was at its end before: the Trainer would train a step more."""
        if self.state.global_step >= self.state.max_steps:
            self.control.should_training_stop = True
            return [], None
        return super().get_batch_samples(*args, **kwargs)

    def training_step(self, *args: Any, **kwargs: Any) -> torch.Tensor:
        """Add up the loss of the step over what is accumulated."""
        loss: torch.Tensor = super().training_step(*args, **kwargs)
        self._loss = loss if self._loss is None else self._loss + loss
        return loss

    def _maybe_log_save_evaluate(self, tr_loss: Any, grad_norm: Any, *args: Any, **kwargs: Any) -> None:
        # Called after each step, and once more after each epoch.
        if self._loss is not None:
            self._look_at_step(self._loss, grad_norm)
            self._loss = None
        super()._maybe_log_save_evaluate(tr_loss, grad_norm, *args, **kwargs)

    def _look_at_step(self, loss: torch.Tensor, grad_norm: Any) -> None:
        """Agree on a step: its loss, and whether it is the last."""
        own = torch.stack([loss, torch.full_like(loss, self._sigterm.is_set())])
        losses, sigterms = self.accelerator.gather(own).reshape(-1, 2).T.tolist()
        mean_loss = sum(losses) / len(losses)
        # Transformers 4 has no norm where nothing is clipped; the next loss tells then.
        norm = 0.0 if grad_norm is None else float(grad_norm)
        if not (math.isfinite(mean_loss) and math.isfinite(norm)):
            raise InputError(
                f"Step {self.state.global_step}: the loss is {mean_loss}, the norm of its gradients {norm}. The "
                f"step was of {self.examples_of_step()}. {self._last_checkpoint()} Take a smaller learning_rate "
                "or more warmup_steps, if the examples are sound."
            )
        self.progress.loss += mean_loss
        self.progress.n_steps += 1
        if any(sigterms):
            self._stopped = self.control.should_save = self.control.should_training_stop = True

    def log(self, logs: dict[str, float], *args: Any, **kwargs: Any) -> None:
        """Log the mean loss of all steps since the last line, those before a resume too."""
        if "loss" in logs:
            logs["loss"] = self.progress.loss / self.progress.n_steps
            self.progress.loss, self.progress.n_steps = 0.0, 0
        super().log(logs, *args, **kwargs)

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        folder = Path(self.args.output_dir) / f"checkpoint-{self.state.global_step}"
        try:
            super()._save_checkpoint(model, trial)
            self.accelerator.wait_for_everyone()
            if self.is_world_process_zero():
                self._count_time()
                facts = {"run": self._run, "progress": dataclasses.asdict(self.progress)}
                world = self.args.world_size
                seal(folder, facts, needed=[f"rng_state_{rank}.pth" for rank in range(world)] if world > 1 else [])
                remove_older(folder, self._keep_checkpoints)
        except (OSError, RuntimeError, SafetensorError) as error:
            # Torch and safetensors wrap what the disk says each in an error of their own.
            raise InputError(
                f"{folder} cannot be written: {error}. {self._last_checkpoint()} See that the disk has room and "
                "all processes can write there; --resume true goes on."
            ) from error

    def _issue_warnings_after_load(self, load_result: Any) -> None:
        # Tied weights are saved once; the Trainer would say that they are missing.
        tied = tuple(self.model._tied_weights_keys or ())
        if load_result.unexpected_keys or not all(key.endswith(tied) for key in load_result.missing_keys):
            super()._issue_warnings_after_load(load_result)

    def _last_checkpoint(self) -> str:
        last, _ = newest_whole(Path(self.args.output_dir))
        return f"The last whole checkpoint is {last}." if last else "There is no whole checkpoint."

    def _count_time(self) -> None:
        now = time.perf_counter()
        self.progress.seconds += now - self._clock
        self._clock = now


def _end_with_the_parent_alone(before: Callable[[int], None] | None, worker: int) -> None:
    """Prepare a worker that loads data to ignore any SIGTERM that is not its parent's.

    A scheduler sends it to every process of a job. The parent takes it as a wish to stop after the step,
    which it cannot do if its workers have died.
    """
    if before is not None:
        before(worker)
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    threading.Thread(target=_wait_for_the_parents_sigterm, daemon=True).start()


def _wait_for_the_parents_sigterm() -> None:
    while signal.sigwaitinfo({signal.SIGTERM}).si_pid != os.getppid():
        pass
    os._exit(0)
