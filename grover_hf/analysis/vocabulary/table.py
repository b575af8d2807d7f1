"""What a vocabulary is like: the quantities of the paper's "frequency-balanced vocabulary"."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from grover_hf.analysis.vocabulary import paper
from grover_hf.corpus.tokenized_genome import TokenizedGenome
from grover_hf.genome.acgt import base_codes
from grover_hf.tokenization.kmer import KmerEncoder
from grover_hf.tokenization.special_tokens import N_SPECIAL

_CHUNK_TOKENS = 1 << 20
_NOT_COUNTED = "needs --corpus"


class Row(NamedTuple):
    """A line of the table: what is counted, the paper's value, ours."""

    quantity: str
    paper: str
    ours: str


@dataclass(frozen=True, eq=False)
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


@dataclass(frozen=True, eq=False)
class LengthProfile:
    """A vocabulary by the length of its types: index 0 is one base."""

    types: NDArray[np.int64]
    """How many types have 1, 2, ... bases, shape (longest,)."""
    tokens: NDArray[np.float64]
    """How many tokens of the genome have 1, 2, ... bases, shape (longest,)."""
    share_of_possible: NDArray[np.float64]
    """Types as a share of all sequences of that length, shape (longest,)."""
    mean: float
    """Bases of a token of the genome, on average."""


def length_profile(vocabulary: Vocabulary) -> LengthProfile:
    """Return how long types and tokens are; the vocabulary must have counts."""
    lengths = np.array([len(token) for token in vocabulary.types])
    types = np.bincount(lengths)[1:]
    tokens = np.bincount(lengths, vocabulary.frequencies)[1:].astype(np.float64)
    bases = np.arange(1, len(types) + 1)
    return LengthProfile(types, tokens, types / 4.0**bases, float(np.average(bases, weights=tokens)))


class Comparison(NamedTuple):
    """One value of the paper and ours."""

    paper: str
    ours: str
    agrees: bool | None
    """None where that cannot be said."""
    label: str = ""
    """Which of several values of a line it is."""
    value: float | None = None
    """Ours as a number, not rounded; None where it is words."""


class Line(NamedTuple):
    """A line of the table, with one value or several."""

    quantity: str
    """With {} where the labels stand, if there are several values."""
    values: tuple[Comparison, ...]

    def row(self) -> Row:
        """Return the values in one row, with strokes between."""
        labels, papers, ours = (
            " / ".join(getattr(value, name) for value in self.values) for name in ("label", "paper", "ours")
        )
        return Row(self.quantity.format(labels), papers, ours)


def vocabulary_table(vocabulary: Vocabulary) -> list[Row]:
    """Return the paper's values and those of a vocabulary, a row for each line."""
    return [line.row() for line in compare_with_paper(vocabulary)]


def compare_with_paper(vocabulary: Vocabulary) -> list[Line]:
    """Compare a vocabulary with the paper's numbers, as numbers; without counts, as far as that goes."""
    types = vocabulary.types
    is_counted = vocabulary.counts is not None
    by_length = {n: sum(len(token) == n for token in types) for n in paper.TYPES_BY_LENGTH}
    start_with_a_or_t = sum(token[0] in "AT" for token in types) / max(1, len(types))
    longest = max(map(len, types), default=0)
    single = [token for token in types if len(token) == 1]
    lines = [
        _line("types that occur", _number(paper.TYPES_THAT_OCCUR, len(types) if is_counted else None)),
        _line("single bases that occur", _tokens(paper.SINGLE_BASES_THAT_OCCUR, single if is_counted else None)),
        Line("types of {} bases", tuple(
            _number(number, by_length[n], label=str(n)) for n, number in paper.TYPES_BY_LENGTH.items()
        )),
        *(
            _line(f"share of possible {n}-mers", _number(number, by_length[n] / 4**n))
            for n, number in paper.SHARE_OF_POSSIBLE.items()
        ),
        _line("longest types", _tokens(paper.LONGEST_TYPES, [t for t in types if len(t) == longest])),
        _line("A16 and T16", _yes_or_no((True, True), tuple(t in types for t in paper.LONGEST_TYPES))),
        _line("CG is a token", _yes_or_no((False,), ("CG" in types,))),
        _line("types that start with A or T", _number(paper.START_WITH_A_OR_T, start_with_a_or_t)),
    ]
    return [*lines, *_compare_frequencies(vocabulary)] if is_counted else lines


