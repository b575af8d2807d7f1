"""Byte-pair encoding over four letters as a finite automaton.

A sequence of tokens is the encoding of the string it spells if and only if every adjacent pair of
them is: (x, y) is *compatible* if encoding the string xy gives back x, y. So the first token of a
string follows from the first token of what remains after it: among the tokens that the string
starts with, exactly one is compatible with the first token of the rest.

Read a sequence from its end to its start, then. All that the next step needs is, for each proper
suffix v of a token that the read part starts with, which longer tokens that end in v are
compatible with the token after v. That is a finite set of states: about 900 after minimisation
for the 600 merges of a genome. One look-up a base gives the first token of every suffix, and a
walk from the start, a token a step, reads the encoding off (see `bpe_encoding`).
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from grover_hf._internals.compilation import cached_njit
from grover_hf.errors import InputError
from grover_hf.genome.letters import BASES
from grover_hf.tokenization.merges import MergeTable
from grover_hf.tokenization.special_tokens import N_SPECIAL

Ids = NDArray[np.int32]

# A vocabulary of 5,000 cycles of hg38 has 0.2 million; a run of A with tokens of 2**n bases has n**2.
_MAX_ENTRIES = 3_000_000
State = tuple[tuple[int, int], ...]


class Automaton(NamedTuple):
    """A minimal automaton that reads base codes from right to left.

    Token indices count from 0 without the special tokens: A C G T 0-3, then the merges.
    """

    next_state: NDArray[np.int64]
    """State after reading a base, shape (n_states, 4)."""
    first_token: NDArray[np.int64]
    """Index of the first token of what has been read, that base included, shape (n_states, 4)."""
    start: int
    """State before anything is read."""


def compatible_pairs(merges: MergeTable) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return which pairs of tokens stay apart, and which tokens are ever made.

    Returns:
        compatible: Shape (V, V), bool, indexed [left, right], V = 4 + number of merges: the
            encoding of the joined string is the two tokens.
        made: Shape (V,), bool: the encoding of the token's own string is the token. Training
            gives only such tokens; a table from elsewhere may hold others.
    """
    index = {token: i for i, token in enumerate(merges.tokens[N_SPECIAL:])}
    parts = np.array([(i, i) for i in range(4)] + [(index[a], index[b]) for a, b in merges.merges])
    merged = np.full((len(index), len(index)), -1, np.int32)
    merged[parts[4:, 0], parts[4:, 1]] = np.arange(4, len(index))
    return _compatible_pairs(merged, parts.astype(np.int32))


@cached_njit
def _stay_apart(merged: Ids, parts: Ids, left: int, right: int, before: int) -> bool:
    """Say whether two tokens side by side stay apart in all cycles that come before `before`.

    Look at their border back through the cycles, latest first. Between the cycle that made the
    later of the two tokens at the border and the next one, the pair stood there; if the table
    merges it in that time, the encoding crosses the border. Within one cycle merging goes from
    left to right: the left neighbour of a right token takes part in the very cycle that made it
    (hence + 1), the right neighbour of a left token comes too late.
    """
    while True:
        made = merged[left, right]
        if 0 <= made < before:
            return False
        if left < 4 and right < 4:
            return True
        if left > right:
            before = left
            left = parts[left, 1]
        else:
            before = right + 1
            right = parts[right, 0]


@cached_njit
def _compatible_pairs(merged: Ids, parts: Ids) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    n_tokens = merged.shape[0]
    compatible = np.empty((n_tokens, n_tokens), np.bool_)
    for left in range(n_tokens):
        for right in range(n_tokens):
            compatible[left, right] = _stay_apart(merged, parts, left, right, n_tokens)
    made = np.ones(n_tokens, np.bool_)
    for token in range(4, n_tokens):
        left, right = parts[token]
        made[token] = made[left] and made[right] and _stay_apart(merged, parts, left, right, token)
    return compatible, made


