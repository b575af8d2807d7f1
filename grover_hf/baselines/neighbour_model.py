"""What a masked token's frequency and its two neighbours tell, by counting: the bar for a masked model.

A model of context that predicts no better than a table of neighbours has learnt no more than the table.
Both predictors here see what a model sees, the corrupted input: a neighbour that is masked too tells
nothing, one that was replaced misleads, and a masked token that was left as it is, or replaced, stands
there for all to see.

With c the counts in the train windows, N their number, l and r the tokens on both sides of a token t:

    p(t)     = (c(t) + 1) / (N + types)
    p(t|l)   = (c(l t) + B p(t)) / (c(l) + B)                            and so p(t|r)
    q(t|l,r) = p(t|l)^G p(t|r)^G p(t)^(1 - 2G) / (its sum over t)
    p(t|l,r) = (max(c(l t r) - D, 0) + (A + D types after l and before r) q(t|l,r)) / (c(l . r) + A)

G = 1 is exact where l and r are independent given t. The last line is the predictive rule of a Pitman-Yor
process (Teh, ACL 2006; with A = 0 it is interpolated absolute discounting, Ney et al. 1994), p(t|l) that of
a Dirichlet (MacKay and Peto 1995). B, G, D and A are chosen on train windows that are not counted.
"""

import itertools
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from grover_hf._internals.compilation import cached_njit
from grover_hf.baselines.neighbour_counts import NeighbourCounts
from grover_hf.errors import InputError
from grover_hf.tokenization.special_tokens import N_SPECIAL

_ROWS_AT_ONCE = 1_024


class Seen(NamedTuple):
    """Ids of masked tokens and their neighbours in a model's input, each (n,); special ones tell nothing."""

    left: NDArray[np.int64]
    centre: NDArray[np.int64]
    right: NDArray[np.int64]


class Corruption(NamedTuple):
    """What becomes of a token that is to be predicted, where it does not become [MASK]."""

    p_kept: float
    """Probability that it stays as it is."""
    p_random: float
    """Probability that any type takes its place, each with the same probability, the true one too."""


class Weights(NamedTuple):
    """How far counts are trusted: B, G, D and A of the formula."""

    pair_prior: float
    power: float
    discount: float
    triple_prior: float


class WeightGrid(NamedTuple):
    """Values of each weight to choose from."""

    pair_priors: tuple[float, ...]
    powers: tuple[float, ...]
    discounts: tuple[float, ...]
    triple_priors: tuple[float, ...]


WEIGHT_GRID = WeightGrid(
    pair_priors=(1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 1_000.0, 3_000.0, 10_000.0, 30_000.0),
    powers=(0.5, 0.6, 0.7, 0.8, 0.9, 1.0),
    discounts=(0.0, 0.3, 0.5, 0.7, 0.8, 0.9, 0.95),
    triple_priors=(0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 1_000.0),
)


def seen_at(input_ids: NDArray[np.integer], masked: NDArray[np.bool_]) -> Seen:
    """Return what is seen at masked positions and on both sides of them, row by row.

    Args:
        input_ids: A model's input, each row between [CLS] and [SEP], shape (B, L).
        masked: Which tokens are to be predicted, shape (B, L).
    """
    row, column = np.nonzero(masked)
    left, centre, right = (input_ids[row, column + shift].astype(np.int64) for shift in (-1, 0, 1))
    return Seen(left, centre, right)


class TokenFrequency:
    """Predicts each type as often as it occurs, whatever its neighbours are."""

    def __init__(self, singles: NDArray[np.integer], corruption: Corruption) -> None:
        self._shares = _shares(singles)
        self._corruption = corruption

    def log_probabilities(self, seen: Seen) -> NDArray[np.float32]:
        """Return the logarithm of the probability of every type, shape (n, V); special ones have none."""
        rows = np.tile(self._shares.astype(np.float32), (len(seen.centre), 1))
        return _log_given_centre(rows, seen.centre, self._corruption)


