"""Options that several verbs share."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from grover_hf.errors import InputError

if TYPE_CHECKING:
    from grover_hf._internals.shards import Shard

Chromosomes = Annotated[str, typer.Option(
    help="all, primary (1-22, X, Y), or names and patterns with commas between: 'Chr*,!ChrM' leaves ChrM out, "
    "min=100000 all shorter ones"
)]
Corpus = Annotated[Path, typer.Option(help="a tokenized genome, made by grover tokenize")]
DatasetFolder = Annotated[Path, typer.Option("--output", help="folder of the dataset")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="replace what is there")]
ShardText = Annotated[str | None, typer.Option(
    "--shard", help="I/N, from 0/N to N-1/N: this job's part alone, into OUTPUT.shards; grover gather joins them"
)]
Threads = Annotated[int, typer.Option(min=1, help="threads")]


def chosen_shard(text: str | None) -> "Shard | None":
    """Return the shard that the option names, or None."""
    from grover_hf._internals.shards import Shard

    return None if text is None else Shard.parse(text)


def chosen_chromosomes(text: str) -> list[str] | None:
    """Return what `ReferenceGenome` takes for the text of the option."""
    if text == "all":
        return None
    names = [name for name in text.split(",") if name]
    if not names:
        raise InputError("--chromosomes is empty; say all, primary, or names with commas between.")
    return names


def given(**options: Any) -> dict[str, Any]:
    """Return the options that were given: the others are those of the plan, where the paper's numbers stand."""
    return {name: value for name, value in options.items() if value is not None}
