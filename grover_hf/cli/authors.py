"""`grover convert-authors`, `grover verify-tokenizer`: the authors' checkpoint, and their vocabulary."""

from pathlib import Path
from typing import Annotated

import typer

from grover_hf.cli.options import Overwrite
from grover_hf.cli.printing import print_table


def convert_authors(
    source: Annotated[str, typer.Argument(help="a name on the Hub, or a folder with its files")],
    output: Annotated[Path, typer.Option(help="folder of the model")],
    revision: Annotated[str | None, typer.Option(help="commit, tag or branch on the Hub")] = None,
    overwrite: Overwrite = False,
) -> None:
    """Write the authors' checkpoint (PoetschLab/GROVER) as a clean model: same weights, same ids, no traps."""
    from grover_hf.authors import checkpoint

    conversion = checkpoint.convert_authors_checkpoint(source, output, revision=revision, overwrite=overwrite)
    for repair in conversion["repairs"]:
        print(f"repaired: {repair}")
    theirs = "the" if conversion["is_published"] else "not the"
    print(
        f"{output}: {conversion['n_tokens']} token ids; the source files are {theirs} known ones of "
        f"{conversion['published_source']} at {conversion['published_commit'][:7]}"
    )


def verify_tokenizer(
    path: Annotated[Path, typer.Argument(help="a tokenizer folder, or a merges file")],
    corpus: Annotated[Path | None, typer.Option(help="a genome tokenized with it, for frequencies")] = None,
) -> None:
    """Say whether a vocabulary is the authors', and how far it is from theirs; exit code 3 if it differs."""
    from grover_hf.authors import verify as room

    verification = room.verify_tokenizer(path, corpus)
    words = {True: "yes", False: "no", None: "cannot be said"}
    rows = [
        (finding.quantity, finding.authors, finding.ours, words[finding.agrees])
        for finding in verification.findings
    ]
    print_table(rows, ("quantity", "authors", "this vocabulary", "agrees"))
    print(verification.verdict)
    if not verification.identical:
        # 1 is an error, 2 a wrong call.
        raise typer.Exit(3)
