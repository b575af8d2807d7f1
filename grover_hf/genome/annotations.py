"""Readers of interval files: BED, narrowPeak, FIMO hits, labelled tables.

All return tables with the columns `chrom, start, end, strand` (0-based, half-open). What cannot be an
interval is an error with its line; what a genome does not have is for the caller to count.
"""

import csv
import gzip
import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from grover_hf.errors import InputError, shorten

BED = ("chrom", "start", "end", "name", "score", "strand")
"""The first six columns of BED."""
_TRACK_LINES = ("track", "browser", "#")


def read_bed(path: str | Path) -> pd.DataFrame:
    """Read BED, narrowPeak or broadPeak: as many of the first six columns as the file has.

    Returns:
        `chrom, start, end, strand` and, where the file has them, `name, score`; a missing strand
        is "+", and then `attrs["has_strands"]` is False.

    Raises:
        InputError: If a line is not a BED interval, or holds no base, as in files that count from 1.
    """
    path = Path(path)
    return _with_strand(bed_table(path, interval_lines(path), BED))


def read_fimo(path: str | Path) -> pd.DataFrame:
    """Read motif hits from `fimo.tsv`, which counts from 1 and includes the end.

    Returns:
        `chrom, start, end, strand, p_value`, 0-based and half-open.
    """
    path = Path(path)
    table = read_table(path)
    needed = {"sequence_name": "chrom", "start": "start", "stop": "end", "strand": "strand", "p-value": "p_value"}
    if missing := sorted(set(needed) - set(table)):
        raise InputError(f"{path} lacks the columns {', '.join(missing)}; a fimo.tsv of MEME 5 has them.")
    # FIMO writes its command after the hits.
    table = table[table["start"].notna()].rename(columns=needed)[list(needed.values())]
    for name in ("start", "end"):
        table[name] = integers(table[name], path, name)
    table["start"] -= 1
    p_values = pd.to_numeric(table["p_value"], errors="coerce")
    if p_values.isna().any():
        raise InputError(f"{path}: p-value {table['p_value'][p_values.isna()].iloc[0]!r} is not a number.")
    table["p_value"] = p_values
    _require_intervals(table, path)
    return table


def read_table(path: str | Path) -> pd.DataFrame:
    """Read a table with a header, tab- or comma-separated by its name (.csv), all values as text.

    A "#" before the header is taken away; other lines that begin with one are comments. Empty
    fields are missing values, and nothing else is.

    Raises:
        InputError: If it is not a table, or has no row.
    """
    path = Path(path)
    separator = "," if ".csv" in path.suffixes else "\t"
    lines = _text_lines(path)
    n_comments = next((n for n, line in enumerate(lines) if not line.startswith("#")), len(lines))
    rows = [line for line in lines[n_comments:] if not line.startswith("#")]
    header = lines[n_comments - 1] if n_comments else ""
    if rows and separator in header and header.count(separator) == rows[0].count(separator):
        rows.insert(0, header.lstrip("# "))
    if len(rows) < 2:
        raise InputError(f"{path} has no row below a header.")
    try:
        return pd.read_csv(
            io.StringIO("\n".join(rows)), sep=separator, dtype=str, keep_default_na=False, na_values=[""]
        )
    except ValueError as error:
        raise InputError(f"{path} is not a table: {error}") from error


def read_intervals(path: str | Path) -> pd.DataFrame:
    """Read a table with a header that has `chrom` (or `chr`), `start` and `end`; `strand` if it has it."""
    path = Path(path)
    table = read_table(path).rename(columns=lambda name: name.strip())
    table = table.rename(columns={"chr": "chrom", "chromosome": "chrom", "seqnames": "chrom"})
    if missing := [name for name in ("chrom", "start", "end") if name not in table]:
        raise InputError(f"{path} lacks the columns {', '.join(missing)}; its header is {', '.join(table)}.")
    for name in ("start", "end"):
        table[name] = integers(table[name], path, name)
    _require_intervals(table, path)
    return _with_strand(table)


def require_same_names(chroms: Sequence[str], known: Sequence[str], *, what: str, genome: str) -> None:
    """Raise `InputError` if no chromosome of a file is in the genome, and say whether "chr" is the reason."""
    given = set(chroms)
    if given & set(known):
        return
    other = {name.removeprefix("chr") if name.startswith("chr") else f"chr{name}" for name in given}
    hint = ""
    if other & set(known):
        hint = " They differ by 'chr' alone: UCSC names have it, Ensembl names do not. Rename them in the file."
    raise InputError(
        f"{what} names {shorten(sorted(given))}; {genome} has {shorten(list(known))}: none in common.{hint}"
    )


