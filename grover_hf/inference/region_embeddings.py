"""`grover embed`: a vector for each region of a genome, as Parquet shards that a killed run goes on with.

OUTPUT/_embeddings.json         what was embedded, with which model, and whether it is finished
OUTPUT/part-00000.parquet ...   chrom, start, end, strand, name, n_tokens, embedding (fixed-size list of float32),
                                in the order of the regions; provenance in the metadata of the schema
"""

import dataclasses
import json
import re
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from grover_hf._internals.files import atomic_write, sha256_of_files
from grover_hf._internals.outputs import names_in, only_writer, require_not_an_input
from grover_hf._internals.progress import progress_bar
from grover_hf._internals.records import plain, read_json_object, record_of
from grover_hf.corpus.region_table import require_in_genome, some_at_a_time
from grover_hf.corpus.tokenized_genome import TokenizedGenome
from grover_hf.errors import InputError
from grover_hf.genome import Interval
from grover_hf.genome.annotations import read_regions
from grover_hf.inference.dna_model import DnaModel, Pooling
from grover_hf.model import identity_of_model
from grover_hf.tokenization.export import load_encoder

FACTS = "_embeddings.json"
"""Readers of a folder of Parquet files pass over names that begin so."""
_PART = "part-{:05}.parquet"


@dataclass(frozen=True, kw_only=True)
class EmbeddingFacts:
    """What a folder of embeddings holds."""

    model: str
    model_revision: str | None
    """Its commit on the Hub."""
    model_sha256: str | None
    """Digest of its weights, if they were in a folder."""
    vocabulary_sha256: str
    genome_sha256: str
    regions_sha256: str
    n_regions: int
    dimensions: int
    layer: int
    pooling: str
    rows_a_part: int
    finished: bool = False


@dataclass(frozen=True, kw_only=True)
class Embedded:
    """What a run of `embed_regions` did."""

    facts: EmbeddingFacts
    n_without: int
    """Regions without any token, whose embedding is null."""
    n_before: int
    """Regions that an earlier run had embedded."""


@dataclass(frozen=True, kw_only=True)
class EmbeddingPlan:
    """What to embed, and how."""

    regions: Path
    """A BED file, or a table with `chrom`, `start`, `end`."""
    genome: Path
    """A FASTA file; tokenized once, into the cache."""
    model: str
    """Folder of a model whose tokenizer is one of ours, or its name on the Hub."""
    revision: str | None = None
    """Of the model on the Hub."""
    layer: int = -1
    """0 is what enters the first layer, -1 what leaves the last."""
    pooling: Pooling = "mean"
    """mean of the tokens, or cls; see `DnaModel.embed`."""
    allow_empty: bool = False
    """Whether regions without a token, in N, get null; else they are an error."""
    rows_a_part: int = 5_000
    """Regions of a Parquet file."""


def embed_regions(plan: EmbeddingPlan, output: Path, *, overwrite: bool = False) -> Embedded:
    """Write a vector for each region, from the genome's own tokens; a stopped run goes on with the next part.

    Memory: the table of regions, the vectors of one part, and the tokens of 20 Mbp.

    Args:
        plan: What to embed.
        output: Folder of the parts.
        overwrite: Begin anew where `output` has other embeddings, or finished ones.

    Raises:
        InputError: If a file or the model cannot be used, a region is not in the genome or has no token, or
            `output` has anything else.
    """
    if plan.rows_a_part < 1:
        raise InputError(f"rows_a_part is {plan.rows_a_part}; a part has one region or more.")
    require_not_an_input(output, [plan.regions, plan.genome, plan.model])
    with only_writer(output):
        table = read_regions(plan.regions)
        dna = DnaModel.opened(plan.model, plan.revision)
        dna.require_embedding(pooling=plan.pooling, layer=plan.layer)
        corpus = _corpus(dna, plan.genome, plan.model)
        require_in_genome(table, corpus, plan.regions, plan.genome)
        n_without = _count_empty(table, corpus, plan)
        facts = _facts(plan, table, dna, corpus)
        n_before = _begin(output, facts, overwrite=overwrite)
        write = _part_writer(facts, dna, corpus)
        with progress_bar(total=len(table), what="regions") as bar:
            for number, first in enumerate(range(0, len(table), plan.rows_a_part)):
                part = table.iloc[first : first + plan.rows_a_part]
                path = output / _PART.format(number)
                if not path.exists():
                    with atomic_write(path) as beside:
                        write(beside, part)
                bar.update(len(part))
        _write_facts(output, dataclasses.replace(facts, finished=True))
    return Embedded(facts=facts, n_without=n_without, n_before=n_before)


def _facts(plan: EmbeddingPlan, table: pd.DataFrame, dna: DnaModel, corpus: TokenizedGenome) -> EmbeddingFacts:
    identity = identity_of_model(plan.model, plan.revision)
    return EmbeddingFacts(
        model=plan.model, model_revision=identity["revision"], model_sha256=identity["sha256"],
        vocabulary_sha256=corpus.vocabulary_sha256, genome_sha256=corpus.facts.genome.sha256,
        regions_sha256=sha256_of_files([plan.regions]), n_regions=len(table),
        dimensions=dna.model.config.hidden_size, layer=plan.layer, pooling=plan.pooling,
        rows_a_part=plan.rows_a_part,
    )


