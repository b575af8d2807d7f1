"""`grover interpret attribute`."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from grover_hf.cli.options import Overwrite


def attribute(
    regions: Annotated[Path, typer.Argument(help="a BED file, or a table with chrom, start, end")],
    genome: Annotated[Path, typer.Option(help="the FASTA file that the regions are of")],
    model: Annotated[str, typer.Option(help="folder of a model, or its name on the Hub")],
    method: Annotated[
        Literal["gradients", "attention", "mutagenesis"],
        typer.Option(help="gradients: of a classifier's class. mutagenesis: every base in every place. attention: "
                          "where a layer mixes from, which is not an explanation")
    ],
    output: Annotated[Path, typer.Option(help="folder for tables and figures")],
    revision: Annotated[str | None, typer.Option(help="of the model on the Hub")] = None,
    class_label: Annotated[
        str | None, typer.Option("--class", help="of a classifier (default: each region's most probable)")
    ] = None,
    steps: Annotated[int | None, typer.Option(min=1, help="of integrated gradients (default: 64)")] = None,
    layer: Annotated[int | None, typer.Option(help="of attention: 1 is the first (default: -1, the last)")] = None,
    rollout: Annotated[bool, typer.Option("--rollout", help="of attention: all layers multiplied")] = False,
    background: Annotated[
        Literal["uniform", "chromosome", "tokens"] | None,
        typer.Option(help="of a masked language model's bits; tokens: takes out what token borders say "
                          "(default: uniform)")
    ] = None,
    figures: Annotated[int, typer.Option(min=0, help="regions that are drawn, from the first on")] = 10,
    overwrite: Overwrite = False,
) -> None:
    """Write which bases and tokens of regions a model's answer rests on, or what it expects there."""
    from grover_hf.interpretation.attribution.writing import AttributionPlan, write_attributions

    plan = AttributionPlan(
        regions=regions, genome=genome, model=model, method=method, revision=revision, class_label=class_label,
        steps=steps, layer=layer, rollout=rollout, background=background, n_figures=figures,
    )
    written = write_attributions(plan, output, overwrite=overwrite)
    print(
        f"{output}: {written.n_regions:,} regions, {written.n_tokens:,} tokens, {written.n_bases:,} bases, "
        f"{written.n_figures} figures"
    )
