import numpy as np
import pytest

from grover_hf.metrics.masked_token import masked_token_metrics

# Five specials, then tokens of 1, 1, 2 and 4 bases and 16 more: 10 % of 20 are the top 2.
LENGTHS = np.array([0] * 5 + [1, 1, 2, 4] + [3] * 16)


def test_metrics_by_hand():
    nll = np.log([2.0, 4.0, 8.0, 2.0])
    metrics = masked_token_metrics(nll, np.array([0, 1, 2, 0]), np.array([5, 7, 8, 8]), LENGTHS)
    assert metrics["accuracy"] == 0.5
    assert metrics["accuracy_top_k"] == [0.5, 0.75]
    assert metrics["accuracy_top_10_percent"] == 0.75
    assert metrics["perplexity"] == pytest.approx(128 ** (1 / 4))
    assert metrics["share_of_vocabulary"] == pytest.approx(128 ** (1 / 4) / 20)
    assert metrics["bits_per_base"] == pytest.approx((1 + 2 + 3 + 1) / (1 + 2 + 4 + 4))
    assert metrics["most_frequent_token"] == 0.5
    assert metrics["n_masked"] == 4


def test_a_uniform_guess_has_the_perplexity_of_the_dictionary():
    n = 1_000
    labels = np.random.default_rng(0).integers(5, 25, n)
    metrics = masked_token_metrics(np.full(n, np.log(20)), np.zeros(n, int), labels, LENGTHS)
    assert metrics["share_of_vocabulary"] == pytest.approx(1)


def test_nothing_masked_says_so_and_is_no_nan():
    empty = np.empty(0)
    assert masked_token_metrics(empty, empty.astype(int), empty.astype(int), LENGTHS) == {"n_masked": 0.0}
