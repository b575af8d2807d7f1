"""The windows of `inference.windows`, laid over the segments of a whole strand."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from grover_hf.corpus.strand_tokens import StrandTokens
from grover_hf.inference.windows import output_borders, window_starts


class StrandWindow(NamedTuple):
    """A run of a strand's tokens that a model reads at once."""

    start: int
    """Its first token."""
    end: int
    """The token after its last."""
    segment_start: int
    """The first token of its segment."""
    tokens: NDArray[np.int64]
    """Those asked for whose output is taken from here, ascending, shape (n,)."""


def strand_windows(
    strand: StrandTokens, tokens: NDArray[np.int64], window_tokens: int
) -> Iterator[StrandWindow]:
    """Yield the windows in which some tokens are most central, in the order of the strand.

    Args:
        strand: The tokens of a strand.
        tokens: Numbers of tokens, ascending, each once, shape (n,).
        window_tokens: What a model takes at once, without special tokens.
    """
    segments, rows = np.unique(strand.segment_of(tokens), return_index=True)
    for segment, numbers in zip(segments.tolist(), np.split(tokens, rows)[1:], strict=True):
        first, last = strand.first_tokens[segment : segment + 2].tolist()
        starts, borders = (rule(last - first, window_tokens) for rule in (window_starts, output_borders))
        windows, rows_of_window = np.unique(
            np.searchsorted(borders, numbers - first, side="right") - 1, return_index=True
        )
        for window, some in zip(windows.tolist(), np.split(numbers, rows_of_window)[1:], strict=True):
            start = first + int(starts[window])
            yield StrandWindow(start, min(start + window_tokens, last), first, some)
