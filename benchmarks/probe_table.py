"""One table of several probes: the model beside its controls, and the paired differences.

python benchmarks/probe_table.py FOLDERS... [--output probes.csv]

FOLDERS were written by `grover probe`. MCC on test rows, with 95 % intervals over them; differences are the
model's less a control's.
"""

import argparse
import csv
from pathlib import Path
from typing import NamedTuple

from grover_hf.errors import InputError
from grover_hf.metrics.report import ProbeReport, read_metrics


class Line(NamedTuple):
    """Who said it, of which task, and how right it was."""

    task: str
    rows: int
    features: str
    mcc: float
    low: float
    high: float
    model_less_it: float | str
    less_low: float | str
    less_high: float | str


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("folders", nargs="+", type=Path)
    parser.add_argument("--output", type=Path)
    arguments = parser.parse_args()
    by_task = {folder: lines_of(folder) for folder in arguments.folders}
    columns = list(dict.fromkeys(line.features for lines in by_task.values() for line in lines))
    print(f"| task | {' | '.join(columns)} | {' | '.join(f'model less {name}' for name in columns[1:])} |")
    print("|" + " --- |" * (2 * len(columns)))
    for lines in by_task.values():
        said = {line.features: line for line in lines}
        scores = [interval(said, name, ("mcc", "low", "high"), "") for name in columns]
        less = [interval(said, name, ("model_less_it", "less_low", "less_high"), "+") for name in columns[1:]]
        print(f"| {lines[0].task} | {' | '.join(scores + less)} |")
    if arguments.output:
        with open(arguments.output, "w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(Line._fields)
            for lines in by_task.values():
                writer.writerows([round(x, 5) if isinstance(x, float) else x for x in line] for line in lines)


def lines_of(folder: Path) -> list[Line]:
    """Return the lines of a probe, that of the model first."""
    report = read_metrics(folder)
    if not isinstance(report, ProbeReport):
        raise InputError(f"{folder} is not a probe's: {report.task}.")
    lines = [Line(report.task, report.n_rows, "model", report.metrics["mcc"], *report.ci95["mcc"], "", "", "")]
    for name, control in report.controls.items():
        found = report.model_minus_control[name]["mcc"]
        lines.append(Line(
            report.task, report.n_rows, name, control.metrics["mcc"], *control.ci95["mcc"], found.difference,
            *found.ci95,
        ))
    return lines


def interval(said: dict[str, Line], name: str, fields: tuple[str, str, str], sign: str) -> str:
    """Return a cell: a value and its interval."""
    if name not in said:
        return ""
    value, low, high = (format(getattr(said[name], field), f"{sign}.3f") for field in fields)
    return f"{value} ({low} to {high})"


if __name__ == "__main__":
    main()
