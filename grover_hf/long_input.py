"""Inputs longer than a model: windows that overlap by a quarter."""

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
    stride = window_tokens * 3 // 4
    last = n_tokens - window_tokens
    return np.append(np.arange(0, last, stride), last)
