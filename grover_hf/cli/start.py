"""`grover quickstart`, `grover fetch`: the first minutes."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from grover_hf.cli.options import Chromosomes, Overwrite, chosen_chromosomes
from grover_hf.cli.printing import log_on_stdout


def quickstart(
    output: Annotated[Path, typer.Option(help="folder for everything that is made")] = Path("quickstart"),
    genome: Annotated[
        Path | None, typer.Option(help="a FASTA file; without it a simulated genome of 5 Mbp")
    ] = None,
    chromosomes: Chromosomes = "all",
    cycles: Annotated[int, typer.Option(min=1, help="cycles of byte-pair encoding")] = 600,
    steps: Annotated[int | None, typer.Option(min=1, help="steps of pretraining; else those of tiny_cpu")] = None,
    seed: Annotated[int, typer.Option(min=0, help="seed of the simulation, the windows and the training")] = 0,
    overwrite: Overwrite = False,
) -> None:
    """The whole way once: genome, vocabulary, tokens, windows, a tiny BERT, a figure, a table."""
    from grover_hf.quickstart import run_quickstart

    run_quickstart(
        output, genome=genome, chromosomes=chosen_chromosomes(chromosomes), n_cycles=cycles,
        max_steps=steps, seed=seed, overwrite=overwrite,
    )


def fetch(
    name: Annotated[str, typer.Argument(help="hg19, epd, ctcf, jaspar, chain, gue or nt")],
    output: Annotated[Path, typer.Option(help="folder for the files")],
    overwrite: Overwrite = False,
) -> None:
    """Download a public input and print its terms; a stopped download goes on where it was."""
    from grover_hf import inputs

    try:
        with log_on_stdout("grover_hf.inputs"):
            inputs.fetch(name, output, overwrite=overwrite)
    except KeyboardInterrupt:
        print("stopped; the same command goes on from what came", file=sys.stderr)
        raise typer.Exit(130) from None