class NeighbourModel:
    """Predicts from the tokens on both sides, as far as they are seen (formula above).

    Memory: 8 bytes a pair of types, and the counts.
    """

    def __init__(self, counts: NeighbourCounts, weights: Weights, corruption: Corruption) -> None:
        self._counts = counts
        self._weights = weights
        self._corruption = corruption
        self._pairs = _SmoothedPairs(counts)
        self._factors = self._pairs.factors(weights.pair_prior, weights.power)

    def log_probabilities(self, seen: Seen) -> NDArray[np.float32]:
        """Return the logarithm of the probability of every type, shape (n, V); special ones have none."""
        after, before = seen.left >= N_SPECIAL, seen.right >= N_SPECIAL
        rows = np.tile(self._pairs.shares.astype(np.float32), (len(seen.centre), 1))
        prior = self._weights.pair_prior
        rows[after & ~before] = self._pairs.after(seen.left[after & ~before], prior)
        rows[before & ~after] = self._pairs.before(seen.right[before & ~after], prior)
        both = np.flatnonzero(after & before)
        left, right = self._factors
        products = left[seen.left[both]] * right[seen.right[both]]
        products /= products.sum(1, keepdims=True)
        _add_triples(
            products, seen.left[both] * self._counts.vocab_size + seen.right[both], self._counts.offsets,
            self._counts.middles, self._counts.counts, self._weights.discount, self._weights.triple_prior,
        )
        rows[both] = products
        return _log_given_centre(rows, seen.centre, self._corruption)


def choose_weights(
    counts: NeighbourCounts, seen: Seen, true: NDArray[np.int64], grid: WeightGrid = WEIGHT_GRID
) -> Weights:
    """Return the weights under which masked tokens are likeliest: those of pairs first, then of triples.

    What stands in the place of the masked tokens themselves is not looked at.

    Args:
        counts: Counts in other windows than those that the masked tokens lie in.
        seen: On both sides of the masked tokens, n of them.
        true: The masked tokens' ids, shape (n,).
        grid: Values to choose from.

    Raises:
        InputError: If no masked token has two neighbours that are seen.
    """
    after, before = seen.left >= N_SPECIAL, seen.right >= N_SPECIAL
    both = after & before
    if not both.any():
        raise InputError(
            "No masked token of the held-out train windows has two neighbours that are not masked too: more "
            "windows or a smaller p_select are needed."
        )
    pairs = _SmoothedPairs(counts)
    left, right, middle = seen.left[both], seen.right[both], true[both]
    best = (np.inf, 0.0, 0.0)
    product = np.empty(0)
    for prior in grid.pair_priors:
        of_one = np.concatenate([
            pairs.after(seen.left[after & ~before], prior, true[after & ~before]),
            pairs.before(seen.right[before & ~after], prior, true[before & ~after]),
        ])
        for power in grid.powers:
            of_both = _product_at(*pairs.factors(prior, power), left, right, middle)
            nll = -np.log(of_one).sum() - np.log(of_both).sum()
            if nll < best[0]:
                best, product = (nll, prior, power), of_both
    of_true, of_all, n_types = _look_up(
        left * counts.vocab_size + right, middle, counts.offsets, counts.middles, counts.counts
    ).T

    def nll_with_triples(weights: tuple[float, float]) -> float:
        discount, prior = weights
        given = np.maximum(of_true - discount, 0) + (prior + discount * n_types) * product
        return float(-np.log(given / (of_all + prior)).sum())

    discount, triple_prior = min(itertools.product(grid.discounts, grid.triple_priors), key=nll_with_triples)
    return Weights(best[1], best[2], discount, triple_prior)


