import numpy as np

from grover_hf.corpus.splits import in_test


def test_share_is_as_asked_and_order_does_not_matter():
    starts = np.arange(50_000)
    test = in_test(1, starts, seed=3)
    assert abs(test.mean() - 0.2) < 4 * np.sqrt(0.2 * 0.8 / len(starts))
    shuffled = np.random.default_rng(0).permutation(starts)
    assert (in_test(1, shuffled, seed=3) == test[shuffled]).all()


def test_keys_and_seeds_give_independent_splits():
    starts = np.arange(50_000)
    first = in_test(1, starts, seed=3)
    for other in (in_test(2, starts, seed=3), in_test(1, starts, seed=4)):
        assert abs(np.mean(first & other) - 0.04) < 4 * np.sqrt(0.04 * 0.96 / len(starts))
