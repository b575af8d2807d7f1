"""Which tokens lie in repeats: those with more lower-case bases than others, a bit a token.

Lower case is how FASTA files mark what RepeatMasker and its like have found (soft-masked).
"""

from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from grover_hf._internals.compilation import cached_njit

SOFT_MASK_FILE = "soft_masked.bits"


@cached_njit
def mostly_covered(
    start: int, lengths: NDArray[np.uint16], stretches: NDArray[np.int64]
) -> NDArray[np.bool_]:
    """Return which tokens have more than half of their bases in stretches, shape (n_tokens,).

    Args:
        start: Where the first token begins; the others follow without a gap.
        lengths: Bases of each token, shape (n_tokens,).
        stretches: Ascending, apart, as [start, end), shape (n, 2).
    """
    mostly = np.zeros(lengths.size, np.bool_)
    if not len(stretches):
        return mostly
    k = np.searchsorted(stretches[:, 1], start, side="right")
    position = start
    for i in range(lengths.size):
        end = position + lengths[i]
        covered = 0
        while k < len(stretches) and stretches[k, 0] < end:
            covered += min(end, stretches[k, 1]) - max(position, stretches[k, 0])
            if stretches[k, 1] > end:
                break
            k += 1
        mostly[i] = 2 * covered > lengths[i]
        position = end
    return mostly


class BitWriter:
    """Writes truth values as bits, some at a time; the first of eight is the highest bit of a byte.

    Args:
        file: Open for writing.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._rest = np.empty(0, np.bool_)
        self.n_true = self.n_values = 0
        """How many of all were true, and all."""

    def add(self, values: NDArray[np.bool_]) -> None:
        """Write some more."""
        self.n_true += int(values.sum())
        self.n_values += values.size
        values = np.concatenate([self._rest, values])
        n_whole = values.size // 8 * 8
        self._file.write(np.packbits(values[:n_whole]).data)
        self._rest = values[n_whole:]

    def finish(self) -> None:
        """Write the last bits, with zeros up to a whole byte."""
        self._file.write(np.packbits(self._rest).data)


def n_bytes(n_values: int) -> int:
    """Return the size of what a `BitWriter` has written of so many."""
    return -(-n_values // 8)


def looked_up(bits: NDArray[np.uint8], numbers: NDArray[np.integer]) -> NDArray[np.bool_]:
    """Return the truth values of some numbers, in their shape."""
    found: NDArray[np.bool_] = (bits[numbers >> 3] >> (7 - (numbers & 7)) & 1).astype(np.bool_)
    return found


def unpacked(bits: NDArray[np.uint8], first: int, last: int) -> NDArray[np.bool_]:
    """Return the truth values from `first` to `last`, exclusive, of what a `BitWriter` has written."""
    of_bytes = np.unpackbits(bits[first // 8 : n_bytes(last)])
    return of_bytes[first % 8 :][: last - first].astype(np.bool_)
