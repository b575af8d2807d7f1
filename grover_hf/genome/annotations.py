"""Readers of interval files: BED, narrowPeak, FIMO hits, labelled tables, GRanges tables of R.

All return tables with the columns `chrom, start, end, strand` (0-based, half-open). What cannot be an
interval is an error with its line; what a genome does not have is for the caller to count. Fields lose the
white space around them.
"""

import csv
import io
import logging
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import numpy as np
import pandas as pd

from grover_hf.errors import InputError, shorten
from grover_hf.genome.chromosome_names import offer
from grover_hf.genome.gzip_files import file_text

logger = logging.getLogger(__name__)

BED = ("chrom", "start", "end", "name", "score", "strand")
"""The first six columns of BED."""
LARGEST_POSITION = 2**53
"""The largest number that is read: larger ones lose digits, and no genome has so many bases."""
STRANDS = {"+": "+", "-": "-", ".": "+", "*": "+", "": "+"}
"""What stands for a strand; what is not known counts as "+"."""
NOT_INTERVALS = re.compile(r"#|(track|browser)( |$)")
"""Comments, and lines for a genome browser. A contig may be called "track1", or "track" itself: a tab ends it."""
_BED_SUFFIXES = {".bed", ".narrowpeak", ".broadpeak"}
_CHROM = ("chr", "chromosome", "seqnames", "seqname")
"""What people call the column `chrom`."""


@dataclass(frozen=True, eq=False)
class TextTable:
    """The rows of a text file, with the line that each stands in."""

    path: Path
    columns: pd.DataFrame
    """Text, without white space around it."""
    lines: list[int]
    """Number of each row's line in the file, from 1."""

    def place(self, row: int) -> str:
        """Return file and line of a row, as a message names them."""
        return f"{self.path}, line {self.lines[row]}"

    def integers(self, name: str | int) -> pd.Series:
        """Return a column as int64; raise `InputError` with the first line that has no integer."""
        values = self.columns[name]
        numbers = pd.to_numeric(values, errors="coerce")
        bad = (numbers.isna() | (numbers.abs() > LARGEST_POSITION) | (numbers % 1 != 0)).to_numpy()
        if bad.any():
            row = int(bad.argmax())
            called = name if isinstance(name, str) else f"column {name + 1}"
            raise InputError(
                f"{self.place(row)}: {called} is {values.iloc[row]!r}, not an integer. BED has no header line; a "
                "table with one is named .tsv or .csv."
            )
        return numbers.astype("int64")


def read_bed(path: str | Path) -> pd.DataFrame:
    """Read BED, narrowPeak or broadPeak: as many of the first six columns as the file has.

    Returns:
        `chrom, start, end, strand` and, where the file has them, `name, score`; a missing strand
        is "+", and then `attrs["has_strands"]` is False.

    Raises:
        InputError: If a line is not a BED interval, or holds no base, as in files that count from 1; or if
            it has another number of columns than the first.
    """
    return with_intervals(bed_columns(Path(path), BED))


def read_fimo(path: str | Path) -> pd.DataFrame:
    """Read motif hits from `fimo.tsv`, which counts from 1 and includes the end.

    Returns:
        `chrom, start, end, strand, p_value`, 0-based and half-open.
    """
    table = _read_table(Path(path))
    needed = {"sequence_name": "chrom", "start": "start", "stop": "end", "strand": "strand", "p-value": "p_value"}
    if missing := sorted(set(needed) - set(table.columns)):
        raise InputError(f"{path} lacks the columns {', '.join(missing)}; a fimo.tsv of MEME 5 has them.")
    columns = table.columns.rename(columns=needed)[list(needed.values())]
    table = TextTable(table.path, columns, table.lines)
    p_values = pd.to_numeric(columns["p_value"], errors="coerce")
    bad = ~p_values.between(0, 1).to_numpy()
    if bad.any():
        row = int(bad.argmax())
        value = columns["p_value"].iloc[row]
        raise InputError(f"{table.place(row)}: p-value {value!r} is not a number from 0 to 1.")
    return with_intervals(table, first_base=1).assign(p_value=p_values)[list(needed.values())]


def read_table(path: str | Path) -> pd.DataFrame:
    """Read a table with a header, all values as text; fields are separated by tabs, or by commas.

    A "#" before the header is taken away; other lines that begin with one are comments. Empty fields are
    missing values, and nothing else is. Fields with quotes around them are read as such in a table with
    commas alone.

    Raises:
        InputError: If it is not a table, has no row, or a row has another number of fields than the header.
    """
    return _read_table(Path(path)).columns.replace("", np.nan)


