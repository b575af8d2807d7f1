"""The paper's negative class: six of the eight chunks of a promoter's tokens, pooled and permuted."""

import numpy as np
from numpy.typing import NDArray

from grover_hf.keyed_random import keyed_bits, keyed_uniform

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
        keys: Of the sequences, shape (n,): what is drawn depends on key and seed alone.
        seed: Another seed gives other negatives.
    """
    n_tokens = np.diff(offsets)
    row = np.repeat(np.arange(len(keys)), n_tokens)
    at = np.arange(offsets[-1]) - np.repeat(offsets[:-1], n_tokens)
    size, n_longer = np.divmod(n_tokens, N_CHUNKS)
    border = (n_longer * (size + 1))[row]
    chunk = np.where(
        at < border, at // (size + 1)[row], n_longer[row] + (at - border) // np.maximum(size, 1)[row]
    )
    drawn = keyed_uniform(seed, keys[:, None], np.arange(N_CHUNKS))
    chosen = drawn.argsort(1).argsort(1) < N_SHUFFLED
    pooled = np.flatnonzero(chosen[row, chunk])
    # Sorted by random numbers within each row: a permutation of its pool.
    bits = keyed_bits(seed, keys[row[pooled]], N_CHUNKS + at[pooled])
    order = np.arange(offsets[-1])
    order[pooled] = pooled[np.lexsort((bits, row[pooled]))]
    return order
