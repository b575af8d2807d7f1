"""`reproduction.md`, `reproduction.csv` and `reproduction.json`: each number of the paper beside ours."""

import csv
import dataclasses
import json
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path

from grover_hf._internals.files import atomic_write
from grover_hf.errors import InputError
from grover_hf.reproduction.readings import Outputs
from grover_hf.reproduction.row import Row
from grover_hf.reproduction.running import Outcome
from grover_hf.reproduction.step import Step, duration
from grover_hf.reproduction.steps import with_all_before

NAME = "reproduction"
_YES_NO = {None: "", True: "yes", False: "no"}


@dataclass(frozen=True, kw_only=True)
class Line:
    """A line of the table."""

    id: str
    quantity: str
    paper: str
    where: str
    ours: str
    """Printed like the paper's; "" if there is none."""
    value: float | None
    """Ours, not rounded."""
    low: float | None
    high: float | None
    """The interval of 95 %, where the command gives one."""
    interval: str
    """The same, as it is printed."""
    n: str
    excludes_paper: bool | None
    """Whether the interval leaves out the paper's number; None without one."""
    agrees: bool | None
    """Whether ours, rounded as the paper's is, is the same."""
    status: str
    """read; missing; not started; failed; not run; no command."""
    data: str
    needs: list[str]
    """Inputs."""
    commands: list[str]
    """In the order in which they run."""
    hardware: str
    minutes: float
    """Roughly, on all of hg19."""
    explanation: str

    @property
    def short(self) -> str:
        """Return ours with its interval; or why there is none, in a word."""
        if self.status != "read":
            return self.status
        return f"{self.ours} ({self.interval})" if self.interval else self.ours


def line_of(row: Row, steps: dict[str, Step], outcomes: dict[str, Outcome]) -> Line:
    """Return the line of a row, with what its steps left.

    Args:
        row: The row.
        steps: All steps.
        outcomes: How it stands with those that the row needs; without one, a step was not run.
    """
    needed = with_all_before(list(row.steps), steps)
    status, why = _status(row, needed, outcomes)
    empty = Line(
        id=row.id, quantity=row.quantity, paper=row.paper_text, where=row.where, ours="", value=None, low=None,
        high=None, interval="", n="", excludes_paper=None, agrees=None, status=status, data="",
        commands=[step.command for step in needed if not (step.is_given and step.name == "windows")],
        needs=list(dict.fromkeys(need.name for step in needed for need in step.needs)),
        hardware=_hardware(needed), minutes=sum(step.minutes for step in needed),
        explanation=" ".join(part for part in (why, row.why) if part),
    )
    if status != "read" or row.read is None:
        return empty
    outputs: Outputs = {name: step.output for name, step in steps.items()}
    try:
        reading = row.read(outputs)
    except (InputError, OSError, KeyError, ValueError) as error:
        said = f"Its output cannot be read: {type(error).__name__}: {error}"
        return dataclasses.replace(empty, status="failed", explanation=f"{said} {row.why}")
    low, high = reading.ci95 or (None, None)
    return dataclasses.replace(
        empty, ours=row.ours_text(reading), value=reading.value, low=low, high=high,
        interval=row.interval_text(reading), n=reading.n, excludes_paper=row.excludes(reading),
        agrees=row.agrees(reading), data=reading.data,
        explanation=" ".join(part for part in (reading.note, row.why) if part),
    )


def _status(row: Row, needed: Sequence[Step], outcomes: dict[str, Outcome]) -> tuple[str, str]:
    """Return how it stands with a row, and what is to be said of that."""
    if not row.steps:
        return "no command", ""
    of_steps = [outcomes.get(step.name, Outcome("not run")) for step in needed]
    for kind in ("missing", "not started", "failed", "not run"):
        of_kind = list(dict.fromkeys(outcome.why for outcome in of_steps if outcome.kind == kind))
        if of_kind:
            return kind, f"{kind.capitalize()}: {'; '.join(of_kind)}." if any(of_kind) else ""
    return ("read", "") if row.read is not None else ("no command", "")


def _hardware(steps: Sequence[Step]) -> str:
    return next((kind for kind in ("by hand", "GPU", "CPU") if any(step.hardware == kind for step in steps)), "")


def write_table(lines: Sequence[Line], folder: Path) -> None:
    """Write the three files."""
    names = [field.name for field in fields(Line)]
    with atomic_write(folder / f"{NAME}.csv") as beside, open(beside, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(names)
        for line in lines:
            values = dataclasses.asdict(line)
            values |= {"needs": " ".join(line.needs), "commands": "\n".join(line.commands)}
            writer.writerow([values[name] for name in names])
    with atomic_write(folder / f"{NAME}.md") as beside:
        beside.write_text(markdown(lines), encoding="utf-8")
    with atomic_write(folder / f"{NAME}.json") as beside:
        beside.write_text(
            json.dumps({"rows": [dataclasses.asdict(line) for line in lines]}, indent=2) + "\n", encoding="utf-8"
        )


def markdown(lines: Sequence[Line]) -> str:
    """Return the table, and below it the commands, each once."""
    numbers: dict[str, int] = {}
    for line in lines:
        for command in line.commands:
            numbers.setdefault(command, len(numbers) + 1)
    read = [line for line in lines if line.status == "read"]
    same = sum(line.agrees is True for line in read)
    rows = [
        ("quantity", "paper", "ours", "the same", "n", "95 %", "excludes the paper's", "data", "commands",
         "explanation"),
        ("---",) * 10,
        *(
            (line.quantity, f"{line.paper} ({line.where})", line.ours, _YES_NO[line.agrees], line.n, line.interval,
             _YES_NO[line.excludes_paper], line.data, _numbered(line, numbers),
             line.explanation)
            for line in lines
        ),
    ]
    table = "\n".join(f"| {' | '.join(map(_cell, row))} |" for row in rows)
    commands = "\n".join(f"{number}. `{command}`" for command, number in numbers.items())
    return (
        "# The paper's numbers, and ours\n\n"
        f"{len(read)} of {len(lines)} rows have a number of ours; {same} of these are the paper's, rounded as it "
        f"is. Numbers of commands are those below the table; times are rough ones, on all of hg19.\n\n"
        f"{table}\n\n## Commands\n\n{commands}\n"
    )


def listing(lines: Sequence[Line]) -> str:
    """Return name, quantity, paper's number, what it needs and takes, and the commands of each row, as text."""
    texts = []
    for line in lines:
        takes = f"{line.hardware}, about {duration(line.minutes)} on hg19" if line.commands else "no command"
        needs = f"; needs {', '.join(line.needs)}" if line.needs else ""
        commands = "".join(f"\n    {command}" for command in line.commands)
        texts.append(
            f"{line.id}: {line.quantity}; paper {line.paper} ({line.where}); {takes}{needs}\n  {line.explanation}"
            f"{commands}\n"
        )
    return "\n".join(texts)


def _numbered(line: Line, numbers: dict[str, int]) -> str:
    """Return the numbers of a line's commands, and what they take."""
    if not line.commands:
        return ""
    return f"{', '.join(str(numbers[one]) for one in line.commands)} ({line.hardware}, {duration(line.minutes)})"


def _cell(text: str) -> str:
    """Return text as a cell of a table: what would end one, or a line, does not."""
    return " ".join(text.split()).replace("\\", "\\\\").replace("|", "\\|")
