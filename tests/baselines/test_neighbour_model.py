import itertools

import numpy as np
import pytest

from grover_hf.baselines.neighbour_counts import count_neighbours
from grover_hf.baselines.neighbour_model import (
    Corruption,
    NeighbourModel,
    Seen,
    TokenFrequency,
    WeightGrid,
    Weights,
    choose_weights,
    seen_at,
)
from grover_hf.errors import InputError
from grover_hf.tokenization.special_tokens import CLS_ID, MASK_ID, SEP_ID
from tests.baselines.neighbours import V, flat, tallied

TYPES = range(5, 12)
ALL_MASKED = Corruption(0.0, 0.0)


def by_definition(windows, weights, left, right):
    """p(t|l,r) as the docstring says, a dictionary at a time; None for a neighbour that is not seen."""
    singles, pairs, triples = tallied(windows)
    prior, power, discount, triple_prior = weights
    p = {t: (singles[t] + 1) / (sum(singles.values()) + len(TYPES)) for t in TYPES}
    after = {
        t: (pairs[left, t] + prior * p[t]) / (sum(pairs[left, u] for u in TYPES) + prior) for t in TYPES
    }
    before = {
        t: (pairs[t, right] + prior * p[t]) / (sum(pairs[u, right] for u in TYPES) + prior) for t in TYPES
    }
    if left is None or right is None:
        return p if left is right else (before if left is None else after)
    q = {t: after[t] ** power * before[t] ** power * p[t] ** (1 - 2 * power) for t in TYPES}
    q = {t: value / sum(q.values()) for t, value in q.items()}
    of_context = {t: triples[left, t, right] for t in TYPES}
    n, n_types = sum(of_context.values()), sum(count > 0 for count in of_context.values())
    return {
        t: (max(of_context[t] - discount, 0) + (triple_prior + discount * n_types) * q[t]) / (n + triple_prior)
        for t in TYPES
    }


def one(left, right, centre=MASK_ID):
    return Seen(*(np.array([at]) for at in (left, centre, right)))


@pytest.mark.parametrize(
    "weights", [Weights(3.0, 0.8, 0.5, 2.0), Weights(0.5, 1.0, 0.0, 1.0), Weights(100.0, 0.5, 0.9, 30.0)]
)
def test_probabilities_are_those_of_the_formula_with_both_neighbours_one_or_none(windows, weights):
    model = NeighbourModel(count_neighbours(*flat(windows), V), weights, ALL_MASKED)
    unseen = {None: MASK_ID}
    for left, right in itertools.product([None, *TYPES], repeat=2):
        log_p = model.log_probabilities(one(unseen.get(left, left), unseen.get(right, right)))[0]
        expected = by_definition(windows, weights, left, right)
        assert np.exp(log_p[5:]) == pytest.approx(list(expected.values()), rel=1e-4)
        assert np.isneginf(log_p[:5]).all()


@pytest.mark.parametrize("special", [CLS_ID, SEP_ID, MASK_ID])
def test_a_special_token_beside_tells_nothing(windows, special):
    model = NeighbourModel(count_neighbours(*flat(windows), V), Weights(3.0, 0.8, 0.5, 2.0), ALL_MASKED)
    shares = TokenFrequency(count_neighbours(*flat(windows), V).singles, ALL_MASKED)
    assert np.array_equal(
        model.log_probabilities(one(special, special)), shares.log_probabilities(one(6, 7))
    )


def test_a_token_that_can_be_seen_is_weighed_as_bayes_does(windows):
    """Draw the true token, corrupt it, and look which were true where a 7 is seen."""
    counts = count_neighbours(*flat(windows), V)
    corruption = Corruption(0.1, 0.2)
    prior = np.exp(TokenFrequency(counts.singles, ALL_MASKED).log_probabilities(one(6, 8))[0])
    rng = np.random.default_rng(0)
    true = rng.choice(V, 400_000, p=prior / prior.sum())
    fate = rng.random(true.size)
    shown = np.where(fate < 0.1, true, np.where(fate < 0.3, rng.integers(5, V, true.size), MASK_ID))
    observed = np.bincount(true[shown == 7], minlength=V) / (shown == 7).sum()
    found = np.exp(TokenFrequency(counts.singles, corruption).log_probabilities(one(6, 8, centre=7))[0])
    assert found == pytest.approx(observed, abs=4 * np.sqrt(0.25 / (shown == 7).sum()))
    assert found.sum() == pytest.approx(1)
    masked = TokenFrequency(counts.singles, corruption).log_probabilities(one(6, 8))[0]
    assert np.exp(masked) == pytest.approx(prior)


