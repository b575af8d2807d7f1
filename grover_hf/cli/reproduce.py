"""`grover reproduce`: the paper's numbers by one command."""

import sys
from collections import Counter
from pathlib import Path
from typing import Annotated

import typer

from grover_hf.cli.options import Overwrite
from grover_hf.cli.printing import print_table
from grover_hf.errors import InputError


def reproduce(
    context: typer.Context,
    inputs: Annotated[
        Path | None, typer.Option(help="a YAML file that names what you have, or a folder of grover fetch")
    ] = None,
    output: Annotated[
        Path, typer.Option(help="folder for the table, and for what the commands make")
    ] = Path("reproduction"),
    only: Annotated[list[str], typer.Option(help="rows, by the names that --list gives them")] = [],  # noqa: B006
    show: Annotated[bool, typer.Option("--list", help="print the rows and their commands; run none")] = False,
    overwrite: Overwrite = False,
) -> None:
    """Set each number of the paper beside yours: run what your inputs allow, and say what the rest needs."""
    from grover_hf.reproduction.inputs import Inputs, read_inputs
    from grover_hf.reproduction.reproduce import list_rows
    from grover_hf.reproduction.reproduce import reproduce as run
    from grover_hf.reproduction.table import listing

    # The parser takes one value an option; what follows it, `--only types cg`, comes as extra words.
    if unknown := [word for word in context.args if word.startswith("-") or not only]:
        raise InputError(f"reproduce does not know {' '.join(unknown)}: see grover reproduce --help.")
    rows = [*only, *context.args]
    if show:
        print(listing(list_rows(Inputs() if inputs is None else read_inputs(inputs), output, rows)))
        return
    if inputs is None:
        raise InputError("Name what you have with --inputs; --list shows the rows and what they need.")
    try:
        lines = run(read_inputs(inputs), output, only=rows, overwrite=overwrite)
    except KeyboardInterrupt:
        print("stopped; the same command goes on after the steps that are finished", file=sys.stderr)
        raise typer.Exit(130) from None
    print_table([(line.quantity, line.paper, line.short) for line in lines], ("quantity", "paper", "here"))
    counted = ", ".join(f"{n} {status}" for status, n in Counter(line.status for line in lines).items())
    print(f"{output / 'reproduction.md'}: {len(lines)} rows: {counted}")
    if any(line.status == "failed" for line in lines):
        raise typer.Exit(1)
