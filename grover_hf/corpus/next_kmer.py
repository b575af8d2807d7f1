"""Where next-k-mer prediction takes its samples: pieces of 56 bp, one after another."""

import numpy as np
from numpy.typing import NDArray

from grover_hf.genome.acgt import NOT_ACGT

CONTEXT_BP = 50
PIECE_BP = 56
"""Methods: "we keep the first 56 nucleotides", 50 of them the sample."""


def next_kmer_pieces(codes: NDArray[np.uint8]) -> tuple[NDArray[np.int64], int]:
    """Return the starts of the pieces of a chromosome without N, shape (n,), and how many have N.

    Args:
        codes: Base codes of the whole chromosome.
    """
    starts = np.arange(0, codes.size - PIECE_BP + 1, PIECE_BP)
    known = (codes[: starts.size * PIECE_BP].reshape(-1, PIECE_BP) < NOT_ACGT).all(1)
    return starts[known], int((~known).sum())
