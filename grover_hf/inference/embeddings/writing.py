"""Embeddings in memory (`embed_regions`), in files, and in shards of files that are joined.

OUTPUT/_embeddings.json         what was embedded, with which model, and whether it is finished
OUTPUT/part-00000.parquet ...   chrom, start, end, strand, name, n_tokens, embedding (fixed-size list of float32),
                                in the order of the regions; provenance in the metadata of the schema
"""

import dataclasses
import importlib.metadata
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from grover_hf._internals.files import atomic_folder, atomic_write, discard_folder
from grover_hf._internals.gathering import Gathered
from grover_hf._internals.outputs import (
    only_writer,
    remove_left_overs,
    require_not_an_input,
    require_writable,
)
from grover_hf._internals.progress import progress_bar
from grover_hf._internals.shards import Origin, Shard, ShardWritten, row_runs, write_shard
from grover_hf.errors import InputError
from grover_hf.inference.dna_model import DnaModel
from grover_hf.inference.embeddings.folder import (
    FACTS,
    PART,
    EmbeddingFacts,
    begin_folder,
    read_facts,
    write_facts,
)
from grover_hf.inference.embeddings.h5ad import SUFFIX, require_h5ad, write_h5ad
from grover_hf.inference.embeddings.inputs import EmbeddingPlan, Places, places_of
from grover_hf.inference.embeddings.parts import COLUMNS, PartWriter, part_writer, region_vectors
from grover_hf.model import identity_of_model

KIND = "embeddings"
Format = Literal["parquet", "h5ad"]


@dataclass(frozen=True, kw_only=True)
class Embedded:
    """What a run of `write_embeddings` did."""

    facts: EmbeddingFacts
    n_without: int
    """Regions without any token, whose embedding is NaN."""
    n_outside: int
    """Regions that the genome does not have, whose embedding is NaN too."""
    n_before: int
    """Regions that an earlier run had embedded."""


@dataclass(frozen=True, eq=False)
class RegionEmbeddings:
    """The vectors of regions, in the order of their file."""

    regions: pd.DataFrame
    """`chrom, start, end, strand, name, n_tokens`."""
    vectors: NDArray[np.float32]
    """Shape (n, H); NaN where a region has no token."""
    facts: EmbeddingFacts

    def __repr__(self) -> str:
        """Say how many there are."""
        return f"RegionEmbeddings({len(self.regions):,} regions, vectors of {self.vectors.shape[1]})"


def embed_regions(regions: str | Path, genome: str | Path, model: str | Path, **options: Any) -> RegionEmbeddings:
    r"""Return a vector for each region, from the genome's own tokens; `grover embed` writes as many as there are.

    Args:
        regions: A BED file, or a table with `chrom`, `start`, `end`.
        genome: A FASTA file, which is tokenized once, into the cache; or a tokenized genome.
        model: Folder of a model, or its name on the Hub.
        options: Other fields of `EmbeddingPlan`: `layer`, `pooling` ("mean" or "cls"), `revision`, `allow_empty`,
            `skip_bad`.

    Raises:
        InputError: If a file or the model cannot be used, or a region is not in the genome or has no token.

    Examples:
        >>> import tempfile
        >>> from pathlib import Path
        >>> from grover_hf import embed_regions
        >>> folder = tempfile.TemporaryDirectory()
        >>> lines = ["sim1\t500000\t501000\tone", "sim2\t90000\t90400\ttwo"]
        >>> _ = Path(folder.name, "my.bed").write_text("\n".join(lines))
        >>> embedded = embed_regions(f"{folder.name}/my.bed", "quickstart/simulated.fa", "quickstart/run/model")
        >>> embedded.regions["name"].tolist(), embedded.vectors.shape
        (['one', 'two'], (2, 128))
    """
    plan = EmbeddingPlan(regions=Path(regions), genome=Path(genome), model=str(model), **options)
    if plan.pooling == "token":
        raise InputError("embed_regions has no pooling 'token'; DnaModel.embed_tokens and grover embed do.")
    _, dna, places, facts = _opened(plan)
    vectors, n_tokens = region_vectors(facts, dna, places, slice(0, len(places.table)))
    table = places.table[list(COLUMNS)].assign(n_tokens=np.maximum(n_tokens, 0))
    return RegionEmbeddings(table, vectors, facts)


def write_embeddings(
    plan: EmbeddingPlan, output: Path, *, file_format: Format = "parquet", overwrite: bool = False,
    shard: Shard | None = None,
) -> Embedded | ShardWritten:
    """Write a vector for each row of the plan; a stopped run goes on with the next part.

    Memory: the table of regions, the vectors of one part, and the tokens of 20 Mbp; with pooling "token" the
    vectors of the tokens of 200 kbp, or of the longest region.

    Args:
        plan: What to embed.
        output: Folder of the parts, or the h5ad file.
        file_format: For h5ad, the parts are in OUTPUT.parts until all of them are there.
        overwrite: Begin anew where `output` has other embeddings, or finished ones.
        shard: Write these parts alone; see `_internals.shards`.

    Raises:
        InputError: If a file or the model cannot be used, a region is not in the genome or has no token, or
            `output` has anything else.
    """
    plan.require_sound()
    require_not_an_input(output, plan.inputs)
    if shard is not None:
        if file_format == "h5ad":
            require_h5ad(output, overwrite=True)
        return _write_shard(plan, output, shard, file_format, overwrite=overwrite)
    with only_writer(output):
        folder = output if file_format == "parquet" else output.with_name(f"{output.name}.parts")
        if file_format == "h5ad":
            remove_left_overs(folder)
            if output.exists() and folder.exists() and read_facts(folder).finished:
                # A run was killed before its last step, which is to discard them.
                discard_folder(folder)
            require_h5ad(output, overwrite=overwrite)
        write, _, places, facts = _opened(plan)
        runs = row_runs(facts.n_regions, facts.rows_a_part)
        whole = file_format == "h5ad"
        n_before = _write_parts(folder, facts, write, range(len(runs)), overwrite=overwrite, may_be_whole=whole)
        if file_format == "h5ad":
            with atomic_write(output) as beside:
                write_h5ad(_parts(folder), facts, beside)
            discard_folder(folder)
    return Embedded(
        facts=facts, n_without=places.n_empty, n_outside=int(places.is_outside.sum()),
        n_before=min(facts.n_regions, n_before * facts.rows_a_part),
    )


