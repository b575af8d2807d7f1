"""A vocabulary sweep drawn like the paper's Fig. 2."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from grover_hf._internals.files import atomic_write
from grover_hf.analysis.vocabulary.figures import require_matplotlib

if TYPE_CHECKING:
    from grover_hf.analysis.sweep.results import SweepResults

_OURS, _OTHERS, _NOTE = "#3b6ea5", "#8a929b", "#b04a3b"
_COLOURS = (_OURS, "#d98c3f", "#6a9f58", "#a05d92", "#c05a5a", "#5aa7b5", "#8a929b", "#b59b3b", "#4d4d4d")


def sweep_figure(path: Path, results: SweepResults) -> None:
    """Draw what a sweep found.

    a: accuracy of next-k-mer prediction over cycles, with the loess curve and its band; b: accuracy by
    vocabulary; c: TF-IDF beside the byte-pair model; d: masked-token accuracy within the top n; e: perplexity
    as a share of the types. The byte pairs of b to e are those of the chosen cycle; where none was chosen, of
    the most accurate one.

    Args:
        path: A PNG, PDF or SVG, replaced if it is there.
        results: Of the sweep.
    """
    require_matplotlib()
    from matplotlib.figure import Figure

    table = results.table
    ks = sorted(set(table["k"]))
    chosen = _chosen(results)
    shown = [chosen] if chosen else []
    shown += sorted(name for name in set(table["vocabulary"]) if not name.startswith("bpe-"))
    figure = Figure(figsize=(max(11, 2.6 * len(ks)), 6.4), layout="constrained")
    halves: Any = figure.subfigures(2, 1)
    above, below = halves
    for axes, k in zip(above.subplots(1, len(ks), squeeze=False)[0], ks, strict=True):
        _over_cycles(axes, results, k, is_first=k == ks[0])
    by_vocabulary, beside_tfidf, top, perplexity = below.subplots(1, 4, width_ratios=[1.3, 1.3, 1, 1])

    table = table.rename(columns={"accuracy_low": "low", "accuracy_high": "high"})
    lines = {name: table[table["vocabulary"] == name] for name in shown}
    _by_k(by_vocabulary, ks, lines)
    by_vocabulary.set_title("b  By vocabulary", loc="left", fontsize=9)
    baselines = {f"TF-IDF {name}": some for name, some in results.tfidf.groupby("vocabulary")}
    _by_k(beside_tfidf, ks, {**{name: lines[name] for name in shown[:1] if name == chosen}, **baselines})
    beside_tfidf.set_title("c  Beside TF-IDF", loc="left", fontsize=9)
    _top_k(top, {name: results.top_k[name] for name in shown if name in results.top_k})
    _shares(perplexity, {name: some.iloc[0] for name, some in lines.items() if len(some)})
    for axes in (*above.axes, *below.axes):
        axes.spines[["top", "right"]].set_visible(False)
        axes.tick_params(labelsize=7)
        axes.xaxis.label.set_fontsize(8)
        axes.yaxis.label.set_fontsize(8)
    with atomic_write(path) as beside:
        figure.savefig(beside, dpi=110, format=path.suffix[1:])


def _chosen(results: SweepResults) -> str | None:
    if results.choice is not None:
        return f"bpe-{results.choice.cycle}"
    pairs = results.table[results.table["vocabulary"].str.startswith("bpe-")]
    return str(pairs.groupby("vocabulary")["accuracy"].mean().idxmax()) if len(pairs) else None


def _over_cycles(axes: Any, results: SweepResults, k: int, *, is_first: bool) -> None:
    seeds = results.seeds[(results.seeds["k"] == k) & (results.seeds["cycles"] > 0)]
    axes.plot(seeds["cycles"], 100 * seeds["accuracy"], "o", color=_OURS, markersize=3.5, alpha=0.8)
    if k in results.curves:
        curve = results.curves[k]
        axes.plot(curve.cycles, 100 * curve.accuracy, color=_OURS, linewidth=1.2)
        axes.fill_between(curve.cycles, 100 * curve.low, 100 * curve.high, color=_OURS, alpha=0.2, linewidth=0)
    majority = results.table[results.table["k"] == k]["majority"].iloc[0]
    if pd.notna(majority):
        axes.axhline(100 * majority, color=_NOTE, linewidth=0.8, linestyle=":", label="most frequent answer")
    if results.choice is not None:
        axes.axvline(results.choice.cycle, color="black", linewidth=0.8, linestyle="--", label="chosen")
    axes.set_xscale("log")
    counts = sorted(set(seeds["cycles"]))
    axes.set_xticks(counts, [f"{n:,}" for n in counts], rotation=45)
    axes.minorticks_off()
    axes.set_title(f"{'a  ' if is_first else ''}next {k} bases", loc="left", fontsize=9)
    axes.set_xlabel("cycles")
    if is_first:
        axes.set_ylabel("accuracy, %")
        if axes.get_legend_handles_labels()[0]:
            axes.legend(frameon=False, fontsize=6)


def _by_k(axes: Any, ks: list[int], by_name: dict[str, pd.DataFrame]) -> None:
    """Draw accuracy with its interval for each k; columns `k, accuracy, low, high`."""
    from matplotlib.ticker import LogLocator, NullFormatter

    aside = np.linspace(-0.3, 0.3, max(2, len(by_name)))
    for shift, colour, (name, some) in zip(aside, _COLOURS * len(by_name), by_name.items(), strict=False):
        accuracy = 100 * some["accuracy"].to_numpy()
        # An interval over resampled rows need not hold the score itself.
        bars = np.maximum(0, [accuracy - 100 * some["low"], 100 * some["high"] - accuracy])
        places = np.array([ks.index(k) for k in some["k"]]) + shift
        axes.errorbar(places, accuracy, bars, fmt="o", color=colour, markersize=3.5, linewidth=1, label=name)
    axes.set_yscale("log")
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_major_formatter("{x:g}")
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.set_xticks(range(len(ks)), [str(k) for k in ks])
    axes.set_xlim(-0.6, len(ks) - 0.4)
    axes.set(xlabel="bases to predict", ylabel="accuracy, % (log)")
    axes.legend(frameon=False, fontsize=6)


def _top_k(axes: Any, by_name: dict[str, list[float]]) -> None:
    for colour, (name, shares) in zip(_COLOURS, by_name.items(), strict=False):
        axes.plot(np.arange(1, len(shares) + 1), 100 * np.array(shares), color=colour, linewidth=1.2, label=name)
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter("{x:g}")
    axes.set(xlabel="within the likeliest n, to 10 %", ylabel="masked tokens, %", ylim=(0, None))
    axes.set_title("d  Masked tokens", loc="left", fontsize=9)
    if by_name:
        axes.legend(frameon=False, fontsize=6)


def _shares(axes: Any, by_name: dict[str, pd.Series[Any]]) -> None:
    known = {
        name: line for name, line in by_name.items()
        if pd.notna(line.get("share_of_vocabulary")) and "." not in name
    }
    bars = axes.bar(list(known), [100 * line["share_of_vocabulary"] for line in known.values()], color=_OTHERS)
    axes.bar_label(bars, [f"{line['perplexity']:,.0f}" for line in known.values()], fontsize=6)
    axes.set(ylabel="perplexity, % of types")
    axes.tick_params(axis="x", rotation=45)
    axes.set_title("e  Perplexity", loc="left", fontsize=9)