def read_intervals(path: str | Path) -> pd.DataFrame:
    """Read a table with a header that has `chrom` (or `chr`), `start` and `end`; `strand` if it has it.

    A table that R wrote from GRanges (with `seqnames`) counts from 1 and includes the end, which its column
    `width` shows.

    Raises:
        InputError: As `read_table`, and if a row is not an interval, has a strand that cannot be one, or
            nothing shows from where the positions of a GRanges table count.
    """
    table = _read_table(Path(path))
    is_granges = bool({"seqnames", "seqname"} & set(table.columns))
    columns = table.columns.rename(columns=dict.fromkeys(_CHROM, "chrom"))
    table = TextTable(table.path, columns, table.lines)
    if missing := [name for name in ("chrom", "start", "end") if name not in columns]:
        raise InputError(f"{path} lacks the columns {', '.join(missing)}; its header is {', '.join(columns)}.")
    if doubled := sorted(set(columns.columns[columns.columns.duplicated()])):
        raise InputError(f"{path} has the column {doubled[0]} more than once.")
    rows = with_intervals(table, first_base=_first_base(table, is_granges=is_granges))
    return rows.replace("", np.nan)


def read_regions(path: str | Path) -> pd.DataFrame:
    """Read regions as `read_bed` does where a file is called .bed or a peak, else as `read_intervals` does.

    Returns:
        `chrom, start, end, strand, name` and what else the file has; a name that is missing is empty.
    """
    is_bed = bool(_BED_SUFFIXES & {suffix.lower() for suffix in Path(path).suffixes})
    rows = read_bed(path) if is_bed else read_intervals(path)
    names = rows["name"].fillna("") if "name" in rows.columns else ""
    return rows.assign(name=names)


def _first_base(table: TextTable, *, is_granges: bool) -> int:
    """Return from where the positions of a table count: 1 if a column of widths includes the end."""
    for name in ("width", "length"):
        if name not in table.columns:
            continue
        width = pd.to_numeric(table.columns[name], errors="coerce")
        size = table.integers("end") - table.integers("start")
        if (width == size + 1).all():
            logger.warning("%s: by its column %s, its positions count from 1, with the end.", table.path, name)
            return 1
        if (width == size).all():
            return 0
    if not is_granges:
        return 0
    raise InputError(
        f"{table.path} has a column seqnames or seqname, as R's GRanges and GTF do, whose positions count from 1 "
        "with the end; but no column width shows it. Do they? Then add width, end - start + 1. If they count from "
        "0, without the end, call the column chrom."
    )


def require_same_names(chroms: Sequence[str], known: Sequence[str], *, what: str, genome: str) -> None:
    """Raise `InputError` if no chromosome of a file is in the genome, and offer the names that seem meant."""
    given = set(chroms)
    if given & set(known):
        return
    raise InputError(
        f"{what} names {shorten(sorted(given))}; {genome} has {shorten(list(known))}: none in common."
        f"{offer(sorted(given), known)}"
    )


def text_lines(path: Path) -> list[tuple[int, str]]:
    """Return the lines of a text file, plain or gzip, with their numbers and without those that are blank.

    Raises:
        InputError: If it cannot be read, or is not text in UTF-8.
    """
    lines = file_text(path).replace("\r\n", "\n").replace("\r", "\n").split("\n")
    return [(number, line) for number, line in enumerate(lines, 1) if line.strip()]


def interval_lines(path: Path) -> list[tuple[int, str]]:
    """Return the lines of a file, with their numbers, without comments and the lines of a genome browser.

    Raises:
        InputError: If it cannot be read, or has no other line.
    """
    lines = [(number, line) for number, line in text_lines(path) if not NOT_INTERVALS.match(line)]
    if not lines:
        raise InputError(f"{path} has no line with an interval.")
    return lines


def tab_columns(path: Path, lines: Sequence[tuple[int, str]]) -> TextTable:
    """Return the tab-separated fields of lines; a quote is a letter like any other.

    Raises:
        InputError: If a line has another number of fields than the first.
    """
    n_columns = lines[0][1].count("\t") + 1
    for number, line in lines:
        if line.count("\t") + 1 != n_columns:
            _refuse_row(path, number, line.split("\t"), n_columns, "the first line")
    columns = pd.read_csv(
        io.StringIO("\n".join(line for _, line in lines)), sep="\t", header=None, quoting=csv.QUOTE_NONE,
        dtype=str, na_filter=False, skip_blank_lines=False,
    )
    return TextTable(path, _stripped(columns), [number for number, _ in lines])


def bed_columns(path: Path, names: Sequence[str]) -> TextTable:
    """Return the columns of BED that a file has, at most those that are named.

    Raises:
        InputError: If there are fewer than three, or a line has another number than the first.
    """
    table = tab_columns(path, interval_lines(path))
    n_columns = table.columns.shape[1]
    if n_columns < 3:
        raise InputError(
            f"{table.place(0)} has {n_columns} columns; BED has chrom, start and end, with tabs between."
        )
    columns = table.columns.iloc[:, : len(names)].set_axis(names[:n_columns], axis=1)
    return TextTable(path, columns, table.lines)


