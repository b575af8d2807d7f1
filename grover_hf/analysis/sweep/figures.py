"""A vocabulary sweep drawn like the paper's Fig. 2."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from grover_hf.analysis.figure_style import (
    BLUE,
    GREY,
    MARKERS,
    PALETTE,
    RED,
    legend_above,
    legend_below,
    new_figure,
    styled,
)
from grover_hf.analysis.sweep.results import SweepResults

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@styled
def sweep_figure(results: SweepResults) -> Figure:
    """Draw what a sweep found.

    a: accuracy of next-k-mer prediction over cycles, with the loess curve and its band; b: accuracy by
    vocabulary; c: TF-IDF and the byte-pair model; d: masked-token accuracy within the top n; e: perplexity
    as a share of the types. The byte pairs of b to e are those of `results.shown_pairs`.

    Args:
        results: Results of the sweep.
    """
    table = results.table
    ks = sorted(set(table["k"]))
    pairs = results.shown_pairs
    kmers = sorted(name for name in set(table["vocabulary"]) if not name.startswith("bpe-"))
    shown = [*([pairs] if pairs else []), *kmers]
    figure = new_figure(max(11, 2.6 * len(ks)), 6.8)
    halves: Any = figure.subfigures(2, 1)
    above, below = halves
    panels = above.subplots(1, len(ks), squeeze=False)[0]
    for axes, k in zip(panels, ks, strict=True):
        _over_cycles(axes, results, k)
    panels[0].set_ylabel("accuracy, %")
    legend_above(above, panels[0])
    by_vocabulary, with_tfidf, top, perplexity = below.subplots(1, 4, width_ratios=[1.3, 1.3, 1, 1])

    table = table.rename(columns={"accuracy_low": "low", "accuracy_high": "high"})
    lines = {name: table[table["vocabulary"] == name] for name in shown}
    _by_k(by_vocabulary, ks, lines)
    by_vocabulary.set_title("b  By vocabulary")
    baselines = {f"TF-IDF {name}": of_name for name, of_name in results.tfidf.groupby("vocabulary")}
    _by_k(with_tfidf, ks, {**({pairs: lines[pairs]} if pairs else {}), **baselines})
    with_tfidf.set_title("c  With TF-IDF")
    _top_k(top, {name: results.top_k[name] for name in shown if name in results.top_k})
    _shares(perplexity, {name: of_name.iloc[0] for name, of_name in lines.items() if len(of_name)})
    return figure


def _over_cycles(axes: Any, results: SweepResults, k: int) -> None:
    seeds = results.seeds[(results.seeds["k"] == k) & (results.seeds["cycles"] > 0)]
    axes.plot(seeds["cycles"], 100 * seeds["accuracy"], "o", color=BLUE, markersize=3.5, alpha=0.8)
    if k in results.curves:
        curve = results.curves[k]
        axes.plot(curve.cycles, 100 * curve.accuracy, color=BLUE, linewidth=1.2)
        axes.fill_between(curve.cycles, 100 * curve.low, 100 * curve.high, color=BLUE, alpha=0.2, linewidth=0)
    majority = results.table[results.table["k"] == k]["majority"].iloc[0]
    if pd.notna(majority):
        axes.axhline(100 * majority, color=RED, linewidth=0.8, linestyle=":", label="most frequent answer")
    if results.choice is not None:
        axes.axvline(results.choice.cycle, color="black", linewidth=0.8, linestyle="--", label="chosen")
    axes.set_xscale("log")
    counts = sorted(set(seeds["cycles"]))
    axes.set_xticks(counts, [f"{n:,}" for n in counts], rotation=45)
    axes.minorticks_off()
    n_rows = sorted(set(results.table[results.table["k"] == k].get("test_rows", pd.Series(dtype=float)).dropna()))
    of_rows = f", n = {' or '.join(f'{n:,.0f}' for n in n_rows)} test rows" if n_rows else ""
    axes.set(title=f"a  Next {k} bases{of_rows}", xlabel="cycles")


def _by_k(axes: Any, ks: list[int], by_name: dict[str, pd.DataFrame]) -> None:
    """Draw accuracy with its interval for each k; columns `k, accuracy, low, high`."""
    from matplotlib.ticker import LogLocator, NullFormatter

    aside = np.linspace(-0.3, 0.3, max(2, len(by_name)))
    for number, (shift, (name, scores)) in enumerate(zip(aside, by_name.items(), strict=False)):
        accuracy = 100 * scores["accuracy"].to_numpy()
        # An interval over resampled rows need not hold the score itself.
        bars = np.maximum(0, [accuracy - 100 * scores["low"], 100 * scores["high"] - accuracy])
        places = np.array([ks.index(k) for k in scores["k"]]) + shift
        colour, marker = (cycle[number % len(cycle)] for cycle in (PALETTE, MARKERS))
        axes.errorbar(places, accuracy, bars, fmt=marker, color=colour, markersize=3.5, linewidth=1, label=name)
    axes.set_yscale("log")
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_major_formatter("{x:g}")
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.set_xticks(range(len(ks)), [str(k) for k in ks])
    axes.set_xlim(-0.6, len(ks) - 0.4)
    axes.set(xlabel="bases to predict", ylabel="accuracy, % (log)")
    legend_below(axes)


def _top_k(axes: Any, by_name: dict[str, list[float]]) -> None:
    for colour, (name, shares) in zip(itertools.cycle(PALETTE), by_name.items(), strict=False):
        axes.plot(np.arange(1, len(shares) + 1), 100 * np.array(shares), color=colour, linewidth=1.2, label=name)
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter("{x:g}")
    axes.set(xlabel="within the likeliest n, to 10 %", ylabel="masked tokens, %", ylim=(0, None))
    axes.set_title("d  Masked tokens")
    if by_name:
        legend_below(axes)


def _shares(axes: Any, by_name: dict[str, pd.Series[Any]]) -> None:
    known = {
        name: line for name, line in by_name.items()
        if pd.notna(line.get("share_of_vocabulary")) and "." not in name
    }
    bars = axes.bar(list(known), [100 * line["share_of_vocabulary"] for line in known.values()], color=GREY)
    axes.bar_label(bars, [f"{line['perplexity']:,.0f}" for line in known.values()], fontsize=6)
    axes.set(ylabel="perplexity, % of types\n(above: perplexity)")
    axes.tick_params(axis="x", rotation=45)
    axes.set_title("e  Perplexity")
