"""Folds of whole blocks of the genome: no fold is judged on a block that it was fitted on.

Neighbouring windows are alike, and overlapping ones share bases; folds of rows drawn at random would be judged on
what they were fitted on.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import StratifiedGroupKFold

from grover_hf.corpus.splits import BLOCK_BP, Places
from grover_hf.errors import InputError


class Fold(NamedTuple):
    """Rows, by their number among all."""

    train: NDArray[np.int64]
    validation: NDArray[np.int64]
    test: NDArray[np.int64]


def blocks_of(places: Places, block_bp: int = BLOCK_BP) -> NDArray[Any]:
    """Return the block that each row begins in, as text, shape (n,).

    Args:
        places: Where the rows lie.
        block_bp: Bases of a block; a chromosome's first block begins with its first base.

    Examples:
        >>> import numpy as np
        >>> from grover_hf.corpus.splits import Places
        >>> from grover_hf.probing.folds import blocks_of
        >>> blocks_of(Places(["chr1", "chr1"], np.array([5, 2_000_000]), np.array([9, 2_000_009]))).tolist()
        ['chr1:0', 'chr1:2']
    """
    numbers = (places.starts // block_bp).astype(str)
    return np.char.add(np.char.add(np.asarray(places.chroms).astype(str), ":"), numbers)


def block_folds(
    places: Places, labels: NDArray[np.int64], *, n_folds: int, seed: int, what: str, block_bp: int = BLOCK_BP
) -> list[Fold]:
    """Return folds of whole blocks with about the same shares of classes, each validated on the rows of the next.

    Every row is a test row once. One that crosses the border of two blocks is in no train and no validation rows:
    it would share bases with another fold.

    Args:
        places: Where the rows lie.
        labels: Their classes, shape (n,).
        n_folds: How many, three or more.
        seed: Of the order in which blocks are dealt out.
        what: What the rows are of, for errors.
        block_bp: Bases of a block.

    Raises:
        InputError: If there are too few rows or blocks, or a fold lacks a class to fit.
    """
    if (most := int(np.bincount(labels).max())) < n_folds:
        raise InputError(f"{what} has {most} rows of its largest class: too few for {n_folds} folds.")
    crosses = places.starts // block_bp != (places.ends - 1) // block_bp
    blocks = blocks_of(places, block_bp)
    if (n_blocks := len(set(blocks))) < n_folds:
        raise InputError(f"{what} lies in {n_blocks} blocks of {block_bp:,} bp; they make no {n_folds} folds.")
    splitter = StratifiedGroupKFold(n_folds, shuffle=True, random_state=seed)
    tests = [test for _, test in splitter.split(np.zeros(len(labels)), labels, blocks)]
    folds = []
    for number, test in enumerate(tests):
        validation = tests[(number + 1) % len(tests)]
        train = np.setdiff1d(np.arange(len(labels)), np.concatenate([test, validation]))
        folds.append(Fold(train[~crosses[train]], validation[~crosses[validation]], test))
    n_classes = len(set(labels.tolist()))
    if any(len(set(labels[fold.train].tolist())) < n_classes or not len(fold.validation) for fold in folds):
        raise InputError(f"{what} lies in too few blocks: a fold of {n_folds} has not all classes to fit.")
    return folds
