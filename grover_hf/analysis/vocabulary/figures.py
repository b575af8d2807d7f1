"""Figures, drawn with matplotlib from arrays."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from grover_hf._internals.files import atomic_write
from grover_hf.analysis.vocabulary.table import Vocabulary
from grover_hf.errors import InputError

FORMATS = (".png", ".pdf", ".svg")


def require_matplotlib() -> None:
    """Raise `InputError` at the start of a long job if its figure could not be drawn."""
    try:
        import matplotlib  # noqa: F401
    except ImportError:
        raise InputError("Figures need matplotlib: pip install 'grover-hf[analysis]'") from None


def require_format(path: Path) -> None:
    """Raise `InputError` if a figure cannot be written under this name."""
    if path.suffix not in FORMATS:
        raise InputError(f"{path} is no name for a figure; it ends in {', '.join(FORMATS)}.")


def vocabulary_figure(
    path: Path, vocabulary: Vocabulary, name: str, kmer_counts: dict[int, NDArray[np.int64]]
) -> None:
    """Draw a vocabulary like the paper's Fig. 3a-c.

    a: how often types occur, beside k-mer vocabularies; b: tokens of the genome by their length;
    c: types of the dictionary by their length, as shares of the possible ones.

    Args:
        path: A PNG, PDF or SVG, replaced if it is there.
        vocabulary: With counts.
        name: Of the vocabulary, such as "bpe-600".
        kmer_counts: Counts of all k-mers, by k; those that do not occur are left out.
    """
    require_matplotlib()
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 3.6), layout="constrained")
    frequency, in_genome, in_dictionary = figure.subplots(1, 3)

    counts = [vocabulary.frequencies, *(found[found > 0] for found in kmer_counts.values())]
    labels = [name, *(f"{k}-mers" for k in kmer_counts)]
    violins = frequency.violinplot([np.log10(found) for found in counts], showmedians=True, widths=0.8)
    colours = ["#3b6ea5"] + ["#b0b7bf"] * len(kmer_counts)
    for body, colour in zip(violins["bodies"], colours, strict=True):  # type: ignore[arg-type]
        body.set(facecolor=colour, alpha=0.9)
    for part in ("cmedians", "cbars", "cmins", "cmaxes"):
        violins[part].set(color="#333333", linewidth=0.8)  # type: ignore[union-attr]
    frequency.set_xticks(range(1, len(labels) + 1), labels)
    frequency.set(ylabel="occurrences of a type, log10", title="a  Frequencies of types")

    lengths = np.array([len(token) for token in vocabulary.types])
    axis = np.arange(1, lengths.max() + 1)
    tokens = np.bincount(lengths, vocabulary.frequencies, minlength=axis[-1] + 1)[1:]
    in_genome.bar(axis, 100 * tokens / tokens.sum(), color="#3b6ea5")
    mean = float(np.average(axis, weights=tokens))
    in_genome.axvline(mean, color="#333333", linewidth=0.8, linestyle="--")
    in_genome.annotate(f" mean {mean:.2f}", (mean, 0.94), xycoords=("data", "axes fraction"))
    in_genome.set(xlabel="bases a token", ylabel="% of the genome's tokens", title="b  Tokens by length")

    types = np.bincount(lengths, minlength=axis[-1] + 1)[1:]
    bars = in_dictionary.bar(axis, types, color="#3b6ea5")
    shares = types / 4.0**axis
    texts = [f"{100 * share:.0f}%" if share >= 0.01 else "" for share in shares]
    in_dictionary.bar_label(bars, texts, fontsize=6, padding=2, rotation=90)
    in_dictionary.margins(y=0.12)
    in_dictionary.set(xlabel="bases a type", ylabel="types (% of possible)", title="c  Types by length")
    for axes in (frequency, in_genome, in_dictionary):
        axes.spines[["top", "right"]].set_visible(False)
    with atomic_write(path) as beside:
        figure.savefig(beside, dpi=150, format=path.suffix[1:])


def results_figure(rows: Sequence[Any], path: Path) -> None:
    """Draw MCC with its interval, a panel a task, like the paper's Fig. 6.

    Args:
        rows: `grover_hf.analysis.results.Result`.
        path: The picture; its suffix chooses the format.
    """
    require_matplotlib()
    from matplotlib.figure import Figure

    tasks = list(dict.fromkeys((row.task, row.dataset) for row in rows))
    counts = [sum((row.task, row.dataset) == task for row in rows) for task in tasks]
    figure = Figure(figsize=(8, 0.9 * len(tasks) + 0.24 * len(rows)), layout="constrained")
    axes = figure.subplots(
        len(tasks), 1, sharex=True, squeeze=False, height_ratios=[count + 1 for count in counts]
    )
    for axis, task in zip(axes[:, 0], tasks, strict=True):
        some = [row for row in rows if (row.task, row.dataset) == task]
        mcc = [row.mcc for row in some]
        # An interval over resampled rows need not hold the score itself.
        below = [max(0.0, row.mcc - row.mcc_low) for row in some]
        above = [max(0.0, row.mcc_high - row.mcc) for row in some]
        # By position: two runs may have one name.
        places = list(range(len(some)))
        axis.barh(places, mcc, xerr=[below, above], color="#4C72B0", height=0.7, error_kw={"elinewidth": 1})
        axis.set_yticks(places, [row.model for row in some])
        for place, row in zip(places, some, strict=True):
            axis.annotate(f"{row.mcc:.3f}", (max(row.mcc, row.mcc_high, 0), place), xytext=(3, 0),
                          textcoords="offset points", va="center", fontsize=6)
        axis.axvline(0, color="black", linewidth=0.8)
        axis.set_title(" ".join(task), loc="left", fontsize=9)
        axis.tick_params(labelsize=7)
        axis.invert_yaxis()
        axis.spines[["top", "right"]].set_visible(False)
    axes[-1, 0].set_xlabel("MCC on test rows, 95 % interval over rows", fontsize=8)
    with atomic_write(path) as beside:
        figure.savefig(beside, format=path.suffix[1:], dpi=150)
