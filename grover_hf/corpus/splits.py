"""The only code that decides which split a row belongs to.

A row's split depends on its own key and the seed, so it does not change with the order or the
number of rows.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from grover_hf.keyed_random import keyed_uniform

TEST_SHARE = 0.2
"""Share of windows in the test set (Methods, "Data": eighty per cent are the training set)."""


def in_test(*keys: ArrayLike, seed: int, test_share: float = TEST_SHARE) -> NDArray[np.bool_]:
    """Return which rows are test rows, each with probability `test_share`.

    Args:
        keys: Integers that name a row, arrays of one shape: chromosome number and start, say.
        seed: Another seed gives another split.
        test_share: Expected share of test rows.
    """
    return keyed_uniform(seed, *keys) < test_share
