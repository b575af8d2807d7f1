import pytest

from grover_hf.long_input import window_starts


def test_windows_are_382_tokens_apart_and_the_last_ends_with_the_input():
    assert window_starts(510).tolist() == [0]
    assert window_starts(511).tolist() == [0, 1]
    assert window_starts(1_300).tolist() == [0, 382, 764, 790]


@pytest.mark.parametrize("n_tokens", [1, 9, 10, 11, 25, 97])
def test_every_token_is_in_a_window(n_tokens):
    seen = {i for start in window_starts(n_tokens, 10) for i in range(start, start + 10)}
    assert set(range(n_tokens)) <= seen
    assert n_tokens < 10 or max(seen) == n_tokens - 1
