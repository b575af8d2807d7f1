"""The loss of a model by how many tokens it sees."""

import itertools
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from grover_hf.analysis.figure_style import BLUE, PALETTE, legend_above, new_figure, styled

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_LINES = ("-", "--", ":", "-.")


@styled
def context_figure(
    visible: NDArray[np.integer], nats: NDArray[np.floating], ci95: NDArray[np.floating],
    beside: Mapping[str, tuple[float, float, float]], *, sides: str, title: str,
) -> "Figure":
    """Draw the loss over the number of visible tokens, with what counting gives as levels.

    Args:
        visible: Tokens that the model sees, ascending, shape (n,).
        nats: Its loss, shape (n,).
        ci95: Lower and upper end, shape (2, n).
        beside: Value, lower and upper end of predictors that count, by name.
        sides: What the tokens are visible on: "on each side".
        title: Above it.
    """
    figure = new_figure(5, 3.6)
    axes = figure.subplots()
    levels = zip(itertools.cycle(PALETTE[1:]), itertools.cycle(_LINES[1:]), beside.items(), strict=False)
    for colour, line, (name, (value, low, high)) in levels:
        axes.axhspan(low, high, color=colour, alpha=0.15, linewidth=0)
        axes.axhline(value, color=colour, linestyle=line, label=name)
    axes.fill_between(visible, *ci95, color=BLUE, alpha=0.2, linewidth=0)
    axes.plot(visible, nats, color=BLUE, marker="o", markersize=3.5, label="model")
    # Linear from 0 to 1, logarithmic beyond.
    axes.set_xscale("symlog", base=2, linthresh=1, linscale=0.7)
    axes.set_xticks(visible, list(map(str, visible)))
    axes.minorticks_off()
    axes.set(xlabel=f"visible tokens {sides}", ylabel="loss, nats a masked token")
    axes.set_xlim(-0.3, 1.2 * visible[-1])
    axes.set_title(title)
    legend_above(figure, axes)
    return figure

