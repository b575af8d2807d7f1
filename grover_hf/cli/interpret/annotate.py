"""`grover interpret annotate`: tokens and windows beside tracks."""

from pathlib import Path
from typing import Annotated

import typer

from grover_hf.cli.options import Chromosomes, Corpus, Overwrite, chosen_chromosomes
from grover_hf.cli.printing import print_table


def annotate(
    corpus: Corpus,
    output: Annotated[Path, typer.Option(help="folder of tokens.parquet and regions.parquet")],
    regions: Annotated[
        Path | None, typer.Argument(help="windows: BED, a table, or a folder that grover embed wrote")
    ] = None,
    bins: Annotated[bool, typer.Option("--bins", help="not regions: the genome in bins of 510 tokens")] = False,
    chromosomes: Chromosomes = "all",
    track: Annotated[list[str], typer.Option(help="NAME=FILE: BED, as one annotation; may be repeated")] = [],  # noqa: B006
    by_name: Annotated[
        list[str], typer.Option(help="[NAME=]FILE: BED, an annotation for each name in column 4; may be repeated")
    ] = [],  # noqa: B006
    repeats: Annotated[
        Path | None, typer.Option(help="RepeatMasker: rmsk.txt, .out, or BED with repeat|class in column 4")
    ] = None,
    genes: Annotated[Path | None, typer.Option(help="GTF or GFF3: promoters, UTRs, exons, introns")] = None,
    soft_masked: Annotated[Path | None, typer.Option(help="the corpus's FASTA file: its lower case")] = None,
    overwrite: Overwrite = False,
) -> None:
    """Say how tokens and windows of a genome overlap repeats, genes and other tracks."""
    from grover_hf.interpretation.annotation.annotate import AnnotationPlan, write_annotation
    from grover_hf.interpretation.annotation.sources import Sources, Track

    tracks = [Track.parse(text) for text in track] + [Track.parse(text, by_name=True) for text in by_name]
    sources = Sources(tracks=tracks, repeats=repeats, genes=genes, soft_masked=soft_masked)
    plan = AnnotationPlan(
        corpus=corpus, sources=sources, regions=regions, bins=bins, chromosomes=chosen_chromosomes(chromosomes)
    )
    written = write_annotation(plan, output, overwrite=overwrite)
    rows = [
        (one.annotation, f"{one.n_bases:,}", f"{one.share_of_tokens:.4f}",
         "-" if one.share_of_windows is None else f"{one.share_of_windows:.4f}")
        for one in written.annotations
    ]
    print_table(rows, ("annotation", "bases", "of tokens", "of windows"))
    windows = "" if written.n_windows is None else f", {written.n_windows:,} windows"
    print(f"{output}: {written.n_tokens:,} tokens{windows}, {len(rows)} annotations")