def _text_lines(path: Path) -> list[str]:
    """Return the lines of a text file, plain or gzip, without those that are blank."""
    try:
        with open(path, "rb") as file:
            packed = file.read(2) == b"\x1f\x8b"
        with gzip.open(path, "rt") if packed else open(path) as file:
            return [line.rstrip("\r\n") for line in file if line.strip()]
    except FileNotFoundError:
        raise InputError(f"There is no file {path}.") from None
    except (OSError, EOFError, UnicodeDecodeError) as error:
        raise InputError(f"{path} cannot be read as text: {error}") from error


def interval_lines(path: Path) -> list[str]:
    """Return the lines of a file, plain or gzip, without comments and the lines of a genome browser.

    Raises:
        InputError: If it cannot be read, or has no other line.
    """
    lines = [line for line in _text_lines(path) if not line.startswith(_TRACK_LINES)]
    if not lines:
        raise InputError(f"{path} has no line with an interval.")
    return lines


def bed_table(path: Path, lines: list[str], names: Sequence[str]) -> pd.DataFrame:
    """Return the columns of BED that the lines have, at most those that are named.

    Raises:
        InputError: If a line is not an interval of one base or more.
    """
    table = tab_columns(path, lines, numeric=[1, 2, 6, 7])
    if table.shape[1] < 3:
        raise InputError(f"{path} has {table.shape[1]} columns; BED has chrom, start and end, with tabs between.")
    table = table.iloc[:, : len(names)].set_axis(names[: table.shape[1]], axis=1)
    for name in ("start", "end"):
        table[name] = integers(table[name], path, name)
    _require_intervals(table, path)
    return table


def tab_columns(path: Path, lines: list[str], numeric: Sequence[int]) -> pd.DataFrame:
    """Return the tab-separated columns of lines, as text; those that are `numeric`, as numbers if they are."""
    n_columns = lines[0].count("\t") + 1
    for line in lines:
        if line.count("\t") + 1 != n_columns:
            raise InputError(
                f"{path}: {line[:80]!r} has {line.count(chr(9)) + 1} columns, the first line {n_columns}."
            )
    return pd.read_csv(
        io.StringIO("\n".join(lines)), sep="\t", header=None, quoting=csv.QUOTE_NONE, low_memory=False,
        dtype={i: object for i in range(n_columns) if i not in numeric}, keep_default_na=False, na_values=[],
    )


def integers(values: pd.Series, path: Path, name: str) -> pd.Series:
    """Return a column of a file as int64; raise `InputError` with the first row that is not an integer."""
    if values.dtype == np.int64:
        return values
    numbers = pd.to_numeric(values, errors="coerce")
    bad = numbers.isna() | (numbers % 1 != 0)
    if bad.any():
        at = int(bad.argmax())
        raise InputError(
            f"{path}, row {at + 1} (comments and header not counted): {name} is {str(values.iloc[at])!r}, not an "
            "integer. BED has no header line; a table with one is named .tsv or .csv."
        )
    return numbers.astype("int64")


def _require_intervals(table: pd.DataFrame, path: Path) -> None:
    bad = (table["start"] < 0) | (table["end"] < table["start"])
    if bad.any():
        at = int(bad.to_numpy().argmax())
        row = table.iloc[at]
        raise InputError(
            f"{path}, row {at + 1} (comments and header not counted): {row['chrom']}:{row['start']}-{row['end']} "
            "is not an interval: 0 <= start < end must hold (0-based, half-open)."
        )
    if n_empty := int((table["end"] == table["start"]).sum()):
        raise InputError(
            f"{path} has {n_empty} intervals of no base. Do its positions count from 1? BED and our tables count "
            "from 0, and the end is not included: subtract 1 from every start."
        )


def _with_strand(table: pd.DataFrame) -> pd.DataFrame:
    strand = table["strand"] if "strand" in table else pd.Series("", index=table.index)
    table = table.assign(strand=strand.where(strand == "-", "+"))
    table.attrs["has_strands"] = bool(strand.isin(["+", "-"]).all())
    return table
