"""How the scores of a motif are distributed over random sequences: p-values, and the score that a p-value needs.

Narrow motifs have few words: all are scored. The distribution of wider ones is computed with scores rounded to
`_STEP`, which gives p-values to three digits and more. For the threshold that does not suffice, since a hit is
one or is not: near it the words are counted exactly, those of the left half of the columns one by one, each with
the sorted scores of the right half. Motifs of more than `_EXACT_COLUMNS` columns have too many words for that
and keep the rounded threshold.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Background = tuple[float, float, float, float]
"""Probabilities of A, C, G, T."""
Words = tuple[NDArray[np.float64], NDArray[np.float64]]
"""Scores of words, ascending, and the probability of each word."""

_STEP = 1e-5
_MOST_STEPS = 4_000_000
"""Wide motifs get longer steps, so that their distribution is computed in seconds."""
_ENUMERATED_COLUMNS = 9
_EXACT_COLUMNS = 22
_ROUNDING = 1e-9
"""Two sums of the same scores in another order differ by less."""


@dataclass(frozen=True, eq=False)
class ScoreDistribution:
    """The distribution of a motif's scores over random sequences of independent bases; made by `of`."""

    scores: NDArray[np.float64]
    """Of each base in each column, shape (4, width)."""
    background: Background
    sums: NDArray[np.float64]
    """Scores of words, ascending; rounded where there are many."""
    tail: NDArray[np.float64]
    """The probability of each of `sums` or more."""
    error: float
    """How far a score may be from its sum in `sums`."""

    @classmethod
    def of(cls, scores: NDArray[np.float64], background: Background) -> "ScoreDistribution":
        """Return the distribution of the sum of one score a column.

        Args:
            scores: Shape (4, width), rows A, C, G, T.
            background: Probabilities of A, C, G, T.
        """
        if scores.shape[1] <= _ENUMERATED_COLUMNS:
            sums, probabilities = _words(scores, background)
            first_of_equal = np.diff(sums, prepend=-np.inf) > _ROUNDING
            tail = _from_above(probabilities)
            return cls(scores, background, sums[first_of_equal], tail[first_of_equal], _ROUNDING)
        step_size = max(_STEP, float(np.ptp(scores, axis=0).sum()) / _MOST_STEPS)
        steps = np.rint(scores / step_size).astype(np.int64)
        lowest = steps.min(0)
        probabilities = np.ones(1)
        for column, first in zip(steps.T, lowest, strict=True):
            longer = np.zeros(probabilities.size + int(column.max() - first))
            for step, p_base in zip(column, background, strict=True):
                longer[step - first : step - first + probabilities.size] += p_base * probabilities
            probabilities = longer
        sums = (lowest.sum() + np.arange(probabilities.size)) * step_size
        error = scores.shape[1] * step_size / 2 + _ROUNDING
        return cls(scores, background, sums, _from_above(probabilities), error)

    def p_values(self, scores: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the probability of each score or more, shape (n,); of rounded sums, those that may be as much."""
        numbers = np.searchsorted(self.sums, scores - self.error)
        p_values: NDArray[np.float64] = np.append(self.tail, 0.0)[numbers]
        return p_values

    def lowest_score(self, p_value: float) -> float:
        """Return the lowest score whose p-value is below `p_value`; infinity if no score's is."""
        number = int(np.searchsorted(-self.tail, -p_value, side="right"))
        if number == self.sums.size:
            return np.inf
        score = float(self.sums[number])
        if not _ENUMERATED_COLUMNS < self.scores.shape[1] <= _EXACT_COLUMNS:
            return score - _ROUNDING
        left, right = (_words(part, self.background) for part in np.array_split(self.scores, 2, axis=1))
        candidates = _attained(left, right, score - 2 * self.error, score + 2 * self.error)
        # Ascending scores have falling p-values.
        first, last = 0, candidates.size
        while first < last:
            middle = (first + last) // 2
            if _p_value(left, right, candidates[middle]) < p_value:
                last = middle
            else:
                first = middle + 1
        return float(candidates[first]) - _ROUNDING if first < candidates.size else score + 2 * self.error


def _from_above(probabilities: NDArray[np.float64]) -> NDArray[np.float64]:
    tail: NDArray[np.float64] = np.cumsum(probabilities[::-1])[::-1]
    return tail


def _words(scores: NDArray[np.float64], background: Background) -> Words:
    """Return score and probability of all words over some columns, by ascending score."""
    sums, probabilities = np.zeros(1), np.ones(1)
    for column in scores.T:
        sums = (sums[:, None] + column).ravel()
        probabilities = (probabilities[:, None] * np.array(background)).ravel()
    order = np.argsort(sums, kind="stable")
    return sums[order], probabilities[order]


def _attained(left: Words, right: Words, low: float, high: float) -> NDArray[np.float64]:
    """Return the scores of a left and a right word together in [low, high], ascending, each once."""
    first = np.searchsorted(right[0], low - left[0], side="left")
    last = np.searchsorted(right[0], high - left[0], side="right")
    sums = [left[0][i] + right[0][first[i] : last[i]] for i in np.flatnonzero(last > first)]
    every = np.sort(np.concatenate([np.empty(0), *sums]))
    return every[np.diff(every, prepend=-np.inf) > _ROUNDING]


def _p_value(left: Words, right: Words, score: float) -> float:
    """Return the probability that a left and a right word have `score` or more together."""
    tail = np.append(_from_above(right[1]), 0.0)
    return float(left[1] @ tail[np.searchsorted(right[0], score - _ROUNDING - left[0], side="left")])
