"""The paper's negative class: six of the eight chunks of a promoter's tokens, pooled and permuted."""

import numpy as np
from numpy.typing import NDArray

from grover_hf._internals.compilation import cached_njit
from grover_hf._internals.counter_rng import below, keyed_bits, next_bits

N_CHUNKS = 8
N_SHUFFLED = 6


def shuffled_order(
    offsets: NDArray[np.integer], keys: NDArray[np.uint64], *, seed: int
) -> NDArray[np.int64]:
    """Return the order that shuffles the tokens of each sequence, shape (n_tokens,).

    A sequence is cut into eight chunks as even as can be, the longer ones first. The tokens of six
    chunks at random are pooled, permuted and put back in their places; the other two chunks stay
    (Methods, "Prom300": "the tokens of six randomly selected chunks were shuffled among those six
    chunks").

    Args:
        offsets: Where each sequence's tokens begin, and the end, shape (n + 1,).
        keys: Keys of the sequences, shape (n,): what is drawn depends on key and seed alone.
        seed: Another seed gives other negatives.
    """
    states = keyed_bits(seed, keys)
    return _shuffle(np.asarray(offsets, np.int64), states, np.arange(offsets[-1], dtype=np.int64))


@cached_njit
def _shuffle(
    offsets: NDArray[np.int64], states: NDArray[np.uint64], order: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Permute the pool of each sequence in `order`: two shuffles of Fisher and Yates, of chunks and of tokens."""
    chunks = np.empty(N_CHUNKS, np.int64)
    for i in range(states.size):
        state = states[i]
        first, n_tokens = offsets[i], offsets[i + 1] - offsets[i]
        size, n_longer = n_tokens // N_CHUNKS, n_tokens % N_CHUNKS
        for c in range(N_CHUNKS):
            chunks[c] = c
        for c in range(N_SHUFFLED):
            state = next_bits(state)
            other = c + below(state, N_CHUNKS - c)
            chunks[c], chunks[other] = chunks[other], chunks[c]
        chosen = np.sort(chunks[:N_SHUFFLED])
        pool = np.empty(n_tokens, np.int64)
        n_pooled = 0
        for c in chosen:
            begin = first + c * size + min(c, n_longer)
            for token in range(begin, begin + size + (c < n_longer)):
                pool[n_pooled] = token
                n_pooled += 1
        for k in range(n_pooled - 1, 0, -1):
            state = next_bits(state)
            other = below(state, k + 1)
            order[pool[k]], order[pool[other]] = order[pool[other]], order[pool[k]]
    return order
