import numpy as np
import pytest

from grover_hf.inference.windows import output_borders, window_starts


def most_central_windows(n_tokens: int, window_tokens: int) -> list[int]:
    """For each token the window that has it farthest from its nearer end; of equal ones the first."""
    starts = window_starts(n_tokens, window_tokens).tolist()
    length = min(n_tokens, window_tokens)
    found = []
    for token in range(n_tokens):
        to_nearer_end = [min(token - start, start + length - 1 - token) for start in starts]
        found.append(to_nearer_end.index(max(to_nearer_end)))
    return found


def test_windows_are_382_tokens_apart_and_the_last_ends_with_the_input():
    assert window_starts(510).tolist() == [0]
    assert window_starts(511).tolist() == [0, 1]
    assert window_starts(1_300).tolist() == [0, 382, 764, 790]


@pytest.mark.parametrize("n_tokens", [1, 9, 10, 11, 25, 97])
def test_every_token_is_in_a_window(n_tokens):
    seen = {i for start in window_starts(n_tokens, 10) for i in range(start, start + 10)}
    assert set(range(n_tokens)) <= seen
    assert n_tokens < 10 or max(seen) == n_tokens - 1


def test_a_token_halfway_is_the_earlier_windows():
    # Windows [0, 10) and [7, 17): token 8 is one from the end of the first and one from the start of the
    # second. [0, 10) and [6, 16): tokens 7 and 8 are nearer to one of the middles.
    assert output_borders(17, 10).tolist() == [0, 9, 17]
    assert output_borders(16, 10).tolist() == [0, 8, 16]
    assert output_borders(510).tolist() == [0, 510]


@pytest.mark.parametrize("window_tokens", [1, 2, 3, 10, 14, 37])
def test_output_is_taken_from_the_most_central_window(window_tokens):
    for n_tokens in range(1, 130):
        borders = output_borders(n_tokens, window_tokens)
        window_of_token = np.repeat(np.arange(len(borders) - 1), np.diff(borders))
        assert window_of_token.tolist() == most_central_windows(n_tokens, window_tokens), n_tokens
