import numpy as np

from grover_hf._internals.counter_rng import keyed_bits, keyed_uniform


def test_numbers_are_uniform_and_uncorrelated_along_consecutive_keys():
    numbers = keyed_uniform(7, np.arange(300)[:, None], np.arange(500))
    assert numbers.shape == (300, 500)
    assert numbers.min() >= 0
    assert numbers.max() < 1
    counts, _ = np.histogram(numbers, 20, (0, 1))
    expected = numbers.size / 20
    assert np.sum((counts - expected) ** 2 / expected) < 19 + 5 * np.sqrt(2 * 19)
    for a, b in ((numbers[:, 1:], numbers[:, :-1]), (numbers[1:], numbers[:-1])):
        assert abs(np.corrcoef(a.ravel(), b.ravel())[0, 1]) < 5 / np.sqrt(a.size)


def test_order_of_keys_matters_and_bits_are_those_of_splitmix64():
    assert keyed_bits(1, 2) != keyed_bits(2, 1)
    # First output of SplitMix64 from state 0, as published with the reference implementation.
    assert int(keyed_bits(0)) == 0xE220A8397B1DCDAF
