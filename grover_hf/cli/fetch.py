"""`grover fetch`: public inputs, with their terms."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from grover_hf.cli.options import Overwrite


def fetch_verb(
    name: Annotated[str, typer.Argument(help="hg19, epd, ctcf, jaspar, chain, gue or nt")],
    output: Annotated[Path, typer.Option(help="folder for the files")],
    overwrite: Overwrite = False,
) -> None:
    """Download a public input and print its terms; a stopped download goes on where it was."""
    from grover_hf.inputs import fetch

    try:
        fetch(name, output, overwrite=overwrite)
    except KeyboardInterrupt:
        print("stopped; the same command goes on from what came", file=sys.stderr)
        raise typer.Exit(130) from None