def test_a_token_that_is_never_replaced_is_sure_where_it_is_seen(windows):
    shares = TokenFrequency(count_neighbours(*flat(windows), V).singles, Corruption(0.1, 0.0))
    log_p = shares.log_probabilities(one(6, 8, centre=7))[0]
    assert log_p[7] == 0
    assert np.isneginf(np.delete(log_p, 7)).all()


def test_what_is_seen_is_read_off_the_input_row_by_row():
    input_ids = np.array([[CLS_ID, 6, MASK_ID, 7, SEP_ID], [CLS_ID, 8, SEP_ID, 0, 0]])
    masked = np.array([[0, 0, 1, 1, 0], [0, 1, 0, 0, 0]], bool)
    left, centre, right = seen_at(input_ids, masked)
    assert left.tolist() == [6, MASK_ID, CLS_ID]
    assert centre.tolist() == [MASK_ID, 7, 8]
    assert right.tolist() == [7, SEP_ID, SEP_ID]


def masked_tokens(windows, rng, n=400):
    """Some tokens with their neighbours, of which a tenth each is masked."""
    ids, borders = flat(windows)
    inside = np.setdiff1d(np.arange(1, len(ids) - 1), np.concatenate([borders, borders - 1]))
    at = rng.choice(inside, n)
    left, right = (np.where(rng.random(n) < 0.1, MASK_ID, ids[at + side]) for side in (-1, 1))
    return Seen(left.astype(np.int64), np.full(n, MASK_ID), right.astype(np.int64)), ids[at].astype(np.int64)


def nll(counts, weights, seen, true):
    log_p = NeighbourModel(counts, weights, ALL_MASKED).log_probabilities(seen)
    return -log_p[np.arange(len(true)), true].mean(dtype=np.float64)


def test_weights_are_the_best_of_their_grid_on_what_was_not_counted(windows):
    grid = WeightGrid(pair_priors=(1.0, 10.0), powers=(0.5, 1.0), discounts=(0.0, 0.7), triple_priors=(1.0, 10.0))
    counts = count_neighbours(*flat(windows[:40]), V)
    seen, true = masked_tokens(windows[40:], np.random.default_rng(0))
    chosen = choose_weights(counts, seen, true, grid)
    # First the pairs, as if there were no triples: a large prior hides them. Then the triples.
    of_pairs = {
        (prior, power): nll(counts, Weights(prior, power, 0.0, 1e9), seen, true)
        for prior, power in itertools.product(grid.pair_priors, grid.powers)
    }
    assert chosen[:2] == min(of_pairs, key=of_pairs.get)
    of_triples = {
        (discount, prior): nll(counts, Weights(*chosen[:2], discount, prior), seen, true)
        for discount, prior in itertools.product(grid.discounts, grid.triple_priors)
    }
    assert chosen[2:] == min(of_triples, key=of_triples.get)


def test_neighbours_tell_more_than_frequency(windows):
    counts = count_neighbours(*flat(windows[:40]), V)
    tuned, test = (masked_tokens(windows[40:], np.random.default_rng(seed)) for seed in (0, 1))
    log_p = TokenFrequency(counts.singles, ALL_MASKED).log_probabilities(test[0])
    by_frequency = -log_p[np.arange(len(test[1])), test[1]].mean()
    assert nll(counts, choose_weights(counts, *tuned), *test) < by_frequency - 0.2


def test_weights_need_a_token_between_two_that_are_seen(windows):
    with pytest.raises(InputError, match="No masked token of the held-out train windows has two neighbours"):
        choose_weights(count_neighbours(*flat(windows), V), one(MASK_ID, 7), np.array([6]))
