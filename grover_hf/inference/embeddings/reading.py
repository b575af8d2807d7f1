"""Embeddings of regions, read back from the folder that `grover embed` wrote."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from grover_hf.errors import InputError
from grover_hf.inference.embeddings.folder import FACTS, PART, EmbeddingFacts, read_facts
from grover_hf.inference.embeddings.parts import COLUMNS
from grover_hf.inference.embeddings.writing import RegionEmbeddings

RowChoice = Callable[[int], NDArray[np.int64]]
"""Returns the rows to read, ascending, of so many."""


def read_embeddings(folder: str | Path, rows: RowChoice = np.arange) -> RegionEmbeddings:
    """Return the regions of a folder of embeddings and their vectors.

    Memory: the vectors of the rows that are chosen, and of one part.

    Args:
        folder: From `grover embed`, in Parquet, of regions, bins or sequences.
        rows: Which rows to read, by how many there are; else all.

    Raises:
        InputError: If the folder holds no embeddings, or not all of them; or they are of tokens.
    """
    folder = Path(folder)
    facts = finished_facts(folder)
    chosen = rows(facts.n_regions)
    tables, vectors = [], [np.empty((0, facts.dimensions), np.float32)]
    for number in range(-(-facts.n_regions // facts.rows_a_part)):
        first = number * facts.rows_a_part
        of_part = chosen[(chosen >= first) & (chosen < first + facts.rows_a_part)] - first
        table = _read_part(folder / PART.format(number)).take(pa.array(of_part))
        tables.append(table.drop_columns("embedding").to_pandas())
        # Not `flatten` of a chunked array, which gives one array for each chunk.
        flat = table.column("embedding").combine_chunks().flatten().to_numpy()
        vectors.append(flat.reshape(len(of_part), facts.dimensions))
    empty = pd.DataFrame(columns=[*COLUMNS, "n_tokens"])
    regions = pd.concat(tables, ignore_index=True) if tables else empty
    return RegionEmbeddings(regions, np.concatenate(vectors), facts)


def finished_facts(folder: Path) -> EmbeddingFacts:
    """Return what a folder of embeddings of regions holds.

    Raises:
        InputError: As `read_embeddings`.
    """
    if not (folder / FACTS).is_file():
        raise InputError(f"{folder} holds no embeddings: it has no {FACTS}. Name a folder that grover embed made.")
    facts = read_facts(folder)
    if not facts.finished:
        raise InputError(f"{folder} is not finished; the command that made it goes on.")
    if facts.pooling == "token":
        raise InputError(f"{folder} has a vector for each token; take grover embed --pooling mean or cls.")
    return facts


def _read_part(path: Path) -> pa.Table:
    try:
        return pq.read_table(path)
    except FileNotFoundError:
        raise InputError(f"{path} is missing: make the embeddings again.") from None
    except pa.ArrowInvalid as error:
        raise InputError(f"{path} is damaged: {error}; make the embeddings again.") from error
