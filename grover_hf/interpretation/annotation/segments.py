"""`Segments`: where an annotation lies on a genome and on which strands, asked for millions of places at once.

The chromosomes of a genome stand one behind another on one line, so that nothing here knows of chromosomes.
Intervals are cut where one begins or ends: the pieces are apart and in order, and each knows the strands of all
intervals over it. How much of a window they cover is then a difference of two running sums, however many they are.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

PLUS, MINUS, UNKNOWN = 1, 2, 4
"""Bits of the strands of intervals over a piece."""
N_MASKS = 8
_TAKEN = 8
STRAND_BITS = {"+": PLUS, "-": MINUS, ".": UNKNOWN}


class Coverage(NamedTuple):
    """How an annotation covers each of n windows."""

    bases: NDArray[np.int64]
    """Bases of each that the annotation covers, each once; shape (n,)."""
    strands: NDArray[np.uint8]
    """Bits of the strands of what overlaps each; 0 where nothing does; shape (n,)."""


@dataclass(frozen=True, eq=False)
class Segments:
    """Where an annotation lies: pieces that are apart and in order.

    Examples:
        >>> import numpy as np
        >>> from grover_hf.interpretation.annotation.segments import MINUS, PLUS, Segments
        >>> alu = Segments.of(np.array([10, 15]), np.array([20, 30]), np.array([PLUS, MINUS], np.uint8))
        >>> alu.starts.tolist(), alu.ends.tolist(), alu.strands.tolist()
        ([10, 15, 20], [15, 20, 30], [1, 3, 2])
        >>> alu.coverage(np.array([0, 12]), np.array([14, 100])).bases.tolist()
        [4, 18]
    """

    starts: NDArray[np.int64]
    """Shape (n,)."""
    ends: NDArray[np.int64]
    """Shape (n,)."""
    strands: NDArray[np.uint8]
    """Bits of the strands of all intervals over a piece; shape (n,)."""

    @classmethod
    def of(
        cls, starts: NDArray[np.integer], ends: NDArray[np.integer], strands: NDArray[np.uint8]
    ) -> "Segments":
        """Return the pieces of intervals of one base or more, in any order, which may overlap.

        Args:
            starts: First base of each, shape (m,).
            ends: Base after the last of each, shape (m,).
            strands: A single bit each, shape (m,).
        """
        bits, borders = [np.empty(0, np.uint8)], [np.empty(0, np.int64)]
        for bit in (PLUS, MINUS, UNKNOWN, _TAKEN):
            chosen = strands == bit
            if chosen.any():
                borders.append(_merged(starts[chosen], ends[chosen]).reshape(-1))
                bits.append(np.full(borders[-1].size, bit, np.uint8))
        places, toggled = np.concatenate(borders), np.concatenate(bits)
        in_order = np.argsort(places, kind="stable")
        places = places[in_order]
        # Merged intervals of a bit are apart: each border of theirs turns it on or off.
        after = np.bitwise_xor.accumulate(toggled[in_order])
        is_last = np.append(places[1:] > places[:-1], np.ones(min(places.size, 1), np.bool_))
        places, after = places[is_last], after[is_last]
        held = np.flatnonzero(after)
        return cls(places[held], places[held + 1], after[held])

    @cached_property
    def is_stranded(self) -> bool:
        """Whether a strand is known of some of it."""
        return bool((self.strands & (PLUS | MINUS)).any())

    @cached_property
    def n_bases(self) -> int:
        """Bases that it covers, each once."""
        return int((self.ends - self.starts).sum())

    def coverage(self, starts: NDArray[np.integer], ends: NDArray[np.integer]) -> Coverage:
        """Return how windows are covered, in any order; they may overlap.

        Args:
            starts: First base of each, shape (n,).
            ends: Base after the last of each, shape (n,).
        """
        if not self.starts.size:
            return Coverage(np.zeros(len(starts), np.int64), np.zeros(len(starts), np.uint8))
        first = np.searchsorted(self.ends, starts, side="right")
        after = np.searchsorted(self.starts, ends, side="left")
        some = after > first
        before = self._running[after] - self._running[first]
        left = starts - self.starts[np.minimum(first, self.starts.size - 1)]
        right = self.ends[np.maximum(after, 1) - 1] - ends
        bases = np.where(some, before - np.maximum(left, 0) - np.maximum(right, 0), 0)
        strands = np.zeros(len(starts), np.uint8)
        for bit, running in self._running_strands:
            strands |= np.where(running[after] > running[np.minimum(first, after)], np.uint8(bit), np.uint8(0))
        return Coverage(bases, strands)

    def without(self, others: Sequence["Segments"]) -> "Segments":
        """Return what is left of it where others lie, whatever their strands."""
        intervals = [self._single(bit) for bit in (PLUS, MINUS, UNKNOWN)]
        taken = [(one.starts, one.ends, np.full(one.starts.size, _TAKEN, np.uint8)) for one in others]
        columns = [np.concatenate(column) for column in zip(*intervals, *taken, strict=True)]
        cut = Segments.of(*columns)
        kept = cut.strands < _TAKEN
        return Segments(cut.starts[kept], cut.ends[kept], cut.strands[kept])

    def _single(self, bit: int) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.uint8]]:
        has = (self.strands & bit) > 0
        return self.starts[has], self.ends[has], np.full(int(has.sum()), bit, np.uint8)

    @cached_property
    def _running(self) -> NDArray[np.int64]:
        return np.concatenate([[0], np.cumsum(self.ends - self.starts)])

    @cached_property
    def _running_strands(self) -> list[tuple[int, NDArray[np.int32]]]:
        """Of each strand that there is: how many pieces before each have it."""
        return [
            (bit, np.concatenate([[0], np.cumsum((self.strands & bit) > 0)]).astype(np.int32))
            for bit in (PLUS, MINUS, UNKNOWN) if (self.strands & bit).any()
        ]


def directions(strands: NDArray[np.uint8]) -> tuple[NDArray[np.int8], NDArray[np.bool_]]:
    """Return the directions of windows, shape (n,), and where there is none, shape (n,).

    A window has one only if all that overlaps it is on that strand ("only bins ... that have overlaps with the
    annotation in a unique direction", Methods, "Genome annotation"): +1 or -1; else 0, where it is on both strands
    or one is not known.

    Args:
        strands: As `Coverage.strands`.
    """
    found = (strands == PLUS).astype(np.int8) - (strands == MINUS).astype(np.int8)
    return found, strands == 0


def _merged(starts: NDArray[np.integer], ends: NDArray[np.integer]) -> NDArray[np.int64]:
    """Return the union of intervals: starts and ends of what is apart, in order, shape (2, n)."""
    in_order = np.argsort(starts, kind="stable")
    starts, ends = starts[in_order], np.maximum.accumulate(ends[in_order])
    begins = np.concatenate([[True], starts[1:] > ends[:-1]])
    return np.stack([starts[begins], ends[np.append(begins[1:], True)]]).astype(np.int64)
