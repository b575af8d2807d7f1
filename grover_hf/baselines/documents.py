"""Sequences as documents of tokens, for TF-IDF."""

from collections.abc import Iterable

from grover_hf.errors import InputError
from grover_hf.tokenization.encoding import Encoder
from grover_hf.tokenization.kmer import KmerEncoder


def documents_of(sequences: Iterable[str], encoder: Encoder, stride: int | None) -> list[str]:
    """Return each sequence as its tokens with a space between.

    Args:
        sequences: Letters.
        encoder: Encoder of k-mers or byte pairs; sequences are tokenized alone.
        stride: Bases from one k-mer to the next: None for K, as in the paper (non-overlapping); 1
            for overlapping k-mers.

    Raises:
        InputError: If a stride is given for byte-pair tokens.
    """
    if isinstance(encoder, KmerEncoder):
        k = encoder.k
        step = k if stride is None else stride
        return [" ".join(s[i : i + k] for i in range(0, len(s) - k + 1, step)) for s in sequences]
    if stride is not None:
        raise InputError(f"--stride is for k-mers; {encoder.name} has tokens of its own.")
    return [" ".join(encoder.tokens[i] for i in encoder.encode(sequence)) for sequence in sequences]
