"""What encoders share: tokens with offsets, and sequences with letters other than A, C, G, T."""

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from grover_hf.errors import InputError
from grover_hf.genome.acgt import NOT_ACGT, acgt_segments
from grover_hf.tokenization.special_tokens import UNK_ID

if TYPE_CHECKING:
    from tokenizers import Tokenizer


class Encoding(NamedTuple):
    """Tokens of a sequence with their positions in it, in bases: starts and ends, half-open."""

    input_ids: NDArray[np.uint16]
    starts: NDArray[np.int64]
    ends: NDArray[np.int64]

    # Tuples of arrays cannot be compared as tuples are.
    def __eq__(self, other: object) -> bool:
        return self is other

    def __hash__(self) -> int:
        return id(self)

    def __repr__(self) -> str:
        """Say how many tokens there are, of how many bases."""
        return f"Encoding({len(self.input_ids)} tokens, {self.ends[-1] if len(self.ends) else 0} bases)"


class Encoder(Protocol):
    """Turns bases into token ids: `GenomeEncoder` (byte-pair) or `KmerEncoder`."""

    name: str
    tokens: tuple[str, ...]
    token_lengths: NDArray[np.uint16]

    @property
    def vocabulary_sha256(self) -> str: ...

    def backend(self) -> "Tokenizer": ...

    def encode(self, sequence: str | bytes | NDArray[np.uint8]) -> NDArray[np.uint16]: ...

    def encode_with_offsets(self, sequence: str | bytes | NDArray[np.uint8]) -> Encoding: ...

    def encode_segment(self, codes: NDArray[np.uint8]) -> NDArray[np.uint16]: ...


def encode_around_unknown(
    codes: NDArray[np.uint8], encode_segment: Callable[[NDArray[np.uint8]], NDArray[np.uint16]]
) -> NDArray[np.uint16]:
    """Encode the segments of `codes`, with one [UNK] for each base between them."""
    highest = codes.max(initial=0)
    if codes.dtype != np.uint8 or codes.ndim != 1 or highest > NOT_ACGT:
        raise InputError(
            f"an array of {codes.dtype} with values up to {highest} is not a sequence of base codes (uint8, A 0, "
            "C 1, G 2, T 3, other 4); letters are encoded from str or bytes."
        )
    if codes.size and highest < NOT_ACGT:
        return encode_segment(codes)
    pieces = []
    done = 0
    for start, end in acgt_segments(codes):
        pieces += [np.full(start - done, UNK_ID, np.uint16), encode_segment(codes[start:end])]
        done = end
    pieces.append(np.full(codes.size - done, UNK_ID, np.uint16))
    return np.concatenate(pieces)
