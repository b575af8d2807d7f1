"""`grover vocabulary` and `grover stability`: from files to the tables, and to the figures."""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from grover_hf._internals.files import atomic_folder, atomic_write
from grover_hf._internals.outputs import only_writer, require_writable
from grover_hf._internals.progress import progress_bar
from grover_hf.analysis.figure_style import require_figure, require_matplotlib, save_figure
from grover_hf.analysis.vocabulary.figures import stability_figure, vocabulary_figure
from grover_hf.analysis.vocabulary.stability import (
    resamples_of,
    stability_columns,
    stability_of,
    stability_summary,
)
from grover_hf.analysis.vocabulary.table import (
    Line,
    Row,
    compare_composition,
    compare_kmers,
    compare_with_paper,
    kmer_frequencies,
    length_profile,
    vocabulary_of,
    vocabulary_table,
)
from grover_hf.analysis.vocabulary.word_cloud import require_wordcloud, word_cloud_figure
from grover_hf.corpus.tokenized_genome import TokenizedGenome
from grover_hf.errors import InputError
from grover_hf.genome.reference import ReferenceGenome
from grover_hf.tokenization.bpe_encoding import GenomeEncoder
from grover_hf.tokenization.bpe_training import train_bpe
from grover_hf.tokenization.encoding import Encoder
from grover_hf.tokenization.export import load_encoder
from grover_hf.tokenization.merges import MergeTable

_COLUMNS = ["quantity", "paper", "ours", "value", "agrees"]


def vocabulary_report(
    vocabulary: Path | Encoder, corpus: Path | TokenizedGenome | None, figure: Path | None, kmers: list[int], *,
    word_cloud: Path | None = None, table: Path | None = None, overwrite: bool = False,
) -> list[Row]:
    """Return the paper's table with a vocabulary's values; write the figures whose paths are given.

    Args:
        vocabulary: A merges file, a tokenizer folder, or an encoder.
        corpus: A genome tokenized with it, open or its folder; without one the table has no frequencies.
        figure: A PNG, PDF or SVG to write; needs `corpus`.
        kmers: k-mer vocabularies to compare in the figure.
        word_cloud: Another, of the types as words; needs `corpus` too.
        table: A CSV file for the same values as numbers, not rounded; with a corpus, also the range of k-mers.
        overwrite: Replace the table.

    Raises:
        InputError: If the corpus has a different vocabulary, a figure is asked for without one, or the table may
            not be written.
    """
    if table is not None:
        require_writable(table, overwrite=overwrite, begins=",".join(_COLUMNS))
    if word_cloud is not None:
        require_wordcloud()
    for path in (path for path in (figure, word_cloud) if path is not None):
        require_matplotlib()
        require_figure(path)
        if corpus is None:
            raise InputError("The figure shows frequencies: name a tokenized genome with --corpus.")
    encoder = load_encoder(vocabulary) if isinstance(vocabulary, Path) else vocabulary
    genome = TokenizedGenome.open(corpus, encoder) if isinstance(corpus, Path) else corpus
    if genome is not None:
        genome.require_whole()
    counted = vocabulary_of(encoder.tokens, genome)
    if figure is not None and genome is not None:
        frequencies = {encoder.name: counted.frequencies}
        for k in kmers:
            kmer_counts = kmer_frequencies(genome, k)
            frequencies[f"{k}-mers"] = kmer_counts[kmer_counts > 0]
        with only_writer(figure):
            save_figure(vocabulary_figure(encoder.name, frequencies, length_profile(counted)), figure)
    if word_cloud is not None:
        with only_writer(word_cloud):
            save_figure(word_cloud_figure(encoder.name, counted.types, counted.frequencies), word_cloud)
    if table is not None:
        lines = compare_with_paper(counted)
        if genome is not None:
            lines += compare_composition(counted)
            lines += [line for k in kmers for line in compare_kmers(kmer_frequencies(genome, k), k)]
        _write_table(lines, table)
    return vocabulary_table(counted)


def _write_table(lines: Sequence[Line], path: Path) -> None:
    rows = [
        (line.quantity.format(value.label), value.paper, value.ours, value.value, value.agrees)
        for line in lines for value in line.values
    ]
    with only_writer(path), atomic_write(path) as beside:
        pd.DataFrame(rows, columns=_COLUMNS).to_csv(beside, index=False)


def stability_report(
    genome: ReferenceGenome, vocabulary: Path | None, output: Path | None, *, n_resamples: int, block_bp: int,
    seed: int, overwrite: bool = False,
) -> list[tuple[str, ...]]:
    """Return how much of a vocabulary stays in resamples of a genome; write table and figure if asked to.

    Args:
        genome: To be resampled.
        vocabulary: A merges file or a tokenizer folder to compare with; None for the genome's own, 600 cycles.
        output: Folder for `stability.csv`, `stability.md` and `stability.png`; None for none.
        n_resamples: How many.
        block_bp: Bases that are drawn together.
        seed: Seed of what is drawn.
        overwrite: Replace `output`.

    Raises:
        InputError: If the vocabulary has no merges, or the genome is too small.
    """
    if output is not None:
        require_matplotlib()
        given = [genome.path] if vocabulary is None else [genome.path, vocabulary]
        require_writable(
            output, overwrite=overwrite, marker="stability.csv", contents=["stability.*"], inputs=given
        )
    merges = train_bpe(genome) if vocabulary is None else _merges_of(vocabulary)
    bar = progress_bar(total=n_resamples, what="resamples")
    resamples = []
    for resample in resamples_of(genome, merges, n_resamples=n_resamples, block_bp=block_bp, seed=seed):
        resamples.append(resample)
        bar.update()
    bar.close()
    lines = stability_summary(merges, resamples)
    if output is not None:
        name = genome.path.name.split(".fa")[0]
        title = f"{n_resamples} resamples of {name}, blocks of {block_bp:,} bp, {len(merges)} cycles, seed {seed}"
        rows = [("quantity", name, "lowest", "median", "highest"), ("---",) * 5, *lines]
        with only_writer(output), atomic_folder(output) as part:
            pd.DataFrame(stability_columns(merges, resamples)).to_csv(part / "stability.csv", index=False)
            table = "".join(f"| {' | '.join(row)} |\n" for row in rows)
            (part / "stability.md").write_text(f"{title}\n\n{table}")
            save_figure(stability_figure(name, stability_of(merges, resamples)), part / "stability.png")
    return lines


def _merges_of(vocabulary: Path) -> MergeTable:
    encoder = load_encoder(vocabulary)
    if not isinstance(encoder, GenomeEncoder):
        raise InputError(f"{vocabulary} has {encoder.name}: k-mers are the same in every genome.")
    return encoder.merges
