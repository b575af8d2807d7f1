import itertools

import numpy as np
import pytest

from grover_hf.baselines import no_model
from grover_hf.baselines.no_model import by_flag, gc_content, has_mergeable_pair, nearest_train_row
from grover_hf.genome.letters import reverse_complement
from grover_hf.tokenization.bpe_encoding import GenomeEncoder


def test_canonical_tokens_never_hold_a_mergeable_pair_and_moved_ones_nearly_always_do(simulated_merges):
    encoder = GenomeEncoder(simulated_merges)
    rng = np.random.default_rng(0)
    rows = [encoder.encode("".join(rng.choice(list("ACGT"), 300))) for _ in range(100)]
    assert not has_mergeable_pair(simulated_merges, rows).any()
    assert has_mergeable_pair(simulated_merges, [rng.permutation(row) for row in rows]).mean() > 0.9


def test_the_rule_is_the_loop_over_neighbours(simulated_merges):
    rng = np.random.default_rng(1)
    rows = [rng.integers(5, simulated_merges.vocab_size, n) for n in rng.integers(1, 12, 200)]
    tokens, merges = simulated_merges.tokens, set(simulated_merges.merges)
    slow = [any((tokens[a], tokens[b]) in merges for a, b in itertools.pairwise(row)) for row in rows]
    assert has_mergeable_pair(simulated_merges, rows).tolist() == slow
    assert 0 < sum(slow) < 200


def test_a_flag_gives_the_shares_of_the_train_rows_with_it():
    found = by_flag(np.array([0, 0, 1, 1], bool), np.array([0, 0, 0, 1]), np.array([1, 0], bool), 3)
    assert found.tolist() == [[0.5, 0.5, 0], [1, 0, 0]]
    # No train row has the flag: all of them answer.
    assert by_flag(np.zeros(2, bool), np.array([0, 1]), np.ones(1, bool), 2).tolist() == [[0.5, 0.5]]


@pytest.mark.parametrize("most", [50_000_000, 3_000])
def test_the_nearest_row_is_the_same_sequence_or_its_reverse_complement(most, monkeypatch):
    monkeypatch.setattr(no_model, "_MOST_KMERS", most)
    rng = np.random.default_rng(0)
    train = ["".join(rng.choice(list("ACGT"), 200)) for _ in range(30)]
    test = [train[4], reverse_complement(train[9]), train[20][:150] + train[3][:50], "ACGT", "N" * 50]
    nearest, similarity = nearest_train_row(train, test)
    assert nearest[:3].tolist() == [4, 9, 20]
    assert similarity[:2] == pytest.approx([1, 1])
    assert 0.4 < similarity[2] < 0.95
    assert similarity[3:].tolist() == [0, 0]


def test_gc_content_finds_a_small_but_sure_difference():
    rng = np.random.default_rng(0)

    def sequences(gc, n):
        n_gc = round(gc * 500)
        return ["".join(rng.permutation(list("G" * n_gc + "A" * (500 - n_gc)))) for _ in range(n)]

    rows = sequences(0.40, 150) + sequences(0.41, 50)
    found = gc_content(rows, np.repeat([0, 1], [150, 50]), sequences(0.40, 5) + sequences(0.41, 5), 2)
    assert found.argmax(1).tolist() == [0] * 5 + [1] * 5


def test_more_gc_than_any_train_row_has_is_as_the_most_that_one_has():
    train = ["A" * 10] * 8 + ["G" * 5 + "A" * 5] * 8
    found = gc_content(train, np.repeat([0, 1], 8), ["G" * 10, "G" * 5 + "A" * 5, "A" * 10], 2)
    assert found.tolist() == [[0, 1], [0, 1], [1, 0]]
