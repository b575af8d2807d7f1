import numpy as np
import pytest

from grover_hf.corpus.windows import pretraining_windows, sample_window_lengths
from grover_hf.errors import InputError


def test_half_of_the_windows_are_full_and_the_others_uniform():
    n = 40_000
    lengths = sample_window_lengths(n, rng=np.random.default_rng(0))
    assert lengths.min() == 20
    assert lengths.max() == 510
    # Full by the coin, or by drawing 510 of the 491 lengths; four sigma of a binomial.
    p_full = 0.5 + 0.5 / 491
    assert abs(np.mean(lengths == 510) - p_full) < 4 * np.sqrt(0.25 / n)
    others = lengths[lengths < 510]
    assert abs(others.mean() - (20 + 509) / 2) < 4 * (490 / np.sqrt(12)) / np.sqrt(len(others))


@pytest.mark.parametrize("n_tokens", [1, 19, 20, 509, 510, 511, 100_000])
def test_windows_follow_one_another_without_gap_and_keep_the_rest(n_tokens):
    windows = pretraining_windows(n_tokens, rng=np.random.default_rng(n_tokens))
    assert windows[0, 0] == 0
    assert windows[-1, 1] == n_tokens
    assert (windows[1:, 0] == windows[:-1, 1]).all()
    lengths = windows[:, 1] - windows[:, 0]
    assert lengths.max() <= 510
    assert (lengths[:-1] >= 20).all()


def test_impossible_lengths_are_refused():
    with pytest.raises(InputError, match="min_tokens is 0"):
        sample_window_lengths(1, min_tokens=0, rng=np.random.default_rng(0))
