"""Non-overlapping k-mer vocabularies: the models that the paper compares with.

All 4**k permutations in alphabetical order follow the five special tokens (Methods, "k-mer
models"). A tail shorter than k is one [UNK].
"""

import itertools
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from grover_hf.errors import InputError
from grover_hf.genome.acgt import base_codes
from grover_hf.genome.letters import BASES
from grover_hf.tokenization.encoding import Encoding, encode_around_unknown
from grover_hf.tokenization.identity import vocabulary_sha256
from grover_hf.tokenization.special_tokens import N_SPECIAL, SPECIAL_TOKENS, UNK_ID
from grover_hf.tokenization.vocabulary import token_lengths

if TYPE_CHECKING:
    from tokenizers import Tokenizer
    from transformers import PreTrainedTokenizerFast

MAX_K = 7
"""Ids are uint16: 4**8 k-mers would not fit."""


class KmerEncoder:
    """Encodes sequences as non-overlapping k-mers, exactly as the exported tokenizer does.

    Args:
        k: Bases a token.

    Raises:
        InputError: If `k` is not in 1..7.

    Examples:
        >>> from grover_hf.tokenization.kmer import KmerEncoder
        >>> encoder = KmerEncoder(4)
        >>> [encoder.tokens[i] for i in encoder.encode("ACGTTTTTGG")]
        ['ACGT', 'TTTT', '[UNK]']
    """

    def __init__(self, k: int) -> None:
        if not 1 <= k <= MAX_K:
            raise InputError(f"k is {k}; k-mer vocabularies go from 1 to {MAX_K}.")
        self.k = k
        self.name = f"kmer-{k}"
        self.tokens = SPECIAL_TOKENS + tuple("".join(kmer) for kmer in itertools.product(BASES, repeat=k))
        self.token_lengths = token_lengths(self.tokens)
        self._weights = 4 ** np.arange(k - 1, -1, -1, dtype=np.uint16)

    @cached_property
    def vocabulary_sha256(self) -> str:
        """The digest that corpora, datasets and checkpoints carry."""
        return vocabulary_sha256(self.tokens)

    def __repr__(self) -> str:
        """Say which vocabulary it encodes with."""
        return f"KmerEncoder({self.k}, {len(self.tokens)} token ids)"

    def backend(self) -> "Tokenizer":
        """Return the tokenizer of `tokenizers` with the same ids."""
        from grover_hf.tokenization.fast_tokenizer import kmer_backend

        return kmer_backend(self.tokens, self.k)

    def to_tokenizer(self) -> "PreTrainedTokenizerFast":
        """Return the tokenizer of transformers with the same ids; the tail of a sequence is one [UNK].

        >>> KmerEncoder(3).to_tokenizer().tokenize("ACGTTTA")
        ['ACG', 'TTT', '[UNK]']
        """
        from grover_hf.tokenization.fast_tokenizer import as_pretrained

        return as_pretrained(self.backend())

    def encode(self, sequence: str | bytes | NDArray[np.uint8]) -> NDArray[np.uint16]:
        """Return the token ids of a sequence (see `GenomeEncoder.encode`)."""
        codes = sequence if isinstance(sequence, np.ndarray) else base_codes(sequence)
        return encode_around_unknown(codes, self.encode_segment)

    def encode_with_offsets(self, sequence: str | bytes | NDArray[np.uint8]) -> Encoding:
        """Return the token ids with the start and end of each in `sequence`, in bases."""
        codes = sequence if isinstance(sequence, np.ndarray) else base_codes(sequence)
        lengths = encode_around_unknown(codes, self._lengths_in_segment).astype(np.int64)
        ends = np.cumsum(lengths)
        return Encoding(self.encode(codes), ends - lengths, ends)

    def encode_segment(self, codes: NDArray[np.uint8]) -> NDArray[np.uint16]:
        """Return the ids of base codes that hold only A, C, G, T (not checked)."""
        n_whole = codes.size // self.k
        kmers = codes[: n_whole * self.k].reshape(n_whole, self.k).astype(np.uint16)
        input_ids = kmers @ self._weights + np.uint16(N_SPECIAL)
        return np.append(input_ids, np.uint16(UNK_ID)) if codes.size % self.k else input_ids

    def _lengths_in_segment(self, codes: NDArray[np.uint8]) -> NDArray[np.uint16]:
        lengths = np.full(codes.size // self.k, self.k, np.uint16)
        tail = codes.size % self.k
        return np.append(lengths, np.uint16(tail)) if tail else lengths
