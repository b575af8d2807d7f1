"""Which tokens of a tokenized genome overlap an interval: from the last anchor before it, token by token."""

from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from grover_hf._internals.compilation import cached_njit
from grover_hf.genome.intervals import Interval

ANCHOR_EVERY = 128
"""Tokens from one anchor, whose position is known, to the next."""
_WORTH_A_THREAD = 1_000
"""Intervals to look up; starting a thread takes as long as some hundred."""
_N_IDS = 1 << 16


class IntervalTokens(NamedTuple):
    """The tokens that overlap an interval, in the order in which their strand is read.

    Positions are those of the forward strand: of the reverse strand's tokens the first has the highest.
    """

    input_ids: NDArray[np.uint16]
    starts: NDArray[np.int64]
    """Lowest genome position of each token, shape (L,)."""
    ends: NDArray[np.int64]
    """Genome position after each token's highest, shape (L,)."""
    partial_start: bool
    """A token begins before the interval."""
    partial_end: bool
    """A token ends after the interval."""
    vocabulary_sha256: str
    """The digest of the vocabulary that the ids belong to."""
    bases_left: int | None = None
    """From `tokenize_region` alone: the fewest bases before the interval with which its tokens are proven,
    whatever stands before those; or all that its segment has there, whose beginning counts too then."""
    bases_right: int | None = None
    """The same after the interval."""
    strand: Literal["+", "-"] = "+"
    """The strand that the tokens spell."""

    def inside(self, interval: Interval) -> "IntervalTokens":
        """Return the tokens that do not reach out of an interval."""
        kept = (self.starts >= interval.start) & (self.ends <= interval.end)
        return self._replace(
            input_ids=self.input_ids[kept], starts=self.starts[kept], ends=self.ends[kept],
            partial_start=False, partial_end=False,
        )

    # Tuples of arrays cannot be compared as tuples are.
    def __eq__(self, other: object) -> bool:
        return self is other

    def __hash__(self) -> int:
        return id(self)

    def __repr__(self) -> str:
        """Say how many tokens there are, and where."""
        where = f", {self.starts.min()}-{self.ends.max()}({self.strand})" if len(self.starts) else ""
        partial = [name for name in ("partial_start", "partial_end") if getattr(self, name)]
        return f"IntervalTokens({', '.join([f'{len(self.input_ids)} tokens{where}', *partial])})"


class TokensOfEach(NamedTuple):
    """The tokens that overlap each of n intervals, one after another."""

    input_ids: NDArray[np.uint16]
    """Token ids of all intervals, shape (n_tokens,)."""
    offsets: NDArray[np.int64]
    """Where in `input_ids` each interval's tokens begin, and the end, shape (n + 1,)."""
    token_starts: NDArray[np.int64]
    """Genome position of the first base of each interval's first token, shape (n,)."""
    token_ends: NDArray[np.int64]
    """Genome position after the last base of each interval's last token, shape (n,)."""

    def __eq__(self, other: object) -> bool:
        return self is other

    def __hash__(self) -> int:
        return id(self)

    def __repr__(self) -> str:
        """Say how many intervals and tokens there are."""
        return f"TokensOfEach({len(self.token_starts)} intervals, {len(self.input_ids)} tokens)"


