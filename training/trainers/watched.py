"""The Trainer, with an eye on every step."""

import math
import os
import signal
import sys
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from transformers import Trainer, TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from grover_hf.errors import InputError
from training.trainers.progress import EarlyFirstLine, ProgressLines


class WatchedTrainer(Trainer, ABC):
    """The Trainer, which ends at a number that is not finite, and after the step in which SIGTERM came.

    After each step all processes agree on its loss, and on whether one of them got SIGTERM: one gather of
    two numbers.

    Args:
        trainer: As for `Trainer`; `args` without `logging_nan_inf_filter`, which hides such numbers.
    """

    model: torch.nn.Module
    """The Trainer's own, which may be None there."""

    def __init__(self, **trainer: Any) -> None:
        super().__init__(**trainer)
        self.sigterm = threading.Event()
        """Set when the process got SIGTERM; whoever trains puts one here that is."""
        self._loss: torch.Tensor | None = None
        for callback in (_OwnDropout(), EarlyFirstLine(), ProgressLines()):
            self.add_callback(callback)

    @abstractmethod
    def examples_of_step(self) -> str:
        """Return the examples of the last step, as a message names them."""

    @abstractmethod
    def what_is_kept(self) -> str:
        """Return what a training that ends here leaves, as a message says it."""

    @abstractmethod
    def stop_for_sigterm(self) -> None:
        """End the training; called by all processes, after the same step."""

    def after_step(self, loss: float) -> None:
        """Called in all processes after each step with its loss, a finite number; before what is logged and saved.

        A SIGTERM that comes in here ends the training after the next step.
        """

    def get_train_dataloader(self) -> Any:
        """Return the Trainer's, as those below: with workers that outlive a SIGTERM to all processes of a job."""
        return self._with_lasting_workers(super().get_train_dataloader())

    def get_eval_dataloader(self, *args: Any, **kwargs: Any) -> Any:
        return self._with_lasting_workers(super().get_eval_dataloader(*args, **kwargs))

    def get_test_dataloader(self, *args: Any, **kwargs: Any) -> Any:
        return self._with_lasting_workers(super().get_test_dataloader(*args, **kwargs))

    def _with_lasting_workers(self, loader: Any) -> Any:
        if self.args.dataloader_num_workers and sys.platform == "linux":
            inner = loader.base_dataloader
            inner.worker_init_fn = partial(_end_with_the_parent_alone, inner.worker_init_fn)
        return loader

    def training_step(self, *args: Any, **kwargs: Any) -> torch.Tensor:
        """Add up the loss of the step over what is accumulated."""
        loss: torch.Tensor = super().training_step(*args, **kwargs)
        self._loss = loss if self._loss is None else self._loss + loss
        return loss

    def _maybe_log_save_evaluate(self, tr_loss: Any, grad_norm: Any, *args: Any, **kwargs: Any) -> None:
        # Called after each step, and once more after each epoch.
        if self._loss is not None:
            self._agree_on_step(self._loss, grad_norm)
            self._loss = None
        super()._maybe_log_save_evaluate(tr_loss, grad_norm, *args, **kwargs)

    def _agree_on_step(self, loss: torch.Tensor, grad_norm: Any) -> None:
        """Agree on a step: its loss, and whether it is the last."""
        own = torch.stack([loss, torch.full_like(loss, self.sigterm.is_set())])
        losses, sigterms = self.accelerator.gather(own).reshape(-1, 2).T.tolist()
        mean_loss = sum(losses) / len(losses)
        # Transformers 4 has no norm where nothing is clipped; the next loss tells then.
        norm = 0.0 if grad_norm is None else float(grad_norm)
        if not (math.isfinite(mean_loss) and math.isfinite(norm)):
            raise InputError(
                f"Step {self.state.global_step}: the loss is {mean_loss}, the norm of its gradients {norm}. Its "
                f"examples were {self.examples_of_step()}. {self.what_is_kept()} If the data are sound, take a "
                "smaller learning_rate or a longer warm-up (warmup_steps, warmup_share)."
            )
        self.after_step(mean_loss)
        if any(sigterms):
            self.stop_for_sigterm()


class _OwnDropout(TrainerCallback):
    """Gives each process but the first random numbers of its own; the Trainer gives all of them the same.

    After the order of examples, which all must share, is settled; a checkpoint's random states come later.
    """

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        if args.process_index:
            torch.manual_seed(args.seed + args.process_index)


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
