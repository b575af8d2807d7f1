"""`GenomeEncoder`: exact byte-pair encoding of whole chromosomes, in linear time.

Two passes. The first reads the sequence from right to left with the automaton of
`bpe_automaton`, two bases a step, and notes the first token of every suffix; the second walks
from the start, a token a step. Each pass works on four quarters at once, which hides the time a
look-up takes; a quarter that was begun with a guess is put right at its border by going on from
the true state until the two agree, which takes a few bases and is exact in every case.
"""

import threading
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from grover_hf._internals.compilation import cached_njit
from grover_hf.genome.acgt import base_codes
from grover_hf.tokenization.bpe_automaton import build_automaton
from grover_hf.tokenization.encoding import Encoding, encode_around_unknown
from grover_hf.tokenization.merges import MergeTable
from grover_hf.tokenization.special_tokens import N_SPECIAL, UNK_ID
from grover_hf.tokenization.vocabulary import token_lengths

if TYPE_CHECKING:
    from tokenizers import Tokenizer


class GenomeEncoder:
    """Encodes sequences with a merge table, exactly as `tokenizers` does.

    Safe to share between threads.

    Args:
        merges: The merge table.

    Examples:
        >>> from grover_hf import GenomeEncoder, MergeTable
        >>> encoder = GenomeEncoder(MergeTable((("T", "T"), ("TT", "A"))))
        >>> encoder.encode("ACTTAGTT").tolist()
        [5, 6, 10, 7, 9]
        >>> [encoder.tokens[i] for i in encoder.encode("ACTTAGTT")]
        ['A', 'C', 'TTA', 'G', 'TT']
        >>> encoder.encode_with_offsets("ACTTAGTT").starts.tolist()
        [0, 1, 2, 5, 6]
    """

    def __init__(self, merges: MergeTable) -> None:
        self.merges = merges
        self.tokens = merges.tokens
        self.vocabulary_sha256 = merges.vocabulary_sha256
        self.name = f"bpe-{len(merges)}"
        """The name of dataset configurations made with this vocabulary, such as "bpe-600"."""
        self.token_lengths = token_lengths(self.tokens)
        """Bases a token spells, by id, shape (V,), uint16."""
        self._scratch = threading.local()
        self._building = threading.Lock()
        self._built: _Tables | None = None

    def __repr__(self) -> str:
        """Say which vocabulary it encodes with."""
        return f"GenomeEncoder({self.name}, {len(self.tokens)} token ids)"

    def backend(self) -> "Tokenizer":
        """Return the tokenizer of `tokenizers` with the same ids."""
        from grover_hf.tokenization.fast_tokenizer import bpe_backend

        return bpe_backend(self.tokens, self.merges.merges)

    def encode(self, sequence: str | bytes | NDArray[np.uint8]) -> NDArray[np.uint16]:
        """Return the token ids of a sequence, without [CLS] and [SEP].

        Args:
            sequence: Letters in any case, or base codes (uint8). Each letter other than
                A, C, G, T is one [UNK].

        Returns:
            Vocabulary ids, shape (n_tokens,), uint16.
        """
        codes = sequence if isinstance(sequence, np.ndarray) else base_codes(sequence)
        return encode_around_unknown(codes, self.encode_segment)

    def encode_with_offsets(self, sequence: str | bytes | NDArray[np.uint8]) -> Encoding:
        """Return the token ids with the start and end of each in `sequence`, in bases."""
        input_ids = self.encode(sequence)
        lengths = self.token_lengths[input_ids].astype(np.int64)
        lengths[input_ids == UNK_ID] = 1
        ends = np.cumsum(lengths)
        return Encoding(input_ids, ends - lengths, ends)

    def encode_segment(self, codes: NDArray[np.uint8]) -> NDArray[np.uint16]:
        """Return the ids of base codes that hold only A, C, G, T (not checked)."""
        first_ids, walked = self._buffers(codes.size)
        _first_ids_of_suffixes(codes, *self._tables(), first_ids)
        return _walk(first_ids.view(np.uint16), codes.size, self.token_lengths, walked)

    def automaton(self) -> tuple[int, NDArray[np.unsignedinteger], NDArray[np.uint16]]:
        """Return the automaton's first state; by state * 4 + base the next one, and the id of the first token."""
        tables = self._tables()
        return tables.start, tables.next_state, tables.first_id

    @cached_property
    def token_ends(self) -> frozenset[bytes]:
        """Base codes of all that a token can end with, but for whole tokens."""
        spelled = (base_codes(token).tobytes() for token in self.tokens[N_SPECIAL:])
        return frozenset(token[first:] for token in spelled for first in range(1, len(token)))

    def _tables(self) -> "_Tables":
        # On first use: who only reads a tokenized genome needs no automaton.
        with self._building:
            if self._built is None:
                self._built = _tables(self.merges)
            return self._built

    def _buffers(self, n_bases: int) -> tuple[NDArray[np.uint32], NDArray[np.uint16]]:
        """Return room for two ids a base, which each thread keeps: fresh memory costs more than work."""
        have = getattr(self._scratch, "buffers", None)
        if have is None or have[1].size < n_bases:
            have = (np.empty(n_bases // 2 + 1, np.uint32), np.empty(n_bases, np.uint16))
            self._scratch.buffers = have
        return have


class _Tables(NamedTuple):
    """The automaton as flat tables of vocabulary ids, for steps of one base and of two."""

    start: int
    next_state: NDArray[np.unsignedinteger]
    """By state * 4 + base."""
    first_id: NDArray[np.uint16]
    next_state_2: NDArray[np.unsignedinteger]
    """By state * 16 + right base * 4 + left base."""
    first_ids_2: NDArray[np.uint32]
    """The left base's id stands in the low half: in (little-endian) memory it comes first."""


def _tables(merges: MergeTable) -> _Tables:
    automaton = build_automaton(merges)
    reached, ids = automaton.next_state, automaton.first_token + N_SPECIAL
    state_type = np.uint16 if len(reached) <= 1 << 16 else np.uint32
    return _Tables(
        automaton.start,
        reached.reshape(-1).astype(state_type),
        ids.reshape(-1).astype(np.uint16),
        reached[reached].reshape(-1).astype(state_type),
        (ids[:, :, None] << 16 | ids[reached]).reshape(-1).astype(np.uint32),
    )


@cached_njit
def _first_ids_of_suffixes(
    codes: NDArray[np.uint8], start: int, next_state: NDArray[np.unsignedinteger],
    first_id: NDArray[np.uint16], next_state_2: NDArray[np.unsignedinteger],
    first_ids_2: NDArray[np.uint32], out: NDArray[np.uint32],
) -> None:
    """Write the id of the first token of every suffix, two uint16 in an entry of `out`."""
    n_pairs = codes.size // 2
    quarter = n_pairs // 4
    four, two = np.uint32(4), np.uint32(2)
    state = np.uint32(start)
    if codes.size % 2:
        at = (state << two) | codes[codes.size - 1]
        out[n_pairs] = first_id[at]
        state = np.uint32(next_state[at])
    for i in range(n_pairs - 1, 4 * quarter - 1, -1):
        at = (state << four) | (codes[2 * i + 1] << two) | codes[2 * i]
        out[i] = first_ids_2[at]
        state = np.uint32(next_state_2[at])

    begin_1, begin_2, begin_3 = quarter, 2 * quarter, 3 * quarter
    state_0 = state_1 = state_2 = np.uint32(start)
    state_3 = state
    for i in range(quarter - 1, -1, -1):
        at = (state_0 << four) | (codes[2 * i + 1] << two) | codes[2 * i]
        out[i] = first_ids_2[at]
        state_0 = np.uint32(next_state_2[at])
        j = begin_1 + i
        at = (state_1 << four) | (codes[2 * j + 1] << two) | codes[2 * j]
        out[j] = first_ids_2[at]
        state_1 = np.uint32(next_state_2[at])
        j = begin_2 + i
        at = (state_2 << four) | (codes[2 * j + 1] << two) | codes[2 * j]
        out[j] = first_ids_2[at]
        state_2 = np.uint32(next_state_2[at])
        j = begin_3 + i
        at = (state_3 << four) | (codes[2 * j + 1] << two) | codes[2 * j]
        out[j] = first_ids_2[at]
        state_3 = np.uint32(next_state_2[at])

    # Quarters 2, 1, 0 were begun as if nothing followed them: go over each again from the true
    # state until it is the one that the first reading had there.
    true = state_3
    for k in range(2, -1, -1):
        guess = np.uint32(start)
        i = (k + 1) * quarter - 1
        while true != guess and i >= k * quarter:
            pair = (codes[2 * i + 1] << two) | codes[2 * i]
            guess = np.uint32(next_state_2[(guess << four) | pair])
            at = (true << four) | pair
            out[i] = first_ids_2[at]
            true = np.uint32(next_state_2[at])
            i -= 1
        if true == guess:
            true = state_2 if k == 2 else (state_1 if k == 1 else state_0)


@cached_njit
def _walk(
    first_ids: NDArray[np.uint16], n_bases: int, lengths: NDArray[np.uint16], walked: NDArray[np.uint16]
) -> NDArray[np.uint16]:
    """Return the tokens met on the way from base 0, each step as long as the token."""
    begin = np.array([0, n_bases // 4, n_bases // 2, 3 * (n_bases // 4), n_bases])
    p0, p1, p2, p3 = begin[0], begin[1], begin[2], begin[3]
    k0, k1, k2, k3 = begin[0], begin[1], begin[2], begin[3]
    while p0 < begin[1] and p1 < begin[2] and p2 < begin[3] and p3 < n_bases:
        id0, id1, id2, id3 = first_ids[p0], first_ids[p1], first_ids[p2], first_ids[p3]
        walked[k0] = id0
        walked[k1] = id1
        walked[k2] = id2
        walked[k3] = id3
        p0 += lengths[id0]
        p1 += lengths[id1]
        p2 += lengths[id2]
        p3 += lengths[id3]
        k0 += 1
        k1 += 1
        k2 += 1
        k3 += 1
    position = np.array([p0, p1, p2, p3])
    filled = np.array([k0, k1, k2, k3])
    for q in range(4):
        while position[q] < begin[q + 1]:
            token = first_ids[position[q]]
            walked[filled[q]] = token
            filled[q] += 1
            position[q] += lengths[token]

    # Quarters 1, 2, 3 were begun as if a token began at their border. Find where the true walk
    # joins theirs, and how many tokens each makes until then.
    joined = np.zeros(4, np.int64)
    skipped = np.zeros(4, np.int64)
    arrives = np.zeros(4, np.int64)
    n_tokens = filled[0]
    end = position[0]
    for q in range(1, 4):
        arrives[q] = true = end
        guess = begin[q]
        while true != guess:
            if true < guess:
                true += lengths[first_ids[true]]
                joined[q] += 1
            else:
                guess += lengths[first_ids[guess]]
                skipped[q] += 1
            if true >= begin[q + 1]:
                break
        met = true == guess and true < begin[q + 1]
        if not met:
            skipped[q] = filled[q] - begin[q]
        end = position[q] if met else true
        n_tokens += joined[q] + filled[q] - begin[q] - skipped[q]

    input_ids = np.empty(n_tokens, np.uint16)
    k = 0
    for q in range(4):
        at = arrives[q]
        for _ in range(joined[q]):
            input_ids[k] = first_ids[at]
            at += lengths[first_ids[at]]
            k += 1
        for i in range(begin[q] + skipped[q], filled[q]):
            input_ids[k] = walked[i]
            k += 1
    return input_ids
