"""Two runs on the same test rows: which is better, and by how much more than chance?"""

import json
from pathlib import Path
from typing import Any

import numpy as np

from grover_hf._internals.files import atomic_write, require_writable
from grover_hf.errors import InputError
from grover_hf.metrics.classification import paired_difference
from grover_hf.metrics.predictions import read_predictions
from grover_hf.metrics.report import read_metrics


def compare_runs(
    first: Path, second: Path, *, seed: int = 0, output: Path | None = None, overwrite: bool = False
) -> dict[str, Any]:
    """Compare two runs by paired bootstrap over the test rows (see `paired_difference`).

    Args:
        first: Folder of a run or of a baseline.
        second: Another.
        seed: Of the bootstrap.
        output: A JSON file for the result; None for none.
        overwrite: Replace `output`.

    Raises:
        InputError: If the runs were scored on different rows.
    """
    runs = [first, second]
    reports = [read_metrics(run) for run in runs]
    predictions = [read_predictions(run) for run in runs]
    digests = [report["dataset"]["sha256"] for report in reports]
    same_labels = np.array_equal(predictions[0].labels, predictions[1].labels)
    if not same_labels or (digests[0] != digests[1]):
        raise InputError(
            f"{first} was scored on {reports[0]['dataset']['name']} ({digests[0]}), {second} on "
            f"{reports[1]['dataset']['name']} ({digests[1]}): only runs on one build of a dataset can be paired."
        )
    differences = paired_difference(
        predictions[0].labels, predictions[0].predicted, predictions[1].predicted, rng=np.random.default_rng(seed)
    )
    content = {
        "first": _scores(first, reports[0], len(predictions[0].predicted)),
        "second": _scores(second, reports[1], len(predictions[1].predicted)),
        "task": reports[0]["task"], "n_rows": len(predictions[0].labels), "differences": differences, "seed": seed,
    }
    if output is not None:
        require_writable(output, overwrite=overwrite, inputs=runs)
        with atomic_write(output) as beside:
            beside.write_text(json.dumps(content, indent=2) + "\n")
    return content


def _scores(run: Path, report: dict[str, Any], n_trainings: int) -> dict[str, Any]:
    return {
        "run": str(run), "mcc": report["metrics"]["mcc"], "accuracy": report["metrics"]["accuracy"],
        "n_trainings": n_trainings,
    }
