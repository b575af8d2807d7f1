"""The Trainer of a run that may be stopped at any moment, and goes on from there bit for bit."""

import dataclasses
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from transformers import PreTrainedModel

from grover_hf.errors import InputError
from training.runs.checkpoints import (
    checkpoint_folder,
    checkpoints_folder,
    newest_whole,
    read_manifest,
    remove_older,
    seal,
)
from training.runs.launch import Preempted
from training.trainers.watched import WatchedTrainer


@dataclass
class Progress:
    """What the Trainer forgets between a line of its log and a checkpoint; kept in the manifest."""

    loss: float = 0.0
    """Sum over the steps since the last line."""
    n_steps: int = 0
    """Since the last line."""
    seconds: float = 0.0
    """Seconds of training, over all sessions, without steps that were lost."""


class ResumableTrainer(WatchedTrainer):
    """The Trainer, with checkpoints that are whole or torn; SIGTERM ends it with one.

    Args:
        run: What the run depends on, for the manifests.
        keep_checkpoints: How many whole checkpoints stay.
        watched: As for `WatchedTrainer`; `args` without `save_total_limit`, which knows of no torn checkpoints.
    """

    model: PreTrainedModel

    def __init__(self, *, run: dict[str, Any], keep_checkpoints: int, **watched: Any) -> None:
        super().__init__(**watched)
        self.progress = Progress()
        self._run = run
        self._keep_checkpoints = keep_checkpoints
        self._stopped = False
        self._clock = 0.0

    def train_from(self, checkpoint: Path | None) -> None:
        """Train to the end, from a whole checkpoint if there is one.

        Raises:
            Preempted: If a process got SIGTERM; the checkpoint is written by then.
            InputError: If a loss or gradient is not a finite number, or a checkpoint cannot be written.
        """
        if checkpoint is not None:
            self.progress = Progress(**read_manifest(checkpoint)["progress"])
        self._clock = time.perf_counter()
        self.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
        self._count_time()
        if self._stopped:
            raise Preempted(f"SIGTERM: stopped after step {self.state.global_step}, whose checkpoint is written")

    def what_is_kept(self) -> str:
        last, _ = newest_whole(checkpoints_folder(self.args))
        return f"The last whole checkpoint is {last}." if last else "There is no whole checkpoint."

    def stop_for_sigterm(self) -> None:
        self._stopped = self.control.should_save = self.control.should_training_stop = True

    def after_step(self, loss: float) -> None:
        self.progress.loss += loss
        self.progress.n_steps += 1

    def get_batch_samples(self, *args: Any, **kwargs: Any) -> Any:
        """Return no batch where the training was at its end before: the Trainer would train a step more."""
        if self.state.global_step >= self.state.max_steps:
            self.control.should_training_stop = True
            return [], None
        return super().get_batch_samples(*args, **kwargs)

    def log(self, logs: dict[str, float], *args: Any, **kwargs: Any) -> None:
        """Log the mean loss of all steps since the last line, those before a resume too."""
        if "loss" in logs:
            logs["loss"] = self.progress.loss / self.progress.n_steps
            self.progress.loss, self.progress.n_steps = 0.0, 0
        super().log(logs, *args, **kwargs)

    def _save_checkpoint(self, model: Any, trial: Any) -> None:
        folder = checkpoint_folder(self.args, self.state.global_step)
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
                f"{folder} cannot be written: {error}. {self.what_is_kept()} See that the disk has room and "
                "all processes can write there; --resume true goes on."
            ) from error

    def _issue_warnings_after_load(self, load_result: Any) -> None:
        # Tied weights are saved once; the Trainer would say that they are missing.
        tied = tuple(self.model._tied_weights_keys or ())
        if load_result.unexpected_keys or not all(key.endswith(tied) for key in load_result.missing_keys):
            super()._issue_warnings_after_load(load_result)

    def _count_time(self) -> None:
        now = time.perf_counter()
        self.progress.seconds += now - self._clock
        self._clock = now
