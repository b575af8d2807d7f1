"""What a model gives for a genome: `grover embed`."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from grover_hf.cli.options import Overwrite


def embed(
    regions: Annotated[Path, typer.Argument(help="a BED file, or a table with chrom, start, end")],
    genome: Annotated[Path, typer.Option(help="a FASTA file, plain or gzip; tokenized once, into the cache")],
    model: Annotated[str, typer.Option(help="folder of a model, or its name on the Hub")],
    output: Annotated[Path, typer.Option(help="folder for Parquet files")],
    revision: Annotated[str | None, typer.Option(help="of the model on the Hub")] = None,
    layer: Annotated[int, typer.Option(help="0 is what enters the first layer, -1 what leaves the last")] = -1,
    pooling: Annotated[Literal["mean", "cls"], typer.Option(help="mean of the tokens, or [CLS]")] = "mean",
    allow_empty: Annotated[bool, typer.Option("--allow-empty", help="null for regions in N")] = False,
    rows_a_part: Annotated[int, typer.Option(min=1, help="regions of a file; a stop loses no more")] = 5_000,
    overwrite: Overwrite = False,
) -> None:
    """Write a vector for each region, from the genome's own tokens; a stopped run goes on."""
    from grover_hf.inference.region_embeddings import EmbeddingPlan, embed_regions

    plan = EmbeddingPlan(
        regions=regions, genome=genome, model=model, revision=revision, layer=layer, pooling=pooling,
        allow_empty=allow_empty, rows_a_part=rows_a_part,
    )
    done = embed_regions(plan, output, overwrite=overwrite)
    before = f", {done.n_before:,} of them before" if done.n_before else ""
    without = f"; {done.n_without:,} lie in N and have null" if done.n_without else ""
    print(f"{output}: {done.facts.n_regions:,} regions{before}, {done.facts.dimensions} dimensions{without}")
