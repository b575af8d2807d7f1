import itertools

import numpy as np
import pytest

from grover_hf.baselines.neighbour_counts import count_neighbours
from tests.baselines.neighbours import V, flat, tallied


@pytest.mark.parametrize("buffer_tokens", [1, 50, 1 << 20])
def test_counts_are_those_of_counters_whatever_the_buffer(windows, buffer_tokens):
    counts = count_neighbours(*flat(windows), V, buffer_tokens=buffer_tokens)
    singles, pairs, triples = tallied(windows)
    assert {t: n for t, n in enumerate(counts.singles.tolist()) if n} == singles
    assert {pair: counts.pairs[pair] for pair in pairs} == pairs
    assert counts.pairs.sum() == sum(pairs.values())
    found = {}
    for row, (first, end) in enumerate(itertools.pairwise(counts.offsets)):
        for middle, n in zip(counts.middles[first:end].tolist(), counts.counts[first:end].tolist(), strict=True):
            found[row // V, middle, row % V] = n
    assert found == triples
    assert len(counts.counts) == len(triples)


def test_windows_that_are_not_used_are_not_counted(windows):
    used = np.random.default_rng(1).random(len(windows)) < 0.5
    some = count_neighbours(*flat(windows), V, used=used)
    alone = count_neighbours(*flat([row for row, use in zip(windows, used, strict=True) if use]), V)
    for name in ("singles", "pairs", "offsets", "counts"):
        assert np.array_equal(getattr(some, name), getattr(alone, name))
