"""What a masked language model says of each base: the probabilities of tokens, summed by the base they spell.

A token that begins at base s is masked, and the model gives P(v) for every token v of the vocabulary. Token v
spells base b at offset o of the mask if v[o] = b. Three sums of P(v), each divided by its total over A, C, G, T:

    all     over all tokens longer than o
    left    over those that spell the genome's own bases before o: p(base | its token's bases before it)
    both    over those that spell the genome's own bases everywhere but at o, up to their own end, wherever it is

A base that no such token spells has probability 0 and, beside others, no score. One pass gives all bases of all
tokens that are masked in it: every `apart`-th token of a segment, counted from its first. So what a base gets
depends on the genome, the model and these numbers alone, not on what else was asked for. Windows are those of
`inference.windows`, laid over the whole segment: a token has a quarter of a window on its poorer side, unless
the segment ends there.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from grover_hf._internals.compilation import cached_njit
from grover_hf.corpus.strand_tokens import StrandTokens
from grover_hf.errors import InputError
from grover_hf.genome.acgt import NOT_ACGT, base_codes
from grover_hf.inference.dna_model import DnaModel
from grover_hf.inference.strand_windows import strand_windows
from grover_hf.tokenization.encoding import Encoder
from grover_hf.tokenization.special_tokens import N_SPECIAL

ALL, LEFT, BOTH = "all", "left", "both"
MARGINALS = (ALL, LEFT, BOTH)
"""The three sums, in the order of the arrays."""
_WINDOWS_AT_ONCE = 64


class MaskedTokens(NamedTuple):
    """Some of the tokens that were asked for, and what the model says of them."""

    tokens: NDArray[np.int64]
    """Their numbers on the strand, shape (n,)."""
    probabilities: NDArray[np.float32]
    """Of every id of the vocabulary, shape (n, V)."""

    def of_ids(self, ids: NDArray[np.integer]) -> NDArray[np.float64]:
        """Return the probability of an id in the place of each token, shape (n,); 0 where the model has no row."""
        known = ids < self.probabilities.shape[1]
        rows = np.arange(len(ids))
        return np.where(known, self.probabilities[rows, np.where(known, ids, 0)], 0.0).astype(np.float64)


class BaseMarginals(NamedTuple):
    """The bases of some tokens of a strand, token by token."""

    positions: NDArray[np.int64]
    """On the strand, shape (n,)."""
    probabilities: NDArray[np.float64]
    """By sum (all, left, both) and base (A, C, G, T of the strand), shape (n, 3, 4); they add up to 1."""


@dataclass(frozen=True)
class MaskGrid:
    """Which tokens are masked together, and in which windows.

    Args:
        window_tokens: Tokens of a window, without special ones; no more than the model takes.
        apart: From one masked token to the next, in tokens.
    """

    window_tokens: int
    apart: int

    @classmethod
    def for_model(cls, dna: DnaModel, *, window_tokens: int | None = None, apart: int = 16) -> "MaskGrid":
        """Return the grid of a model, with its longest windows unless told otherwise.

        Raises:
            InputError: If the model has no masked-token head or takes fewer tokens, or a number is below 1.
        """
        dna.require_masked_head()
        most = dna.reader.rules.window_tokens
        window_tokens = most if window_tokens is None else window_tokens
        if not 1 <= window_tokens <= most:
            raise InputError(f"window_tokens is {window_tokens}; this model takes 1 to {most}.")
        if apart < 1:
            raise InputError(f"apart is {apart}; masked tokens are one token apart or more.")
        return cls(window_tokens, apart)


def masked_token_probabilities(
    dna: DnaModel, strand: StrandTokens, tokens: NDArray[np.int64], grid: MaskGrid
) -> Iterator[MaskedTokens]:
    """Yield what the model says of tokens of a strand when they are masked, some at a time.

    Args:
        dna: A masked language model of the strand's vocabulary.
        strand: Tokens of a chromosome.
        tokens: Numbers of tokens, ascending, each once, shape (n,).
        grid: What is masked with what.
    """
    passes = _passes(strand, tokens, grid)
    for first in range(0, len(passes), _WINDOWS_AT_ONCE):
        some = passes[first : first + _WINDOWS_AT_ONCE]
        inputs, masked = [], []
        for one in some:
            window = strand.located(np.arange(one.start, one.end))
            columns = np.arange(one.phase, one.end - one.start, grid.apart)
            window.input_ids[columns] = dna.tokenizer.mask_token_id
            inputs.append(window)
            masked.append(one.start + columns)
        found = dna.mask_probabilities(inputs)
        kept = [np.isin(numbers, one.tokens) for numbers, one in zip(masked, some, strict=True)]
        yield MaskedTokens(
            np.concatenate([numbers[keep] for numbers, keep in zip(masked, kept, strict=True)]),
            np.concatenate([rows[keep] for rows, keep in zip(found, kept, strict=True)]),
        )


class VocabularyLetters:
    """What the tokens of a vocabulary spell, as arrays, and the sums over them.

    Args:
        encoder: The vocabulary.
    """

    def __init__(self, encoder: Encoder) -> None:
        spelled = [base_codes(token) if number >= N_SPECIAL else np.empty(0, np.uint8)
                   for number, token in enumerate(encoder.tokens)]
        self._letters = np.concatenate(spelled)
        self._borders = np.concatenate([[0], np.cumsum([codes.size for codes in spelled])])

    def marginals(self, strand: StrandTokens, masked: MaskedTokens) -> BaseMarginals:
        """Return the marginals of all bases of masked tokens; the module says how."""
        tokens = masked.tokens
        starts, ends = strand.starts[tokens].astype(np.int64), strand.ends_of(tokens)
        rows = np.concatenate([[0], np.cumsum(ends - starts)])
        sums = np.zeros((rows[-1], len(MARGINALS), 4))
        segment_ends = strand.segments[strand.segment_of(tokens), 1]
        # A model may have fewer rows than there are tokens: the authors' lacks one.
        n_ids = min(self._borders.size - 1, masked.probabilities.shape[1])
        _sum_by_base(
            masked.probabilities, self._letters, self._borders[: n_ids + 1], strand.codes, starts, segment_ends,
            rows, sums,
        )
        positions = np.repeat(starts - rows[:-1], ends - starts) + np.arange(rows[-1])
        # The true base is always spelled, by the token itself, so no total is 0.
        return BaseMarginals(positions, sums / sums.sum(2, keepdims=True))


class _Pass(NamedTuple):
    """One window, with one choice of masks."""

    start: int
    """First token of the window, on the strand."""
    end: int
    phase: int
    """The first masked token, counted from `start`."""
    tokens: NDArray[np.int64]
    """Those whose output is taken from here."""


def _passes(strand: StrandTokens, tokens: NDArray[np.int64], grid: MaskGrid) -> list[_Pass]:
    """Return the windows and masks that give what is asked for, in the order of the strand."""
    passes = []
    for window in strand_windows(strand, tokens, grid.window_tokens):
        phases = (window.tokens - window.segment_start) % grid.apart
        for phase in np.unique(phases).tolist():
            first_masked = (phase - (window.start - window.segment_start)) % grid.apart
            passes.append(_Pass(window.start, window.end, first_masked, window.tokens[phases == phase]))
    return passes


@cached_njit
def _sum_by_base(  # noqa: PLR0913 - compiled code takes arrays
    probabilities: NDArray[np.float32], letters: NDArray[np.uint8], borders: NDArray[np.int64],
    codes: NDArray[np.uint8], starts: NDArray[np.int64], segment_ends: NDArray[np.int64], rows: NDArray[np.int64],
    sums: NDArray[np.float64],
) -> None:
    for i in range(len(starts)):
        start, n_bases = starts[i], rows[i + 1] - rows[i]
        for v in range(len(borders) - 1):
            p = np.float64(probabilities[i, v])
            length = borders[v + 1] - borders[v]
            n_different, different_at = 0, 0
            for k in range(length):
                base = letters[borders[v] + k]
                if k < n_bases:
                    sums[rows[i] + k, 0, base] += p
                    if n_different == 0:
                        sums[rows[i] + k, 1, base] += p
                true = codes[start + k] if start + k < segment_ends[i] else np.uint8(NOT_ACGT)
                if base != true:
                    different_at = k if n_different == 0 else different_at
                    n_different += 1
            if n_different == 0:
                for k in range(min(length, n_bases)):
                    sums[rows[i] + k, 2, letters[borders[v] + k]] += p
            elif n_different == 1 and different_at < n_bases:
                sums[rows[i] + different_at, 2, letters[borders[v] + different_at]] += p
