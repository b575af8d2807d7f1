"""The only code that decides which split a row belongs to.

A row's split at random depends on its own key and the seed alone, so it does not change with the
order or the number of rows. Splits that keep chromosomes or groups together depend on which rows
there are, but not on their order.
"""

import hashlib
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from grover_hf._internals.counter_rng import keyed_bits, keyed_uniform
from grover_hf.errors import InputError, shorten

SPLITS = ("train", "validation", "test")
SHARES = (0.8, 0.1, 0.1)
"""Shares of train, validation and test in the paper's tasks (Methods, "Fine-tuning task ...")."""

TEST_SHARE = 0.2
"""Share of windows in the test set (Methods, "Data": eighty per cent are the training set)."""

BLOCK_BP = 1_000_000
"""Blocks that go whole to train or test; ours. A megabase is longer than genes, and than most duplications."""
_N_BLOCKS = 50


class Places(NamedTuple):
    """Intervals of a genome."""

    chroms: Sequence[str] | NDArray[Any]
    """Names of chromosomes, shape (n,)."""
    starts: NDArray[np.integer]
    """0-based, shape (n,)."""
    ends: NDArray[np.integer]
    """After the last base, shape (n,)."""


def in_test(*keys: ArrayLike, seed: int, test_share: float = TEST_SHARE) -> NDArray[np.bool_]:
    """Return which rows are test rows, each with probability `test_share`.

    Args:
        keys: Integers that name a row, arrays of one shape: chromosome number and start, say.
        seed: Another seed gives another split.
        test_share: Expected share of test rows.
    """
    return keyed_uniform(seed, *keys) < test_share


def block_size(n_bases: int) -> int:
    """Return bases of a block so that a genome has fifty, or more: a megabase, or less where the genome is small.

    It is 1, 2 or 5 times a power of ten, and 5,000 at least: windows have up to 510 tokens, about 2,000 bases, and
    those across a border are lost.

    Args:
        n_bases: Bases of the genome.

    >>> block_size(3_000_000_000), block_size(5_000_000), block_size(120_000_000)
    (1000000, 100000, 1000000)
    """
    sizes = (5_000, 10_000, 20_000, 50_000, 100_000, 200_000, 500_000, BLOCK_BP)
    return max(size for size in sizes if size == sizes[0] or size * _N_BLOCKS <= n_bases)


