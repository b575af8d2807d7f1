"""Metrics of classification, and their bootstrap intervals."""

import warnings
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from sklearn import metrics as sk
from sklearn.exceptions import UndefinedMetricWarning

from grover_hf.errors import InputError

N_RESAMPLES = 1_000
_RESAMPLES_AT_ONCE = 50

Interval = tuple[float, float]
"""Lower and upper end, of 95 %."""


@dataclass(frozen=True, kw_only=True)
class PairedDifference:
    """How much better one model is than another on the same rows."""

    difference: float
    """Difference of the means over trainings."""
    ci95: Interval
    p_value: float
    """Two-sided: twice the smaller share of resamples on one side of zero, at least 1 / their number."""


def classification_metrics(
    labels: NDArray[np.integer], probabilities: NDArray[np.floating]
) -> dict[str, float]:
    """Return accuracy, MCC, F1, precision, recall, AUROC and AUPRC.

    With two classes, F1, precision, recall, AUROC and AUPRC are those of class 1; with more they are
    means over the classes that occur (macro; AUROC and AUPRC one against the rest). MCC of a
    prediction that names one class only is 0.

    Args:
        labels: True classes, shape (n,).
        probabilities: Probabilities of every class, shape (n, C); the likeliest is the prediction.

    Raises:
        InputError: If there is no row, a probability is not finite, a label is not in [0, C), or all
            rows have one class, for which AUROC has no value.
    """
    _check(labels, probabilities)
    n_classes = probabilities.shape[1]
    predicted = probabilities.argmax(1)
    average = {"average": "binary"} if n_classes == 2 else {"average": "macro", "labels": np.unique(labels)}
    occurring = np.unique(labels)
    scores = probabilities[:, 1] if n_classes == 2 else probabilities[:, occurring]
    one_hot = labels if n_classes == 2 else (labels[:, None] == occurring).astype(np.uint8)
    with warnings.catch_warnings():
        # A class that is never predicted has precision 0; sklearn warns of each.
        warnings.simplefilter("ignore", UndefinedMetricWarning)
        values = {
            "mcc": sk.matthews_corrcoef(labels, predicted),
            "accuracy": sk.accuracy_score(labels, predicted),
            "f1": sk.f1_score(labels, predicted, **average),
            "precision": sk.precision_score(labels, predicted, **average),
            "recall": sk.recall_score(labels, predicted, **average),
            "auroc": sk.roc_auc_score(one_hot, scores, average="macro"),
            "auprc": sk.average_precision_score(one_hot, scores, average="macro"),
        }
    return {name: float(value) for name, value in values.items()}


def bootstrap_intervals(
    labels: NDArray[np.integer], probabilities: NDArray[np.floating], *, rng: np.random.Generator,
    n_resamples: int = N_RESAMPLES,
) -> dict[str, Interval]:
    """Return 95 % percentile intervals of accuracy and MCC over resampled test rows.

    They tell how much a score depends on which rows are in the test set; not how much on the seed
    of a training, for which runs with several seeds are needed.
    """
    _check(labels, probabilities)
    return mean_intervals(labels, probabilities.argmax(1)[None], rng=rng, n_resamples=n_resamples)


def mean_intervals(
    labels: NDArray[np.integer], predicted: NDArray[np.integer], *, rng: np.random.Generator,
    n_resamples: int = N_RESAMPLES,
) -> dict[str, Interval]:
    """Return intervals as `bootstrap_intervals` of the mean over trainings, which see the same resampled rows.

    Args:
        labels: True classes, shape (n,).
        predicted: Predicted classes by training, shape (n_trainings, n).
        rng: Source of randomness of the bootstrap.
        n_resamples: How often the rows are drawn again.
    """
    drawn = _resampled(labels, predicted, rng, n_resamples)
    return {name: _percentiles(values.mean(1)) for name, values in drawn.items()}


