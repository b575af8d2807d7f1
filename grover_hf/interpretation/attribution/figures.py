"""A region's values above its tokens: letters as high as their base's value, or a bar for each token.

The region is read 5' to 3' from left to right, in lines of 120 bases; on "-" positions descend.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from grover_hf.analysis.figure_style import BLUE, DARK, GREEN, GREY, ORANGE, RED, new_figure, styled
from grover_hf.errors import InputError
from grover_hf.genome.letters import BASES

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LINE_BP, MOST_LINES = 120, 8
DRAWN_BP = LINE_BP * MOST_LINES
"""Most bases of a figure."""
BASE_COLOURS = dict(zip(BASES, (GREEN, BLUE, ORANGE, RED), strict=True))


@dataclass(frozen=True, eq=False)
class DrawnRegion:
    """What is drawn below the values of a region."""

    title: str
    statement: str
    """What the values are, in a line below the title."""
    axis: str
    """The unit of the values."""
    chrom: str
    positions: NDArray[np.int64]
    """Of the bases, in the order of reading, shape (n_bases,)."""
    letters: str
    """The bases."""
    borders: Sequence[tuple[int, int]]
    """Of each token, its first base and the one after its last, as numbers of bases from the left; those at the
    ends may reach out."""


def require_logomaker() -> None:
    """Raise `InputError` if logomaker is missing."""
    try:
        import logomaker  # noqa: F401
    except ImportError:
        raise InputError("Sequence logos need logomaker: pip install 'grover-hf[analysis]'") from None


@styled
def logo_figure(region: DrawnRegion, heights: NDArray[np.float64]) -> "Figure":
    """Draw letters at each base; negative ones stand below the line, upside down.

    Args:
        region: Of up to `DRAWN_BP` bases.
        heights: Of A, C, G, T, shape (n_bases, 4).
    """
    require_logomaker()
    import logomaker
    import pandas as pd

    figure, lines = _lines(region)
    low, high = np.minimum(heights, 0).sum(1).min(), np.maximum(heights, 0).sum(1).max()
    for values, first, last in lines:
        letters = pd.DataFrame(heights[first:last], columns=list(BASES), index=np.arange(first, last))
        # A line without a letter would give logomaker no scale.
        if heights[first:last].any():
            logomaker.Logo(letters, ax=values, color_scheme=BASE_COLOURS, show_spines=None, baseline_width=0)
        _finish(values, region, low, high)
    return figure


@styled
def token_figure(region: DrawnRegion, token_values: NDArray[np.float64]) -> "Figure":
    """Draw a bar over each token, as high as the share of its value that each of its bases has.

    Args:
        region: Of up to `DRAWN_BP` bases.
        token_values: Of a base of each token, shape (n_tokens,).
    """
    figure, lines = _lines(region)
    lefts, rights = (np.array(edge) - 0.5 for edge in zip(*region.borders, strict=True))
    colours = [ORANGE if value < 0 else BLUE for value in token_values]
    for values, _, _ in lines:
        values.bar(
            lefts, token_values, rights - lefts, align="edge", color=colours, edgecolor="white", linewidth=0.4
        )
        _finish(values, region, min(0.0, token_values.min()), max(0.0, token_values.max()))
    return figure


def _lines(region: DrawnRegion) -> tuple["Figure", "Iterator[tuple[Any, int, int]]"]:
    """Return a figure with its strips of tokens, and for each line the axes of values with their bases."""
    n_bases = len(region.positions)
    if not 0 < n_bases <= DRAWN_BP:
        raise InputError(f"A figure has 1 to {DRAWN_BP} bases, not {n_bases:,}.")
    n_lines = -(-n_bases // LINE_BP)
    figure = new_figure(12, 0.7 + 1.45 * n_lines)
    figure.suptitle(f"{region.title}\n{region.statement}", x=0.01, ha="left", fontsize=8)
    axes = figure.subplots(2 * n_lines, 1, height_ratios=[1, 0.22] * n_lines, squeeze=False)[:, 0]
    for line in range(n_lines):
        _strip(axes[2 * line + 1], region, line * LINE_BP)
    axes[-1].set_xlabel(f"base of {region.chrom}, counted from 0, 5' to 3'; below the values: the genome's tokens")

    def lines() -> Iterator[tuple[Any, int, int]]:
        for line in range(n_lines):
            first = line * LINE_BP
            yield axes[2 * line], first, min(n_bases, first + LINE_BP)
            axes[2 * line].set_xlim(first - 0.5, first + min(LINE_BP, n_bases) - 0.5)

    return figure, lines()


def _finish(axes: Any, region: DrawnRegion, low: float, high: float) -> None:
    margin = 0.05 * (high - low) or 1.0
    axes.set_ylim(low - margin if low < 0 else 0, high + margin)
    axes.axhline(0, color=DARK, linewidth=0.6)
    axes.set_xticks([])
    axes.spines["bottom"].set_visible(False)
    axes.spines["left"].set_visible(True)
    axes.set_ylabel(region.axis, fontsize=7)


def _strip(axes: Any, region: DrawnRegion, first: int) -> None:
    """Draw the tokens of a line as boxes with the bases in them, and the positions below."""
    n_bases = len(region.positions)
    last = min(n_bases, first + LINE_BP)
    for number, (start, end) in enumerate(region.borders):
        if start < last and end > first:
            shade = "#dfe3e8" if number % 2 else "#f3f4f6"
            axes.axvspan(start - 0.5, end - 0.5, facecolor=shade, edgecolor=GREY, linewidth=0.4)
    for place in range(first, last):
        letter = region.letters[place]
        axes.text(
            place, 0.47, letter, fontsize=5.5, family="monospace", ha="center", va="center", clip_on=True,
            color=BASE_COLOURS.get(letter, GREY), fontweight="bold",
        )
    positions = region.positions[first:last]
    ticks = np.flatnonzero(positions % 20 == 0)
    axes.set_xticks(first + ticks, [f"{position:,}" for position in positions[ticks].tolist()])
    axes.set(xlim=(first - 0.5, first + min(LINE_BP, n_bases) - 0.5), ylim=(0, 1), yticks=[])
    for side in ("left", "bottom"):
        axes.spines[side].set_visible(False)
    axes.tick_params(axis="x", length=2, pad=1)
