"""Intervals of what is measured at masked tokens, by resampling windows.

Tokens of one window are not independent: a window that lies in a repeat is easy as a whole. Whole windows
are drawn, with all their masked tokens (cluster bootstrap; Davison and Hinkley 1997, section 3.8).
"""

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

N_RESAMPLES = 1_000
_RESAMPLES_AT_ONCE = 50


class WindowResamples:
    """Windows drawn with replacement, the same draws for whatever is summed: differences are paired.

    Memory: a byte a window and resample.

    Args:
        windows: Number of the window that each masked token lies in, shape (n_masked,).
        n_windows: How many windows there are, those without masked tokens too.
        rng: Source of randomness of the draws.
        n_resamples: How often as many windows are drawn as there are.
    """

    def __init__(
        self, windows: NDArray[np.integer], n_windows: int, *, rng: np.random.Generator,
        n_resamples: int = N_RESAMPLES,
    ) -> None:
        self._windows = windows
        # How often each window was drawn; more than 255 times is not to be expected of any.
        self._draws = np.empty((n_windows, n_resamples), np.uint8)
        for resample in range(n_resamples):
            drawn = rng.integers(0, n_windows, n_windows)
            self._draws[:, resample] = np.bincount(drawn, minlength=n_windows)

    def sums(
        self, values: NDArray[np.generic] | float = 1.0, columns: NDArray[np.integer] | None = None,
        n_columns: int = 1,
    ) -> NDArray[np.float64]:
        """Return the sum of a value over the masked tokens of each resample, shape (n_resamples, n_columns).

        Args:
            values: A value for each masked token, shape (n_masked,), or one for all.
            columns: What to sum apart, below `n_columns`, shape (n_masked,): the ids of tokens, say.
            n_columns: How many of these there are.
        """
        columns = np.zeros(self._windows.size, np.int64) if columns is None else columns
        of_each = np.broadcast_to(np.asarray(values, np.float64), self._windows.shape)
        shape = (n_columns, len(self._draws))
        by_window = sparse.csr_array(sparse.coo_array((of_each, (columns, self._windows)), shape=shape))
        parts = [
            by_window @ self._draws[:, first : first + _RESAMPLES_AT_ONCE].astype(np.float64)
            for first in range(0, self.n_resamples, _RESAMPLES_AT_ONCE)
        ]
        return np.ascontiguousarray(np.concatenate(parts, axis=1).T)

    def weights(self, resamples: slice) -> NDArray[np.float64]:
        """Return how often each masked token is drawn in some of the resamples, shape (n_masked, n_resamples)."""
        return self._draws[self._windows, resamples].astype(np.float64)

    @property
    def n_resamples(self) -> int:
        """How often windows are drawn."""
        return int(self._draws.shape[1])


def interval(values: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return the 2.5 % and 97.5 % quantile over the resamples that have a value, shape (2, ...).

    Args:
        values: The value of each resample, NaN where it has none, shape (n_resamples, ...).
    """
    quantiles: NDArray[np.float64] = np.nanquantile(values, [0.025, 0.975], axis=0)
    return quantiles
