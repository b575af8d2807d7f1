"""Principal components and UMAP of token vectors, drawn like the paper's Fig. 4; a function for each panel."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from grover_hf.analysis.figure_style import BLUE, DARK, GREY, ORANGE, RED, legend_below, new_figure, styled

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_COLOURS = "viridis"
_SIGNED_COLOURS = "RdBu_r"


class Scatter(NamedTuple):
    """A component beside a property, for `property_figure`."""

    component: int
    """From 1."""
    variance_share: float
    property: str
    rho: float
    """Spearman's."""
    values: NDArray[np.floating]
    """The property, shape (n,)."""
    scores: NDArray[np.floating]
    """Of the component, shape (n,)."""


@styled
def mev_figure(
    mev: Mapping[str, float], paper: Mapping[str, float], at_random: Mapping[str, float], *, data: str
) -> "Figure":
    """Draw the share of variance of the first component of each kind of vectors (Fig. 4a).

    Args:
        mev: By kind, with how many types and dimensions in its name.
        paper: By kind of `mev`, the paper's value, where it has one.
        at_random: By kind, that of as many vectors drawn at random.
        data: What the vectors are of, for the title.
    """
    figure = new_figure(5.2, 1.0 + 0.42 * len(mev))
    axes = figure.subplots()
    axes.barh(list(mev), [100 * share for share in mev.values()], color=BLUE, height=0.6)
    for number, (name, share) in enumerate(mev.items()):
        # Right of the bar and of the mark.
        end = 100 * max(share, paper.get(name, 0))
        axes.annotate(
            f"{100 * share:.1f} %", (end, number), xytext=(5, 0), textcoords="offset points", va="center",
            fontsize=7,
        )
        for marks, what, colour in ((at_random, "vectors drawn at random", ORANGE), (paper, "the paper", RED)):
            if name in marks:
                label = what if name == next(iter(marks)) else None
                place = 100 * marks[name]
                axes.plot([place, place], [number - 0.38, number + 0.38], color=colour, linewidth=2, label=label)
    axes.invert_yaxis()
    axes.set(xlabel="variance explained by PC1 (MEV), %", title=data)
    axes.margins(x=0.16)
    legend_below(axes)
    return figure


@styled
def plane_figure(
    places: NDArray[np.floating], colours: NDArray[np.floating], *, labels: tuple[str, str], colour_label: str,
    title: str,
) -> "Figure":
    """Draw types in two dimensions of a PCA or UMAP (Fig. 4b, d, e, f).

    Args:
        places: Shape (n, 2).
        colours: A value for each type, NaN for grey; shape (n,).
        labels: Of the axes.
        colour_label: What the colours are.
        title: What the types and vectors are.
    """
    figure = new_figure(4.4, 3.6)
    axes = figure.subplots()
    drawn = _scatter(axes, places, colours, size=9)
    axes.set(xlabel=labels[0], ylabel=labels[1], title=f"{title}; n = {len(places):,}")
    if np.isfinite(colours).any():
        figure.colorbar(drawn, ax=axes, label=colour_label)
    return figure


@styled
def property_figure(
    panels: Sequence[Scatter], colours: NDArray[np.floating], *, colour_label: str, title: str
) -> "Figure":
    """Draw components beside the property that each goes best with (Fig. 4c, i-n).

    Args:
        panels: Of n types each.
        colours: A value for each type, NaN for grey; shape (n,).
        colour_label: What the colours are.
        title: What the types and vectors are.
    """
    n_columns = min(3, len(panels))
    n_lines = -(-len(panels) // n_columns)
    figure = new_figure(2.5 * n_columns + 0.9, 2.3 * n_lines + 0.4)
    grid = figure.subplots(n_lines, n_columns, squeeze=False)
    for axes in grid.flat[len(panels) :]:
        axes.set_visible(False)
    drawn = None
    for axes, panel in zip(grid.flat, panels, strict=False):
        drawn = _scatter(axes, np.column_stack([panel.values, panel.scores]), colours, size=6)
        axes.set(
            xlabel=panel.property, ylabel=f"PC{panel.component}, {100 * panel.variance_share:.1f} %",
            title=f"rho {panel.rho:+.2f}",
        )
    if drawn is not None and np.isfinite(colours).any():
        figure.colorbar(drawn, ax=grid, label=colour_label, aspect=30)
    n_types = len(colours)
    figure.suptitle(f"{title}; n = {n_types:,}; rho: Spearman's", fontsize=9)
    return figure


@styled
def correlation_figure(
    rho: NDArray[np.floating], q: NDArray[np.floating], variance_shares: NDArray[np.floating],
    properties: Sequence[str], *, title: str,
) -> "Figure":
    """Draw how components go with properties, below the variance that each explains (Fig. 4g, h).

    Args:
        rho: Spearman's, shape (n_properties, K); NaN is blank.
        q: p corrected for the number of tests, shape (n_properties, K); a dot marks those below 0.05.
        variance_shares: Of the components, shape (K,).
        properties: Their names.
        title: What the types and vectors are.
    """
    from matplotlib.colors import TwoSlopeNorm

    n_components = len(variance_shares)
    numbers = np.arange(n_components)
    figure = new_figure(2.9 + 0.24 * n_components, 2.3 + 0.17 * len(properties))
    heights = [0.9, 0.17 * len(properties)]
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=heights)
    above.bar(numbers, 100 * variance_shares, color=DARK, width=0.7)
    above.set(ylabel="variance, %", title=title)
    drawn = below.imshow(
        rho, aspect="auto", cmap=_SIGNED_COLOURS, norm=TwoSlopeNorm(0, -1, 1), interpolation="nearest"
    )
    significant = np.argwhere(q < 0.05)
    size = np.abs(rho[tuple(significant.T)])
    # White on dark cells, black on light ones.
    for dark, colour in ((True, "white"), (False, "black")):
        of_colour = significant[(size > 0.6) == dark]
        below.plot(of_colour[:, 1], of_colour[:, 0], ".", color=colour, markersize=2)
    below.set_yticks(range(len(properties)), list(properties), fontsize=6)
    below.set_xticks(numbers, [str(number + 1) for number in numbers])
    below.set(xlabel="principal component; dot: q < 0.05")
    below.tick_params(length=0)
    below.spines[:].set_visible(False)
    _colour_bar(figure, drawn, below)
    return figure


def _scatter(axes: Any, places: NDArray[np.floating], colours: NDArray[np.floating], *, size: float) -> Any:
    """Draw types in their colours, and in grey those without one; return what a bar of colours is made from."""
    is_known = np.isfinite(colours)
    axes.scatter(*places[~is_known].T, s=size, color=GREY, linewidths=0)
    return axes.scatter(*places[is_known].T, s=size, c=colours[is_known], cmap=_COLOURS, linewidths=0)


def _colour_bar(figure: Any, drawn: Any, axes: Any) -> None:
    bar = figure.colorbar(drawn, ax=axes, label="Spearman's rho", aspect=25, ticks=[-1, -0.5, 0, 0.5, 1])
    bar.outline.set_visible(False)
