"""Points of the plane for vectors: UMAP (McInnes et al. 2018), and which points lie far from all others."""

import numpy as np
from numpy.typing import NDArray

from grover_hf.errors import InputError

NEIGHBOURS, MIN_DIST = 15, 0.1
"""Methods, "Dimensionality reduction"."""


def require_umap() -> None:
    """Raise `InputError` if umap-learn is not installed."""
    try:
        import umap  # noqa: F401
    except ImportError:
        raise InputError("Maps need umap-learn: pip install 'grover-hf[analysis]'") from None


def umap_points(
    vectors: NDArray[np.float32], *, neighbours: int = NEIGHBOURS, min_dist: float = MIN_DIST, seed: int
) -> NDArray[np.float32]:
    """Return a point for each vector, shape (n, 2); the same seed gives the same points on one machine.

    Args:
        vectors: Shape (n, H).
        neighbours: Nearest ones, by Euclidean distance, that a point is to stay near.
        min_dist: How near points may come.
        seed: Of the layout.

    Raises:
        InputError: If there are no more vectors than neighbours.
    """
    if len(vectors) <= neighbours:
        raise InputError(f"{len(vectors)} windows are too few for a map by {neighbours} neighbours.")
    require_umap()
    from umap import UMAP

    # One thread: more would give other points in each run.
    points: NDArray[np.float32] = UMAP(
        n_neighbors=neighbours, min_dist=min_dist, random_state=seed, n_jobs=1
    ).fit_transform(vectors)
    return points


def far_out(points: NDArray[np.floating]) -> NDArray[np.bool_]:
    """Return which points lie three times the range of the quartiles or more beyond a quartile, in x or y.

    These are the outer fences of Tukey (1977). The paper hid 995 of 1,378,385 points and gives no rule.

    Args:
        points: Shape (n, 2).

    Examples:
        >>> import numpy as np
        >>> from grover_hf.interpretation.window_map.layout import far_out
        >>> far_out(np.array([[0, 0], [1, 1], [2, 0], [3, 1], [50, 0]])).tolist()
        [False, False, False, False, True]
    """
    low, high = np.quantile(points, [0.25, 0.75], axis=0)
    reach = 3 * (high - low)
    far: NDArray[np.bool_] = ((points < low - reach) | (points > high + reach)).any(1)
    return far
