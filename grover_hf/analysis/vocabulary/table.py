"""What a vocabulary is like: the quantities of the paper's "frequency-balanced vocabulary"."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from grover_hf.corpus.tokenized_genome import TokenizedGenome
from grover_hf.genome.acgt import base_codes
from grover_hf.tokenization.kmer import KmerEncoder
from grover_hf.tokenization.special_tokens import N_SPECIAL

_CHUNK_TOKENS = 1 << 20


class Row(NamedTuple):
    """A line of the table: what is counted, the paper's value, ours."""

    quantity: str
    paper: str
    ours: str


@dataclass(frozen=True)
class Vocabulary:
    """Token strings and how often each occurs in a tokenized genome (None: no genome given)."""

    tokens: tuple[str, ...]
    counts: NDArray[np.int64] | None

    @property
    def types(self) -> list[str]:
        """The types that occur; without counts all types.

        In the paper's genome A, C and T are always part of longer tokens, so its dictionary has
        601 of the 604 types.
        """
        if self.counts is None:
            return list(self.tokens)
        return [token for token, count in zip(self.tokens, self.counts, strict=True) if count]

    @property
    def frequencies(self) -> NDArray[np.int64]:
        """How often each type that occurs does, shape (n_types,)."""
        assert self.counts is not None
        return self.counts[self.counts > 0]


def vocabulary_of(tokens: Sequence[str], corpus: TokenizedGenome | None) -> Vocabulary:
    """Return the vocabulary (token strings with the special ones) and its counts in a corpus."""
    if corpus is None:
        return Vocabulary(tuple(tokens[N_SPECIAL:]), None)
    counts = np.zeros(len(tokens), np.int64)
    for first in range(0, corpus.input_ids.size, _CHUNK_TOKENS):
        counts += np.bincount(corpus.input_ids[first : first + _CHUNK_TOKENS], minlength=len(tokens))
    return Vocabulary(tuple(tokens[N_SPECIAL:]), counts[N_SPECIAL:])


def kmer_frequencies(corpus: TokenizedGenome, k: int) -> NDArray[np.int64]:
    """Count the non-overlapping k-mers of the bases that a tokenized genome spells, shape (4**k,).

    They are cut anew every million tokens, which loses less than k bases in four million.
    """
    encoder = KmerEncoder(k)
    spelled = base_codes("".join(corpus.encoder.tokens[N_SPECIAL:]))
    lengths = corpus.encoder.token_lengths.astype(np.int64)
    offsets = np.cumsum(lengths) - lengths
    counts = np.zeros(len(encoder.tokens), np.int64)
    for segment in range(len(corpus.segments)):
        ids = corpus.segment_ids(segment)
        for first in range(0, ids.size, _CHUNK_TOKENS):
            chunk = ids[first : first + _CHUNK_TOKENS]
            n = lengths[chunk]
            ends = np.cumsum(n)
            codes = spelled[np.arange(ends[-1]) - np.repeat(ends - n - offsets[chunk], n)]
            counts += np.bincount(encoder.encode_segment(codes), minlength=counts.size)
    return counts[N_SPECIAL:]


def vocabulary_table(vocabulary: Vocabulary) -> list[Row]:
    """Return the paper's quantities beside those of a vocabulary (Results, "Building a
    frequency-balanced vocabulary on the human genome", and Fig. 3).
    """
    types = vocabulary.types
    by_length = {n: sum(len(token) == n for token in types) for n in range(1, 7)}
    first_at = sum(token[0] in "AT" for token in types) / max(1, len(types))
    longest = max(map(len, types), default=0)
    counted, not_counted = vocabulary.counts is not None, "needs --corpus"
    single = " ".join(token for token in types if len(token) == 1) or "none"
    rows = [
        Row("types that occur", "601", f"{len(types)}" if counted else not_counted),
        Row("single bases that occur", "G", single if counted else not_counted),
        Row("types of 2 / 4 / 5 / 6 bases", "10 / ~82 / 213 / 224",
            " / ".join(str(by_length[n]) for n in (2, 4, 5, 6))),
        Row("share of possible 2-mers", "63 %", _percent(by_length[2] / 16)),
        Row("share of possible 4-mers", "32 %", _percent(by_length[4] / 256)),
        Row("longest types", "A16 T16",
            " ".join(_run(token) for token in types if len(token) == longest)),
        Row("A16 and T16", "yes and yes", " and ".join("yes" if b * 16 in types else "no" for b in "AT")),
        Row("CG is a token", "no", "yes" if "CG" in types else "no"),
        Row("types that start with A or T", "97 %", _percent(first_at)),
    ]
    if vocabulary.counts is not None:
        frequencies = vocabulary.frequencies
        lengths = np.array([len(token) for token in types])
        shares = {n: frequencies[lengths == n].sum() / frequencies.sum() for n in (2, 4, 5, 6)}
        rows += [
            Row("mean bases a token", "4.07", f"{np.average(lengths, weights=frequencies):.2f}"),
            Row("share of tokens with 2 / 4 / 5 / 6 bases", "most: 4",
                " / ".join(_percent(shares[n]) for n in (2, 4, 5, 6))),
            Row("median frequency of a type", "~400,000", f"{np.median(frequencies):,.0f}"),
            Row("the same a million bases", "~140",
                f"{np.median(frequencies) / (lengths @ frequencies) * 1e6:,.0f}"),
        ]
    return rows


def _percent(share: float) -> str:
    # Half a per cent is rounded up, as the paper does with 10 of 16.
    return f"{np.floor(100 * share + 0.5):.0f} %"


def _run(token: str) -> str:
    return f"{token[0]}{len(token)}" if len(set(token)) == 1 else token
