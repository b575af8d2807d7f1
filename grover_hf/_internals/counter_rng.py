"""Random numbers that depend on a key alone: no generator whose state workers or ranks could move.

The generator is SplitMix64 (Steele, Lea and Flood, OOPSLA 2014) used as a hash.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from grover_hf._internals.compilation import cached_njit

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)


def keyed_bits(*keys: ArrayLike) -> NDArray[np.uint64]:
    """Return 64 random bits for each combination of integer keys, broadcast against each other."""
    bits = np.zeros((), np.uint64)
    with np.errstate(over="ignore"):
        for key in keys:
            bits = _mixed(bits ^ np.asarray(key).astype(np.uint64))
    return bits


def keyed_uniform(*keys: ArrayLike) -> NDArray[np.float64]:
    """Return a number in [0, 1) for each combination of integer keys."""
    return (keyed_bits(*keys) >> np.uint64(11)).astype(np.float64) * 2.0**-53


@cached_njit
def next_bits(state: np.uint64) -> np.uint64:
    """Return the state after `state`, which is also the next 64 random bits; for compiled code.

    Begin with `keyed_bits` of a key: then what is drawn depends on the key alone.
    """
    bits = state + _GOLDEN
    bits = (bits ^ (bits >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    bits = (bits ^ (bits >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return bits ^ (bits >> np.uint64(31))


@cached_njit
def below(bits: np.uint64, n: int) -> int:
    """Return a whole number in [0, n), n up to 2**32, from random bits; for compiled code."""
    return int(((bits >> np.uint64(32)) * np.uint64(n)) >> np.uint64(32))


def _mixed(bits: NDArray[np.uint64]) -> NDArray[np.uint64]:
    bits = bits + _GOLDEN
    bits = (bits ^ (bits >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    bits = (bits ^ (bits >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return bits ^ (bits >> np.uint64(31))