def paired_difference(
    labels: NDArray[np.integer], first: NDArray[np.integer], second: NDArray[np.integer], *,
    rng: np.random.Generator, n_resamples: int = 10_000,
) -> dict[str, PairedDifference]:
    """Return how much better the first model is than the second on the same test rows.

    Both are scored on the same resampled rows (paired bootstrap; Efron and Tibshirani 1993, ch. 16).

    Args:
        labels: True classes, shape (n,).
        first: Predicted classes of the first model by training, shape (n_trainings, n).
        second: Those of the second, which may have another number of trainings.
        rng: Source of randomness of the bootstrap.
        n_resamples: How often the rows are drawn again.

    Returns:
        For `mcc` and `accuracy`.
    """
    both = np.concatenate([first, second])
    observed = _scores(labels, both, np.ones((1, len(labels)), np.int64))
    drawn = _resampled(labels, both, rng, n_resamples)
    result = {}
    for name, values in drawn.items():
        of_mean = [v[:, : len(first)].mean(1) - v[:, len(first) :].mean(1) for v in (observed[name], values)]
        tail = min(np.mean(of_mean[1] <= 0), np.mean(of_mean[1] >= 0))
        result[name] = PairedDifference(
            difference=float(of_mean[0][0]), ci95=_percentiles(of_mean[1]),
            p_value=float(min(1.0, max(2 * tail, 1 / n_resamples))),
        )
    return result


def _resampled(
    labels: NDArray[np.integer], predicted: NDArray[np.integer], rng: np.random.Generator, n_resamples: int
) -> dict[str, NDArray[np.float64]]:
    """Return MCC and accuracy of each resample and training, shape (n_resamples, n_trainings)."""
    # Rows that agree in label and all predictions are alike: drawing how many of each kind there are is
    # drawing rows.
    kinds, n_alike = np.unique(np.vstack([labels, predicted]), axis=1, return_counts=True)
    parts = []
    for first in range(0, n_resamples, _RESAMPLES_AT_ONCE):
        some = min(_RESAMPLES_AT_ONCE, n_resamples - first)
        draws = rng.multinomial(len(labels), n_alike / len(labels), some)
        parts.append(_scores(kinds[0], kinds[1:], draws))
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _scores(
    labels: NDArray[np.integer], predicted: NDArray[np.integer], weights: NDArray[np.integer]
) -> dict[str, NDArray[np.float64]]:
    """Return MCC and accuracy of weighted rows, shape (n_weightings, n_trainings).

    MCC for any number of classes is that of Gorodkin (2004), from the totals of each class alone: a
    confusion matrix of 4,096 classes would not fit.
    """
    n = weights.sum(1, dtype=np.float64)
    true = _totals(labels, weights)
    mcc, accuracy = [], []
    for of_training in predicted:
        right = weights @ (labels == of_training).astype(np.float64)
        guessed = _totals(of_training, weights)
        width = min(true.shape[1], guessed.shape[1])
        covariance = right * n - (true[:, :width] * guessed[:, :width]).sum(1)
        spread = (n**2 - (true**2).sum(1)) * (n**2 - (guessed**2).sum(1))
        value = np.zeros(len(n))
        np.divide(covariance, np.sqrt(spread), out=value, where=spread > 0)
        mcc.append(value)
        accuracy.append(right / n)
    return {"mcc": np.stack(mcc, 1), "accuracy": np.stack(accuracy, 1)}


def _totals(classes: NDArray[np.integer], weights: NDArray[np.integer]) -> NDArray[np.float64]:
    """Return the summed weight of each class, shape (n_weightings, highest class + 1)."""
    one_hot = sparse.csr_array((np.ones(len(classes)), (np.arange(len(classes)), classes)))
    return np.asarray(weights @ one_hot, np.float64)


def _percentiles(values: NDArray[np.floating]) -> Interval:
    low, high = np.quantile(values, [0.025, 0.975])
    return float(low), float(high)


def _check(labels: NDArray[np.integer], probabilities: NDArray[np.floating]) -> None:
    if not len(labels):
        raise InputError("There is no row to score.")
    if not np.isfinite(probabilities).all():
        bad = int((~np.isfinite(probabilities).all(1)).sum())
        raise InputError(f"{bad} of {len(labels)} rows have probabilities that are not finite numbers.")
    n_classes = probabilities.shape[1]
    if labels.min() < 0 or labels.max() >= n_classes:
        raise InputError(f"labels go from {labels.min()} to {labels.max()}; there are {n_classes} classes.")
    if len(set(labels.tolist())) < 2:
        raise InputError(f"all {len(labels)} rows have class {labels[0]}: AUROC has no value.")
