"""Pretraining windows: runs of tokens cut one after another from each segment."""

import numpy as np
from numpy.typing import NDArray

from grover_hf.errors import InputError
from grover_hf.tokenization.special_tokens import MAX_TOKENS

MIN_TOKENS = 20
P_FULL = 0.5


def sample_window_lengths(
    n_windows: int, *, max_tokens: int = MAX_TOKENS, min_tokens: int = MIN_TOKENS,
    p_full: float = P_FULL, rng: np.random.Generator,
) -> NDArray[np.int64]:
    """Draw window lengths for pretraining.

    With probability `p_full` a window is `max_tokens` long; otherwise its length is uniform on
    [`min_tokens`, `max_tokens`], both ends included (Methods, "Data").

    Args:
        n_windows: Number of lengths to draw.
        max_tokens: Longest window, in tokens, without [CLS] and [SEP].
        min_tokens: Shortest window, in tokens.
        p_full: Probability of a full-length window.
        rng: Source of randomness; the caller owns the seed.

    Returns:
        Window lengths in tokens, shape (n_windows,), int64.

    Raises:
        InputError: If `min_tokens` is not in [1, `max_tokens`].
    """
    if not 1 <= min_tokens <= max_tokens:
        raise InputError(f"min_tokens is {min_tokens}; it must be in [1, {max_tokens}].")
    drawn = rng.integers(min_tokens, max_tokens, n_windows, endpoint=True)
    return np.where(rng.random(n_windows) < p_full, max_tokens, drawn)


def pretraining_windows(n_tokens: int, *, rng: np.random.Generator) -> NDArray[np.int64]:
    """Cut a segment into windows, one after another, without gap or overlap.

    What remains at the end is kept as a last window, also if it is shorter than 20 tokens. The
    paper does not say what becomes of it; DNABERT, whose code GROVER extends, keeps it.

    Args:
        n_tokens: Length of the segment in tokens.
        rng: Source of randomness; the caller owns the seed.

    Returns:
        First token and token after the last of each window, shape (n_windows, 2), int64.
    """
    borders = np.zeros(1, np.int64)
    while borders[-1] < n_tokens:
        # 388 tokens is the mean of the law; a few rounds cut any segment.
        n_windows = int((n_tokens - borders[-1]) / 388 * 1.1) + 16
        lengths = sample_window_lengths(n_windows, rng=rng)
        borders = np.concatenate([borders, borders[-1] + np.cumsum(lengths)])
    borders = np.append(borders[borders < n_tokens], n_tokens)
    return np.column_stack([borders[:-1], borders[1:]])
