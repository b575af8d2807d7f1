"""How well each type of token is predicted, as in the paper's Fig. 3f-g: accuracy, and AUC.

The paper does not say how its AUC is made. Ours is that of one type against the rest: over all masked
tokens, how often a token that is of the type gets a higher probability of it than one that is not (the
area under the ROC curve; half a point for equal ones). It needs the probability of every type at every
masked token, which nobody can hold; so they are counted in bins of their logarithm, and what the bins
leave open is said (`auc_error`).
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from grover_hf._internals.compilation import cached_njit
from grover_hf.errors import InputError
from grover_hf.metrics.window_bootstrap import WindowResamples, interval

_LOWEST = -16.0
"""Log-probabilities below, of less than one in nine million, are one bin."""
_N_BINS = 1 << 14
_BINS_A_NAT = _N_BINS / -_LOWEST
FEWEST_WINDOWS = 10
"""A type that occurs in fewer windows gets no interval: so few cannot be resampled."""


class PerToken(NamedTuple):
    """Scores of each type of token, by its id; NaN where a value does not exist."""

    n_masked: NDArray[np.int64]
    """How many masked tokens are of the type, shape (V,)."""
    accuracy: NDArray[np.float64]
    """Share of them that the likeliest prediction is right for, shape (V,)."""
    accuracy_ci95: NDArray[np.float64]
    """By resampling windows, shape (2, V)."""
    auc: NDArray[np.float64]
    """One type against the rest, shape (V,)."""
    auc_ci95: NDArray[np.float64]
    """By resampling the windows of the tokens of the type; the many others stay as they are. Shape (2, V)."""
    auc_error: NDArray[np.float64]
    """How far the exact AUC can be from `auc`, which the bins leave open, shape (V,)."""


class PredictionTally:
    """What is kept of a predictor's log-probabilities: batches in, measures out.

    Memory: 8 bytes a masked token, and 64 kB a type; three times that while measures are made.
    """

    def __init__(self, vocab_size: int) -> None:
        self.vocab_size = vocab_size
        self._in_bins = np.zeros((vocab_size, _N_BINS), np.uint32)
        self._parts: list[tuple[NDArray[np.float32], NDArray[np.uint16], NDArray[np.uint16]]] = []

    def add(self, log_probabilities: NDArray[np.float32], true: NDArray[np.int64]) -> None:
        """Add masked tokens.

        Args:
            log_probabilities: Natural logarithms, of every type, shape (n, V).
            true: Ids of the true tokens, shape (n,).

        Raises:
            InputError: If a true token has none, as a model that has diverged gives.
        """
        part = (np.empty(len(true), np.float32), np.empty(len(true), np.uint16), np.empty(len(true), np.uint16))
        _tally(np.ascontiguousarray(log_probabilities), true, self._in_bins, *part)
        if not np.isfinite(part[0]).all():
            raise InputError("The probabilities of masked tokens are not finite numbers: the model is broken.")
        self._parts.append(part)

    @property
    def nll(self) -> NDArray[np.float32]:
        """Negative log-likelihood of each true token in nats, shape (n_masked,)."""
        return np.concatenate([part[0] for part in self._parts])

    @property
    def rank(self) -> NDArray[np.uint16]:
        """How many other types are at least as likely as each true token, shape (n_masked,)."""
        return np.concatenate([part[1] for part in self._parts])

    def standing(self, true: NDArray[np.int64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return each masked token's part of the AUC of its type, and how far it can be off, both (n_masked,).

        It is the share of tokens of other types that get a lower probability of this one, those in the
        same bin counted half; NaN if there are no others. The mean over a type's tokens is its AUC.
        """
        bins = np.concatenate([part[2] for part in self._parts])
        others = self._in_bins.copy()
        np.subtract.at(others, (true, bins), 1)
        n_others = others.sum(1, dtype=np.float64)
        below = np.cumsum(others, axis=1, dtype=np.int64)
        with np.errstate(invalid="ignore"):
            half_equal = others[true, bins] / 2 / n_others[true]
            return below[true, bins] / n_others[true] - half_equal, half_equal


def per_token(
    tally: PredictionTally, true: NDArray[np.int64], windows: NDArray[np.integer], resamples: WindowResamples
) -> PerToken:
    """Return accuracy and AUC of each type of token.

    Args:
        tally: With all masked tokens.
        true: Ids of the true tokens, shape (n_masked,).
        windows: The window that each lies in, shape (n_masked,).
        resamples: Resamples of these windows.
    """
    vocab_size = tally.vocab_size
    hit = tally.rank == 0
    standing, error = tally.standing(true)
    n_masked = np.bincount(true, minlength=vocab_size)
    with np.errstate(invalid="ignore"):
        accuracy, auc, auc_error = (
            np.bincount(true, values, minlength=vocab_size) / n_masked for values in (hit, standing, error)
        )
    met = np.unique(np.stack([true, windows]), axis=1)[0]
    enough = np.bincount(met, minlength=vocab_size) >= FEWEST_WINDOWS
    drawn = resamples.sums(1.0, true, vocab_size)[:, enough]
    intervals = []
    for values in (hit, standing):
        sums = resamples.sums(values, true, vocab_size)[:, enough]
        ci95 = np.full((2, vocab_size), np.nan)
        ci95[:, enough] = interval(np.divide(sums, drawn, out=np.full_like(sums, np.nan), where=drawn > 0))
        intervals.append(ci95)
    return PerToken(n_masked, accuracy, intervals[0], auc, intervals[1], auc_error)


@cached_njit
def _tally(
    log_p: NDArray[np.float32], true: NDArray[np.int64], in_bins: NDArray[np.uint32],
    nll: NDArray[np.float32], rank: NDArray[np.uint16], bins: NDArray[np.uint16],
) -> None:
    for i in range(log_p.shape[0]):
        of_true = log_p[i, true[i]]
        likelier = 0
        for token in range(log_p.shape[1]):
            value = log_p[i, token]
            # Ties count against the predictor. NaN is in the lowest bin, and no number is below it.
            likelier += value >= of_true
            # In float64: a bin's border is then where it is said to be.
            number = int((np.float64(value) - _LOWEST) * _BINS_A_NAT) if value > _LOWEST else 0
            number = min(number, _N_BINS - 1)
            in_bins[token, number] += np.uint32(1)
            if token == true[i]:
                bins[i] = number
        nll[i] = -of_true
        rank[i] = likelier - 1
