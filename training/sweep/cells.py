"""The cells of a sweep: commands that make data, train, or score, and whether what they make is there.

A cell is an ordinary command with a folder of its own. What is in the folder says how far it is; nothing else
is kept of it. So a sweep that was stopped, or whose recipe names more vocabularies now, goes on.
"""

import dataclasses
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from grover_hf.errors import InputError
from grover_hf.metrics.report import read_metrics
from training.finetune import FinetuneRecipe
from training.pretrain import PretrainRecipe
from training.runs.checkpoints import newest_whole
from training.runs.folder import completed, read_inputs, science_of
from training.runs.recipe import read_yaml
from training.sweep.side_by_side import Job

GROVER = (sys.executable, "-m", "grover_hf.cli")
_PLACES = {"dataset", "tokenizer", "model"}
"""Fields of a run's recipe that name a place; a sweep may be moved, and what lies there is compared."""


class State(NamedTuple):
    """How far a cell is."""

    kind: str
    """finished; missing; begun: it can go on; other: made otherwise than it would be now."""
    how_other: str = ""


MISSING, BEGUN, FINISHED = State("missing"), State("begun"), State("finished")


@dataclass(frozen=True, kw_only=True)
class Cell:
    """A command of a sweep."""

    name: str
    folder: Path
    command: tuple[str, ...]
    state: Callable[[], State]
    again: tuple[str, ...] = ("--overwrite", "true")
    """Options that replace what lies in the folder."""
    needs: tuple[str, ...] = ()
    """Names of the cells whose results it reads."""

    def job(self, logs: Path) -> Job:
        """Return the job that finishes the cell."""
        options = ("--resume", "true") if self.state().kind == "begun" else self.again
        return Job(
            name=self.name, command=(*self.command, *options), log=logs / f"{self.name.replace('/', '.')}.log",
            is_done=lambda: self.state() == FINISHED, needs=self.needs,
        )


def states_of(cells: Sequence[Cell]) -> dict[str, State]:
    """Return the state of each cell; what was made from something that has to be made again is `other`."""
    states: dict[str, State] = {}
    for cell in cells:
        state = cell.state()
        lost = [name for name in cell.needs if name in states and states[name] != FINISHED]
        if lost and state.kind in ("begun", "finished"):
            state = State("other", f"{lost[0]}, which it was made from, is not finished")
        states[cell.name] = state
    return states


def data_cell(
    name: str, folder: Path, command: Sequence[str], facts: Callable[[], dict[str, Any] | None],
    expected: dict[str, Any], **cell: Any,
) -> Cell:
    """Return a cell that makes data.

    Args:
        name: Name of the cell.
        folder: The folder that it makes; what lies in it is replaced as a whole.
        command: A command of `grover`.
        facts: Reads what the data say they are made from; returns None if there are none.
        expected: What they must say.
        cell: Other fields.
    """

    def state() -> State:
        try:
            content = facts()
        except InputError as error:
            return State("other", str(error))
        if content is None:
            return MISSING
        if changed := [key for key, value in expected.items() if content.get(key) != value]:
            return State("other", f"it has another {', '.join(changed)}")
        return FINISHED

    return Cell(
        name=name, folder=folder, command=(*GROVER, *command), state=state, again=("--overwrite",), **cell
    )


def run_cell(
    name: str, recipe: PretrainRecipe | FinetuneRecipe, options: dict[str, Any], dataset_sha256: str, **cell: Any
) -> Cell:
    """Return a cell that is a run.

    Args:
        name: Name of the cell.
        recipe: Recipe of the run.
        options: Options of its command, which give this recipe; `config` among them.
        dataset_sha256: Digest of the rows that it reads.
        cell: Other fields.
    """
    run = Path(recipe.output)
    script = "pretrain" if isinstance(recipe, PretrainRecipe) else "finetune"
    now = {key: value for key, value in science_of(dataclasses.asdict(recipe)).items() if key not in _PLACES}

    def state() -> State:
        try:
            before = completed(read_yaml(run / "recipe.yaml"))
        except FileNotFoundError:
            return MISSING
        if changed := [key for key, value in now.items() if before.get(key) != value]:
            named = ", ".join(f"{key} ({before.get(key)!r}, now {now[key]!r})" for key in changed)
            return State("other", f"it was begun with another {named}")
        if (run / "metrics.json").exists() and (run / "model").exists():
            same = read_metrics(run).dataset.sha256 == dataset_sha256
            return FINISHED if same else State("other", "it has read other rows")
        if script == "pretrain":
            return MISSING if newest_whole(run / "checkpoints")[0] is None else BEGUN
        try:
            same = read_inputs(run)["rows"] == dataset_sha256
        except InputError:
            return MISSING
        return BEGUN if same else State("other", "it was begun with other rows")

    command = (sys.executable, "-m", f"training.{script}", *command_line(options))
    return Cell(name=name, folder=run, command=command, state=state, **cell)


def baseline_cell(
    name: str, folder: Path, options: dict[str, str], model: dict[str, Any], dataset_sha256: str
) -> Cell:
    """Return a cell that is a baseline.

    Args:
        name: Name of the cell.
        folder: Folder of its `metrics.json`.
        options: Options of `grover baselines`, the dataset among them.
        model: What `metrics.json` must say of the model.
        dataset_sha256: Digest of the rows that it reads.
    """

    def state() -> State:
        try:
            report = read_metrics(folder)
        except InputError:
            return MISSING
        have = {key: getattr(report.model, key, None) for key in model} | {"rows": report.dataset.sha256}
        want = model | {"rows": dataset_sha256}
        changed = [key for key, value in want.items() if have[key] != value]
        return State("other", f"it has another {', '.join(changed)}") if changed else FINISHED

    dataset = options["dataset"]
    words = [word for key, value in options.items() if key != "dataset" for word in (f"--{key}", value)]
    command = (*GROVER, "baselines", dataset, *words, "--output", str(folder))
    return Cell(name=name, folder=folder, command=command, state=state, again=("--overwrite",))


def command_line(options: dict[str, Any]) -> list[str]:
    """Return options as the words of a training's command, which takes text as it stands, else YAML."""
    words = []
    for name, value in options.items():
        words += [f"--{name}", value if isinstance(value, str) else json.dumps(value)]
    return words
