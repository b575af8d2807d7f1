"""Which of many rows are looked at, where not all are."""

import numpy as np
from numpy.typing import NDArray

from grover_hf.corpus.splits import Places


def evenly_spaced_rows(n_rows: int, n_chosen: int) -> NDArray[np.int64]:
    """Return so many row numbers, or all if there are fewer, from the first to the last, shape (n,).

    The first rows of a split would be the tip of the first chromosome.
    """
    return np.linspace(0, n_rows - 1, min(n_chosen, n_rows)).astype(np.int64)


def rows_of_first_tiling(places: Places) -> NDArray[np.int64]:
    """Return the rows of windows of the first tiling of a genome, shape (n,).

    Args:
        places: Places of all windows, in the order of tilings, of chromosomes, of starts.
    """
    _, first_rows, names = np.unique(np.asarray(places.chroms, str), return_index=True, return_inverse=True)
    chroms = first_rows[names]
    # Where the order begins again, so does a tiling.
    begins_again = (np.diff(chroms) < 0) | ((np.diff(chroms) == 0) & (np.diff(places.starts) < 0))
    return np.arange(int(np.argmax(begins_again)) + 1 if begins_again.any() else len(chroms))
