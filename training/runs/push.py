"""A training's weights on the Hub: a commit at every checkpoint, and one at the end."""

import os
import shutil
import sys
import tempfile
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from grover_hf.errors import InputError
from grover_hf.hub.metadata import metadata_problems
from grover_hf.hub.publications import License, model_publication
from grover_hf.hub.publish import publish, repository_name, require_repository
from training.runs.checkpoints import checkpoint_folder

_OF_THE_MODEL = ("config.json", "model.safetensors")
_PATIENCE_SECONDS = 600
"""The client of the Hub waits without end for an answer."""


@dataclass(frozen=True)
class Destination:
    """The repository that a training pushes to."""

    repo: str
    license_: License
    private: bool

    @classmethod
    def of(cls, repo: str, license_name: str | None, *, private: bool) -> "Destination":
        """Return the destination, which is there and may be written to.

        Raises:
            InputError: If there is no licence, the Hub does not list it, does not answer, or the token may not
                write there.
        """
        if license_name is None:
            raise InputError("push_to needs push_license, the Hub's identifier of a licence, apache-2.0 say.")
        if problems := metadata_problems("model", {"license": license_name}):
            raise InputError(f"push_license: {' '.join(problems)}")
        name = repository_name(repo)
        require_repository(name, private=private)
        return cls(name, License(license_name), private)

    def push(self, folder: Path) -> None:
        """Push a model's folder, or say why not: no training ends, or waits for ever, for a push that fails."""
        pushing = threading.Thread(target=self._push, args=[folder], daemon=True)
        pushing.start()
        pushing.join(_PATIENCE_SECONDS)
        if pushing.is_alive():
            _warn(f"{self.repo} does not answer since {_PATIENCE_SECONDS / 60:.0f} minutes; the training goes on")

    def _push(self, folder: Path) -> None:
        try:
            published = publish(model_publication(folder, self.repo, self.license_), private=self.private)
        except Exception as error:
            # Whatever it is, a proxy's answer or a full disk: the training is worth more.
            _warn(f"not pushed: {error}. `grover publish model RUN` pushes the finished run")
        else:
            print(f"pushed to {published.url}: {published.commit or 'nothing had changed'}", flush=True)


class PushAtSave(TrainerCallback):
    """Pushes every checkpoint as a model, from the first process, but for that of a preemption.

    Args:
        destination: Where to.
        complete: Writes tokenizer and card of the model after a step into a folder.
    """

    def __init__(self, destination: Destination, complete: Callable[[Path, int], None]) -> None:
        self._destination = destination
        self._complete = complete

    def on_save(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: object
    ) -> None:
        """Push the checkpoint; one that was written because the process is to end would come too late."""
        preempted = control.should_training_stop and state.global_step < state.max_steps
        if not state.is_world_process_zero or preempted:
            return
        checkpoint = checkpoint_folder(args, state.global_step).resolve()
        with tempfile.TemporaryDirectory() as scratch:
            folder = Path(scratch)
            for name in _OF_THE_MODEL:
                _link_or_copy(checkpoint / name, folder / name)
            self._complete(folder, state.global_step)
            self._destination.push(folder)


def _link_or_copy(file: Path, name: Path) -> None:
    """Give a file another name; a copy where the two are on different disks. Links by path are not published."""
    try:
        os.link(file, name)
    except OSError:
        shutil.copyfile(file, name)


def _warn(message: str) -> None:
    print(f"warning: {message}", file=sys.stderr, flush=True)
