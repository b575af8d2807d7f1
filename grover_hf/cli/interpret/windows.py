"""`grover interpret windows`."""

from pathlib import Path
from typing import Annotated

import typer

from grover_hf.cli.options import Chromosomes, Overwrite, chosen_chromosomes


def windows(
    embeddings: Annotated[Path, typer.Argument(help="a folder from grover embed --bins")],
    annotation: Annotated[Path, typer.Option(help="a folder from grover interpret annotate, of the same windows")],
    genome: Annotated[Path, typer.Option(help="the FASTA file of the windows, for what their bases alone tell")],
    output: Annotated[Path, typer.Option(help="folder for map.parquet, scores.csv, scores.json and figures")],
    chromosomes: Chromosomes = "all",
    random_weights: Annotated[
        Path | None, typer.Option(help="a folder from grover embed, by a model with random weights")
    ] = None,
    at_most: Annotated[
        int, typer.Option("--windows", help="so many at most are drawn and judged, evenly spaced")
    ] = 20_000,
    neighbours: Annotated[int, typer.Option(help="of UMAP")] = 15,
    min_dist: Annotated[float, typer.Option(help="of UMAP")] = 0.1,
    covered: Annotated[
        float, typer.Option(help="an annotation is present where it covers more than this share of a window")
    ] = 0.0,
    kmers: Annotated[list[int] | None, typer.Option(help="letters of the words beside it (default: 4)")] = None,
    folds: Annotated[int, typer.Option(help="of whole blocks of the genome")] = 5,
    block_bp: Annotated[
        int | None, typer.Option(help="bases of a block (default: 1 Mb, less where there are few bases)")
    ] = None,
    hide_outliers: Annotated[
        bool, typer.Option("--hide-outliers", help="leave points far from all others out of the pictures")
    ] = False,
    seed: Annotated[int, typer.Option(help="of the layout, folds and bootstrap")] = 0,
    overwrite: Overwrite = False,
) -> None:
    """Map windows of a genome by their vectors, and say what annotation can be told from these (Fig. 5b-d)."""
    from grover_hf.interpretation.window_map.plan import WindowMapPlan
    from grover_hf.interpretation.window_map.report import map_windows
    from grover_hf.interpretation.window_map.results import summary

    plan = WindowMapPlan(
        embeddings=embeddings, annotation=annotation, genome=genome, chromosomes=chosen_chromosomes(chromosomes),
        random_weights=random_weights, windows=at_most, neighbours=neighbours, min_dist=min_dist, covered=covered,
        kmers=(4,) if kmers is None else tuple(kmers), folds=folds, block_bp=block_bp,
        hide_outliers=hide_outliers, seed=seed,
    )
    print(summary(map_windows(plan, output, overwrite=overwrite)))
