"""How often tokens, pairs and triples of neighbouring tokens occur in windows of a genome."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from grover_hf._internals.compilation import cached_njit

_BUFFER_TOKENS = 1 << 28


@dataclass(frozen=True, eq=False)
class NeighbourCounts:
    """How often tokens, pairs and triples of neighbouring tokens occur; `count_neighbours` makes it.

    V types are V singles and V**2 pairs. Only triples that occur are held, those of one pair of outer tokens
    together: row `left * V + right` is [`offsets[row]`, `offsets[row + 1]`).
    """

    singles: NDArray[np.int64]
    """By token, shape (V,)."""
    pairs: NDArray[np.int64]
    """By left and right token, shape (V, V)."""
    offsets: NDArray[np.int64]
    """Where in `middles` each pair of outer tokens begins, and the end, shape (V**2 + 1,)."""
    middles: NDArray[np.uint16]
    """The tokens between, shape (n_triples,)."""
    counts: NDArray[np.uint32]
    """How often each triple occurs, shape (n_triples,)."""

    @property
    def vocab_size(self) -> int:
        """Number of token ids."""
        return self.singles.size


def count_pairs(
    input_ids: NDArray[np.uint16], borders: NDArray[np.int64], vocab_size: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Count tokens and pairs of neighbouring tokens within windows; 15 ns a token.

    Args:
        input_ids: Token ids of all windows, one after another, shape (n_tokens,); they may be memory-mapped.
        borders: Where each window begins, and the end, shape (n_windows + 1,).
        vocab_size: Number of token ids.

    Returns:
        Occurrences of each token, shape (V,), and of each left with each right token, shape (V, V).
    """
    used = np.ones(len(borders) - 1, np.bool_)
    singles = np.zeros(vocab_size, np.int64)
    pairs, outer_pairs = np.zeros((2, vocab_size, vocab_size), np.int64)
    _count_pairs(input_ids, borders, used, singles, pairs, outer_pairs.reshape(-1))
    return singles, pairs


def count_neighbours(
    input_ids: NDArray[np.uint16], borders: NDArray[np.int64], vocab_size: int, *,
    used: NDArray[np.bool_] | None = None, buffer_tokens: int = _BUFFER_TOKENS,
) -> NeighbourCounts:
    """Count tokens and their neighbours within windows.

    Windows are read once for pairs, and once more for every `buffer_tokens` triples. Memory: 24 bytes a pair of
    types and 6 bytes a triple that occurs; while it is made, 12, and the buffer, 2 bytes a token (0.5 GB). With
    609 types that is 3.3 GB at most, whatever the genome; 300 million tokens with 42 million triples took 0.7 GB,
    and 34 ns a token.

    Args:
        input_ids: Token ids of all windows, one after another, without [CLS] and [SEP], shape (n_tokens,); they
            may be memory-mapped.
        borders: Where each window begins, and the end, shape (n_windows + 1,).
        vocab_size: Number of token ids.
        used: Which windows to count, shape (n_windows,); None for all.
        buffer_tokens: Triples that are sorted at once.
    """
    used = np.ones(len(borders) - 1, np.bool_) if used is None else used
    singles = np.zeros(vocab_size, np.int64)
    pairs = np.zeros((vocab_size, vocab_size), np.int64)
    # First how often each pair of outer tokens occurs, then where its triples begin.
    begins = np.zeros(vocab_size**2 + 1, np.int64)
    _count_pairs(input_ids, borders, used, singles, pairs, begins[1:])
    np.cumsum(begins, out=begins)
    offsets = np.zeros(vocab_size**2 + 1, np.int64)
    parts = []
    first = 0
    while first < vocab_size**2:
        # At least one pair, whatever the size of the buffer.
        end = max(first + 1, int(np.searchsorted(begins, begins[first] + buffer_tokens, side="right")) - 1)
        starts = begins[first : end + 1] - begins[first]
        buffer = np.empty(starts[-1], np.uint16)
        _collect_middles(input_ids, borders, used, first, starts[:-1].copy(), buffer, vocab_size)
        n_types = offsets[first + 1 : end + 1]
        _count_types(buffer, starts, vocab_size, n_types)
        parts.append((np.empty(n_types.sum(), np.uint16), np.empty(n_types.sum(), np.uint32)))
        _count_triples(buffer, starts, vocab_size, *parts[-1])
        first = end
    np.cumsum(offsets, out=offsets)
    middles, counts = (np.concatenate(columns) for columns in zip(*parts, strict=True))
    return NeighbourCounts(singles, pairs, offsets, middles, counts)


@cached_njit
def _count_pairs(
    input_ids: NDArray[np.uint16], borders: NDArray[np.int64], used: NDArray[np.bool_],
    singles: NDArray[np.int64], pairs: NDArray[np.int64], outer_pairs: NDArray[np.int64],
) -> None:
    vocab_size = singles.size
    for window in range(used.size):
        if not used[window]:
            continue
        for place in range(borders[window], borders[window + 1]):
            singles[input_ids[place]] += 1
            if place > borders[window]:
                pairs[input_ids[place - 1], input_ids[place]] += 1
            if place > borders[window] + 1:
                outer_pairs[np.int64(input_ids[place - 2]) * vocab_size + input_ids[place]] += 1


@cached_njit
def _collect_middles(
    input_ids: NDArray[np.uint16], borders: NDArray[np.int64], used: NDArray[np.bool_], first: int,
    free: NDArray[np.int64], buffer: NDArray[np.uint16], vocab_size: int,
) -> None:
    """Put the token between each pair of outer tokens, from pair `first` on, to those of the same pair."""
    for window in range(used.size):
        if not used[window]:
            continue
        for place in range(borders[window], borders[window + 1] - 2):
            pair = np.int64(input_ids[place]) * vocab_size + input_ids[place + 2] - first
            if 0 <= pair < free.size:
                buffer[free[pair]] = input_ids[place + 1]
                free[pair] += 1


@cached_njit
def _count_types(
    buffer: NDArray[np.uint16], starts: NDArray[np.int64], vocab_size: int, n_types: NDArray[np.int64]
) -> None:
    """Count how many types stand between each pair of outer tokens."""
    last_met = np.full(vocab_size, -1, np.int64)
    for pair in range(n_types.size):
        for place in range(starts[pair], starts[pair + 1]):
            if last_met[buffer[place]] != pair:
                last_met[buffer[place]] = pair
                n_types[pair] += 1


@cached_njit
def _count_triples(
    buffer: NDArray[np.uint16], starts: NDArray[np.int64], vocab_size: int,
    middles: NDArray[np.uint16], counts: NDArray[np.uint32],
) -> None:
    """Write each type between a pair of outer tokens once, with how often it is there."""
    written_at = np.full(vocab_size, -1, np.int64)
    n_written = 0
    for pair in range(starts.size - 1):
        of_pair = n_written
        for place in range(starts[pair], starts[pair + 1]):
            if written_at[buffer[place]] < of_pair:
                written_at[buffer[place]] = n_written
                middles[n_written] = buffer[place]
                counts[n_written] = 0
                n_written += 1
            counts[written_at[buffer[place]]] += np.uint32(1)
