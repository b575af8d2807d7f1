"""What a row of next-k-mer prediction shows, for its builder and for the sweep that trains on it."""

import numpy as np
from numpy.typing import NDArray

from grover_hf.genome.acgt import NOT_ACGT
from grover_hf.tokenization.encoding import Encoder
from grover_hf.tokenization.kmer import KmerEncoder

CONTEXT_BP = 50
"""Bases before those to predict (Methods, "Next-k-mer prediction")."""
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


def leaves_a_tail(encoder: Encoder) -> bool:
    """Say whether non-overlapping k-mers leave bases over before the answer."""
    return isinstance(encoder, KmerEncoder) and CONTEXT_BP % encoder.k > 0
