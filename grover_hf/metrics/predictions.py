"""`predictions.npz`: what a model said of every test row, so that two models can be compared row by row."""

import zipfile
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from grover_hf.errors import InputError
from grover_hf.files import written_whole

_MOST_CLASSES = 16
"""With more, probabilities would fill the disk: 4,096 classes of 100,000 rows are 1.6 GB a training."""


class Predictions(NamedTuple):
    """Of a run's test rows, in the order of the dataset."""

    labels: NDArray[np.int64]
    """True classes, shape (n,)."""
    predicted: NDArray[np.int64]
    """Predicted classes by training, shape (n_trainings, n)."""
    probabilities: NDArray[np.float32] | None
    """Of every class by training, shape (n_trainings, n, C); None with more than 16 classes."""


def write_predictions(run: Path, labels: NDArray[np.integer], probabilities: NDArray[np.floating]) -> Predictions:
    """Write and return `RUN/predictions.npz`.

    Args:
        run: Its folder.
        labels: True classes, shape (n,).
        probabilities: Of every class by training, shape (n_trainings, n, C).
    """
    kept = probabilities.astype(np.float32) if probabilities.shape[2] <= _MOST_CLASSES else None
    predictions = Predictions(labels.astype(np.int64), probabilities.argmax(2), kept)
    arrays = {name: value for name, value in predictions._asdict().items() if value is not None}
    with written_whole(run / "predictions.npz") as beside, open(beside, "wb") as file:
        np.savez_compressed(file, **arrays)
    return predictions


def read_predictions(run: Path) -> Predictions:
    """Return what `write_predictions` wrote.

    Raises:
        InputError: If there is none, or it is damaged.
    """
    path = run / "predictions.npz"
    try:
        with np.load(path, allow_pickle=False) as content:
            return Predictions(content["labels"], content["predicted"], content.get("probabilities"))
    except (FileNotFoundError, NotADirectoryError):
        raise InputError(f"{run} has no predictions.npz; fine-tuning and baselines write it.") from None
    except (ValueError, OSError, KeyError, zipfile.BadZipFile) as error:
        raise InputError(f"{path} is damaged: {error}") from error
