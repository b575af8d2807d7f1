"""Byte-pair training by position lists: each cycle touches only the places that it changes."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from grover_hf._internals.compilation import cached_njit
from grover_hf.errors import InputError
from grover_hf.genome.letters import BASES
from grover_hf.tokenization.bpe_encoding import GenomeEncoder
from grover_hf.tokenization.merges import Merge, MergeTable
from grover_hf.tokenization.special_tokens import N_SPECIAL

Codes = NDArray[np.uint8]
Tokens = NDArray[np.uint16]
Positions = NDArray[np.uint32]
Counts = NDArray[np.int64]

# A pair gets a list when it is at least this share as frequent as the most frequent one ...
LISTED_SHARE = 0.1
# ... and all lists together may hold about this many positions a base, at 4 bytes each: this is
# what bounds the memory.
POSITIONS_PER_BASE = 0.45

_STALE = np.uint16(65535)


def token_sequence(
    segments: Sequence[Codes], merges: MergeTable, n_cycles: int, n_threads: int
) -> "TokenSequence":
    """Return segments as tokens of `merges`, ready to learn more.

    Args:
        segments: Base codes without code 4.
        merges: The merges that have been learnt.
        n_cycles: How many will be learnt in all, at most.
        n_threads: Threads for encoding.
    """
    n_bases = sum(segment.size for segment in segments)
    encoder = GenomeEncoder(merges)

    def encode(segment: Codes) -> Tokens:
        return (encoder.encode_segment(segment) - N_SPECIAL).astype(np.uint16, copy=False)

    separator = np.array([n_cycles + len(BASES)], np.uint16)
    with ThreadPoolExecutor(n_threads) as threads:
        pieces: list[Tokens] = [separator]
        for tokens in threads.map(encode, segments):
            pieces += [tokens, separator]
    return TokenSequence(np.concatenate(pieces), list(merges.merges), n_cycles, n_bases)


class TokenSequence:
    """All segments as one array of tokens, and the position lists of its frequent pairs.

    A token of several *slots* stands in its first and in its last one; what is between is not
    read. (So both neighbours of a token are found without links.) `length` counts slots; packing
    the array makes every token one slot long again. Tokens are A C G T 0-3, then the merges;
    `separator` stands between segments and at both ends, and never merges.
    """

    def __init__(
        self, tokens: Tokens, merges: list[Merge], n_cycles: int, n_bases: int
    ) -> None:
        self._tokens = tokens
        self._merges = merges
        self._separator = n_cycles + len(BASES)
        self._counts = np.zeros((self._separator + 1, self._separator + 1), np.int64)
        _count_adjacent(tokens, self._counts)
        self._forget_separator()
        self._best_right = np.zeros(self._separator + 1, np.int64)
        _find_best_rights(self._counts, self._best_right)
        self._length = np.ones(self._separator + 1, np.int64)
        self._lists: dict[tuple[int, int], Positions] = {}
        self._n_positions = 0
        self._max_positions = int(POSITIONS_PER_BASE * n_bases) + 1
        self._listed_from = 1 << 62
        if tokens.size >= 1 << 32:
            raise InputError(f"{tokens.size} tokens are too many at once; train on fewer chromosomes.")

    def learn(self, n_cycles: int, learnt: Callable[[Merge], None] | None = None) -> list[Merge]:
        """Learn until there are `n_cycles` merges in all or no pair is left; return them all.

        `learnt` is called with each merge.
        """
        names = [*BASES, *(left + right for left, right in self._merges)]
        while len(self._merges) < n_cycles:
            left, right = _most_frequent(self._counts, self._best_right, len(names))
            count = int(self._counts[left, right])
            if count < 1:
                break
            if count < self._listed_from or self._n_positions > self._max_positions:
                self._make_lists(count)
            self._merge(left, right, len(names))
            merge = (names[left], names[right])
            self._merges.append(merge)
            names.append("".join(merge))
            if learnt is not None:
                learnt(merge)
        return self._merges

    def _make_lists(self, best_count: int) -> None:
        """Pack the tokens and list the positions of all pairs that are nearly as frequent as the best."""
        self._lists.clear()
        n_slots = _pack(self._tokens, self._length)
        self._tokens = self._tokens[:n_slots]
        self._length[:] = 1
        self._listed_from = max(1, int(LISTED_SHARE * best_count))
        counts = np.sort(self._counts[self._counts >= self._listed_from])[::-1]
        affordable = int(np.searchsorted(np.cumsum(counts), self._max_positions // 2, side="right"))
        if affordable < len(counts):
            self._listed_from = min(best_count, int(counts[affordable]) + 1)
        pairs = np.argwhere(self._counts >= self._listed_from)
        ends = np.cumsum(self._counts[pairs[:, 0], pairs[:, 1]])
        begins = np.concatenate([[0], ends[:-1]])
        list_of_pair = np.full(self._counts.shape, -1, np.int16 if len(pairs) < 1 << 15 else np.int32)
        list_of_pair[pairs[:, 0], pairs[:, 1]] = np.arange(len(pairs))
        positions = np.empty(ends[-1], np.uint32)
        _collect_positions(self._tokens, list_of_pair, begins.copy(), positions)
        for (left, right), begin, end in zip(pairs.tolist(), begins.tolist(), ends.tolist(), strict=True):
            self._lists[left, right] = positions[begin:end]
        self._n_positions = positions.size

    def _merge(self, left: int, right: int, merged: int) -> None:
        """Replace the pair everywhere, from left to right; bring counts and lists up to date."""
        positions = self._lists.pop((left, right))
        n_before, n_after = (np.zeros(self._separator + 1, np.int64) for _ in range(2))
        before, after = (np.empty(positions.size, np.uint16) for _ in range(2))
        starts = np.empty(positions.size, np.uint32)
        n_merged = _merge_occurrences(
            self._tokens, positions, left, right, merged, self._length,
            n_before, n_after, before, after, starts,
        )
        self._length[merged] = self._length[left] + self._length[right]
        _update_counts(self._counts, self._best_right, left, right, merged, n_before, n_after)

        lists_before = np.flatnonzero(self._counts[: merged + 1, merged] >= self._listed_from)
        lists_after = np.flatnonzero(self._counts[merged, :merged] >= self._listed_from)
        ends = np.cumsum(np.concatenate([[0], n_before[lists_before], n_after[lists_after]]))
        begin_before, begin_after = (np.full(self._separator + 1, -1, np.int64) for _ in range(2))
        begin_before[lists_before] = ends[: len(lists_before)]
        begin_after[lists_after] = ends[len(lists_before) : -1]
        fresh = np.empty(ends[-1], np.uint32)
        _list_new_pairs(
            n_merged, before, after, starts, self._length, begin_before, begin_after, fresh
        )
        pairs = [(int(x), merged) for x in lists_before] + [(merged, int(y)) for y in lists_after]
        for pair, begin, end in zip(pairs, ends[:-1].tolist(), ends[1:].tolist(), strict=True):
            self._lists[pair] = fresh[begin:end]
        self._n_positions += fresh.size

    def _forget_separator(self) -> None:
        self._counts[self._separator] = self._counts[:, self._separator] = 0


@cached_njit
def _count_adjacent(tokens: Tokens, counts: Counts) -> None:
    for i in range(tokens.size - 1):
        counts[tokens[i], tokens[i + 1]] += 1


@cached_njit
def _find_best_rights(counts: Counts, best_right: Counts) -> None:
    """Note for each left token its most frequent right token, of equals the smaller."""
    for left in range(counts.shape[0]):
        best_right[left] = np.argmax(counts[left])


@cached_njit
def _most_frequent(counts: Counts, best_right: Counts, n_tokens: int) -> tuple[int, int]:
    """Return the most frequent pair; of equals that with the smaller left, then right token."""
    best = 0
    for left in range(1, n_tokens):
        if counts[left, best_right[left]] > counts[best, best_right[best]]:
            best = left
    return best, best_right[best]


@cached_njit
def _pack(tokens: Tokens, length: Counts) -> int:
    """Make every token one slot long; return how many there are."""
    n_slots = 0
    i = 0
    while i < tokens.size:
        token = tokens[i]
        tokens[n_slots] = token
        n_slots += 1
        i += length[token]
    return n_slots


@cached_njit
def _collect_positions(
    tokens: Tokens, list_of_pair: NDArray[np.signedinteger], begins: Counts, positions: Positions
) -> None:
    for i in range(tokens.size - 1):
        k = list_of_pair[tokens[i], tokens[i + 1]]
        if k >= 0:
            positions[begins[k]] = i
            begins[k] += 1


@cached_njit
def _merge_occurrences(  # noqa: PLR0913 - compiled code takes arrays, not objects
    tokens: Tokens, positions: Positions, left: int, right: int, merged: int, length: Counts,
    n_before: Counts, n_after: Counts, before: Tokens, after: Tokens, starts: Positions,
) -> int:
    """Merge what is still a `left` followed by a `right`; note the neighbours met; return how many.

    A position is stale when an earlier cycle, or the occurrence just before in a run, has taken
    one of the two tokens. The first slot of a token that was taken as a right part is overwritten
    with `_STALE`, so it cannot be mistaken for a start.
    """
    n_merged = 0
    for position in positions:
        start = np.int64(position)
        if tokens[start] != left:
            continue
        middle = start + length[left]
        if tokens[middle] != right:
            continue
        end = middle + length[right]
        x, y = tokens[start - 1], tokens[end]
        tokens[middle] = _STALE
        tokens[start] = merged
        tokens[end - 1] = merged
        n_before[x] += 1
        n_after[y] += 1
        before[n_merged] = x
        after[n_merged] = y
        starts[n_merged] = start
        n_merged += 1
    return n_merged


@cached_njit
def _update_counts(
    counts: Counts, best_right: Counts, left: int, right: int, merged: int, n_before: Counts, n_after: Counts
) -> None:
    """Move the counts of the neighbours' pairs to the merged token.

    In a run of merged tokens the second one finds the first as its neighbour before it, which
    takes back the pair (merged, left) that the first had noted with the neighbour after it.
    """
    separator = len(counts) - 1
    for y in range(separator):
        counts[right, y] -= n_after[y]
        counts[merged, y] += n_after[y]
    for x in range(separator):
        counts[x, left] -= n_before[x]
        counts[x, merged] += n_before[x]
    counts[left, right] = 0
    for x in range(merged + 1):
        if x in (left, right, merged) or (n_before[x] and best_right[x] == left):
            best_right[x] = np.argmax(counts[x])
        elif n_before[x] and counts[x, merged] > counts[x, best_right[x]]:
            best_right[x] = merged


@cached_njit
def _list_new_pairs(  # noqa: PLR0913 - compiled code takes arrays, not objects
    n_merged: int, before: Tokens, after: Tokens, starts: Positions, length: Counts,
    begin_before: Counts, begin_after: Counts, fresh: Positions,
) -> None:
    for k in range(n_merged):
        at = begin_before[before[k]]
        if at >= 0:
            fresh[at] = starts[k] - length[before[k]]
            begin_before[before[k]] += 1
        at = begin_after[after[k]]
        if at >= 0:
            fresh[at] = starts[k]
            begin_after[after[k]] += 1
