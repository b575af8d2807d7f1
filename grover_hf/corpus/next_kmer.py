"""What a row of next-k-mer prediction shows, for its builder and for the sweep that trains on it."""

from grover_hf.tokenization.encoding import Encoder
from grover_hf.tokenization.kmer import KmerEncoder

CONTEXT_BP = 50
"""Bases before those to predict (Methods, "Next-k-mer prediction")."""


def leaves_a_tail(encoder: Encoder) -> bool:
    """Say whether non-overlapping k-mers leave bases over before the answer."""
    return isinstance(encoder, KmerEncoder) and CONTEXT_BP % encoder.k > 0