def _corpus(dna: DnaModel, genome: Path, model: str) -> TokenizedGenome:
    """Return the genome tokenized with the model's tokenizer, wherever that came from."""
    with tempfile.TemporaryDirectory() as scratch:
        dna.tokenizer.save_pretrained(scratch)
        try:
            load_encoder(scratch)
        except InputError as error:
            raise InputError(
                f"The tokenizer of {model} is none of ours ({error}): the genome's own tokens cannot be had. "
                "DnaModel.embed takes sequences."
            ) from error
        return TokenizedGenome.cached(genome, scratch)


def _count_empty(table: pd.DataFrame, corpus: TokenizedGenome, plan: EmbeddingPlan) -> int:
    """Return how many regions have no token.

    Raises:
        InputError: If there are some and they are not allowed.
    """
    empty = [not len(corpus.tokens_in(interval).input_ids) for interval in _intervals(table)]
    if any(empty) and not plan.allow_empty:
        row = table.iloc[empty.index(True)]
        where = f"{plan.regions}: {row['chrom']}:{row['start']}-{row['end']}"
        raise InputError(
            f"{where} has no token: it lies in N, or with k-mers in a tail, as {sum(empty)} of {len(table):,} "
            "regions do. Leave them out, or say --allow-empty for null in their place."
        )
    return sum(empty)


def _intervals(table: pd.DataFrame) -> list[Interval]:
    columns = (table[name].tolist() for name in ("chrom", "start", "end"))
    return [Interval(*row) for row in zip(*columns, strict=True)]


def _begin(output: Path, facts: EmbeddingFacts, *, overwrite: bool) -> int:
    """Make the folder, or find what an earlier run left of the same embeddings; return how many rows are there.

    Raises:
        InputError: If there is something else, or it is finished.
    """
    if output.exists() and (not output.is_dir() or names_in(output)):
        known = {FACTS, *(_PART.format(number) for number in range(-(-facts.n_regions // facts.rows_a_part)))}
        there = _read_facts(output)
        parts = [name for name in names_in(output) if name != FACTS]
        if there == facts and set(parts) <= known:
            return min(facts.n_regions, len(parts) * facts.rows_a_part)
        if not overwrite:
            same = dataclasses.replace(there, finished=False) == facts
            how = "finished" if same else "of other regions, another genome or model, or other options"
            how = "with other files in it" if there == facts else how
            raise InputError(f"{output} is there already, {how}; name another --output, or say --overwrite.")
        if strange := [name for name in parts if not re.fullmatch(r"part-[0-9]{5,}\.parquet", name)]:
            raise InputError(
                f"{output} is not replaced: it has {strange[0]}, which this command did not make. Name another "
                "--output, or remove it yourself."
            )
        # Parts are never seen beside facts that are not theirs, or say that all of them are there.
        _write_facts(output, dataclasses.replace(there, finished=False))
        for name in parts:
            (output / name).unlink()
    output.mkdir(parents=True, exist_ok=True)
    _write_facts(output, facts)
    return 0


def _read_facts(output: Path) -> EmbeddingFacts:
    try:
        return record_of(EmbeddingFacts, read_json_object(output / FACTS), output / FACTS)
    except FileNotFoundError:
        raise InputError(
            f"{output} is not replaced: it has no {FACTS}, so this command did not make it. Name another "
            "--output, or remove it yourself."
        ) from None


def _write_facts(output: Path, facts: EmbeddingFacts) -> None:
    with atomic_write(output / FACTS) as beside:
        beside.write_text(json.dumps(plain(facts), indent=2) + "\n")


def _part_writer(
    facts: EmbeddingFacts, dna: DnaModel, corpus: TokenizedGenome
) -> Callable[[Path, pd.DataFrame], None]:
    text, number = pa.string(), pa.int64()
    provenance = {f"grover.{name}": str(value) for name, value in plain(facts).items() if name != "finished"}
    schema = pa.schema(
        [("chrom", text), ("start", number), ("end", number), ("strand", text), ("name", text),
         ("n_tokens", number), ("embedding", pa.list_(pa.float32(), facts.dimensions))],
        metadata=provenance,
    )

    def write(path: Path, part: pd.DataFrame) -> None:
        found, lengths = [], []
        for some in some_at_a_time(part):
            tokens = [corpus.tokens_in(interval) for interval in _intervals(some)]
            lengths += [len(one.input_ids) for one in tokens]
            vectors = np.zeros((len(some), facts.dimensions), np.float32)
            if with_tokens := [number for number, one in enumerate(tokens) if len(one.input_ids)]:
                options: dict[str, Any] = {"layer": facts.layer, "pooling": facts.pooling}
                vectors[with_tokens] = dna.embed([tokens[number] for number in with_tokens], **options)
            found.append(vectors)
        n_tokens = np.array(lengths)
        columns = [*(part[name] for name in ("chrom", "start", "end", "strand", "name")), n_tokens]
        arrays = [pa.array(list(column), kind) for column, kind in zip(columns, schema.types[:-1], strict=True)]
        embedded = _lists(np.concatenate(found), n_tokens == 0)
        pq.write_table(pa.table([*arrays, embedded], schema=schema), path)

    return write


def _lists(vectors: NDArray[np.float32], is_null: NDArray[np.bool_]) -> pa.FixedSizeListArray:
    return pa.FixedSizeListArray.from_arrays(
        pa.array(vectors.reshape(-1)), vectors.shape[1], mask=pa.array(is_null)
    )
