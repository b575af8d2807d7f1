"""How often tokens of a genome overlap an annotation: of each type, the share of its occurrences."""

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from grover_hf._internals.compilation import cached_njit
from grover_hf._internals.progress import progress_bar
from grover_hf.corpus.tokenized_genome import TokenizedGenome
from grover_hf.interpretation.annotation.places import GenomeLine
from grover_hf.interpretation.annotation.segments import N_MASKS, Segments

_TOKENS_AT_ONCE = 1 << 20
_N_IDS = 1 << 16


class TokenCounts(NamedTuple):
    """How often types occur, and where."""

    occurrences: NDArray[np.int64]
    """Of each type, shape (V,)."""
    overlapping: dict[str, NDArray[np.int64]]
    """By annotation: of each type, how many occurrences overlap what is on these strands, shape (V, 8). The
    column is the sum of the bits of `Segments.strands`."""


def count_tokens(
    corpus: TokenizedGenome, annotations: Mapping[str, Segments], line: GenomeLine, *, n_threads: int = 2
) -> TokenCounts:
    """Count the tokens of a genome that overlap annotations by one base or more.

    Tokens are read a million at a time: memory does not grow with the genome.

    Args:
        corpus: The tokenized genome.
        annotations: On the same genome.
        line: The genome.
        n_threads: Annotations that are counted at once.

    Raises:
        InputError: If the tokens are damaged.
    """
    n_types = len(corpus.encoder.tokens)
    occurrences = np.zeros(_N_IDS, np.int64)
    counts = {name: np.zeros((n_types, N_MASKS), np.int64) for name in annotations}
    with ThreadPoolExecutor(n_threads) as threads, progress_bar(
        total=corpus.input_ids.size, what="annotating tokens", unit=" tokens", scale=True
    ) as bar:
        for ids, starts, ends in _chunks(corpus, line):
            occurrences += np.bincount(ids, minlength=_N_IDS)
            corpus.require_known(ids)
            add = partial(_add, ids, starts, ends)
            list(threads.map(add, annotations.values(), counts.values()))
            bar.update(ids.size)
    return TokenCounts(occurrences[:n_types], counts)


def _add(
    ids: NDArray[np.uint16], starts: NDArray[np.int64], ends: NDArray[np.int64], pieces: Segments,
    counts: NDArray[np.int64],
) -> None:
    """Add tokens in order to the counts of one annotation."""
    first, last = np.searchsorted(pieces.ends, [starts[0], ends[-1]], side="right").tolist()
    some = slice(first, last + 1)
    _count(ids, starts, ends, pieces.starts[some], pieces.ends[some], pieces.strands[some], counts)


def _chunks(
    corpus: TokenizedGenome, line: GenomeLine
) -> Iterator[tuple[NDArray[np.uint16], NDArray[np.int64], NDArray[np.int64]]]:
    """Yield some ids, and where each token begins and ends on the line of the genome."""
    lengths = np.zeros(_N_IDS, np.int64)
    lengths[: len(corpus.encoder.tokens)] = corpus.encoder.token_lengths
    chromosome, segment_starts, _, first_tokens = corpus.segments.T
    firsts = np.array([line.first_bases[name] for name in corpus.chromosomes], np.int64)
    segment_starts = firsts[chromosome] + segment_starts
    first_tokens = np.ascontiguousarray(first_tokens)
    place = 0
    for first in range(0, corpus.input_ids.size, _TOKENS_AT_ONCE):
        ids = np.array(corpus.input_ids[first : first + _TOKENS_AT_ONCE])
        segment = int(np.searchsorted(first_tokens, first, side="left"))
        starts = _starts(ids, lengths, first, first_tokens, segment_starts, segment, place)
        ends = starts + lengths[ids]
        place = int(ends[-1])
        yield ids, starts, ends


@cached_njit
def _starts(
    ids: NDArray[np.uint16], lengths: NDArray[np.int64], first: int, first_tokens: NDArray[np.int64],
    segment_starts: NDArray[np.int64], segment: int, place: int,
) -> NDArray[np.int64]:
    """Return where tokens begin, shape (n,).

    Args:
        ids: Of the tokens from number `first` on, shape (n,).
        lengths: Bases of each id, shape (65536,).
        first: Number of the first of them.
        first_tokens: Number of the first token of each segment, shape (n_segments,).
        segment_starts: Where each segment begins, shape (n_segments,).
        segment: The next that begins.
        place: Where the first token begins, if it is not the first of a segment.
    """
    starts = np.empty(ids.size, np.int64)
    for i in range(ids.size):
        if segment < first_tokens.size and first_tokens[segment] == first + i:
            place = segment_starts[segment]
            segment += 1
        starts[i] = place
        place += lengths[ids[i]]
    return starts


@cached_njit
def _count(
    ids: NDArray[np.uint16], starts: NDArray[np.int64], ends: NDArray[np.int64],
    piece_starts: NDArray[np.int64], piece_ends: NDArray[np.int64], strands: NDArray[np.uint8],
    counts: NDArray[np.int64],
) -> None:
    """Add the tokens that overlap pieces to the counts of their types and strands, shape (V, 8).

    Args:
        ids: Of tokens in order, shape (n,).
        starts: Where they begin, shape (n,).
        ends: Where they end, shape (n,).
        piece_starts: Of pieces that are apart and in order, shape (m,).
        piece_ends: Shape (m,).
        strands: Shape (m,).
        counts: Added to.
    """
    token = piece = 0
    while piece < piece_starts.size and token < ids.size:
        if ends[token] <= piece_starts[piece]:
            # The first token that ends behind the start of the piece; what lies between is in none.
            token += np.searchsorted(ends[token:], piece_starts[piece], side="right")
            continue
        if piece_ends[piece] <= starts[token]:
            # It ended with the token before, or lies in N, where no token is.
            piece += 1
            continue
        seen = np.uint8(0)
        while piece < piece_starts.size and piece_starts[piece] < ends[token]:
            seen |= strands[piece]
            if piece_ends[piece] > ends[token]:
                break
            piece += 1
        counts[ids[token], seen] += 1
        token += 1
