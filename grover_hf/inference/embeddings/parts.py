"""The vectors of some rows, and the Parquet files that hold them: a row for each region, or for each token."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from grover_hf.corpus.region_table import some_at_a_time
from grover_hf.corpus.token_lookup import IntervalTokens
from grover_hf.inference.dna_model import DnaModel, TokenEmbeddings
from grover_hf.inference.embeddings.folder import EmbeddingFacts
from grover_hf.inference.embeddings.inputs import Places, intervals

PartWriter = Callable[[Path, slice], None]
"""Writes the rows of a slice of the table to a file."""
COLUMNS = ("chrom", "start", "end", "strand", "name")
_TYPES = (pa.string(), pa.int64(), pa.int64(), pa.string(), pa.string())
_BASES_OF_TOKENS = 200_000
"""Bases whose tokens' vectors are held at once: 150 MB with 768 dimensions."""


def part_writer(facts: EmbeddingFacts, dna: DnaModel, places: Places) -> PartWriter:
    """Return what writes the parts of embeddings."""
    return (_token_parts if facts.pooling == "token" else _region_parts)(facts, dna, places)


def region_vectors(
    facts: EmbeddingFacts, dna: DnaModel, places: Places, rows: slice
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Return the vectors of regions, shape (n, H), NaN where there is no token; and their numbers of tokens.

    Regions that the genome does not have are said to have -1 tokens.
    """
    vectors, n_tokens = [np.empty((0, facts.dimensions), np.float32)], [np.empty(0, np.int64)]
    for some, tokens in _tokens(places, rows):
        lengths = np.array([-1 if one is None else len(one.input_ids) for one in tokens], np.int64)
        found = np.full((len(some), facts.dimensions), np.nan, np.float32)
        if (lengths > 0).any():
            options: dict[str, Any] = {"layer": facts.layer, "pooling": facts.pooling}
            some_tokens = [one for one in tokens if one is not None and len(one.input_ids)]
            found[lengths > 0] = dna.embed(some_tokens, **options)
        vectors.append(found)
        n_tokens.append(lengths)
    return np.concatenate(vectors), np.concatenate(n_tokens)


def _tokens(
    places: Places, rows: slice, n_bases: int | None = None
) -> Iterator[tuple[pd.DataFrame, list[IntervalTokens | None]]]:
    """Yield some regions at a time with their tokens; None for those that the genome does not have."""
    part, outside = places.table.iloc[rows], places.is_outside[rows]
    first = 0
    for some in some_at_a_time(part, n_bases):
        is_outside = outside[first : first + len(some)].tolist()
        first += len(some)
        yield some, [
            None if skipped else places.corpus.tokens_in(interval)
            for skipped, interval in zip(is_outside, intervals(some), strict=True)
        ]


def _region_parts(facts: EmbeddingFacts, dna: DnaModel, places: Places) -> PartWriter:
    schema = _schema(facts, [("n_tokens", pa.int64())])

    def write(path: Path, rows: slice) -> None:
        vectors, n_tokens = region_vectors(facts, dna, places, rows)
        part = places.table.iloc[rows]
        arrays = _columns(part, [pa.array(n_tokens, mask=n_tokens < 0)])
        # NaN and not null: pyarrow before 26 neither writes nor reads a list of fixed size that is null.
        pq.write_table(pa.table([*arrays, _lists(vectors)], schema=schema), path)

    return write


def _token_parts(facts: EmbeddingFacts, dna: DnaModel, places: Places) -> PartWriter:
    schema = _schema(facts, [("region", pa.int64()), ("input_id", pa.uint16())])

    def write(path: Path, rows: slice) -> None:
        first = rows.start
        with pq.ParquetWriter(path, schema) as writer:
            for some, tokens in _tokens(places, rows, _BASES_OF_TOKENS):
                kept = [number for number, one in enumerate(tokens) if one is not None and len(one.input_ids)]
                if kept:
                    with_tokens = [one for one in tokens if one is not None and len(one.input_ids)]
                    found = dna.embed_tokens(with_tokens, layer=facts.layer)
                    writer.write_table(_token_table(some.iloc[kept], first + np.array(kept), found, schema))
                first += len(some)

    return write


def _token_table(
    regions: pd.DataFrame, numbers: NDArray[np.int64], found: list[TokenEmbeddings], schema: pa.Schema
) -> pa.Table:
    lengths = [len(one.input_ids) for one in found]
    rows = regions.iloc[np.repeat(np.arange(len(regions)), lengths)].assign(
        start=np.concatenate([one.starts for one in found]), end=np.concatenate([one.ends for one in found])
    )
    ids = np.concatenate([one.input_ids for one in found]).astype(np.uint16)
    vectors = np.concatenate([one.vectors for one in found])
    arrays = _columns(rows, [pa.array(np.repeat(numbers, lengths)), pa.array(ids)])
    return pa.table([*arrays, _lists(vectors)], schema=schema)


def _schema(facts: EmbeddingFacts, more: list[tuple[str, pa.DataType]]) -> pa.Schema:
    metadata = {f"grover.{name}": value for name, value in facts.provenance.items()}
    vector = ("embedding", pa.list_(pa.float32(), facts.dimensions))
    return pa.schema([*zip(COLUMNS, _TYPES, strict=True), *more, vector], metadata=metadata)


def _columns(rows: pd.DataFrame, more: list[pa.Array]) -> list[pa.Array]:
    return [*(pa.array(rows[name].tolist(), kind) for name, kind in zip(COLUMNS, _TYPES, strict=True)), *more]


def _lists(vectors: NDArray[np.float32]) -> pa.FixedSizeListArray:
    return pa.FixedSizeListArray.from_arrays(pa.array(vectors.reshape(-1)), vectors.shape[1])
