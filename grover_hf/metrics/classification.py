"""Metrics of classification, and their bootstrap intervals."""

import warnings

import numpy as np
from numpy.typing import NDArray
from sklearn import metrics as sk
from sklearn.exceptions import UndefinedMetricWarning

from grover_hf.errors import InputError

N_RESAMPLES = 1_000


def classification_metrics(
    labels: NDArray[np.integer], probabilities: NDArray[np.floating]
) -> dict[str, float]:
    """Return accuracy, MCC, F1, precision, recall, AUROC and AUPRC.

    With two classes, F1, precision, recall, AUROC and AUPRC are those of class 1; with more they are
    means over the classes (macro; AUROC and AUPRC one against the rest). MCC of a prediction that
    names one class only is 0.

    Args:
        labels: True classes, shape (n,).
        probabilities: Of every class, shape (n, C); the likeliest is the prediction.

    Raises:
        InputError: If there is no row, a probability is not finite, a label is not in [0, C), or
            one class is missing from `labels`, for which AUROC has no value.
    """
    _check(labels, probabilities)
    n_classes = probabilities.shape[1]
    predicted = probabilities.argmax(1)
    average = "binary" if n_classes == 2 else "macro"
    scores = probabilities[:, 1] if n_classes == 2 else probabilities
    one_hot = labels if n_classes == 2 else np.eye(n_classes)[labels]
    with warnings.catch_warnings():
        # A class that is never predicted has precision 0; sklearn warns of each.
        warnings.simplefilter("ignore", UndefinedMetricWarning)
        values = {
            "mcc": sk.matthews_corrcoef(labels, predicted),
            "accuracy": sk.accuracy_score(labels, predicted),
            "f1": sk.f1_score(labels, predicted, average=average),
            "precision": sk.precision_score(labels, predicted, average=average),
            "recall": sk.recall_score(labels, predicted, average=average),
            "auroc": sk.roc_auc_score(one_hot, scores, average="macro"),
            "auprc": sk.average_precision_score(one_hot, scores, average="macro"),
        }
    return {name: float(value) for name, value in values.items()}


def bootstrap_intervals(
    labels: NDArray[np.integer], probabilities: NDArray[np.floating], *, rng: np.random.Generator,
    n_resamples: int = N_RESAMPLES,
) -> dict[str, list[float]]:
    """Return 95 % percentile intervals of accuracy and MCC over resampled test rows.

    They tell how much a score depends on which rows are in the test set; not how much on the seed
    of a training, for which runs with several seeds are needed.
    """
    _check(labels, probabilities)
    n_classes = probabilities.shape[1]
    pair = labels * n_classes + probabilities.argmax(1)
    frequencies = np.bincount(pair, minlength=n_classes**2) / len(labels)
    # Resampling rows with replacement is drawing the counts of the confusion matrix.
    tables = rng.multinomial(len(labels), frequencies, n_resamples).reshape(-1, n_classes, n_classes)
    drawn = {"mcc": _mcc(tables), "accuracy": np.trace(tables, axis1=1, axis2=2) / len(labels)}
    return {name: [float(x) for x in np.quantile(values, [0.025, 0.975])] for name, values in drawn.items()}


def _mcc(tables: NDArray[np.integer]) -> NDArray[np.float64]:
    """Return the MCC of confusion matrices, shape (m, C, C), true by predicted (Gorodkin 2004)."""
    tables = tables.astype(np.float64)
    n = tables.sum((1, 2))
    true, predicted = tables.sum(2), tables.sum(1)
    covariance = np.trace(tables, axis1=1, axis2=2) * n - (true * predicted).sum(1)
    spread = (n**2 - (true**2).sum(1)) * (n**2 - (predicted**2).sum(1))
    mcc: NDArray[np.float64] = np.zeros(len(tables))
    np.divide(covariance, np.sqrt(spread), out=mcc, where=spread > 0)
    return mcc


def _check(labels: NDArray[np.integer], probabilities: NDArray[np.floating]) -> None:
    if not len(labels):
        raise InputError("There is no row to score.")
    if not np.isfinite(probabilities).all():
        bad = int((~np.isfinite(probabilities).all(1)).sum())
        raise InputError(f"{bad} of {len(labels)} rows have probabilities that are no finite numbers.")
    n_classes = probabilities.shape[1]
    if labels.min() < 0 or labels.max() >= n_classes:
        raise InputError(f"labels go from {labels.min()} to {labels.max()}; there are {n_classes} classes.")
    missing = sorted(set(range(n_classes)) - set(labels.tolist()))
    if missing:
        raise InputError(f"no row has class {', '.join(map(str, missing))}: AUROC has no value.")
