"""Two runs on the same test rows: which is better, and by how much more than chance?"""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from grover_hf._internals.files import atomic_write
from grover_hf._internals.outputs import only_writer, require_writable
from grover_hf._internals.records import plain
from grover_hf.errors import InputError
from grover_hf.metrics.classification import PairedDifference, paired_difference
from grover_hf.metrics.predictions import read_predictions
from grover_hf.metrics.report import Report, read_metrics


@dataclass(frozen=True, kw_only=True)
class ComparedRun:
    """One of the two runs."""

    run: str
    """Its folder."""
    mcc: float
    accuracy: float
    n_trainings: int
    """Whose mean the scores are."""


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """How much better the first of two runs is than the second on the same test rows."""

    first: ComparedRun
    second: ComparedRun
    task: str
    n_rows: int
    differences: dict[str, PairedDifference]
    """By score: "mcc" and "accuracy"."""
    seed: int
    """Seed of the bootstrap."""


def compare_runs(
    first: Path, second: Path, *, seed: int = 0, output: Path | None = None, overwrite: bool = False
) -> Comparison:
    """Compare two runs by paired bootstrap over the test rows (see `paired_difference`).

    Args:
        first: Folder of a run or of a baseline.
        second: Another.
        seed: Seed of the bootstrap.
        output: A JSON file for the result; None for none.
        overwrite: Replace `output`.

    Raises:
        InputError: If the runs were scored on different rows.
    """
    runs = [first, second]
    reports = [read_metrics(run) for run in runs]
    predictions = [read_predictions(run) for run in runs]
    datasets = [report.dataset for report in reports]
    same_labels = np.array_equal(predictions[0].labels, predictions[1].labels)
    if not same_labels or datasets[0].sha256 != datasets[1].sha256:
        raise InputError(
            f"{first} was scored on {datasets[0].name} ({datasets[0].sha256}), {second} on {datasets[1].name} "
            f"({datasets[1].sha256}): only runs on one build of a dataset can be paired."
        )
    differences = paired_difference(
        predictions[0].labels, predictions[0].predicted, predictions[1].predicted, rng=np.random.default_rng(seed)
    )
    comparison = Comparison(
        first=_compared(first, reports[0], len(predictions[0].predicted)),
        second=_compared(second, reports[1], len(predictions[1].predicted)),
        task=reports[0].task, n_rows=len(predictions[0].labels), differences=differences, seed=seed,
    )
    if output is not None:
        require_writable(output, overwrite=overwrite, begins='{\n  "first": {', inputs=runs)
        with only_writer(output), atomic_write(output) as beside:
            beside.write_text(json.dumps(plain(comparison), indent=2) + "\n")
    return comparison


def _compared(run: Path, report: Report, n_trainings: int) -> ComparedRun:
    return ComparedRun(
        run=str(run), mcc=report.metrics["mcc"], accuracy=report.metrics["accuracy"], n_trainings=n_trainings
    )
