"""All tokens of one strand of a chromosome, in memory: what scores along a genome are computed from.

The reverse strand is another tokenization: the reverse complement is encoded anew, segment by segment. Positions
are those of the strand: base `size - 1 - q` of the chromosome is base `q` of its reverse strand.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from grover_hf.corpus.token_lookup import IntervalTokens
from grover_hf.errors import InputError
from grover_hf.genome import ReferenceGenome
from grover_hf.genome.acgt import NOT_ACGT, acgt_segments
from grover_hf.tokenization.encoding import Encoder
from grover_hf.tokenization.special_tokens import UNK_ID

_COMPLEMENT = np.array([3, 2, 1, 0, NOT_ACGT], np.uint8)
_MAX_POSITION = np.iinfo(np.uint32).max


@dataclass(frozen=True, eq=False)
class StrandTokens:
    """The tokens of a chromosome's strand, from its first base on; `of` makes it.

    Memory: 2.5 bytes a base with byte-pair tokens of 4 bases.
    """

    chrom: str
    strand: str
    codes: NDArray[np.uint8]
    """Base codes of the strand, shape (size,)."""
    segments: NDArray[np.int64]
    """Start and end of each segment that has a token, shape (n_segments, 2)."""
    input_ids: NDArray[np.uint16]
    """Shape (n_tokens,)."""
    starts: NDArray[np.uint32]
    """Position of each token's first base, shape (n_tokens,)."""
    first_tokens: NDArray[np.int64]
    """First token of each segment, and the number of tokens, shape (n_segments + 1,)."""
    token_lengths: NDArray[np.uint16]
    """Bases of each id, shape (V,)."""
    vocabulary_sha256: str

    @classmethod
    def of(cls, genome: ReferenceGenome, chrom: str, encoder: Encoder, strand: str = "+") -> "StrandTokens":
        """Tokenize a chromosome.

        Args:
            genome: Its genome.
            chrom: Its name.
            encoder: The vocabulary.
            strand: "+" or "-".

        Raises:
            InputError: If the genome has no such chromosome, or it has more than 2**32 bases.
        """
        codes = genome.codes(chrom)
        if codes.size > _MAX_POSITION:
            raise InputError(f"{chrom} of {genome.path} has {codes.size:,} bp; {_MAX_POSITION:,} is the most.")
        if strand == "-":
            codes = reverse_complement_codes(codes)
        spans, pieces, starts, counts = [], [], [], [0]
        for start, end in acgt_segments(codes).tolist():
            input_ids = encoder.encode_segment(codes[start:end])
            # The tail of a segment that no k-mer spells.
            if input_ids.size and input_ids[-1] == UNK_ID:
                input_ids = input_ids[:-1]
            if not input_ids.size:
                continue
            lengths = encoder.token_lengths[input_ids].astype(np.int64)
            spans.append((start, end))
            pieces.append(input_ids)
            starts.append((start + np.cumsum(lengths) - lengths).astype(np.uint32))
            counts.append(input_ids.size)
        return cls(
            chrom, strand, codes, np.array(spans, np.int64).reshape(-1, 2),
            np.concatenate([np.empty(0, np.uint16), *pieces]), np.concatenate([np.empty(0, np.uint32), *starts]),
            np.cumsum(counts), encoder.token_lengths, encoder.vocabulary_sha256,
        )

    def __repr__(self) -> str:
        """Say how many tokens there are."""
        return f"StrandTokens({self.chrom}, {self.strand}, {self.input_ids.size:,} tokens)"

    def position(self, positions: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return where positions of the forward strand lie on this strand; and the other way round."""
        return positions if self.strand == "+" else self.codes.size - 1 - positions

    def token_over(self, positions: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the token over each position of this strand, shape (n,); -1 where there is none."""
        if not self.starts.size:
            return np.full(len(positions), -1)
        tokens = np.searchsorted(self.starts, positions.astype(np.uint32), side="right") - 1
        held = tokens >= 0
        held[held] = positions[held] < self.ends_of(tokens[held])
        return np.where(held, tokens, -1)

    def ends_of(self, tokens: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the position after the last base of each token, shape (n,)."""
        return self.starts[tokens].astype(np.int64) + self.token_lengths[self.input_ids[tokens]]

    def tokens_between(self, start: int, end: int) -> NDArray[np.int64]:
        """Return the numbers of the tokens that overlap a stretch of this strand, ascending."""
        # Of the type of `starts`: else all of them are converted each time.
        first = int(np.searchsorted(self.starts, np.uint32(start), side="right")) - 1
        last = int(np.searchsorted(self.starts, np.uint32(end), side="left"))
        if first < 0 or int(self.ends_of(np.array([first]))[0]) <= start:
            first += 1
        return np.arange(first, last)

    def located(self, tokens: NDArray[np.int64]) -> IntervalTokens:
        """Return tokens as a model takes them, with their places on this strand; the arrays are copies."""
        return IntervalTokens(
            self.input_ids[tokens], self.starts[tokens].astype(np.int64), self.ends_of(tokens),
            partial_start=False, partial_end=False, vocabulary_sha256=self.vocabulary_sha256,
        )

    def segment_of(self, tokens: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the segment that each token lies in, shape (n,)."""
        return np.searchsorted(self.first_tokens, tokens, side="right") - 1


def strands_of(text: str) -> str:
    """Return the strands that an option names: "both", "+" or "-".

    Raises:
        InputError: If it names none.
    """
    if text not in ("both", "+", "-"):
        raise InputError(f"strands is {text!r}; it is both, + or -.")
    return "+-" if text == "both" else text


def reverse_complement_codes(codes: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the base codes of the other strand, shape (n,)."""
    return np.ascontiguousarray(_COMPLEMENT[codes][::-1])
