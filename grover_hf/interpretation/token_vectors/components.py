"""Dimensions of token vectors: principal components, their shares of variance, UMAP, hierarchical clustering."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.cluster.hierarchy import leaves_list, linkage
from sklearn.decomposition import PCA

from grover_hf.errors import InputError
from grover_hf.interpretation.token_vectors.vectors import TokenVectors

N_COMPONENTS = 20
"""That are looked at (Fig. 4g, h: "the first 20 PCs")."""
N_NEIGHBOURS, MIN_DISTANCE = 15, 0.1
"""Of UMAP (Methods, "Dimensionality reduction")."""
LINKAGE = "complete"
"""Of the clustering: pheatmap's default, which the paper does not say that it changes."""


@dataclass(frozen=True, eq=False)
class Components:
    """Principal components of vectors, not scaled, centred; as R's prcomp has them by default."""

    scores: NDArray[np.float64]
    """Of each type, shape (n, K); the sign of a component means nothing."""
    variance_shares: NDArray[np.float64]
    """Of each component, shape (K,)."""

    @property
    def mev(self) -> float:
        """The "maximum explainable variance": the share of variance of the first component."""
        return float(self.variance_shares[0])


def components_of(vectors: NDArray[np.floating], n_components: int = N_COMPONENTS) -> Components:
    """Return the first principal components.

    Args:
        vectors: Shape (n, H), n at least 3.
        n_components: How many, or as many as there are.

    Raises:
        InputError: If there are too few vectors, or they are all alike.

    Examples:
        >>> import numpy as np
        >>> from grover_hf.interpretation.token_vectors.components import components_of
        >>> found = components_of(np.array([[3.0, 0.0], [-3.0, 0.0], [0.0, 1.0], [0.0, -1.0]]))
        >>> round(found.mev, 3)
        0.9
    """
    if len(vectors) < 3:
        raise InputError(f"There are {len(vectors)} token types; components need three or more.")
    exact = vectors.astype(np.float64)
    if not np.ptp(exact, axis=0).any():
        raise InputError("All token types have one and the same vector: there is no component.")
    fitted = PCA(min(n_components, len(vectors) - 1, vectors.shape[1]), svd_solver="full").fit(exact)
    return Components(fitted.transform(exact), fitted.explained_variance_ratio_)


def mev_at_random(n_vectors: int, n_dimensions: int) -> float:
    """Return the MEV of vectors drawn at random, alike in all directions: how small it is without anything learnt.

    It is the upper edge of the law of Marchenko and Pastur (1967), (1 + sqrt(H / n))**2, over the H dimensions
    that share the variance.

    Args:
        n_vectors: n.
        n_dimensions: H.

    Examples:
        >>> from grover_hf.interpretation.token_vectors.components import mev_at_random
        >>> round(100 * mev_at_random(601, 768), 2)
        0.59
    """
    return float((1 + np.sqrt(n_dimensions / n_vectors)) ** 2 / n_dimensions)


def require_umap() -> None:
    """Raise `InputError` at the start of a job that needs UMAP."""
    try:
        import umap  # noqa: F401
    except ImportError:
        raise InputError("UMAP needs umap-learn: pip install 'grover-hf[analysis]'") from None


def umap_of(vectors: NDArray[np.floating], *, seed: int) -> NDArray[np.float32]:
    """Return UMAP's two dimensions, shape (n, 2): Euclidean, 15 neighbours, smallest distance 0.1.

    Args:
        vectors: Shape (n, H), n at least 4.
        seed: Another seed gives another picture.

    Raises:
        InputError: If umap-learn is missing, or there are too few vectors.
    """
    require_umap()
    import umap

    if len(vectors) < 4:
        raise InputError(f"There are {len(vectors)} token types; UMAP needs four or more.")
    # One job: with a seed UMAP takes no more.
    reducer = umap.UMAP(
        n_neighbors=min(N_NEIGHBOURS, len(vectors) - 1), min_dist=MIN_DISTANCE, random_state=seed, n_jobs=1,
        # The spectral start wants more vectors than it has dimensions.
        init="spectral" if len(vectors) > N_NEIGHBOURS else "random",
    )
    found: NDArray[np.float32] = reducer.fit_transform(vectors)
    return found


def cluster_tree(rows: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return the tree of a hierarchical clustering as scipy has it, Euclidean, complete linkage; shape (n - 1, 4).

    Args:
        rows: Shape (n, any), without NaN, n at least 2.
    """
    tree: NDArray[np.float64] = linkage(rows.astype(np.float64), method=LINKAGE, metric="euclidean")
    return tree


def cluster_order(rows: NDArray[np.floating]) -> NDArray[np.int64]:
    """Return the rows in the order of the leaves of `cluster_tree`, shape (n,)."""
    if len(rows) < 2:
        return np.arange(len(rows))
    return np.asarray(leaves_list(cluster_tree(rows)), np.int64)


def ranks_of_first(vectors: TokenVectors, components: Components) -> dict[int, float]:
    """Return the rank of each type in the first component, from 0 to 1, by id; for colours."""
    ranks = np.argsort(np.argsort(components.scores[:, 0], kind="stable"))
    return dict(zip(vectors.ids.tolist(), (ranks / max(1, len(ranks) - 1)).tolist(), strict=True))
