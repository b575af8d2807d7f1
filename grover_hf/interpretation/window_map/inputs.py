"""Windows with their vectors and their annotation, joined by coordinates."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from grover_hf.errors import InputError, shorten

TABLE = "regions.parquet"
"""The table in a folder of annotation."""
PLACE = ["chrom", "start", "end"]
_STRAND = " strand"
_TOLERANCE = 1e-6


@dataclass(frozen=True, eq=False)
class Annotation:
    """What is known of windows, n of them."""

    name: str
    share: NDArray[np.float32]
    """Share of the window's bases that it covers, NaN where that is not known, shape (n,)."""
    strand: NDArray[np.float32] | None
    """1 on "+", -1 on "-", 0 both or not known, NaN none, shape (n,); None for annotation without strands."""


def read_annotation(folder: Path, windows: pd.DataFrame) -> list[Annotation]:
    """Return the annotation of windows, in the order of its columns.

    Args:
        folder: It has `regions.parquet`, with `chrom, start, end`, a column for each annotation with the share of
            bases that it covers, and a column `NAME strand` where strands are known.
        windows: `chrom, start, end` of the windows that are wanted; the table may have more.

    Raises:
        InputError: If the table is missing or damaged, lacks windows or has one twice, or a value cannot be.
    """
    path = folder / TABLE
    table = _read(path)
    keys = _keys(table)
    if not keys.is_unique:
        row = table.loc[keys.duplicated(), PLACE].iloc[0]
        raise InputError(
            f"{path} has {_shown(row)} twice, and {int(keys.duplicated().sum()) - 1} more windows. Annotate again."
        )
    rows = keys.get_indexer(_keys(windows))
    if (missing := rows < 0).any():
        first = _shown(windows.loc[missing, PLACE].iloc[0])
        raise InputError(
            f"{path} lacks {int(missing.sum()):,} of {len(windows):,} windows, {first} first. Annotate what was "
            "embedded: same genome, same tokens, same chromosomes."
        )
    table = table.iloc[rows].reset_index(drop=True)
    names = [name for name in table if name not in (*PLACE, "name") and not name.endswith(_STRAND)]
    if not names:
        raise InputError(f"{path} has no annotation: its columns are {', '.join(table)}.")
    return [
        Annotation(
            name, _values(path, table[name], lowest=0),
            _values(path, table[name + _STRAND], lowest=-1) if name + _STRAND in table else None,
        )
        for name in names
    ]


def _read(path: Path) -> pd.DataFrame:
    try:
        table: pd.DataFrame = pq.read_table(path).to_pandas()
    except FileNotFoundError:
        raise InputError(f"There is no {path}; name a folder that grover interpret annotate made.") from None
    except pa.ArrowInvalid as error:
        raise InputError(f"{path} is damaged: {error}") from error
    if missing := [name for name in PLACE if name not in table]:
        raise InputError(f"{path} lacks the columns {', '.join(missing)}; it has {shorten(list(table))}.")
    return table


def _keys(table: pd.DataFrame) -> pd.MultiIndex:
    # As objects: strings of Arrow and of Python are not equal in an index.
    return pd.MultiIndex.from_arrays(
        [table["chrom"].astype(str).astype(object), table["start"].astype("int64"), table["end"].astype("int64")]
    )


def _values(path: Path, column: pd.Series, *, lowest: int) -> NDArray[np.float32]:
    """Return numbers from `lowest` to 1, NaN where there is none."""
    if not pd.api.types.is_numeric_dtype(column):
        raise InputError(f"{path}: {column.name} has {column.iloc[0]!r}, not numbers. Annotate again.")
    values: NDArray[np.float32] = column.to_numpy(np.float32, na_value=np.nan)
    bad = (values < lowest - _TOLERANCE) | (values > 1 + _TOLERANCE)
    if bad.any():
        row = int(bad.argmax())
        raise InputError(f"{path}, row {row}: {column.name} is {values[row]}; it is from {lowest} to 1.")
    return values


def _shown(row: pd.Series) -> str:
    return f"{row['chrom']}:{row['start']}-{row['end']}"
