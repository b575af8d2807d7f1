"""A training's weights on the Hub: a commit at every checkpoint, and one at the end."""

import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from grover_hf.errors import InputError
from grover_hf.hub.publications import License, model_publication
from grover_hf.hub.publish import publish, repository_name, require_repository

_OF_THE_MODEL = ("config.json", "model.safetensors")


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
            InputError: If there is no licence, the Hub does not answer, or the token may not write there.
        """
        if license_name is None:
            raise InputError("push_to needs push_license, the Hub's identifier of a licence, apache-2.0 say.")
        name = repository_name(repo)
        require_repository(name, private=private)
        return cls(name, License(license_name), private)

    def push(self, folder: Path) -> None:
        """Push a model's folder, or say why not: a training does not end for a push that fails."""
        try:
            published = publish(model_publication(folder, self.repo, self.license_), private=self.private)
        except InputError as error:
            print(f"warning: not pushed: {error}", file=sys.stderr, flush=True)
        else:
            print(f"pushed to {published.url}: {published.commit or 'nothing had changed'}", flush=True)


class PushAtSave(TrainerCallback):
    """Pushes every checkpoint as a model, from the first process.

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
        if not state.is_world_process_zero:
            return
        checkpoint = Path(args.output_dir).resolve() / f"checkpoint-{state.global_step}"
        with tempfile.TemporaryDirectory() as scratch:
            folder = Path(scratch)
            for name in _OF_THE_MODEL:
                (folder / name).symlink_to(checkpoint / name)
            self._complete(folder, state.global_step)
            self._destination.push(folder)