def join_shards(shards: Gathered, output: Path, *, overwrite: bool) -> None:
    """Write the folder or the h5ad file that shards make, byte for byte that of one job."""
    require_not_an_input(output, [shards.folder])
    facts = read_facts(shards.paths[0])
    parts = [part for path in shards.paths for part in _parts(path)]
    if shards.origin.suffix == SUFFIX:
        require_h5ad(output, overwrite=overwrite)
        with atomic_write(output) as beside:
            write_h5ad(parts, facts, beside)
        return
    require_writable(output, overwrite=overwrite, marker=FACTS, contents=["part-*.parquet"])
    with atomic_folder(output) as beside:
        for part in parts:
            shutil.copyfile(part, beside / part.name)
        write_facts(beside, facts)


def _opened(plan: EmbeddingPlan) -> tuple[PartWriter, DnaModel, Places, EmbeddingFacts]:
    """Return what writes the parts, the model, the rows, and what the embeddings will be of."""
    dna = DnaModel.opened(plan.model, plan.revision)
    dna.require_embedding(pooling="mean" if plan.pooling == "token" else plan.pooling, layer=plan.layer)
    places = places_of(plan, dna)
    identity = identity_of_model(plan.model, plan.revision)
    facts = EmbeddingFacts(
        model=plan.model, model_revision=identity["revision"], model_sha256=identity["sha256"],
        vocabulary_sha256=places.corpus.vocabulary_sha256, genome_sha256=places.corpus.facts.genome.sha256,
        source=plan.source, regions_sha256=places.regions_sha256,
        chromosomes=None if plan.chromosomes is None else ",".join(plan.chromosomes),
        n_regions=len(places.table), dimensions=dna.model.config.hidden_size, layer=plan.layer,
        pooling=plan.pooling, dtype=str(dna.model.dtype).removeprefix("torch."), rows_a_part=plan.rows_a_part,
        version=importlib.metadata.version("grover-hf"),
    )
    return part_writer(facts, dna, places), dna, places, facts


def _write_shard(
    plan: EmbeddingPlan, output: Path, shard: Shard, file_format: Format, *, overwrite: bool
) -> ShardWritten:
    write, _, _, facts = _opened(plan)
    runs = row_runs(facts.n_regions, facts.rows_a_part)
    inputs = {"genome": facts.genome_sha256, "regions": facts.regions_sha256}
    names = ("layer", "pooling", "allow_empty", "skip_bad", "rows_a_part", "model")
    origin = Origin(
        kind=KIND, suffix=SUFFIX if file_format == "h5ad" else "",
        inputs={name: digest for name, digest in inputs.items() if digest is not None},
        model=facts.model_revision or facts.model_sha256, vocabulary_sha256=facts.vocabulary_sha256,
        options={
            **{name: getattr(plan, name) for name in names},
            "source": facts.source, "chromosomes": facts.chromosomes, "dtype": facts.dtype,
        },
    )

    def write_part(path: Path, units: range) -> int:
        _write_parts(path, facts, write, units, overwrite=overwrite, may_be_whole=True)
        return sum(runs[number].stop - runs[number].start for number in units)

    costs = [run.stop - run.start for run in runs]
    return write_shard(
        output, shard, origin, costs=costs, write=write_part, suffix=".embeddings", overwrite=overwrite
    )


def _write_parts(
    folder: Path, facts: EmbeddingFacts, write: PartWriter, numbers: range, *, overwrite: bool, may_be_whole: bool
) -> int:
    """Write the parts of these numbers; return how many were there before."""
    n_before = begin_folder(folder, facts, numbers, overwrite=overwrite, may_be_whole=may_be_whole)
    runs = row_runs(facts.n_regions, facts.rows_a_part)
    n_rows = sum(runs[number].stop - runs[number].start for number in numbers)
    with progress_bar(total=n_rows, what=facts.source) as bar:
        for number in numbers:
            path = folder / PART.format(number)
            if not path.exists():
                with atomic_write(path) as beside:
                    write(beside, runs[number])
            bar.update(runs[number].stop - runs[number].start)
    write_facts(folder, dataclasses.replace(facts, finished=True))
    return n_before


def _parts(folder: Path) -> list[Path]:
    return sorted(folder.glob("part-*.parquet"), key=lambda path: int(path.stem.partition("-")[2]))
