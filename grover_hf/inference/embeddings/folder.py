"""A folder of embeddings: what it holds stands in `_embeddings.json`; a stopped run goes on with the next part."""

import dataclasses
import json
import re
from dataclasses import dataclass
from pathlib import Path

from grover_hf._internals.files import atomic_write
from grover_hf._internals.outputs import names_in
from grover_hf._internals.records import plain, read_json_object, record_of
from grover_hf.errors import InputError

FACTS = "_embeddings.json"
"""Readers of a folder of Parquet files pass over names that begin so."""
PART = "part-{:05}.parquet"


@dataclass(frozen=True, kw_only=True)
class EmbeddingFacts:
    """What embeddings are of. It stands in the folder, in the metadata of each part, and in `uns` of h5ad."""

    model: str
    model_revision: str | None
    """Its commit on the Hub."""
    model_sha256: str | None
    """Digest of its weights, if they were in a folder."""
    vocabulary_sha256: str
    genome_sha256: str
    source: str
    """regions, sequences, or bins of 510 tokens."""
    regions_sha256: str | None
    """Digest of the file of regions."""
    chromosomes: str | None
    """Of the bins, as they were asked for."""
    n_regions: int
    dimensions: int
    layer: int
    pooling: str
    dtype: str
    """Of the model's weights. Vectors are float32."""
    rows_a_part: int
    version: str
    """Of grover_hf."""
    finished: bool = False

    @property
    def provenance(self) -> dict[str, str]:
        """All but whether it is finished, as texts."""
        return {
            name: str(value) for name, value in plain(self).items()
            if name != "finished" and value is not None
        }


def begin_folder(folder: Path, facts: EmbeddingFacts, parts: range, *, overwrite: bool, may_be_whole: bool) -> int:
    """Make the folder, or find what an earlier run left of the same embeddings; return how many parts are there.

    Args:
        folder: Where parts are written.
        facts: What they will be of, not finished.
        parts: Their numbers.
        overwrite: Begin anew where the folder has other embeddings, or finished ones.
        may_be_whole: Whether finished ones of the same facts are no error.

    Raises:
        InputError: If there is something else, or it is finished.
    """
    if folder.exists() and (not folder.is_dir() or names_in(folder)):
        there = read_facts(folder)
        names = [name for name in names_in(folder) if name != FACTS]
        same = dataclasses.replace(there, finished=False) == facts
        known = {PART.format(number) for number in parts}
        if same and (may_be_whole or not there.finished) and set(names) <= known:
            return len(names)
        if not overwrite:
            how = "finished" if same else "of other regions, another genome or model, or other options"
            how = "with other files in it" if there == facts else how
            raise InputError(f"{folder} is there already, {how}; name another --output, or say --overwrite.")
        if strange := [name for name in names if not re.fullmatch(r"part-[0-9]{5,}\.parquet", name)]:
            raise InputError(
                f"{folder} is not replaced: it has {strange[0]}, which this command did not make. Name another "
                "--output, or remove it yourself."
            )
        # Parts are never seen beside facts that are not theirs, or say that all of them are there.
        write_facts(folder, dataclasses.replace(there, finished=False))
        for name in names:
            (folder / name).unlink()
    folder.mkdir(parents=True, exist_ok=True)
    write_facts(folder, facts)
    return 0


def read_facts(folder: Path) -> EmbeddingFacts:
    """Return what a folder holds.

    Raises:
        InputError: If it holds no embeddings, or they are damaged.
    """
    try:
        return record_of(EmbeddingFacts, read_json_object(folder / FACTS), folder / FACTS)
    except FileNotFoundError:
        raise InputError(
            f"{folder} is not replaced: it has no {FACTS}, so this command did not make it. Name another "
            "--output, or remove it yourself."
        ) from None


def write_facts(folder: Path, facts: EmbeddingFacts) -> None:
    """Write what a folder holds."""
    with atomic_write(folder / FACTS) as beside:
        beside.write_text(json.dumps(plain(facts), indent=2) + "\n")
