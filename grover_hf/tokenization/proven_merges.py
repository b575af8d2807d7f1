"""The first merges of a byte-pair training, guessed on a sample and proved from counts.

The genome is encoded with the guess once, and merges are taken back in the table of its adjacent
token pairs: undoing a merge is adding a row and a column. That gives the exact pair counts before
each of the first cycles.
"""

import itertools
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from grover_hf._internals.compilation import cached_njit
from grover_hf.genome.letters import BASES
from grover_hf.tokenization.bpe_automaton import compatible_pairs
from grover_hf.tokenization.bpe_encoding import GenomeEncoder
from grover_hf.tokenization.incremental_bpe import Codes, Counts, Tokens, token_sequence
from grover_hf.tokenization.merges import Merge, MergeTable
from grover_hf.tokenization.special_tokens import N_SPECIAL

# By measurement on 26.7 Mbp of hg38 (benchmarks/bpe_training.py): about 60 merges more than halve
# the number of tokens; each further one is cheaper to learn by position lists. Guesses from many
# short blocks agree with the genome far longer than guesses from few long ones.
GUESSED_MERGES = 64
SAMPLE_BLOCK_BP = 10_000
_SAMPLE_SHARE = 1 / 24
_SAMPLE_MAX_BP = 24_000_000
_ENOUGH_SHARE = 0.75
_ROUNDS = 6
_GUESSED_TOKEN_BP = 64


def proven_merges(
    segments: Sequence[Codes], n_merges: int, n_threads: int
) -> list[Merge]:
    """Return the first merges of the exact training, as many as a few guesses prove.

    Args:
        segments: Base codes without code 4.
        n_merges: How many to try for; fewer, also none, may be returned.
        n_threads: Threads for encoding.
    """
    sample = _sample(segments)
    if sum(piece.size for piece in sample) == sum(segment.size for segment in segments):
        return []
    proven: list[Merge] = []
    for _ in range(_ROUNDS):
        if len(proven) >= _ENOUGH_SHARE * n_merges:
            break
        guess = token_sequence(sample, MergeTable(tuple(proven)), n_merges, n_threads).learn(n_merges)
        # Merges of long tandem repeats are not worth an automaton of their own.
        guess = list(itertools.takewhile(lambda merge: len("".join(merge)) <= _GUESSED_TOKEN_BP, guess))
        proven = proven_by(guess, segments, n_threads)
    return proven[:n_merges]


def proven_by(guess: Sequence[Merge], segments: Sequence[Codes], n_threads: int) -> list[Merge]:
    """Return the first merges of the exact training, as many as the counts under a guess prove.

    Suppose that the first cycles are proven. Taking back all other merges of the guess gives some
    tokens of the proven table that spell the genome, with their pair counts. If no two tokens
    that are adjacent there would merge (see `bpe_automaton`), they are its encoding, so the counts
    are exact and their maximum is the next merge. Else, or if the guess lacks that merge, the
    counts prove no more.

    Args:
        guess: Merges that the genome is encoded with; how good they are decides only how much is proven.
        segments: Base codes without code 4.
        n_threads: Threads for encoding.
    """
    pair_counts, token_counts = _count_pairs(segments, MergeTable(tuple(guess)), n_threads)
    names = [*BASES, *(left + right for left, right in guess)]
    index = {name: i for i, name in enumerate(names)}
    parts = np.array([[0, 0]] * len(BASES) + [[index[x], index[y]] for x, y in guess])
    proven: list[Merge] = []
    known = list(range(len(BASES)))
    while True:
        pairs = _without_merges(pair_counts, token_counts, parts, np.isin(np.arange(len(names)), known))
        pairs = pairs[np.ix_(known, known)]
        compatible, made = compatible_pairs(MergeTable(tuple(proven)))
        if not made.all() or (pairs[~compatible] > 0).any() or not pairs.any():
            return proven
        # argmax takes the first of equals: the smaller left id, then the smaller right id.
        left, right = (names[known[i]] for i in divmod(int(pairs.argmax()), len(known)))
        proven.append((left, right))
        merged = index.get(left + right, -1)
        if merged < 0 or tuple(parts[merged]) != (index[left], index[right]):
            return proven
        known.append(merged)


def _sample(segments: Sequence[Codes]) -> list[Codes]:
    """Return evenly spaced blocks of the genome, or all of it if it is small."""
    n_bases = sum(segment.size for segment in segments)
    wanted = min(_SAMPLE_SHARE * n_bases, _SAMPLE_MAX_BP)
    if wanted < SAMPLE_BLOCK_BP:
        return list(segments)
    every = int(n_bases / wanted * SAMPLE_BLOCK_BP)
    sample = []
    ahead = 0
    for segment in segments:
        while ahead < segment.size:
            sample.append(segment[ahead : ahead + SAMPLE_BLOCK_BP])
            ahead += every
        ahead -= segment.size
    return sample


def _count_pairs(
    segments: Sequence[Codes], merges: MergeTable, n_threads: int
) -> tuple[Counts, Counts]:
    """Return the counts of adjacent token pairs, (V, V), and of tokens, (V,), ids less specials."""
    encoder = GenomeEncoder(merges)
    n_tokens = merges.vocab_size - N_SPECIAL

    def count(part: list[Codes]) -> tuple[Counts, Counts]:
        pairs, tokens = np.zeros((n_tokens, n_tokens), np.int64), np.zeros(n_tokens, np.int64)
        for segment in part:
            _add_pairs(encoder.encode_segment(segment), pairs, tokens)
        return pairs, tokens

    with ThreadPoolExecutor(n_threads) as threads:
        counted = list(threads.map(count, _shared_out(segments, n_threads)))
    return sum(pairs for pairs, _ in counted), sum(tokens for _, tokens in counted)  # type: ignore[return-value]


def _shared_out(segments: Sequence[Codes], n_parts: int) -> list[list[Codes]]:
    """Share segments out so that the parts have about equally many bases."""
    parts: list[list[Codes]] = [[] for _ in range(n_parts)]
    sizes = [0] * n_parts
    for segment in sorted(segments, key=len, reverse=True):
        least = sizes.index(min(sizes))
        parts[least].append(segment)
        sizes[least] += segment.size
    return parts


@cached_njit
def _without_merges(
    pair_counts: Counts, token_counts: Counts, parts: Counts, kept: NDArray[np.bool_]
) -> Counts:
    """Return the pair counts after every token that is not kept is split into its parts."""
    pairs, tokens = pair_counts.copy(), token_counts.copy()
    for merged in range(len(parts) - 1, 3, -1):
        if kept[merged]:
            continue
        left, right = parts[merged]
        pairs[right] += pairs[merged]
        pairs[merged] = 0
        pairs[:, left] += pairs[:, merged]
        pairs[:, merged] = 0
        pairs[left, right] += tokens[merged]
        tokens[left] += tokens[merged]
        tokens[right] += tokens[merged]
    return pairs


@cached_njit
def _add_pairs(input_ids: Tokens, pairs: Counts, tokens: Counts) -> None:
    before = input_ids[0] - N_SPECIAL
    tokens[before] += 1
    for i in range(1, input_ids.size):
        token = input_ids[i] - N_SPECIAL
        pairs[before, token] += 1
        tokens[token] += 1
        before = token