def build_automaton(merges: MergeTable) -> Automaton:
    """Build the automaton that gives the first token of every suffix."""
    tokens = merges.tokens[N_SPECIAL:]
    compatible, made = compatible_pairs(merges)
    suffixes = _SuffixTree(tokens, made)
    allowed = _ContinuationClasses(suffixes, compatible)

    # A state is the chain of suffix nodes that the read part starts with, longest first, each with
    # the class of the token that follows it; the empty suffix is in every chain.
    end_of_sequence = len(tokens)
    start: State = ((0, allowed.class_of(0, end_of_sequence)),)
    number = {start: 0}
    states = [start]
    n_entries = 0
    next_state: list[list[int]] = []
    first_token: list[list[int]] = []
    for state in states:
        reached, emitted = [], []
        for base in range(4):
            chain = []
            first = -1
            for node, kind in state:
                longer = suffixes.child[node][base]
                if longer < 0:
                    continue
                if allowed.permits(node, kind, suffixes.token[longer]):
                    first = suffixes.token[longer]
                if suffixes.tokens_ending_in[longer]:
                    chain.append((longer, allowed.after_base(node, base, kind)))
            chain.append((0, allowed.class_of(0, first)))
            after = tuple(chain)
            if after not in number:
                number[after] = len(states)
                states.append(after)
                n_entries += len(after)
                if n_entries > _MAX_ENTRIES:
                    raise InputError(
                        "These merges make tokens that repeat themselves over thousands of bases (the longest has "
                        f"{max(map(len, tokens))}): too many to encode with. Use fewer cycles, or leave out the "
                        "tandem repeats."
                    )
            reached.append(number[after])
            emitted.append(first)
        next_state.append(reached)
        first_token.append(emitted)
    return _minimised(np.array(next_state), np.array(first_token))


class _SuffixTree:
    """All suffixes of the tokens that are ever made; a child is one base longer, to the left."""

    def __init__(self, tokens: tuple[str, ...], made: NDArray[np.bool_]) -> None:
        index = {token: i for i, token in enumerate(tokens) if made[i]}
        node_of = {"": 0}
        for token in index:
            for length in range(1, len(token) + 1):
                node_of.setdefault(token[-length:], len(node_of))
        self.child = [[node_of.get(base + suffix, -1) for base in BASES] for suffix in node_of]
        self.token = [index.get(suffix, -1) for suffix in node_of]
        self.tokens_ending_in: list[list[int]] = [[] for _ in node_of]
        """The tokens that end in each node and are longer than it."""
        for token, i in index.items():
            for length in range(len(token)):
                self.tokens_ending_in[node_of[token[len(token) - length :]]].append(i)


class _ContinuationClasses:
    """For each suffix node, which following tokens permit the same longer tokens.

    Row V of the compatibility stands for the end of the sequence, which permits all.
    """

    def __init__(self, suffixes: _SuffixTree, compatible: NDArray[np.bool_]) -> None:
        self._suffixes = suffixes
        self._classes: list[list[int]] = []
        self._permitted: list[list[frozenset[int]]] = []
        by_right = np.vstack([compatible.T, np.ones(len(compatible), np.bool_)])
        for longer in suffixes.tokens_ending_in:
            if not longer:
                self._classes.append([])
                self._permitted.append([])
                continue
            example, number = _distinct_rows(np.packbits(by_right[:, longer], axis=1))
            self._classes.append(number.tolist())
            members = np.array(longer)
            self._permitted.append([frozenset(members[by_right[i, longer]].tolist()) for i in example])
        self._narrowed: dict[tuple[int, int], dict[int, int]] = {}

    def class_of(self, node: int, following: int) -> int:
        return self._classes[node][following]

    def permits(self, node: int, kind: int, token: int) -> bool:
        return token >= 0 and token in self._permitted[node][kind]

    def after_base(self, node: int, base: int, kind: int) -> int:
        """Return the class at the node one base longer, for the same following token."""
        narrowed = self._narrowed.get((node, base))
        if narrowed is None:
            longer = self._suffixes.child[node][base]
            narrowed = dict(zip(self._classes[node], self._classes[longer], strict=True))
            self._narrowed[node, base] = narrowed
        return narrowed[kind]


def _minimised(next_state: NDArray[np.int64], first_token: NDArray[np.int64]) -> Automaton:
    """Join states that nothing read later can tell apart (Moore's partition refinement)."""
    example, block = _distinct_rows(first_token)
    while True:
        finer_example, finer = _distinct_rows(np.column_stack([block, block[next_state]]))
        if len(finer_example) == len(example):
            return Automaton(block[next_state[example]], first_token[example], int(block[0]))
        example, block = finer_example, finer


def _distinct_rows(rows: NDArray[np.generic]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the index of one example of each distinct row, and for each row which one it is."""
    rows = np.ascontiguousarray(rows)
    as_bytes = rows.view(f"V{rows.itemsize * rows.shape[1]}").ravel()
    _, example, number = np.unique(as_bytes, return_index=True, return_inverse=True)
    return example, number.reshape(-1)
