"""AUROC and MCC of two classes in folds, with intervals by resampling blocks of the genome.

Neighbouring windows are alike, so rows are not independent and an interval over rows would be too narrow. Whole
blocks are drawn, with all their rows (cluster bootstrap; Davison and Hinkley 1997, section 3.8).
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from grover_hf.metrics.classification import Interval
from grover_hf.metrics.window_bootstrap import WindowResamples, interval

_AT_ONCE = 50


class Resampled(NamedTuple):
    """A score of all rows, and of those of each resample."""

    value: float
    resampled: NDArray[np.float64]
    """Shape (n_resamples,); NaN where a resample has one class alone."""

    @property
    def ci95(self) -> Interval:
        """The 95 % percentile interval."""
        low, high = interval(self.resampled)
        return float(low), float(high)

    def minus(self, other: "Resampled") -> "Resampled":
        """Return the difference to a score of the same rows in the same resamples: it is paired."""
        return Resampled(self.value - other.value, self.resampled - other.resampled)


class TwoClassScores(NamedTuple):
    """How well two classes are told apart."""

    auroc: Resampled
    mcc: Resampled


def two_class_scores(
    labels: NDArray[np.integer], probabilities: NDArray[np.floating], folds: NDArray[np.integer],
    resamples: WindowResamples,
) -> TwoClassScores:
    """Return AUROC and MCC of predictions that were made fold by fold.

    AUROC is the share of pairs, one row of each class and both of one fold, in which the row of class 1 has the
    larger probability; ties count half. Rows of two folds are not compared: a fit to fewer rows of a class gives
    all rows of its fold smaller probabilities, so that labels drawn at random would fall below 0.5. MCC is that of
    all rows, class 1 where its probability is above 0.5.

    Args:
        labels: 0 or 1, both of them in some fold, shape (n,).
        probabilities: Of class 1, shape (n,).
        folds: Number of the fold that each row was judged in, shape (n,).
        resamples: Of the blocks that the rows lie in.

    Examples:
        >>> import numpy as np
        >>> from grover_hf.metrics.block_scores import two_class_scores
        >>> from grover_hf.metrics.window_bootstrap import WindowResamples
        >>> resamples = WindowResamples(np.arange(4), 4, rng=np.random.default_rng(0))
        >>> labels, probabilities = np.array([0, 1, 0, 1]), np.array([0.2, 0.7, 0.4, 0.3])
        >>> scores = two_class_scores(labels, probabilities, np.zeros(4), resamples)
        >>> scores.auroc.value, round(scores.mcc.value, 3)
        (0.75, 0.577)
    """
    parts = [slice(first, first + _AT_ONCE) for first in range(0, resamples.n_resamples, _AT_ONCE)]
    predicted = probabilities > 0.5
    auroc = [_auroc(labels, probabilities, folds, resamples.weights(part)) for part in parts]
    mcc = [_mcc(labels, predicted, resamples.weights(part)) for part in parts]
    once = np.ones((len(labels), 1))
    return TwoClassScores(
        Resampled(float(_auroc(labels, probabilities, folds, once)[0]), np.concatenate(auroc)),
        Resampled(float(_mcc(labels, predicted, once)[0]), np.concatenate(mcc)),
    )


def _auroc(
    labels: NDArray[np.integer], scores: NDArray[np.floating], folds: NDArray[np.integer],
    weights: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Return the AUROC of each weighting, shape (n_weightings,)."""
    won, pairs = np.zeros(weights.shape[1]), np.zeros(weights.shape[1])
    for fold in np.unique(folds):
        rows = np.flatnonzero(folds == fold)
        rows = rows[np.argsort(scores[rows], kind="stable")]
        # Rows with the same score are one step.
        firsts = np.flatnonzero(np.append(True, np.diff(scores[rows]) > 0))
        positive, negative = (
            np.add.reduceat(weights[rows] * (labels[rows] == label)[:, None], firsts) for label in (1, 0)
        )
        below = negative.cumsum(0) - negative
        won += (positive * (below + negative / 2)).sum(0)
        pairs += positive.sum(0) * negative.sum(0)
    auroc = np.full(len(won), np.nan)
    np.divide(won, pairs, out=auroc, where=pairs > 0)
    return auroc


def _mcc(
    labels: NDArray[np.integer], predicted: NDArray[np.bool_], weights: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the MCC of each weighting, shape (n_weightings,): 0 if one class alone is predicted."""
    true = labels == 1
    hit, missed, false, passed = (
        rows @ weights for rows in (true & predicted, true & ~predicted, ~true & predicted, ~true & ~predicted)
    )
    spread = (hit + missed) * (hit + false) * (passed + missed) * (passed + false)
    mcc = np.zeros(weights.shape[1])
    np.divide(hit * passed - missed * false, np.sqrt(spread), out=mcc, where=spread > 0)
    mcc[((hit + missed) == 0) | ((passed + false) == 0)] = np.nan
    return mcc
