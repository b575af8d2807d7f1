"""The tokens of a vocabulary in id order: how many bases they spell, and which."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from grover_hf._internals.compilation import cached_njit
from grover_hf.errors import InputError
from grover_hf.tokenization.special_tokens import N_SPECIAL

_HEAD_BASES = 16


def token_lengths(tokens: Sequence[str]) -> NDArray[np.uint16]:
    """Return how many bases each token spells, shape (V,), uint16; special tokens count 0.

    [UNK] stands for one base of a loose sequence, or for the tail that a k-mer vocabulary leaves:
    whoever needs its length knows which.
    """
    longest = max(map(len, tokens))
    if longest >= 1 << 16:
        raise InputError(f"The longest token has {longest} bases; 65,535 are possible.")
    return np.array([0] * N_SPECIAL + [len(token) for token in tokens[N_SPECIAL:]], np.uint16)


def spelled(tokens: Sequence[str], input_ids: NDArray[np.uint16]) -> NDArray[np.uint8]:
    """Return the letters that tokens spell, one after another, as ASCII codes; special tokens spell none.

    Args:
        tokens: The vocabulary, in id order.
        input_ids: Ids, shape (n_tokens,).
    """
    letters = np.frombuffer("".join(tokens[N_SPECIAL:]).encode(), np.uint8)
    lengths = token_lengths(tokens)
    firsts = np.cumsum(lengths, dtype=np.int64) - lengths
    heads = letters[np.minimum(firsts[:, None] + np.arange(_HEAD_BASES), letters.size - 1)]
    n_letters = int(lengths[input_ids].sum(dtype=np.int64))
    out = np.empty(n_letters + _HEAD_BASES, np.uint8)
    _spell(letters, firsts, lengths, heads, input_ids, out)
    return out[:n_letters]


@cached_njit
def _spell(
    letters: NDArray[np.uint8], firsts: NDArray[np.int64], lengths: NDArray[np.uint16],
    heads: NDArray[np.uint8], input_ids: NDArray[np.uint16], out: NDArray[np.uint8],
) -> None:
    at = np.uint64(0)
    for token in input_ids:
        # Always 16 letters, for the processor does that at once; the next token covers those too many.
        for i in range(np.uint64(_HEAD_BASES)):
            out[at + i] = heads[token, i]
        for i in range(_HEAD_BASES, lengths[token]):
            out[at + np.uint64(i)] = letters[firsts[token] + i]
        at += np.uint64(lengths[token])
