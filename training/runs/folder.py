"""The folder of a run: `recipe.yaml  metrics.json  log.jsonl  checkpoints/  model/`."""

import contextlib
import dataclasses
import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import yaml
from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

from grover_hf._internals.files import atomic_folder, atomic_write
from grover_hf._internals.outputs import only_writer, require_writable
from grover_hf.errors import InputError
from training.runs.recipe import read_yaml

_NOT_SCIENCE = {
    "output", "resume", "overwrite", "processes", "per_device_batch_size", "workers", "keep_checkpoints",
    "push_to", "push_license", "push_private",
}
"""Fields of a recipe that may change when a run goes on."""
_ADDED = {
    "architecture": "bert", "initialization": "stock", "tie_embeddings": True, "init_from": None,
    "repeat_weight": 1.0,
}
"""Fields of a pretraining that earlier versions did not have, and what they did."""
_INPUTS = "seeds/inputs"
_SESSION_ENDS = ("_runtime", "_per_second", "_preparation_time")
"""Endings of what the Trainer logs of a session, which is not a property of the run."""


def require_own_run(run: Path, recipe: Any, *, contents: Sequence[str], inputs: Iterable[str | Path]) -> None:
    """Raise `InputError` if a run may not be begun in a folder: another command's, or one with other files in it.

    Args:
        run: The folder.
        recipe: The recipe of the run; the one that a folder has must be of the same kind.
        contents: Patterns of what a run of this kind writes beside its recipe.
        inputs: What is read.
    """
    has_recipe = (run / "recipe.yaml").exists()
    is_own = has_recipe and _is_of(run / "recipe.yaml", recipe)
    if is_own and not recipe.overwrite and not (run / "metrics.json").exists():
        raise InputError(
            f"{run} is there already, and not finished: say --resume true to go on with it, or --overwrite to "
            "begin anew; or name another --output."
        )
    require_writable(run, overwrite=recipe.overwrite, marker="recipe.yaml", contents=contents, inputs=inputs)
    if has_recipe and not is_own:
        raise InputError(
            f"{run} is not replaced: its recipe.yaml is not of this command. Name another --output, or remove it "
            "yourself."
        )


def _is_of(path: Path, recipe: Any) -> bool:
    """Say whether a recipe is one of the same kind."""
    try:
        return read_yaml(path).keys() <= {field.name for field in dataclasses.fields(recipe)}
    except InputError:
        return False


@contextlib.contextmanager
def only_training(run: Path, arguments: TrainingArguments) -> Iterator[None]:
    """Keep other processes of this machine out of the folder of a run.

    Args:
        run: The folder.
        arguments: Of a process of the training; the first one holds the folder for all.

    Raises:
        InputError: If another process is writing there.
    """
    with only_writer(run) if arguments.process_index == 0 else contextlib.nullcontext():
        yield


def begin_run(run: Path, recipe: dict[str, Any], inputs: dict[str, str | None] | None = None) -> None:
    """Put a run that has nothing but its recipe in the place of what is there; a kill leaves the one or the other.

    Args:
        run: The folder.
        recipe: All fields.
        inputs: Digests of what it reads, to be kept as long as it may be stopped.
    """
    with atomic_folder(run) as beside:
        write_recipe(beside, recipe)
        if inputs is not None:
            write_inputs(beside, inputs)


def is_begun(run: Path, recipe: dict[str, Any]) -> bool:
    """Say whether a folder has a run that was begun, and nothing came of it yet.

    Raises:
        InputError: If it was begun by another recipe.
    """
    try:
        before = read_yaml(run / "recipe.yaml")
    except FileNotFoundError:
        return False
    require_same_run(run, before, science_of(recipe))
    return not (run / "metrics.json").exists()


def write_recipe(run: Path, recipe: dict[str, Any]) -> None:
    """Write the recipe as it was run, all fields and all overrides."""
    with atomic_write(run / "recipe.yaml") as beside:
        beside.write_text(yaml.safe_dump(recipe, sort_keys=False))


def science_of(recipe: dict[str, Any]) -> dict[str, Any]:
    """Return the fields of a recipe that may not change when its run goes on."""
    return {name: value for name, value in recipe.items() if name not in _NOT_SCIENCE}


def write_inputs(run: Path, inputs: dict[str, str | None]) -> None:
    """Keep the digests of what a run reads, as long as it may be stopped and go on."""
    with atomic_write(run / _INPUTS) as beside:
        beside.write_text(json.dumps(inputs))


def has_inputs(run: Path) -> bool:
    """Return whether digests of what a run reads are kept."""
    return (run / _INPUTS).exists()


def read_inputs(run: Path) -> dict[str, str | None]:
    """Return the digests of what a run that was begun has read.

    Raises:
        InputError: If they are not there.
    """
    try:
        return dict(json.loads((run / _INPUTS).read_text()))
    except (OSError, ValueError):
        raise InputError(f"{run}/{_INPUTS} is missing or damaged: the run must begin again.") from None


def completed(before: dict[str, Any]) -> dict[str, Any]:
    """Return the fields of a run, with what one that was begun by an earlier version did where it has none."""
    return {**_ADDED, **before}


def require_same_run(begun: Path, before: dict[str, Any], now: dict[str, Any]) -> None:
    """Refuse to go on with what was begun as another run.

    Args:
        begun: A run, or its checkpoint.
        before: What it depends on, as it was begun.
        now: The same as it would go on.

    Raises:
        InputError: If a value of `now` was another, or was not there.
    """
    before = completed(before)
    changed = [name for name in now if before.get(name) != now[name]]
    if changed:
        named = ", ".join(f"{name} ({before.get(name)!r}, now {now[name]!r})" for name in changed)
        raise InputError(
            f"{begun} was begun with another {named}. Go on as it was begun, by the recipe.yaml of its run; or "
            "begin another run."
        )


class JsonLinesLog(TrainerCallback):
    """Writes what the Trainer logs to `log.jsonl`, a JSON object a line, with `always` in each.

    How long a session took is left out: the log of a run that was stopped and went on is that of one that
    was not. Lines that were written after the checkpoint that a run goes on from are removed.
    """

    def __init__(self, run: Path, **always: int) -> None:
        self._path = run / "log.jsonl"
        self._always = always

    def on_train_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        """Write the lines that the checkpoint knows of, after those of other trainings of the run."""
        if not state.is_world_process_zero:
            return
        of_others = []
        if self._always and self._path.exists():
            lines = (line for line in self._path.read_text().splitlines(keepends=True) if line.endswith("}\n"))
            of_others = [line for line in lines if not self._always.items() <= json.loads(line).items()]
        history = [self._line(int(entry["step"]), entry) for entry in state.log_history]
        with atomic_write(self._path) as beside:
            beside.write_text("".join(of_others + history))

    def on_log(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl,
        logs: dict[str, Any] | None = None, **kwargs: Any,
    ) -> None:
        if state.is_world_process_zero and logs:
            with open(self._path, "a") as file:
                file.write(self._line(state.global_step, logs))

    def _line(self, step: int, logs: dict[str, Any]) -> str:
        # The Trainer's last line of a training is of the session alone.
        if "train_runtime" in logs:
            return ""
        numbers = {
            name: value for name, value in logs.items()
            if not isinstance(value, list) and not name.endswith(_SESSION_ENDS)
        }
        # Sorted, as they are in a checkpoint.
        return json.dumps({**self._always, **numbers, "step": step}, sort_keys=True) + "\n"
