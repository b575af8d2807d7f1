"""Inputs longer than a model: windows that overlap by a quarter, and whose output counts where."""

import numpy as np
from numpy.typing import NDArray


def window_starts(n_tokens: int, window_tokens: int = 510) -> NDArray[np.int64]:
    """Return where the windows of an input begin, shape (n_windows,).

    Windows have `window_tokens` tokens and begin three quarters of a window apart (510 and 382);
    the last one ends with the input. An input that fits is one window.

    Args:
        n_tokens: Of the input, without special tokens.
        window_tokens: What the model takes at once, without special tokens.
    """
    if n_tokens <= window_tokens:
        return np.zeros(1, np.int64)
    stride = max(1, window_tokens * 3 // 4)
    last = n_tokens - window_tokens
    return np.append(np.arange(0, last, stride), last)


def output_borders(n_tokens: int, window_tokens: int = 510) -> NDArray[np.int64]:
    """Return which tokens' output is taken from which window, shape (n_windows + 1,).

    Window i of `window_starts` gives the output of tokens `borders[i]` up to `borders[i + 1]`: those that
    lie nearest to its middle, and so have the most context on their poorer side. Of two windows in
    which a token is equally central, the earlier gives it.

    Args:
        n_tokens: Of the input, without special tokens.
        window_tokens: What the model takes at once, without special tokens.
    """
    starts = window_starts(n_tokens, window_tokens)
    # The middles of two neighbours are (starts + window_tokens - 1) / 2; a token halfway is the earlier's.
    between = (starts[:-1] + starts[1:] + window_tokens + 1) // 2
    return np.concatenate([[0], between, [n_tokens]])


def sum_by_owner(owner: NDArray[np.integer], rows: NDArray[np.floating], n_owners: int) -> NDArray[np.float64]:
    """Return the sums of the rows that belong to each owner, shape (n_owners, C).

    Args:
        owner: The owner of each row, from 0, shape (n_rows,).
        rows: What windows gave, shape (n_rows, C).
        n_owners: How many owners there are.
    """
    total = np.zeros((n_owners, rows.shape[1]))
    np.add.at(total, owner, rows)
    return total
