"""Figures of masked-token prediction: like the paper's Fig. 2d (accuracy) and Fig. 3f-g (types of tokens)."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from grover_hf._internals.files import atomic_write
from grover_hf.analysis.vocabulary.figures import require_matplotlib
from grover_hf.metrics.per_token import PerToken

_COLOURS = ("#3b6ea5", "#c0762b", "#9aa3ad")


def accuracy_figure(
    path: Path, curves: Mapping[str, NDArray[np.floating]], intervals: Mapping[str, NDArray[np.floating]]
) -> None:
    """Draw the share of masked tokens among the k likeliest predictions, over k.

    Args:
        path: A PNG, PDF or SVG, replaced if it is there.
        curves: By predictor, of k = 1, 2, ..., shape (n_top,).
        intervals: By predictor, 95 %, shape (2, n_top).
    """
    figure = _new_figure((5, 3.6))
    axes = figure.subplots()
    for colour, (name, curve) in zip(_COLOURS, curves.items(), strict=False):
        k = np.arange(1, len(curve) + 1)
        axes.plot(k, 100 * curve, color=colour, label=name)
        axes.fill_between(k, *(100 * intervals[name]), color=colour, alpha=0.25, linewidth=0)
    axes.set(xlabel="likeliest k types", ylabel="masked tokens among them, %", ylim=(0, None), xlim=(1, None))
    axes.legend(frameon=False, fontsize=8)
    _save(figure, path)


def per_token_figure(
    path: Path, scores: Mapping[str, PerToken], lengths: NDArray[np.integer], frequencies: NDArray[np.integer]
) -> None:
    """Draw AUC and accuracy of the types of tokens by their length, in bases, and by their frequency.

    Boxes are median and quartiles of the types of a length, whiskers 1.5 times the range of the quartiles, as
    in the paper; types with fewer than two occurrences among the masked tokens are left out.

    Args:
        path: A PNG, PDF or SVG, replaced if it is there.
        scores: By predictor.
        lengths: Of each type, shape (V,).
        frequencies: In the train windows, shape (V,).
    """
    figure = _new_figure((10, 6))
    grid = figure.subplots(2, 2, sharey="row", width_ratios=[1.4, 1])
    width = 0.8 / len(scores)
    for number, (colour, (name, score)) in enumerate(zip(_COLOURS, scores.items(), strict=False)):
        shown = score.n_masked > 1
        for row, values in enumerate((score.auc, score.accuracy)):
            by_length, by_frequency = grid[row]
            found = np.unique(lengths[shown])
            boxes = by_length.boxplot(
                [100 * values[shown & (lengths == length)] for length in found],
                positions=found + (number - (len(scores) - 1) / 2) * width, widths=0.9 * width,
                patch_artist=True, manage_ticks=False, flierprops={"markersize": 2, "markeredgecolor": colour},
                medianprops={"color": "black"},
            )
            for box in boxes["boxes"]:
                box.set(facecolor=colour, alpha=0.8)
            by_frequency.scatter(
                frequencies[shown], 100 * values[shown], s=5, color=colour, alpha=0.7, linewidths=0, label=name
            )
    for row, what in enumerate(("AUC, %", "accuracy, %")):
        grid[row][0].set(ylabel=what, xticks=np.unique(lengths[lengths > 0]))
        grid[row][1].set(xscale="log")
    for axes in grid[0]:
        axes.axhline(50, color="#333333", linewidth=0.8, linestyle="--")
    grid[1][0].set(xlabel="bases of a type")
    grid[1][1].set(xlabel="occurrences of a type in the train windows")
    grid[0][1].legend(frameon=False, fontsize=8, markerscale=2)
    _save(figure, path)


def _new_figure(inches: tuple[float, float]) -> Any:
    require_matplotlib()
    from matplotlib.figure import Figure

    return Figure(figsize=inches, layout="constrained")


def _save(figure: Any, path: Path) -> None:
    for axes in figure.axes:
        axes.spines[["top", "right"]].set_visible(False)
    with atomic_write(path) as beside:
        figure.savefig(beside, dpi=150, format=path.suffix[1:])