class _SmoothedPairs:
    """p(t), p(t|l), p(t|r), and the factors of q(t|l,r)."""

    def __init__(self, counts: NeighbourCounts) -> None:
        self.shares = _shares(counts.singles)
        self._pairs = counts.pairs
        self._n_after, self._n_before = counts.pairs.sum(1), counts.pairs.sum(0)

    def after(
        self, left: NDArray[np.int64], prior: float, middle: NDArray[np.int64] | None = None
    ) -> NDArray[np.float64]:
        """Return p(t|l) of every type, shape (n, V), or of one type in each row, shape (n,)."""
        counted = self._pairs[left] if middle is None else self._pairs[left, middle]
        return self._smoothed(counted, self._n_after[left], prior, middle)

    def before(
        self, right: NDArray[np.int64], prior: float, middle: NDArray[np.int64] | None = None
    ) -> NDArray[np.float64]:
        """Return p(t|r) of every type, shape (n, V), or of one type in each row, shape (n,)."""
        counted = self._pairs.T[right] if middle is None else self._pairs[middle, right]
        return self._smoothed(counted, self._n_before[right], prior, middle)

    def factors(self, prior: float, power: float) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return two tables whose rows of l and of r, multiplied, are q(t|l,r) but for its sum, each (V, V)."""
        every = np.arange(len(self.shares))
        # Special tokens have no share, and no power of it.
        root = np.zeros(len(every))
        root[N_SPECIAL:] = self.shares[N_SPECIAL:] ** (0.5 - power)
        return (
            (self.after(every, prior) ** power * root).astype(np.float32),
            (self.before(every, prior) ** power * root).astype(np.float32),
        )

    def _smoothed(
        self, counted: NDArray[np.int64], n: NDArray[np.int64], prior: float, middle: NDArray[np.int64] | None
    ) -> NDArray[np.float64]:
        smoothed: NDArray[np.float64]
        if middle is None:
            smoothed = (counted + prior * self.shares) / (n[:, None] + prior)
        else:
            smoothed = (counted + prior * self.shares[middle]) / (n + prior)
        return smoothed


def _shares(singles: NDArray[np.integer]) -> NDArray[np.float64]:
    """Return p(t), shape (V,)."""
    counted = (singles + 1.0) * (np.arange(singles.size) >= N_SPECIAL)
    shares: NDArray[np.float64] = counted / counted.sum()
    return shares


def _product_at(
    left_factors: NDArray[np.float32], right_factors: NDArray[np.float32],
    left: NDArray[np.int64], right: NDArray[np.int64], middle: NDArray[np.int64],
) -> NDArray[np.float64]:
    """Return q(t|l,r) of one token in each row, shape (n,)."""
    parts = [slice(first, first + _ROWS_AT_ONCE) for first in range(0, len(left), _ROWS_AT_ONCE)]
    totals = [np.einsum("ij,ij->i", left_factors[left[part]], right_factors[right[part]]) for part in parts]
    of_middle = left_factors[left, middle].astype(np.float64) * right_factors[right, middle]
    product: NDArray[np.float64] = of_middle / np.concatenate(totals)
    return product


def _log_given_centre(
    rows: NDArray[np.float32], centre: NDArray[np.int64], corruption: Corruption
) -> NDArray[np.float32]:
    """Return the logarithm of probabilities after what stands in the place of each token is seen (Bayes).

    A token that is to be predicted and is not [MASK] is the true one or a random one: a model learns how
    likely each is, so whoever is compared with it has to know.

    Args:
        rows: Probabilities of every type, shape (n, V); they are changed.
        centre: What is seen, shape (n,).
        corruption: How the masking changes what is seen.
    """
    seen = np.flatnonzero(centre >= N_SPECIAL)
    n_types = rows.shape[1] - N_SPECIAL
    kept = corruption.p_kept * rows[seen, centre[seen]]
    rows[seen] *= corruption.p_random / n_types
    rows[seen, centre[seen]] += kept
    rows[seen] /= rows[seen].sum(1, keepdims=True)
    with np.errstate(divide="ignore"):
        return np.log(rows)


@cached_njit
def _look_up(
    pairs: NDArray[np.int64], true: NDArray[np.int64], offsets: NDArray[np.int64],
    middles: NDArray[np.uint16], counts: NDArray[np.uint32],
) -> NDArray[np.float64]:
    """Return counts of the true token and of all between each pair, and the number of types: (n, 3)."""
    rows = np.zeros((pairs.size, 3), np.float64)
    for i in range(pairs.size):
        for place in range(offsets[pairs[i]], offsets[pairs[i] + 1]):
            if middles[place] == true[i]:
                rows[i, 0] = counts[place]
            rows[i, 1] += counts[place]
            rows[i, 2] += 1
    return rows


@cached_njit
def _add_triples(
    rows: NDArray[np.float32], pairs: NDArray[np.int64], offsets: NDArray[np.int64],
    middles: NDArray[np.uint16], counts: NDArray[np.uint32], discount: float, prior: float,
) -> None:
    """Turn q(t|l,r) into p(t|l,r)."""
    for i in range(pairs.size):
        first, end = offsets[pairs[i]], offsets[pairs[i] + 1]
        n = 0.0
        for place in range(first, end):
            n += counts[place]
        rows[i] *= (prior + discount * (end - first)) / (n + prior)
        for place in range(first, end):
            rows[i, middles[place]] += max(counts[place] - discount, 0.0) / (n + prior)
