import numpy as np
import pytest

from grover_hf.metrics.window_bootstrap import WindowResamples, interval

WINDOWS = np.array([0, 0, 0, 1, 3, 3])


def resamples(windows, n_windows, n_resamples=1_000):
    return WindowResamples(windows, n_windows, rng=np.random.default_rng(0), n_resamples=n_resamples)


def test_whole_windows_are_drawn_as_many_as_there_are_and_the_same_for_all_sums():
    drawn = resamples(WINDOWS, 4)
    # Three tokens of window 0, one of window 1, none of window 2, two of window 3.
    values = np.array([1, 0, 0, 10, 100, 0])
    parts = drawn.sums(values, WINDOWS, 4)
    counts = parts[:, [0, 1, 3]] / [1, 10, 100]
    assert (counts == counts.round()).all()
    assert (counts.sum(1) <= 4).all()
    assert counts.mean(0) == pytest.approx([1, 1, 1], abs=0.15)
    assert np.array_equal(drawn.sums(values)[:, 0], parts.sum(1))
    assert np.array_equal(drawn.sums()[:, 0], counts @ [3, 1, 2])
    assert np.array_equal(drawn.sums(1.0, WINDOWS, 4)[:, [0, 1, 3]], counts * [3, 1, 2])


def test_tokens_that_are_alike_in_each_window_give_the_interval_of_the_windows():
    rng = np.random.default_rng(1)
    of_window = rng.normal(size=200)
    windows = np.repeat(np.arange(200), 25)
    drawn = resamples(windows, 200)
    low, high = interval(drawn.sums(of_window[windows]) / drawn.sums())[:, 0]
    of_mean = of_window.std() / np.sqrt(200)
    assert (high - low) / 2 == pytest.approx(1.96 * of_mean, rel=0.1)
    assert low < of_window.mean() < high


def test_resamples_without_a_value_are_left_out():
    assert interval(np.array([[1.0], [np.nan], [1.0]])).tolist() == [[1.0], [1.0]]