def _compare_frequencies(vocabulary: Vocabulary) -> list[Line]:
    profile, frequencies = length_profile(vocabulary), vocabulary.frequencies
    # A small vocabulary may have no type as long.
    shares = np.append(profile.tokens, np.zeros(6)) / profile.tokens.sum()
    n_bases = float(profile.tokens @ np.arange(1, len(profile.tokens) + 1))
    median = float(np.median(frequencies))
    lengths = paper.TYPES_BY_LENGTH
    by_length = Comparison(
        f"most: {paper.MOST_COMMON_LENGTH}",
        " / ".join(paper.START_WITH_A_OR_T.text_of(shares[n - 1]) for n in lengths), None,
    )
    return [
        _line("mean bases a token", _number(paper.MEAN_BASES, profile.mean)),
        _line(f"share of tokens with {' / '.join(map(str, lengths))} bases", by_length),
        _line("median frequency of a type", _number(paper.MEDIAN_FREQUENCY, median)),
        _line("the same a million bases", _number(paper.MEDIAN_A_MILLION_BASES, median / n_bases * 1e6)),
    ]


def compare_composition(vocabulary: Vocabulary) -> list[Line]:
    """Compare what the paper says of tokens beyond its table; the vocabulary must have counts."""
    most_common = int(np.argmax(length_profile(vocabulary).tokens)) + 1
    more_frequent = float(np.mean(vocabulary.frequencies > paper.FREQUENCY_OF_MOST.value))
    return [
        _line("most common length of a token", Comparison(
            str(paper.MOST_COMMON_LENGTH), str(most_common), most_common == paper.MOST_COMMON_LENGTH, "",
            float(most_common),
        )),
        _line("share of A and T in the bases", _number(paper.OF_BASES_A_OR_T, _share_of_a_and_t(vocabulary))),
        _line(f"types with more than {paper.FREQUENCY_OF_MOST.text()} tokens", Comparison(
            "most", paper.OF_BASES_A_OR_T.text_of(more_frequent), more_frequent > 0.5, "", more_frequent,
        )),
    ]


def compare_kmers(frequencies: NDArray[np.int64], k: int) -> list[Line]:
    """Compare the range of k-mer frequencies with the paper's, where it gives one; see `kmer_frequencies`."""
    given = paper.KMER_FREQUENCIES.get(k)
    if given is None:
        return []
    extremes = zip(("rarest", "most frequent"), given, (frequencies.min(), frequencies.max()), strict=True)
    return [_line(f"tokens of the {which} {k}-mer", _number(number, ours)) for which, number, ours in extremes]


def _share_of_a_and_t(vocabulary: Vocabulary) -> float:
    """Return the share of A and T in the bases of all tokens."""
    assert vocabulary.counts is not None
    lengths = np.array([len(token) for token in vocabulary.tokens])
    a_or_t = np.array([token.count("A") + token.count("T") for token in vocabulary.tokens])
    return float(vocabulary.counts @ a_or_t / (vocabulary.counts @ lengths))


def _line(quantity: str, value: Comparison) -> Line:
    return Line(quantity, (value,))


def _number(number: paper.PaperNumber, ours: float | None, label: str = "") -> Comparison:
    if ours is None:
        return Comparison(number.text(), _NOT_COUNTED, None, label)
    return Comparison(number.text(), number.text_of(ours), number.agrees(ours), label, float(ours))


def _tokens(theirs: Sequence[str], ours: Sequence[str] | None) -> Comparison:
    if ours is None:
        return Comparison(_names(theirs), _NOT_COUNTED, None)
    return Comparison(_names(theirs), _names(ours), set(theirs) == set(ours))


def _yes_or_no(theirs: tuple[bool, ...], ours: tuple[bool, ...]) -> Comparison:
    return Comparison(_words(theirs), _words(ours), theirs == ours)


def _words(answers: tuple[bool, ...]) -> str:
    return " and ".join("yes" if answer else "no" for answer in answers)


def _names(tokens: Sequence[str]) -> str:
    return " ".join(map(_run, tokens)) or "none"


def _run(token: str) -> str:
    return f"{token[0]}{len(token)}" if len(token) > 1 and len(set(token)) == 1 else token
