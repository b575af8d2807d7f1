"""`grover gather`: from the shards of several jobs to the output that one job would have written."""

from importlib import import_module
from pathlib import Path
from typing import Annotated

import typer

from grover_hf.cli.options import Overwrite
from grover_hf.errors import InputError

JOINERS = {
    "embeddings": "grover_hf.inference.embeddings.writing",
    "tokenized genome": "grover_hf.corpus.corpus_shards",
    "tokens of regions": "grover_hf.corpus.region_table",
    "tracks": "grover_hf.tracks.writing",
    "variant scores": "grover_hf.variants.scoring",
}
"""Where `join_shards` of each kind of output is: beside its writer."""


def gather(
    shards: Annotated[Path, typer.Argument(help="the folder OUTPUT.shards that --shard I/N made")],
    output: Annotated[Path, typer.Option(help="what the command with no --shard would have written")],
    overwrite: Overwrite = False,
) -> None:
    """Join what --shard 0/N to N-1/N wrote, once it is all there; the bytes are those of one job."""
    from grover_hf._internals.gathering import Joiner, whole_shards
    from grover_hf._internals.outputs import only_writer

    gathered = whole_shards(shards)
    kind, suffix = gathered.origin.kind, gathered.origin.suffix
    if kind not in JOINERS:
        raise InputError(f"{shards} has shards of {kind!r}; this version joins {', '.join(JOINERS)}.")
    if not output.name.endswith(suffix):
        raise InputError(f"{output} must end in {suffix}: that is what the shards are of.")
    with only_writer(output):
        join: Joiner = import_module(JOINERS[kind]).join_shards
        join(gathered, output, overwrite=overwrite)
    print(f"{output}: {gathered.n_rows:,} rows, of {len(gathered.manifests)} shards")
