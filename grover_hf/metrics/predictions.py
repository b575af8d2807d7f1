"""`predictions.npz`: what a model said of every test row, so that two models can be compared row by row."""

import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from grover_hf._internals.files import atomic_write
from grover_hf.errors import InputError

FILE_NAME = "predictions.npz"
MOST_CLASSES = 16
"""With more, probabilities would fill the disk: 4,096 classes of 100,000 rows are 1.6 GB a training."""


class Predictions(NamedTuple):
    """Classes and predictions of a run's test rows, in the order of the dataset."""

    labels: NDArray[np.int64]
    """True classes, shape (n,)."""
    predicted: NDArray[np.int64]
    """Predicted classes by training, shape (n_trainings, n)."""
    probabilities: NDArray[np.float32] | None
    """Probabilities of every class by training, shape (n_trainings, n, C); None with more than 16 classes."""


def predictions_of(labels: NDArray[np.integer], probabilities: NDArray[np.floating]) -> Predictions:
    """Return what one training says: true classes, shape (n,), and probabilities of every class, (n, C)."""
    kept = probabilities.astype(np.float32)[None] if probabilities.shape[1] <= MOST_CLASSES else None
    return Predictions(labels.astype(np.int64), probabilities.argmax(1)[None], kept)


def together(trainings: Sequence[Predictions]) -> Predictions:
    """Return the predictions of several trainings, on the same rows, as one."""
    each = [training.probabilities for training in trainings]
    probabilities = None if each[0] is None else np.concatenate([p for p in each if p is not None])
    return Predictions(trainings[0].labels, np.concatenate([t.predicted for t in trainings]), probabilities)


def write_predictions(run: Path, predictions: Predictions, name: str = FILE_NAME) -> None:
    """Write `RUN/predictions.npz`, or a file of another name."""
    arrays = {field: value for field, value in predictions._asdict().items() if value is not None}
    with atomic_write(run / name) as beside, open(beside, "wb") as file:
        np.savez_compressed(file, **arrays)


def read_predictions(run: Path, name: str = FILE_NAME) -> Predictions:
    """Return what `write_predictions` wrote.

    Raises:
        InputError: If there is none, or it is damaged.
    """
    path = run / name
    try:
        with np.load(path, allow_pickle=False) as content:
            found = Predictions(content["labels"], content["predicted"], content.get("probabilities"))
    except (FileNotFoundError, NotADirectoryError):
        raise InputError(f"{run} has no predictions.npz; fine-tuning and baselines write it.") from None
    except (ValueError, OSError, EOFError, KeyError, zipfile.BadZipFile) as error:
        raise InputError(f"{path} is damaged: {error}") from error
    classes = (found.labels, found.predicted)
    if any(array.dtype.kind not in "iu" or array.min(initial=0) < 0 for array in classes):
        raise InputError(f"{path} is damaged: classes are integers, 0 or more.")
    if found.labels.ndim != 1 or found.predicted.ndim != 2 or found.predicted.shape[1:] != found.labels.shape:
        shapes = f"{found.labels.shape} and {found.predicted.shape}"
        raise InputError(f"{path} is damaged: true and predicted classes have the shapes {shapes}.")
    return found
