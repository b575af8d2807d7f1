"""A vocabulary drawn like the paper's Fig. 3a-c, and how much of it stays in resamples."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from grover_hf.analysis.figure_style import BLUE, DARK, GREY, RED, legend_below, new_figure, styled
from grover_hf.analysis.vocabulary.paper import START_WITH_A_OR_T
from grover_hf.analysis.vocabulary.stability import Stability
from grover_hf.analysis.vocabulary.table import LengthProfile

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@styled
def vocabulary_figure(name: str, frequencies: Mapping[str, NDArray[np.int64]], profile: LengthProfile) -> "Figure":
    """Draw a vocabulary like the paper's Fig. 3a-c.

    a: how often types occur, and the types of k-mer vocabularies; b: tokens of the genome by their length;
    c: types of the dictionary by their length, as shares of the possible ones.

    Args:
        name: Name of the vocabulary, such as "bpe-600": the one of `frequencies` that stands out.
        frequencies: By vocabulary, how often each type occurs that does, each (n_types,).
        profile: Profile of the vocabulary.
    """
    figure = new_figure(11, 3.6)
    by_vocabulary, in_genome, in_dictionary = figure.subplots(1, 3)
    _violins(by_vocabulary, name, frequencies)
    bases = np.arange(1, len(profile.types) + 1)
    in_genome.bar(bases, 100 * profile.tokens / profile.tokens.sum(), color=BLUE)
    in_genome.axvline(profile.mean, color=DARK, linewidth=0.8, linestyle="--")
    in_genome.annotate(f" mean {profile.mean:.2f}", (profile.mean, 0.94), xycoords=("data", "axes fraction"))
    in_genome.set(xlabel="bases a token", ylabel=f"% of the genome's {profile.tokens.sum():,.0f} tokens")
    in_genome.set_title("b  Tokens by length")
    in_genome.margins(y=0.12)
    bars = in_dictionary.bar(bases, profile.types, color=BLUE)
    texts = [f"{100 * share:.0f}%" if share >= 0.01 else "" for share in profile.share_of_possible]
    in_dictionary.bar_label(bars, texts, fontsize=6, padding=2, rotation=90)
    in_dictionary.margins(y=0.12)
    in_dictionary.set(xlabel="bases a type", ylabel="types (% of possible)", title="c  Types by length")
    return figure


def _violins(axes: Any, name: str, frequencies: Mapping[str, NDArray[np.int64]]) -> None:
    from matplotlib.ticker import MaxNLocator

    violins = axes.violinplot([np.log10(counts) for counts in frequencies.values()], showmedians=True, widths=0.8)
    for body, label in zip(violins["bodies"], frequencies, strict=True):
        body.set(facecolor=BLUE if label == name else GREY, alpha=0.9)
    for part in ("cmedians", "cbars", "cmins", "cmaxes"):
        violins[part].set(color=DARK, linewidth=0.8)
    names = [f"{label}\nn = {len(counts):,}" for label, counts in frequencies.items()]
    axes.set_xticks(range(1, len(frequencies) + 1), names)
    axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    axes.yaxis.set_major_formatter(lambda power, _: f"{10**power:,.0f}" if power >= 0 else "")
    axes.set(ylabel="occurrences of a type (log)", title="a  Frequencies of n types")


@styled
def stability_figure(name: str, stability: Stability) -> "Figure":
    """Draw which share of types is shared, by rank, and which share starts with A or T.

    Args:
        name: Name of the genome.
        stability: Stability of its vocabulary.
    """
    from matplotlib import colormaps

    figure = new_figure(8.5, 3.8)
    by_rank, first_base = figure.subplots(1, 2, width_ratios=[2, 1])
    starts = stability.start_with_a_or_t
    # One colour a resample in both panels: those that took another branch show in the curves.
    colours = colormaps["viridis"]((starts - starts.min()) / max(float(np.ptp(starts)), 1e-9) * 0.9)
    ranks = np.arange(1, stability.shared.shape[1] + 1)
    for shared, colour in zip(stability.shared, colours, strict=True):
        by_rank.plot(ranks, 100 * shared, color=colour, linewidth=0.8)
    by_rank.plot(ranks, 100 * stability.median_shared, color="black", linewidth=1.6, label="median")
    by_rank.set(xlabel="first n types", ylabel="% shared with the genome's first n", ylim=(None, 101),
                title=f"a  {len(starts)} resamples of {name}")

    aside = np.linspace(-0.25, 0.25, len(starts))[np.argsort(np.argsort(starts))]
    first_base.scatter(aside, 100 * starts, c=colours, s=18)
    own = 100 * stability.own_start_with_a_or_t
    paper = 100 * START_WITH_A_OR_T.value
    first_base.axhline(own, color="black", linewidth=1, label=f"the genome, {own:.0f} %")
    first_base.axhline(paper, color=RED, linewidth=1, linestyle="--", label=f"the paper, {paper:.0f} %")
    lowest = min(own, paper, 100 * starts.min())
    first_base.set(ylabel="% of types that start with A or T", ylim=(max(0, lowest - 5), 101), xlim=(-0.6, 0.6),
                   xticks=[], xlabel=f"{len(starts)} resamples", title="b  First bases")
    for axes in (by_rank, first_base):
        legend_below(axes)
    return figure