def block_split(
    places: Places, *, block_bp: int = BLOCK_BP, seed: int, test_share: float = TEST_SHARE
) -> NDArray[np.int64]:
    """Return 1 for test, 0 for train, where whole blocks of the genome are one or the other, shape (n,).

    -1 is an interval that lies in blocks of both: whoever leaves these out has no base in train and in
    test. A block's lot depends on its chromosome's name, its number and the seed alone.

    Args:
        places: The intervals, none longer than a block.
        block_bp: Bases of a block; a chromosome's first block begins with its first base.
        seed: Another seed gives another split.
        test_share: Expected share of test blocks.

    Raises:
        InputError: If an interval is longer than a block.
    """
    longest = int((places.ends - places.starts).max(initial=0))
    if block_bp < longest:
        raise InputError(f"block_bp is {block_bp}; the longest interval has {longest} bp, and a block as many.")
    chrom_keys = row_keys(places.chroms)
    # An interval no longer than a block meets two of them at most.
    first, last = (
        in_test(chrom_keys, edges // block_bp, seed=seed, test_share=test_share)
        for edges in (places.starts, places.ends - 1)
    )
    return np.where(first == last, first.astype(np.int64), -1)


def bases_also_in(places: Places, others: Places) -> int:
    """Return how many bases of `places` lie in one of `others`, strands aside.

    A base that two of `places` share is counted twice, one that two of `others` share once.
    """
    if not len(places.starts) or not len(others.starts):
        return 0
    import bioframe  # here, because it brings matplotlib: a second for those who do not need it

    covered = bioframe.coverage(_table(places), _table(others), return_input=False)
    return int(covered["coverage"].sum())


def row_keys(*columns: Sequence[str] | NDArray[Any]) -> NDArray[np.uint64]:
    """Return a key for each row that depends on its own values alone: its name in every random choice.

    Args:
        columns: Strings (chromosome, strand) or integers (positions), each of shape (n,).
    """
    return keyed_bits(*map(_numbers, columns))


def random_split(keys: NDArray[np.uint64], *, seed: int, shares: Sequence[float] = SHARES) -> NDArray[np.int64]:
    """Return the number of the split of each row, an index into `SPLITS`, shape (n,).

    Rows of one key fall into one split: give rows that must stay together the key of their group.

    Args:
        keys: From `row_keys`, shape (n,).
        seed: Another seed gives another split.
        shares: Expected shares of the splits; they add up to 1.
    """
    return np.searchsorted(np.cumsum(shares)[:-1], keyed_uniform(seed, keys), side="right")


def chromosome_split(
    chroms: Sequence[str] | NDArray[Any], *, seed: int, shares: Sequence[float] = SHARES
) -> NDArray[np.int64]:
    """Return the number of the split of each row, whole chromosomes at a time, shape (n,).

    Chromosomes with more than a tenth of the rows come first, by size, then the others in an order that the
    seed decides; each goes to the split that lacks most rows, the last ones to splits without any.

    Raises:
        InputError: If a split stays empty.
    """
    names, inverse, counts = np.unique(np.asarray(chroms), return_inverse=True, return_counts=True)
    lacking = np.array(shares) * len(inverse)
    large = np.where(counts > len(inverse) / 10, counts, 0)
    order = np.lexsort((keyed_uniform(seed, _numbers(names)), -large))
    split_of = np.zeros(len(names), np.int64)
    filled = np.zeros(len(shares), np.bool_)
    for n_left, chrom in zip(range(len(order), 0, -1), order, strict=True):
        # The last chromosomes go to splits that have none.
        eligible = ~filled if n_left <= (~filled).sum() else np.ones(len(shares), np.bool_)
        split = int(np.argmax(np.where(eligible, lacking, -np.inf)))
        split_of[chrom] = split
        filled[split] = True
        lacking[split] -= counts[chrom]
    if len(set(split_of.tolist())) < len(shares):
        shown = shorten([str(name) for name in names])
        raise InputError(
            f"The rows lie on {shown}: too few chromosomes, or too uneven ones, for a split by chromosome into "
            "train, validation and test. Take another split: --help has them."
        )
    return split_of[inverse]


def overlapping_groups(
    chroms: Sequence[str] | NDArray[Any], starts: NDArray[np.integer], ends: NDArray[np.integer]
) -> NDArray[np.uint64]:
    """Return a key for each interval, the same for all that overlap directly or through others, shape (n,)."""
    import bioframe

    # Half-open intervals that touch do not overlap: no min_dist.
    table = bioframe.cluster(_table(Places(chroms, starts, ends)), min_dist=None)
    return row_keys(chroms, table["cluster_start"].to_numpy(np.int64))


def _table(places: Places) -> pd.DataFrame:
    return pd.DataFrame({"chrom": np.asarray(places.chroms, object), "start": places.starts, "end": places.ends})


def _numbers(values: Sequence[str] | NDArray[Any]) -> NDArray[np.uint64]:
    """Return integers as they are, and a digest of each string."""
    if isinstance(values, np.ndarray) and values.dtype.kind in "iu":
        return values.astype(np.uint64)
    # As objects: numpy's own strings are all as wide as the longest.
    codes, names = pd.factorize(np.asarray(values, object))
    digests = [hashlib.sha256(str(name).encode()).digest()[:8] for name in names]
    keys: NDArray[np.uint64] = np.frombuffer(b"".join(digests), "<u8").astype(np.uint64)[codes]
    return keys
