"""Maps of windows, like the paper's Fig. 5b-d, and the numbers beside them."""

import itertools
import math
import textwrap
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from grover_hf.analysis.figure_style import BLUE, MARKERS, ORANGE, PALETTE, new_figure, styled

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_BACKGROUND = "#d9dce0"
_COLUMNS = 5
_FACET_INCHES = 2.2
_LETTERS = 40
"""Of a line of a title that is no wider than its facet."""
_POINTS_OF_AREA = 4_000.0
"""Points, 1/72 inch, squared, that all dots of a facet may cover together: more windows have smaller dots."""


class Facet(NamedTuple):
    """The windows that one map shows in colour; others are grey."""

    title: str
    """A line or more: what is shown, how many windows, and how well it can be told."""
    groups: Sequence[NDArray[np.bool_]]
    """Which windows each colour has, shape (n,) each."""


@styled
def presence_map(points: NDArray[np.floating], facets: Sequence[Facet], *, title: str) -> "Figure":
    """Draw a map for each annotation: windows that overlap it in blue, over all others in grey.

    Args:
        points: Of the windows, shape (n, 2).
        facets: One group each.
        title: Above all of them.
    """
    return _maps(points, facets, (BLUE,), (), title)


@styled
def direction_map(points: NDArray[np.floating], facets: Sequence[Facet], *, title: str) -> "Figure":
    """Draw a map for each annotation: windows with it on "+" alone in blue, on "-" alone in orange.

    Args:
        points: Of the windows, shape (n, 2).
        facets: Two groups each.
        title: Above all of them.
    """
    return _maps(points, facets, (BLUE, ORANGE), ("on + alone", "on - alone"), title)


@styled
def score_figure(
    scores: Mapping[str, Mapping[str, tuple[float, float, float]]], *, title: str
) -> "Figure":
    """Draw the AUROC of each predictor with its interval, a line for each annotation.

    Args:
        scores: By annotation, by predictor: value, lower and upper end.
        title: Above it.
    """
    predictors = list(dict.fromkeys(name for of_one in scores.values() for name in of_one))
    figure = new_figure(6, 1.1 + (0.1 + 0.09 * len(predictors)) * len(scores))
    axes = figure.subplots()
    places = np.arange(len(scores))
    marks = zip(itertools.cycle(PALETTE), itertools.cycle(MARKERS), predictors, strict=False)
    for number, (colour, marker, predictor) in enumerate(marks):
        shift = 0.7 * ((number + 0.5) / len(predictors) - 0.5)
        values = np.array([of_one[predictor] for of_one in scores.values()])
        axes.errorbar(
            values[:, 0], places + shift, xerr=np.abs(values[:, 1:] - values[:, :1]).T, fmt=marker, markersize=3.5,
            color=colour, elinewidth=0.9, label=predictor,
        )
    axes.axvline(0.5, color="#b0b6bc", linewidth=0.8, linestyle="--", zorder=0)
    axes.set_yticks(places, list(scores))
    axes.set(xlabel="AUROC, 95 % over blocks of the genome; 0.5 is chance", ylim=(len(scores) - 0.5, -0.5))
    axes.tick_params(axis="y", length=0)
    for place in places[:-1]:
        axes.axhline(place + 0.5, color="#eceef0", linewidth=0.8, zorder=0)
    figure.suptitle(title, x=0.02, ha="left", fontsize=9)
    figure.legend(loc="outside lower center", ncols=len(predictors))
    return figure


def _maps(
    points: NDArray[np.floating], facets: Sequence[Facet], colours: Sequence[str], labels: Sequence[str],
    title: str,
) -> "Figure":
    n_columns = min(_COLUMNS, len(facets))
    n_rows = math.ceil(len(facets) / n_columns)
    figure = new_figure(max(4.0, _FACET_INCHES * n_columns), (_FACET_INCHES + 0.45) * n_rows + 0.6)
    grid = figure.subplots(n_rows, n_columns, squeeze=False, sharex=True, sharey=True).flat
    for axes, facet in itertools.zip_longest(grid, facets):
        axes.set(xticks=[], yticks=[])
        if facet is None:
            axes.set_axis_off()
            continue
        _facet(axes, points, facet, colours)
    # All facets have one plane: the first of the last row says what it is.
    figure.axes[n_columns * (n_rows - 1)].set(xlabel="UMAP 1", ylabel="UMAP 2")
    figure.suptitle(title, x=0.01, ha="left", fontsize=9)
    if labels:
        from matplotlib.lines import Line2D

        shown = [
            Line2D([], [], color=colour, marker="o", linestyle="", markersize=4, label=label)
            for colour, label in zip((*colours, _BACKGROUND), (*labels, "others"), strict=True)
        ]
        figure.legend(handles=shown, loc="outside lower center", ncols=len(shown))
    return figure


def _facet(axes: Any, points: NDArray[np.floating], facet: Facet, colours: Sequence[str]) -> None:
    """Draw the windows of a facet; those of two colours in random order, so that none lies over the other."""
    area = min(6.0, max(0.2, _POINTS_OF_AREA / max(1, len(points))))
    # Rasterized: an SVG with a shape for each of a million windows opens nowhere.
    style: dict[str, Any] = {"linewidths": 0, "rasterized": True}
    coloured = np.any(facet.groups, axis=0)
    axes.scatter(*points[~coloured].T, s=area, color=_BACKGROUND, **style)
    rows = np.random.default_rng(0).permutation(np.flatnonzero(coloured))
    of_row = np.zeros(len(points), np.int64)
    for number, group in enumerate(facet.groups):
        of_row[group] = number
    axes.scatter(*points[rows].T, s=area, c=np.array(colours)[of_row[rows]], **style)
    lines = (textwrap.wrap(line, _LETTERS) for line in facet.title.split("\n"))
    axes.set_title("\n".join(line for wrapped in lines for line in wrapped), fontsize=7)
