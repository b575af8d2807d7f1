"""Who says how likely each token is in a place: a model, or tables of token frequency and of neighbours."""

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from grover_hf.baselines.neighbour_counts import NeighbourCounts, count_neighbours
from grover_hf.baselines.neighbour_model import (
    Corruption,
    NeighbourModel,
    Seen,
    TokenFrequency,
    choose_weights,
)
from grover_hf.corpus.strand_tokens import StrandTokens
from grover_hf.corpus.tokenized_genome import TokenizedGenome
from grover_hf.inference.base_marginals import MaskedTokens, MaskGrid, masked_token_probabilities
from grover_hf.inference.dna_model import DnaModel
from grover_hf.tokenization.encoding import Encoder
from grover_hf.tokenization.special_tokens import CLS_ID, MASK_ID, MAX_TOKENS

_ALWAYS_MASKED = Corruption(p_kept=0.0, p_random=0.0)
_FEWEST_TOKENS = 10
_HELD_OUT_EVERY = 20
_HELD_OUT_TOKENS = 20_000
_AT_ONCE = 4_096


class Predictor(Protocol):
    """Says how likely each token of the vocabulary is in the place of tokens of a strand."""

    def __call__(self, strand: StrandTokens, tokens: NDArray[np.int64]) -> Iterator[MaskedTokens]: ...


class ModelPredictor:
    """A masked language model.

    Args:
        dna: The model.
        grid: Which tokens it reads masked together.
    """

    def __init__(self, dna: DnaModel, grid: MaskGrid) -> None:
        self._dna = dna
        self._grid = grid

    def __call__(self, strand: StrandTokens, tokens: NDArray[np.int64]) -> Iterator[MaskedTokens]:
        """Yield what the model says of tokens of a strand, some at a time."""
        yield from masked_token_probabilities(self._dna, strand, tokens, self._grid)


class TablePredictor:
    """A table of tokens, or of tokens and their neighbours, counted on a whole genome."""

    def __init__(self, table: TokenFrequency | NeighbourModel) -> None:
        self._table = table

    def __call__(self, strand: StrandTokens, tokens: NDArray[np.int64]) -> Iterator[MaskedTokens]:
        """Yield what the table says of tokens of a strand, some at a time."""
        for first in range(0, len(tokens), _AT_ONCE):
            some = tokens[first : first + _AT_ONCE]
            yield MaskedTokens(some, np.exp(self._table.log_probabilities(seen_of(strand, some))))


def tables_of_genome(genome: Path, tokenizer: Encoder | Path) -> tuple[TablePredictor, TablePredictor]:
    """Return token frequency and neighbour counts of a genome, tokenized once into the cache.

    The weights of the neighbour counts are chosen on every twentieth stretch of 510 tokens (fewer in a small
    genome), counted on the others.

    Args:
        genome: A FASTA file.
        tokenizer: An encoder, or a tokenizer folder.
    """
    corpus = TokenizedGenome.cached(genome, tokenizer)
    n_types = len(corpus.encoder.tokens)
    borders = _blocks(corpus)
    held_out = np.arange(len(borders) - 1) % _HELD_OUT_EVERY == _HELD_OUT_EVERY - 1
    input_ids = corpus.input_ids.view(np.ndarray)
    others = count_neighbours(input_ids, borders, n_types, used=~held_out)
    seen, true = _held_out_tokens(input_ids, borders, np.flatnonzero(held_out))
    weights = choose_weights(others, seen, true)
    counts: NeighbourCounts = count_neighbours(input_ids, borders, n_types)
    return (
        TablePredictor(TokenFrequency(counts.singles, _ALWAYS_MASKED)),
        TablePredictor(NeighbourModel(counts, weights, _ALWAYS_MASKED)),
    )


def seen_of(strand: StrandTokens, tokens: NDArray[np.int64]) -> Seen:
    """Return the neighbours of tokens, a special one where the segment begins or ends."""
    segments = strand.segment_of(tokens)
    ids, last = strand.input_ids, strand.input_ids.size - 1
    before, behind = (ids[np.clip(tokens + shift, 0, last)].astype(np.int64) for shift in (-1, 1))
    left = np.where(tokens > strand.first_tokens[segments], before, CLS_ID)
    right = np.where(tokens + 1 < strand.first_tokens[segments + 1], behind, CLS_ID)
    return Seen(left, np.full(len(tokens), MASK_ID), right)


def _blocks(corpus: TokenizedGenome) -> NDArray[np.int64]:
    """Return where stretches begin, none of them over two segments, and the end."""
    # In a small genome shorter ones, so that there are some to hold out.
    n_tokens = min(MAX_TOKENS, max(_FEWEST_TOKENS, len(corpus.input_ids) // (5 * _HELD_OUT_EVERY)))
    firsts = np.append(corpus.segments[:, 3], len(corpus.input_ids))
    starts = [np.arange(first, last, n_tokens) for first, last in itertools.pairwise(firsts.tolist())]
    return np.append(np.concatenate(starts), len(corpus.input_ids))


def _held_out_tokens(
    input_ids: NDArray[np.uint16], borders: NDArray[np.int64], blocks: NDArray[np.int64]
) -> tuple[Seen, NDArray[np.int64]]:
    """Return tokens with two neighbours, evenly spaced in stretches, and what they are."""
    inner = np.concatenate([np.arange(borders[block] + 1, borders[block + 1] - 1) for block in blocks.tolist()])
    chosen = inner[:: max(1, len(inner) // _HELD_OUT_TOKENS)]
    left, true, right = (input_ids[chosen + shift].astype(np.int64) for shift in (-1, 0, 1))
    return Seen(left, np.full(len(chosen), MASK_ID), right), true
