"""Figures of masked-token prediction, like the paper's Fig. 2d (accuracy), 2e (perplexity), 3f-g (types)."""

import itertools
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from grover_hf.analysis.figure_style import DARK, PALETTE, legend_above, new_figure, styled
from grover_hf.metrics.per_token import PerToken

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_FEWEST_IN_A_BOX = 5

@styled
def accuracy_figure(
    curves: Mapping[str, NDArray[np.floating]], intervals: Mapping[str, NDArray[np.floating]], *, n_masked: int
) -> "Figure":
    """Draw the share of masked tokens among the k likeliest predictions, over k.

    Args:
        curves: By predictor, the share for k = 1, 2, ..., shape (n_top,).
        intervals: By predictor, 95 %, shape (2, n_top).
        n_masked: How many masked tokens there are.
    """
    figure = new_figure(5, 3.6)
    axes = figure.subplots()
    for colour, (name, curve) in zip(itertools.cycle(PALETTE), curves.items(), strict=False):
        k = np.arange(1, len(curve) + 1)
        axes.plot(k, 100 * curve, color=colour, label=name)
        axes.fill_between(k, *(100 * intervals[name]), color=colour, alpha=0.25, linewidth=0)
    axes.set(xlabel="likeliest k types", ylabel=f"of {n_masked:,} masked tokens among them, %")
    axes.set(ylim=(0, None), xlim=(1, None))
    legend_above(figure, axes)
    return figure


@styled
def perplexity_figure(
    names: Sequence[str], shares: NDArray[np.floating], *, intervals: NDArray[np.floating],
    perplexities: NDArray[np.floating],
) -> "Figure":
    """Draw perplexity as a share of the types, with the perplexity itself above each bar.

    Args:
        names: Of the predictors.
        shares: Perplexity over the number of types, shape (n,).
        intervals: 95 % of the shares, shape (n, 2).
        perplexities: Shape (n,).
    """
    figure = new_figure(1.6 + 1.1 * len(names), 3.2)
    axes = figure.subplots()
    heights, ends = 100 * shares, 100 * intervals
    # An interval over resampled windows need not hold the score itself.
    reach = np.maximum(0, [heights - ends[:, 0], ends[:, 1] - heights])
    bars = axes.bar(names, heights, yerr=reach, color=PALETTE[: len(names)], width=0.6, error_kw={"linewidth": 1})
    axes.bar_label(bars, [f"{perplexity:,.0f}" for perplexity in perplexities], padding=3)
    axes.margins(y=0.12)
    axes.set(ylabel="perplexity, % of types\n(above: perplexity)")
    return figure


@styled
def per_token_figure(
    scores: Mapping[str, PerToken], lengths: NDArray[np.integer], frequencies: NDArray[np.integer]
) -> "Figure":
    """Draw AUC and accuracy of the types of tokens by their length, in bases, and by their frequency.

    Boxes are median and quartiles of the types of a length, whiskers 1.5 times the range of the quartiles, as
    in the paper; up to four types of a length are dots. Types with fewer than two occurrences among the masked
    tokens are left out.

    Args:
        scores: By predictor.
        lengths: Bases of each type, shape (V,).
        frequencies: Occurrences in the train windows, shape (V,).
    """
    figure = new_figure(10, 6)
    grid = figure.subplots(2, 2, sharey="row", width_ratios=[1.4, 1])
    width = 0.8 / len(scores)
    for number, (colour, (name, score)) in enumerate(zip(itertools.cycle(PALETTE), scores.items(), strict=False)):
        shown = score.n_masked > 1
        shift = (number - (len(scores) - 1) / 2) * width
        for (by_length, by_frequency), values in zip(grid, (score.auc, score.accuracy), strict=True):
            _boxes(by_length, lengths[shown], 100 * values[shown], colour=colour, shift=shift, width=width)
            by_frequency.scatter(
                frequencies[shown], 100 * values[shown], s=5, color=colour, alpha=0.7, linewidths=0, label=name
            )
    for (by_length, by_frequency), quantity in zip(grid, ("AUC, %", "accuracy, %"), strict=True):
        by_length.set(ylabel=quantity, xticks=np.unique(lengths[lengths > 0]))
        by_frequency.set(xscale="log")
    for axes in grid[0]:
        axes.axhline(50, color=DARK, linewidth=0.8, linestyle="--")
    n_types = max(int((score.n_masked > 1).sum()) for score in scores.values())
    grid[1][0].set(xlabel=f"bases of a type (n = {n_types:,} types)")
    grid[1][1].set(xlabel="occurrences of a type in the train windows")
    legend_above(figure, grid[0][1], markerscale=2)
    return figure


def _boxes(
    axes: Any, lengths: NDArray[np.integer], values: NDArray[np.floating], *, colour: str, shift: float,
    width: float,
) -> None:
    """Draw a box for the types of each length, or a dot for each where there are few."""
    positions, n_types = np.unique(lengths, return_counts=True)
    few = np.isin(lengths, positions[n_types < _FEWEST_IN_A_BOX])
    axes.plot(lengths[few] + shift, values[few], "o", color=colour, markersize=2.5, linestyle="none")
    positions = positions[n_types >= _FEWEST_IN_A_BOX]
    boxes = axes.boxplot(
        [values[lengths == length] for length in positions], positions=positions + shift, widths=0.9 * width,
        patch_artist=True, manage_ticks=False, flierprops={"markersize": 2, "markeredgecolor": colour},
        medianprops={"color": "black"},
    )
    for box in boxes["boxes"]:
        box.set(facecolor=colour, alpha=0.8)