class TokenLookup:
    """Finds tokens by genome position.

    Args:
        input_ids: All ids, shape (n_tokens,).
        token_lengths: Bases of each id, shape (V,).
        segments: Chromosome number, start, end, first token of each segment, shape (n_segments, 4).
        anchors: Position of every `ANCHOR_EVERY`-th token, shape (n_anchors,).
    """

    def __init__(
        self, input_ids: NDArray[np.uint16], token_lengths: NDArray[np.uint16], segments: NDArray[np.int64],
        anchors: NDArray[np.int64],
    ) -> None:
        self._input_ids = input_ids
        # For every id that two bytes can hold: compiled code does not check, and a file may be damaged.
        self._lengths = np.zeros(_N_IDS, np.uint16)
        self._lengths[: token_lengths.size] = token_lengths
        self._segments = segments
        self._anchors = anchors
        self.first_tokens = np.append(segments[:, 3], input_ids.size)
        """First token of each segment, and the number of tokens, shape (n_segments + 1,)."""

    def ranges(
        self, segments: NDArray[np.integer], starts: NDArray[np.integer], ends: NDArray[np.integer]
    ) -> NDArray[np.int64]:
        """Return first token, token after the last, and their span, of intervals in segments: (n, 4).

        Args:
            segments: Number of the segment that each interval is looked up in, shape (n,).
            starts: Starts of intervals, shape (n,).
            ends: Ends of intervals, shape (n,).
        """

        def found(part: slice) -> NDArray[np.int64]:
            return _find_tokens(
                self._input_ids.view(np.ndarray), self._lengths, self._anchors,
                self.first_tokens[segments[part]], self.first_tokens[segments[part] + 1],
                self._segments[segments[part], 1],
                np.asarray(starts[part], np.int64), np.asarray(ends[part], np.int64),
            )

        # Nearly all of the time goes into waiting for memory, which two threads do at once.
        half = len(segments) // 2
        if half < _WORTH_A_THREAD:
            return found(slice(None))
        with ThreadPoolExecutor(2) as threads:
            return np.concatenate(list(threads.map(found, (slice(half), slice(half, None)))))

    @cached_property
    def covered_ends(self) -> NDArray[np.int64]:
        """Where the tokens of each segment end, shape (n_segments,): with k-mers, a tail before its end."""
        ends = self._segments[:, 2]
        return self.ranges(np.arange(len(ends)), ends, ends)[:, 3]

    def starts_of(self, segment: int, tokens: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the genome positions where tokens of a segment start, shape (n,).

        Args:
            segment: Number of the segment.
            tokens: Numbers of tokens in the whole genome, ascending; the one after the
                segment's last stands for the segment's end.
        """
        first, position = int(self.first_tokens[segment]), int(self._segments[segment, 1])
        anchor = int(tokens[0]) // ANCHOR_EVERY
        if anchor * ANCHOR_EVERY > first:
            first, position = anchor * ANCHOR_EVERY, int(self._anchors[anchor])
        lengths = self._lengths[self._input_ids[first : tokens[-1]]]
        return position + np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)])[tokens - first]


def unsound_arrays(
    segments: NDArray[np.int64], anchors: NDArray[np.int64], sizes: NDArray[np.float64], n_tokens: int
) -> str | None:
    """Return what is wrong with the arrays of a tokenized genome, or None.

    Args:
        segments: Shape (n_segments, 4).
        anchors: Shape (n_anchors,).
        sizes: Sizes of the chromosomes in bp, shape (n_chromosomes,).
        n_tokens: How many ids there are.
    """
    if segments.dtype != np.int64 or segments.ndim != 2 or segments.shape[1] != 4 or not len(segments):
        return f"segments of shape {segments.shape} and {segments.dtype}"
    if anchors.dtype != np.int64 or anchors.shape != (-(-n_tokens // ANCHOR_EVERY),):
        return f"anchors of shape {anchors.shape} and {anchors.dtype} for {n_tokens} tokens"
    chromosomes, starts, ends, first_tokens = segments.T
    if chromosomes.min() < 0 or chromosomes.max() >= len(sizes) or (np.diff(chromosomes) < 0).any():
        return "segments of chromosomes that are not there, or not in their order"
    apart = (np.diff(chromosomes) > 0) | (starts[1:] > ends[:-1])
    if (starts < 0).any() or (starts >= ends).any() or (ends > sizes[chromosomes]).any() or not apart.all():
        return "segments that are empty, overlap, or reach out of their chromosome"
    if first_tokens[0] != 0 or (np.diff(first_tokens) <= 0).any() or first_tokens[-1] >= n_tokens:
        return "first tokens of segments that do not ascend from 0"
    holding = np.searchsorted(first_tokens, np.arange(len(anchors)) * ANCHOR_EVERY, side="right") - 1
    inside = (anchors >= starts[holding]) & (anchors < ends[holding])
    if not inside.all() or ((np.diff(anchors) <= 0) & (np.diff(holding) == 0)).any():
        return "anchors outside their segment, or not ascending in it"
    return None


@cached_njit
def _find_tokens(  # noqa: PLR0913 - compiled code takes arrays
    input_ids: NDArray[np.uint16], lengths: NDArray[np.uint16], anchors: NDArray[np.int64],
    first_tokens: NDArray[np.int64], end_tokens: NDArray[np.int64], segment_starts: NDArray[np.int64],
    starts: NDArray[np.int64], ends: NDArray[np.int64],
) -> NDArray[np.int64]:
    """Walk to each interval from the last anchor before it, then over it."""
    found = np.empty((starts.size, 4), np.int64)
    for i in range(starts.size):
        if i and starts[i] == starts[i - 1] and ends[i] == ends[i - 1] and first_tokens[i] == first_tokens[i - 1]:
            # A row and its negative often are one interval.
            found[i] = found[i - 1]
            continue
        token, position = first_tokens[i], segment_starts[i]
        low = -(-token // ANCHOR_EVERY)
        high = -(-end_tokens[i] // ANCHOR_EVERY)
        before = low + np.searchsorted(anchors[low:high], starts[i], side="right") - 1
        if before >= low:
            token, position = before * ANCHOR_EVERY, anchors[before]
        while token < end_tokens[i] and position + lengths[input_ids[token]] <= starts[i]:
            position += lengths[input_ids[token]]
            token += 1
        found[i, 0], found[i, 2] = token, position
        if starts[i] >= ends[i]:
            found[i, 1], found[i, 3] = token, position
            continue
        while token < end_tokens[i] and position < ends[i]:
            position += lengths[input_ids[token]]
            token += 1
        found[i, 1], found[i, 3] = token, position
    return found


@cached_njit
def gather_tokens(
    input_ids: NDArray[np.uint16], ranges: NDArray[np.int64], out: NDArray[np.uint16]
) -> NDArray[np.uint16]:
    """Copy the ids of ranges, as `TokenLookup.ranges` gives them, one after another into `out`; return it."""
    position = 0
    for first, last in ranges[:, :2]:
        out[position : position + last - first] = input_ids[first:last]
        position += last - first
    return out


def anchor_offsets(lengths: NDArray[np.uint16], n_before: int) -> NDArray[np.int64]:
    """Return where in a segment the tokens start whose number in the genome is that of an anchor.

    Args:
        lengths: Lengths of the segment's tokens, in bases.
        n_before: Tokens in the genome before the segment.
    """
    tokens = np.arange(-n_before % ANCHOR_EVERY, lengths.size, ANCHOR_EVERY)
    if not tokens.size:
        return tokens
    before_first = int(lengths[: tokens[0]].sum(dtype=np.int64))
    between = np.add.reduceat(lengths, tokens, dtype=np.int64)
    return before_first + np.concatenate([[0], np.cumsum(between)[:-1]])
