"""Rows of intervals by the million: BED, GTF and GFF3, tables of RepeatMasker, in a second for a million.

Arrow reads files without anything odd. What it does not take, or what breaks a rule, is read again line by line
by `annotations`, whose word stands: it knows what may be odd, and names file and line of what may not.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from itertools import takewhile
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute
import pyarrow.csv

from grover_hf.errors import InputError
from grover_hf.genome.annotations import (
    LARGEST_POSITION,
    NOT_INTERVALS,
    STRANDS,
    TextTable,
    interval_lines,
    tab_columns,
    with_intervals,
)
from grover_hf.genome.gzip_files import file_bytes

_BLOCK_BYTES = 1 << 24
_NOT_PLAIN = (b"0x", b"0X", b"\0", b"\xef\xbb\xbf")
"""Arrow reads hexadecimal numbers, which nobody else takes for positions, and bytes where others stop."""
_POSITIONS = ("start", "end")


class Part(NamedTuple):
    """What is taken out of a column."""

    pattern: str
    """A regular expression with a group `part`, such that Python and RE2 agree on it."""
    missing: str
    """What to say of a line that has none."""


@dataclass(frozen=True)
class RowForm:
    """Where the columns of a kind of file are."""

    columns: dict[str, int]
    """Number, from 0, of `chrom, start, end`, of `strand` if there is one, and of others."""
    described: str
    """What a line has, for errors."""
    fewest: int
    """Columns of a line, at least."""
    first_base: int = 0
    """1 if positions count from 1 and include the end."""
    kept: tuple[str, Collection[str]] | None = None
    """A column, and what rows that are kept have there."""
    parts: dict[str, Part] = field(default_factory=dict)
    """By the column of which a part is taken."""
    unknown_strand: str = "."
    """What stands for a strand that is not known, beside what does in BED."""
    ended_by: str | None = None
    """A line that begins so, and all behind it, is something else."""


BED_ROWS = RowForm(
    {"chrom": 0, "start": 1, "end": 2, "name": 3, "strand": 5}, "BED has chrom, start and end, with tabs between",
    fewest=3,
)


def read_bulk_bed(path: str | Path) -> pd.DataFrame:
    r"""Read BED, narrowPeak or broadPeak, with as many of name and strand as the file has.

    Returns:
        `chrom, start, end, name, strand`, 0-based and half-open. Texts are categories, some bytes a row. A strand
        that is not known is ".", a name that is missing is "".

    Raises:
        InputError: As `annotations.read_bed`.

    Examples:
        >>> from pathlib import Path
        >>> from grover_hf.genome.bulk_rows import read_bulk_bed
        >>> _ = Path("states.bed").write_text("chr1\t10\t20\tE1\nchr2\t5\t9\tE2\n")
        >>> read_bulk_bed("states.bed")["strand"].tolist()
        ['.', '.']
    """
    rows = read_bulk_rows(path, BED_ROWS)
    for name, missing in (("name", ""), ("strand", ".")):
        if name not in rows:
            rows[name] = pd.Categorical.from_codes(np.zeros(len(rows), np.int8), [missing])
    return rows


def read_bulk_rows(path: str | Path, form: RowForm) -> pd.DataFrame:
    """Read the columns of a form that a file has, as `read_bulk_bed` does.

    Raises:
        InputError: If a line is not an interval of one base or more, with file and line; or has another number of
            columns than the first; or the file has no line.
    """
    path = Path(path)
    rows = _in_bulk(file_bytes(path), form)
    return _line_by_line(path, form) if rows is None else rows


def _line_by_line(path: Path, form: RowForm) -> pd.DataFrame:
    lines = interval_lines(path)
    if (sign := form.ended_by) is not None:
        lines = list(takewhile(lambda line: not line[1].startswith(sign), lines))
    table = tab_columns(path, lines)
    n_columns = table.columns.shape[1]
    if n_columns < form.fewest:
        raise InputError(f"{table.place(0)} has {n_columns} columns; {form.described}.")
    there = {name: number for name, number in form.columns.items() if number < n_columns}
    columns, numbers = table.columns[list(there.values())].set_axis(list(there), axis=1), table.lines
    if form.kept is not None:
        kept = columns[form.kept[0]].isin(form.kept[1]).to_numpy()
        columns, numbers = columns[kept].reset_index(drop=True), [numbers[row] for row in np.flatnonzero(kept)]
    if "strand" in there:
        columns = columns.assign(strand=columns["strand"].replace(form.unknown_strand, "."))
    table = TextTable(path, columns, numbers)
    rows = with_intervals(table, first_base=form.first_base)
    for name, part in form.parts.items():
        rows[name] = columns[name].str.extract(part.pattern)["part"].fillna("")
        if (missing := (rows[name] == "").to_numpy()).any():
            raise InputError(f"{table.place(int(missing.argmax()))}: {part.missing}")
    rows = rows[list(there)]
    if "strand" in there:
        rows["strand"] = columns["strand"].where(columns["strand"].isin(["+", "-"]), ".")
    return rows.astype(dict.fromkeys([name for name in there if name not in _POSITIONS], "category"))


class _Odd(Exception):  # noqa: N818 - no error: another reader decides
    """A file is to be read line by line."""


def _in_bulk(data: bytes, form: RowForm) -> pd.DataFrame | None:
    """Return the rows of a file without anything odd, or None."""
    if any(sign in data for sign in _NOT_PLAIN) or data.count(b"\r") > data.count(b"\r\n") or not _is_text(data):
        return None
    if form.ended_by is not None and (end := data.find(f"\n{form.ended_by}".encode())) >= 0:
        data = data[: end + 1]
    try:
        parts = [_sound_rows(table, form) for table in _tables(data, form)]
    except (pa.ArrowInvalid, pa.ArrowKeyError, _Odd):
        return None
    table = pa.concat_tables(parts).unify_dictionaries().combine_chunks()
    return table.to_pandas(split_blocks=True, self_destruct=True)


def _is_text(data: bytes) -> bool:
    """Return whether bytes are UTF-8; Arrow looks at no more than the columns that it is asked for."""
    try:
        return data.isascii() or bool(data.decode("utf-8"))
    except UnicodeDecodeError:
        return False


def _tables(data: bytes, form: RowForm) -> Iterator[pa.Table]:
    """Yield the columns of a form that a file has, some million bytes of text at a time."""
    first, line = _first_row(data)
    n_columns = line.count("\t") + 1
    if n_columns < form.fewest:
        raise _Odd
    there = {name: f"f{number}" for name, number in form.columns.items() if number < n_columns}
    kinds = dict.fromkeys(form.columns, pa.dictionary(pa.int32(), pa.string()))
    kinds |= dict.fromkeys(_POSITIONS, pa.int64()) | dict.fromkeys(form.parts, pa.string())
    batches = pyarrow.csv.open_csv(
        pa.BufferReader(pa.py_buffer(data).slice(first)),
        pyarrow.csv.ReadOptions(autogenerate_column_names=True, block_size=_BLOCK_BYTES),
        pyarrow.csv.ParseOptions(delimiter="\t", quote_char=False, invalid_row_handler=_without_comments),
        pyarrow.csv.ConvertOptions(
            column_types={column: kinds[name] for name, column in there.items()}, null_values=[],
            include_columns=list(there.values()),
        ),
    )
    for batch in batches:
        yield pa.Table.from_batches([batch]).rename_columns(list(there))


def _without_comments(row: Any) -> str:
    return "skip" if NOT_INTERVALS.match(row.text) else "error"


def _first_row(data: bytes) -> tuple[int, str]:
    """Return where the first line is that is neither blank nor a comment, and the line."""
    first = 0
    while first < len(data):
        end = data.find(b"\n", first)
        after = end + 1 if end >= 0 else len(data)
        line = data[first:after].decode("utf-8", "replace").rstrip("\r\n")
        if line.strip() and not NOT_INTERVALS.match(line):
            return first, line
        first = after
    raise _Odd


def _sound_rows(table: pa.Table, form: RowForm) -> pa.Table:
    """Return the rows that are kept, with positions from 0 and our strands.

    Raises:
        _Odd: If there is anything that the other reader has to look at.
    """
    if form.kept is not None:
        column, values = form.kept
        is_kept = pa.compute.is_in(table[column].cast(pa.string()), pa.array(sorted(values)))
        table = table.filter(is_kept)
    columns = {name: table[name].combine_chunks() for name in table.column_names}
    start, end = (columns[name].to_numpy() for name in _POSITIONS)
    start = start - form.first_base
    if (start < 0).any() or (end <= start).any() or (end > LARGEST_POSITION).any():
        raise _Odd
    columns["start"] = pa.array(start)
    for name, part in form.parts.items():
        found = pa.compute.extract_regex(columns[name], part.pattern)
        columns[name] = pa.compute.struct_field(found, "part").dictionary_encode()
        if columns[name].null_count:
            raise _Odd
    texts = {name: values.dictionary.to_pylist() for name, values in columns.items() if name not in _POSITIONS}
    if any(value != value.strip() for values in texts.values() for value in values):
        raise _Odd
    if any(not name or NOT_INTERVALS.match(name) for name in texts["chrom"]):
        raise _Odd
    if any(not value for name in form.parts for value in texts[name]):
        raise _Odd
    if "strand" in texts:
        if set(texts["strand"]) - {*STRANDS, form.unknown_strand}:
            raise _Odd
        ours = [value if value in ("+", "-") else "." for value in texts["strand"]]
        columns["strand"] = pa.array(ours).take(columns["strand"].indices).dictionary_encode()
    return pa.table({
        name: values.cast(pa.dictionary(pa.int32(), pa.string())) if name in texts else values
        for name, values in columns.items()
    })
