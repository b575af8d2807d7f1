"""Methods by tasks, like the paper's Fig. 6."""

import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from grover_hf.analysis.figure_style import BLUE, DARK, GREY, ORANGE, new_figure, styled
from grover_hf.analysis.results.table import Result

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_PANELS_IN_A_ROW = 7
_INCHES_A_LETTER = 0.065
"""Of 8 points, and a little more than of 7."""
_PAPER = {"paper_grover_mcc": "the paper's GROVER", "paper_tfidf_mcc": "the paper's TF-IDF"}
"""Lines of their own, above those of the methods."""


@styled
def results_figure(rows: Sequence[Result]) -> "Figure":
    """Draw MCC with its interval as dots: a line for each method, a panel for each task.

    The best method of a task is an orange diamond; the others are blue dots. What the paper's text says stands
    above them, hollow.

    Args:
        rows: In the order in which tasks and methods are shown.
    """
    panels = list(dict.fromkeys((row.task, row.dataset) for row in rows))
    of_paper = [name for field, name in _PAPER.items() if any(getattr(row, field) is not None for row in rows)]
    methods = list(dict.fromkeys(row.method for row in sorted(rows, key=lambda row: row.method)))
    lines = [*of_paper, *methods]
    n_columns = min(len(panels), _PANELS_IN_A_ROW)
    n_panel_rows = -(-len(panels) // n_columns)
    panel_width = max(1.5, 4.5 / n_columns)
    width = 2.2 + panel_width * n_columns
    figure = new_figure(width, n_panel_rows * (1.2 + 0.2 * len(lines)))
    grid = figure.subplots(n_panel_rows, n_columns, sharex=True, sharey=True, squeeze=False)
    for axes in grid.flat[len(panels) :]:
        axes.set_visible(False)
    for axes, panel in zip(grid.flat, panels, strict=False):
        _panel(axes, lines, [row for row in rows if (row.task, row.dataset) == panel])
        n_rows = sorted({row.rows for row in rows if (row.task, row.dataset) == panel})
        title = [*panel, f"n = {' or '.join(f'{n:,}' for n in n_rows)}"]
        axes.set_title("\n".join(_wrapped(line, panel_width) for line in title), fontsize=7)
    # Shared by all panels: the first line stands at the top.
    grid[0, 0].set_yticks(range(len(lines)), lines)
    grid[0, 0].set_ylim(len(lines) - 0.4, -0.6)
    hollow = "; hollow: the paper's, without interval" if of_paper else ""
    label = f"MCC on n test rows; bars: 95 % interval over rows; diamond: the best of a task{hollow}"
    figure.supxlabel(_wrapped(label, width), fontsize=8)
    return figure


def _wrapped(text: str, inches: float) -> str:
    """Return text in lines that a width holds."""
    return "\n".join(textwrap.wrap(text, max(12, int(inches / _INCHES_A_LETTER)), break_on_hyphens=True))


def _panel(axes: Any, lines: Sequence[str], rows: Sequence[Result]) -> None:
    places = np.array([lines.index(row.method) for row in rows], float)
    for place in np.unique(places):
        # Several runs of one method stand a little above and below each other.
        same = np.flatnonzero(places == place)
        places[same] += 0.3 * (np.arange(len(same)) - (len(same) - 1) / 2) / len(same)
    mcc, low, high = (np.array([getattr(row, name) for row in rows]) for name in ("mcc", "mcc_low", "mcc_high"))
    is_best = mcc == mcc.max()
    axes.axvline(0, color=GREY, linewidth=0.8)
    axes.grid(axis="y", color="#e6e8eb", linewidth=0.6)
    axes.set_axisbelow(True)
    for field, name in _PAPER.items():
        if (value := getattr(rows[0], field)) is not None:
            axes.plot(value, lines.index(name), "o", color=DARK, markerfacecolor="none", markersize=4)
    for chosen, colour, marker in ((~is_best, BLUE, "o"), (is_best, ORANGE, "D")):
        axes.hlines(places[chosen], low[chosen], high[chosen], color=colour, linewidth=1.2)
        axes.plot(mcc[chosen], places[chosen], marker, color=colour, markersize=3.2)