def _read_table(path: Path) -> TextTable:
    lines = text_lines(path)
    n_comments = next((n for n, (_, line) in enumerate(lines) if not line.startswith("#")), len(lines))
    body = [(number, line) for number, line in lines[n_comments:] if not line.startswith("#")]
    separator = _separator(path, body[0][1] if body else "")
    number, header = lines[n_comments - 1] if n_comments else (0, "")
    if body and separator in header and header.count(separator) == body[0][1].count(separator):
        body.insert(0, (number, header.lstrip("# ")))
    if len(body) < 2:
        raise InputError(f"{path} has no row below a header.")
    if separator == "\t":
        table = tab_columns(path, body)
        names, columns, numbers = table.columns.iloc[0], table.columns.iloc[1:], table.lines
    else:
        rows = _comma_fields(path, body)
        names, columns = pd.Series(rows[0]), _stripped(pd.DataFrame(rows[1:], dtype=object))
        numbers = [number for number, _ in body]
    names = [name.strip() for name in names]
    if doubled := [name for name in names if names.count(name) > 1]:
        raise InputError(f"{path} has the column {doubled[0]} more than once.")
    columns = columns.set_axis(names, axis=1).reset_index(drop=True)
    return TextTable(path, columns, numbers[1:])


def _separator(path: Path, line: str) -> str:
    if ("\t" in line) != ("," in line):
        return "\t" if "\t" in line else ","
    return "," if ".csv" in [suffix.lower() for suffix in path.suffixes] else "\t"


def _comma_fields(path: Path, lines: Sequence[tuple[int, str]]) -> list[list[str]]:
    rows: list[list[str]] = []
    # Python's own limit is 131,072 letters a field.
    csv.field_size_limit(sys.maxsize)
    for number, line in lines:
        try:
            # Each line by itself: a quote that is not closed must not swallow the lines behind it.
            [fields] = csv.reader([line], strict=True, skipinitialspace=True)
        except (csv.Error, ValueError) as error:
            raise InputError(f"{path}, line {number}: its quotes are not closed ({error}).") from error
        if rows and len(fields) != len(rows[0]):
            _refuse_row(path, number, fields, len(rows[0]), "the header")
        rows.append(fields)
    return rows


def _refuse_row(path: Path, number: int, fields: list[str], n_columns: int, other: str) -> NoReturn:
    shown = " ".join(fields)[:60]
    raise InputError(f"{path}, line {number}: {shown!r} has {len(fields)} columns, {other} {n_columns}.")


def _stripped(columns: pd.DataFrame) -> pd.DataFrame:
    return columns.apply(lambda values: values.str.strip())


def with_intervals(table: TextTable, *, first_base: int = 0) -> pd.DataFrame:
    """Return the columns with `start, end` as numbers that count from 0, and a strand.

    Args:
        table: With `chrom, start, end`, and `strand` where that is known.
        first_base: 1 if positions count from 1 and include the end.

    Raises:
        InputError: If a row is not an interval of one base or more, or its strand cannot be one.
    """
    start, end = table.integers("start") - first_base, table.integers("end")
    chrom = table.columns["chrom"]
    bad = ((start < 0) | (end < start) | (chrom == "")).to_numpy()
    if bad.any():
        row = int(bad.argmax())
        interval = f"{chrom.iloc[row]}:{start.iloc[row] + first_base}-{end.iloc[row]}"
        rule = "1 <= start <= end must hold" if first_base else "0 <= start < end must hold (0-based, half-open)"
        raise InputError(f"{table.place(row)}: {interval} is not an interval: {rule}.")
    empty = (end == start).to_numpy()
    if empty.any():
        raise InputError(
            f"{table.place(int(empty.argmax()))}, and {empty.sum() - 1} more: an interval of no base. Do its "
            "positions count from 1? BED and our tables count from 0, and the end is not included: subtract 1 "
            "from every start."
        )
    given = table.columns["strand"] if "strand" in table.columns else pd.Series("", index=table.columns.index)
    unknown = ~given.isin(STRANDS).to_numpy()
    if unknown.any():
        row = int(unknown.argmax())
        raise InputError(
            f"{table.place(row)}: the strand is {given.iloc[row]!r}; it is + or -, or . or * or nothing where it "
            "is not known."
        )
    rows = table.columns.assign(start=start, end=end, strand=given.map(STRANDS))
    rows.attrs["has_strands"] = bool(given.isin(["+", "-"]).all())
    return rows
