"""Methods by tasks, like the paper's Fig. 6."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from grover_hf.analysis.figure_style import BLUE, GREY, ORANGE, new_figure, styled
from grover_hf.analysis.results.table import Result

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_PANELS_IN_A_ROW = 7


@styled
def results_figure(rows: Sequence[Result]) -> "Figure":
    """Draw MCC with its interval as dots: a line for each method, a panel for each task.

    The dot of the best method of a task is orange; the others are blue.

    Args:
        rows: In the order in which tasks and methods are shown.
    """
    panels = list(dict.fromkeys((row.task, row.dataset) for row in rows))
    methods = list(dict.fromkeys(row.method for row in sorted(rows, key=lambda row: row.method)))
    n_columns = min(len(panels), _PANELS_IN_A_ROW)
    n_lines = -(-len(panels) // n_columns)
    figure = new_figure(2.2 + 1.5 * n_columns, n_lines * (1.0 + 0.2 * len(methods)))
    grid = figure.subplots(n_lines, n_columns, sharex=True, sharey=True, squeeze=False)
    for axes in grid.flat[len(panels) :]:
        axes.set_visible(False)
    for axes, panel in zip(grid.flat, panels, strict=False):
        _panel(axes, methods, [row for row in rows if (row.task, row.dataset) == panel])
        axes.set_title("\n".join(panel), fontsize=7)
    # Shared by all panels: the first method stands at the top.
    grid[0, 0].set_yticks(range(len(methods)), methods)
    grid[0, 0].set_ylim(len(methods) - 0.4, -0.6)
    figure.supxlabel("MCC on test rows; bars: 95 % interval over rows; orange: the best of a task", fontsize=8)
    return figure


def _panel(axes: Any, methods: Sequence[str], rows: Sequence[Result]) -> None:
    places = np.array([methods.index(row.method) for row in rows], float)
    for place in np.unique(places):
        # Several runs of one method stand a little above and below each other.
        same = np.flatnonzero(places == place)
        places[same] += 0.3 * (np.arange(len(same)) - (len(same) - 1) / 2) / len(same)
    mcc, low, high = (np.array([getattr(row, name) for row in rows]) for name in ("mcc", "mcc_low", "mcc_high"))
    is_best = mcc == mcc.max()
    axes.axvline(0, color=GREY, linewidth=0.8)
    axes.grid(axis="y", color="#e6e8eb", linewidth=0.6)
    axes.set_axisbelow(True)
    for chosen, colour in ((~is_best, BLUE), (is_best, ORANGE)):
        axes.hlines(places[chosen], low[chosen], high[chosen], color=colour, linewidth=1.2)
        axes.plot(mcc[chosen], places[chosen], "o", color=colour, markersize=3.2)
