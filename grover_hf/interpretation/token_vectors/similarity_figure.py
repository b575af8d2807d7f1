"""Self-similarity of token types by layer, clustered, drawn like the paper's Fig. 5a."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from grover_hf.analysis.figure_style import DARK, new_figure, styled

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class Column(NamedTuple):
    """A property of types beside the heat map."""

    values: NDArray[np.floating]
    """Shape (n,)."""
    colours: str = "cividis"
    """A map of matplotlib; it goes from the 2nd to the 98th percentile."""


def can_be_drawn(values: NDArray[np.floating]) -> bool:
    """Say whether a column would have two colours: it is not one value for nearly all types."""
    low, high = np.nanpercentile(values, [2, 98]) if np.isfinite(values).any() else (0.0, 0.0)
    return bool(high > low)


@styled
def self_similarity_figure(
    similarity: NDArray[np.floating], tree: NDArray[np.floating], columns: Mapping[str, Column], *, title: str,
    label: str = "self-similarity (mean cosine)",
) -> "Figure":
    """Draw self-similarity by layer and type, in the order of a clustering, with properties at its side.

    Args:
        similarity: Shape (n_layers + 1, n), without NaN.
        tree: Of the clustering of types, as `cluster_tree` gives it.
        columns: By name, properties in the order of the types.
        title: What the types and vectors are.
        label: Of the colours.
    """
    from scipy.cluster.hierarchy import dendrogram

    n_layers, n_types = similarity.shape
    ratios = [1.0, 0.32 * n_layers, *[0.26] * len(columns)]
    figure = new_figure(1.6 + 0.62 * sum(ratios) + 0.1 * len(columns), 7.4)
    panels = figure.subplots(1, len(ratios), width_ratios=ratios)
    branches, heat, *sides = panels
    drawn = dendrogram(tree, orientation="left", ax=branches, no_labels=True, link_color_func=lambda _: DARK)
    for lines in branches.collections:
        lines.set_linewidth(0.4)
    branches.set_axis_off()
    order = np.array(drawn["leaves"])
    # The tree has its first leaf below, ten units to a leaf.
    image = heat.imshow(
        similarity[:, order].T, aspect="auto", origin="lower", cmap="viridis", interpolation="nearest",
    )
    branches.set_ylim(0, 10 * n_types)
    heat.set_xticks(range(n_layers), [str(number) for number in range(n_layers)])
    heat.set(xlabel="layer; 0 enters the first", yticks=[], title=title)
    for axes, (name, column) in zip(sides, columns.items(), strict=True):
        low, high = np.nanpercentile(column.values, [2, 98])
        axes.imshow(
            column.values[order, None], aspect="auto", origin="lower", cmap=column.colours,
            interpolation="nearest", vmin=low, vmax=high,
        )
        axes.set(yticks=[])
        axes.set_xticks([0], [name], rotation=90, fontsize=6)
    for axes in (heat, *sides):
        axes.spines[:].set_visible(False)
        axes.tick_params(length=0)
    figure.colorbar(image, ax=panels, label=label, shrink=0.5, aspect=30)
    figure.supxlabel("columns at the side: from dark to light, 2nd to 98th percentile", fontsize=7)
    return figure
