"""Base codes, and the segments that N ends.

Lower case (soft-masked repeats) is read as upper case. N and the other IUPAC nucleotide letters
(`letters`) are code 4: they belong to no segment, and no token.
"""

import numpy as np
from numpy.typing import NDArray

from grover_hf._internals.compilation import cached_njit
from grover_hf.genome.letters import BASES

NOT_ACGT = 4
"""The code of N, of the other IUPAC codes, and of anything that is no base at all."""

_CODE_OF_LETTER = np.full(256, NOT_ACGT, np.uint8)
for _code, _base in enumerate(BASES):
    _CODE_OF_LETTER[ord(_base)] = _CODE_OF_LETTER[ord(_base.lower())] = _code
_LETTERS = np.frombuffer(b"ACGTN", np.uint8)


def base_codes(sequence: str | bytes) -> NDArray[np.uint8]:
    """Return the base codes of `sequence`, shape (n,), uint8; any case, other letters become 4."""
    if isinstance(sequence, str):
        # One byte a letter, also for letters that are not ASCII: they become "?", which is code 4.
        sequence = sequence.encode("ascii", "replace")
    return _CODE_OF_LETTER[np.frombuffer(sequence, np.uint8)]


def sequence_of(codes: NDArray[np.uint8]) -> str:
    """Return the upper-case letters of base codes; code 4 becomes N."""
    return _LETTERS[codes].tobytes().decode("ascii")


def acgt_segments(codes: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Return the maximal stretches without code 4, shape (n_segments, 2), as [start, end)."""
    borders = _segment_borders(codes, np.empty(2 * _count_segments(codes), np.int64))
    return borders.reshape(-1, 2)


@cached_njit
def _count_segments(codes: NDArray[np.uint8]) -> int:
    n_segments = 0
    before = np.uint8(NOT_ACGT)
    for code in codes:
        n_segments += (code != NOT_ACGT) & (before == NOT_ACGT)
        before = code
    return n_segments


@cached_njit
def _segment_borders(codes: NDArray[np.uint8], borders: NDArray[np.int64]) -> NDArray[np.int64]:
    k = 0
    outside = True
    for i in range(codes.size):
        if (codes[i] == NOT_ACGT) != outside:
            borders[k] = i
            k += 1
            outside = not outside
    if not outside:
        borders[k] = codes.size
    return borders
