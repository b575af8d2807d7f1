"""Byte-pair tokens of a stretch whatever stands around it, proven by the automaton of `bpe_automaton`.

What the first token of a suffix is follows from the state in which its bases are read, from right to left. Where
it is not known what follows a stretch, the stretch is read in all states at once. They meet: each base leaves
fewer, and mostly one after ten or twenty. From then on the first token of every suffix is the true one. From
left to right a token begins where the one before it ended. Where that is not known, one that began before the
stretch ends where the bases up to there are what some token ends with. Walks from all such places meet, too. What
lies between is the encoding, in any context.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from grover_hf._internals.compilation import cached_njit
from grover_hf.genome.acgt import acgt_segments, base_codes
from grover_hf.tokenization.bpe_encoding import GenomeEncoder
from grover_hf.tokenization.encoding import Encoding

PROVEN, MORE_LEFT, MORE_RIGHT = 0, 1, 2
"""What came of `tokens_of`: all tokens, or what more has to be known."""
_NOT_KNOWN = 0
"""In place of an id; 0 is [PAD], which no base spells."""


class ProvenTokens(NamedTuple):
    """Tokens that overlap a part of a stretch, or what is missing to prove them."""

    outcome: int
    """`PROVEN`, `MORE_LEFT` or `MORE_RIGHT`."""
    input_ids: NDArray[np.uint16]
    first: int
    """Where the first token begins, in the stretch."""


def tokens_of(
    encoder: GenomeEncoder, codes: NDArray[np.uint8], part: tuple[int, int], *, begins: bool, ends: bool
) -> ProvenTokens:
    """Return the tokens that overlap a part of a stretch, the same in all sequences that hold the stretch.

    Args:
        encoder: The vocabulary.
        codes: Base codes of the stretch, A, C, G and T alone.
        part: Start and end of the part, in the stretch; not empty.
        begins: Whether nothing that could join stands before the stretch: it is the start of a segment.
        ends: Whether nothing stands after it.
    """
    first_ids = _first_ids(encoder, codes, ends=ends)
    places = _may_begin_at(encoder, codes, begins=begins)
    return ProvenTokens(*_walk(first_ids, encoder.token_lengths, places, *part))


def fewest_bases(
    encoder: GenomeEncoder, codes: NDArray[np.uint8], part: tuple[int, int], *, begins: bool, ends: bool
) -> tuple[int, int]:
    """Return with how few bases on each side of a part, of those that are there, its tokens are proven.

    Args:
        encoder: As for `tokens_of`, which must be able to prove them.
        codes: As for `tokens_of`.
        part: As for `tokens_of`.
        begins: As for `tokens_of`.
        ends: As for `tokens_of`.
    """
    low, high = part

    def proves(left: int, right: int) -> bool:
        found = tokens_of(
            encoder, codes[low - left : high + right], (left, left + high - low),
            begins=begins and left == low, ends=ends and high + right == codes.size,
        )
        return found.outcome == PROVEN

    # What a side proves, it proves with more of it.
    left = _least(low, lambda n: proves(n, codes.size - high))
    return left, _least(codes.size - high, lambda n: proves(low, n))


def trusted(sequence: str, encoder: GenomeEncoder) -> tuple[Encoding, NDArray[np.bool_]]:
    """Return the tokens of a loose sequence, and which of them any longer sequence around it has as well.

    Tokens at the ends may be others in a genome. N and other letters end what could join.

    Args:
        sequence: Letters in any case.
        encoder: The vocabulary.

    Returns:
        The encoding of the sequence alone, and for each token whether it can be trusted, shape (n_tokens,).

    Examples:
        >>> from grover_hf import MergeTable
        >>> encoder = GenomeEncoder(MergeTable((("T", "T"), ("TT", "A"))))
        >>> encoding, is_trusted = trusted("TTACGTT", encoder)
        >>> [encoder.tokens[i] for i in encoding.input_ids], is_trusted.tolist()
        (['TTA', 'C', 'G', 'TT'], [False, True, True, False])
    """
    codes = base_codes(sequence)
    encoding = encoder.encode_with_offsets(codes)
    known = np.ones(len(encoding.input_ids), np.bool_)
    for start, end in acgt_segments(codes).tolist():
        first_ids = _first_ids(encoder, codes[start:end], ends=end < codes.size)
        places = _may_begin_at(encoder, codes[start:end], begins=start > 0)
        met = _meet(first_ids, encoder.token_lengths, places)
        true = np.zeros(end - start + 1, np.uint16)
        _mark_walk(first_ids, encoder.token_lengths, met, true)
        of_segment = (encoding.starts >= start) & (encoding.ends <= end)
        known[of_segment] = true[encoding.starts[of_segment] - start] == encoding.input_ids[of_segment]
    return encoding, known


def _least(most: int, proves: Callable[[int], bool]) -> int:
    """Return the smallest number up to `most` with which something is proven; with `most` it is."""
    low, high = 0, most
    while low < high:
        middle = (low + high) // 2
        if proves(middle):
            high = middle
        else:
            low = middle + 1
    return low


def _may_begin_at(encoder: GenomeEncoder, codes: NDArray[np.uint8], *, begins: bool) -> NDArray[np.int64]:
    """Return the first places where a token may begin, one of which is true; none if a token may hold the stretch.

    Ascending, shape (n_places,).
    """
    if begins:
        return np.zeros(1, np.int64)
    letters, longest = codes.tobytes(), int(encoder.token_lengths.max())
    if codes.size < longest and any(end.startswith(letters) for end in encoder.token_ends):
        return np.empty(0, np.int64)
    ends = [n for n in range(1, min(longest, codes.size + 1)) if letters[:n] in encoder.token_ends]
    return np.array([0, *ends])


def _first_ids(encoder: GenomeEncoder, codes: NDArray[np.uint8], *, ends: bool) -> NDArray[np.uint16]:
    """Return the id of the first token of every suffix, 0 where it depends on what follows; shape (n,)."""
    start, next_state, first_id = encoder.automaton()
    n_states = len(next_state) // 4
    states = np.array([start]) if ends else np.arange(n_states)
    return _read(codes, states, next_state, first_id, n_states)


@cached_njit
def _read(
    codes: NDArray[np.uint8], states: NDArray[np.int64], next_state: NDArray[np.unsignedinteger],
    first_id: NDArray[np.uint16], n_states: int,
) -> NDArray[np.uint16]:
    found = np.zeros(codes.size, np.uint16)
    met_at = np.full(n_states, -1, np.int64)
    states = states.copy()
    n_left = states.size
    for i in range(codes.size - 1, -1, -1):
        n_after = 0
        token = first_id[states[0] * 4 + codes[i]]
        for k in range(n_left):
            at = states[k] * 4 + codes[i]
            if first_id[at] != token:
                token = np.uint16(_NOT_KNOWN)
            reached = np.int64(next_state[at])
            if met_at[reached] != i:
                met_at[reached] = i
                states[n_after] = reached
                n_after += 1
        n_left = n_after
        found[i] = token
    return found


@cached_njit
def _meet(first_ids: NDArray[np.uint16], lengths: NDArray[np.uint16], places: NDArray[np.int64]) -> int:
    """Return the first place where a token is known to begin; -1 if none is, -2 if more is needed on the right."""
    n = first_ids.size
    here = np.zeros(n + lengths.max() + 1, np.bool_)
    here[places] = True
    n_walks = places.size
    if not n_walks:
        return -1
    for place in range(n):
        if not here[place]:
            continue
        if n_walks == 1:
            return place
        if first_ids[place] == _NOT_KNOWN:
            return -2
        n_walks -= 1
        after = place + lengths[first_ids[place]]
        if not here[after]:
            here[after] = True
            n_walks += 1
    return -1


@cached_njit
def _walk(
    first_ids: NDArray[np.uint16], lengths: NDArray[np.uint16], places: NDArray[np.int64], low: int, high: int
) -> tuple[int, NDArray[np.uint16], int]:
    """Return the outcome, and the ids of the tokens that overlap [low, high), and where the first begins."""
    place = _meet(first_ids, lengths, places)
    nothing = np.empty(0, np.uint16)
    if place == -2:
        # Walks that should meet before the part reach what is not known.
        return MORE_RIGHT, nothing, 0
    if place == -1 or place > low:
        return MORE_LEFT, nothing, 0
    walked = np.empty(high - low + 1, np.uint16)
    n_tokens, first = 0, place
    while place < high:
        token = first_ids[place]
        if token == _NOT_KNOWN:
            return MORE_RIGHT, nothing, 0
        after = place + lengths[token]
        if after > low:
            if not n_tokens:
                first = place
            walked[n_tokens] = token
            n_tokens += 1
        place = after
    return PROVEN, walked[:n_tokens].copy(), first


@cached_njit
def _mark_walk(
    first_ids: NDArray[np.uint16], lengths: NDArray[np.uint16], place: int, out: NDArray[np.uint16]
) -> None:
    """Write the id of each token that is met on the way from a place, as far as it is known."""
    while 0 <= place < first_ids.size and first_ids[place] != _NOT_KNOWN:
        out[place] = first_ids[place]
        place += lengths[first_ids[place]]
