"""Readers of interval files: BED, narrowPeak, EPD promoters, FIMO hits, labelled tables; lift-over.

All return tables with the columns `chrom, start, end, strand` (0-based, half-open) or, for
promoters, `chrom, tss, strand`. What cannot be an interval is an error with its line; what a genome
does not have is for the caller to count.
"""

import csv
import gzip
import io
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from grover_hf.errors import InputError, shorten

_BED = ("chrom", "start", "end", "name", "score", "strand")
_BED_8 = (*_BED, "thick_start", "thick_end")
_TRACK_LINES = ("track", "browser", "#")
_EPD_BED_BP = 60
_NAMED = {23: "X", 24: "Y", 12920: "M"}
_REFSEQ = re.compile(r"NC_0*(\d+)\.\d+")
# FP   AANAT_1             :+S  EU:NC_000017.11      1+  76453351 ; 11148.
_FPS = re.compile(r"FP\s+(\S+).*?:.*?(NC_\d+\.\d+)\s+\d+([+-])\s+(\d+)")


def read_bed(path: str | Path) -> pd.DataFrame:
    """Read BED, narrowPeak or broadPeak: as many of the first six columns as the file has.

    Returns:
        `chrom, start, end, strand` and, where the file has them, `name, score`; a missing strand
        is "+", and then `attrs["has_strands"]` is False.

    Raises:
        InputError: If a line is not a BED interval, or holds no base, as in files that count from 1.
    """
    path = Path(path)
    return _with_strand(_read_bed(path, _lines(path), _BED))


def read_promoters(path: str | Path) -> pd.DataFrame:
    """Read transcription start sites: BED of 1 bp, or EPD's own BED (60 bp), SGA or FPS files.

    Returns:
        `chrom, tss, strand, name`; `tss` is the 0-based position of the first transcribed base.

    Raises:
        InputError: If the file is none of these, or a start site has no strand.
    """
    path = Path(path)
    lines = _lines(path)
    if lines[0].startswith("FP "):
        return _from_fps(path, lines)
    if _REFSEQ.match(lines[0]):
        table = _from_sga(path, lines)
        _require_strands(table["strand"], path)
        return table
    table = _read_bed(path, lines, _BED_8)
    _require_strands(table["strand"] if "strand" in table else pd.Series("", index=table.index), path)
    size = table["end"] - table["start"]
    if (size == 1).all():
        tss = table["start"]
    elif (size == _EPD_BED_BP).all() and "thick_end" in table:
        # EPD draws 49 bp before the start site thin, and 11 bp from it on thick.
        thick = [_integers(table[name], path, name) for name in ("thick_start", "thick_end")]
        tss = thick[0].where(table["strand"] == "+", thick[1] - 1)
    else:
        raise InputError(
            f"{path}: its intervals have {size.min()} to {size.max()} bp. A start site is an interval of 1 bp "
            "(start = its 0-based position), or a line of EPD's BED, SGA or FPS."
        )
    name = table["name"] if "name" in table else pd.Series(".", index=table.index)
    return pd.DataFrame({"chrom": table["chrom"], "tss": tss, "strand": table["strand"], "name": name})


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
        table[name] = _integers(table[name], path, name)
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
        table[name] = _integers(table[name], path, name)
    _require_intervals(table, path)
    return _with_strand(table)


def lift_over(promoters: pd.DataFrame, chain: str | Path) -> tuple[pd.DataFrame, dict[str, int]]:
    """Move start sites to another assembly; return those with exactly one place there, and what was lost.

    Args:
        promoters: `chrom, tss, strand, name`.
        chain: A UCSC chain file, plain or gzip.
    """
    import pyliftover

    try:
        converter = pyliftover.LiftOver(str(chain))
    except FileNotFoundError:
        raise InputError(f"There is no file {chain}.") from None
    except Exception as error:
        # pyliftover has no errors of its own: whatever a damaged file makes it raise.
        raise InputError(f"{chain} is not a chain file: {error}") from error
    places = [
        converter.convert_coordinate(chrom, tss, strand) or []
        for chrom, tss, strand in zip(promoters["chrom"], promoters["tss"], promoters["strand"], strict=True)
    ]
    n_places = pd.Series([len(found) for found in places], index=promoters.index)
    lifted = promoters[n_places == 1].copy()
    found = [place[0] for place in places if len(place) == 1]
    lifted["chrom"] = [place[0] for place in found]
    lifted["tss"] = [place[1] for place in found]
    lifted["strand"] = [place[2] for place in found]
    lost = {
        "lift-over: no place in the other assembly": int((n_places == 0).sum()),
        "lift-over: several places in the other assembly": int((n_places > 1).sum()),
    }
    return lifted, lost


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


def _lines(path: Path) -> list[str]:
    lines = [line for line in _text_lines(path) if not line.startswith(_TRACK_LINES)]
    if not lines:
        raise InputError(f"{path} has no line with an interval.")
    return lines


def _read_bed(path: Path, lines: list[str], names: Sequence[str]) -> pd.DataFrame:
    table = _columns(path, lines, numeric=[1, 2, 6, 7])
    if table.shape[1] < 3:
        raise InputError(f"{path} has {table.shape[1]} columns; BED has chrom, start and end, with tabs between.")
    table = table.iloc[:, : len(names)].set_axis(names[: table.shape[1]], axis=1)
    for name in ("start", "end"):
        table[name] = _integers(table[name], path, name)
    _require_intervals(table, path)
    return table


def _columns(path: Path, lines: list[str], numeric: Sequence[int]) -> pd.DataFrame:
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


def _integers(values: pd.Series, path: Path, name: str) -> pd.Series:
    if values.dtype == np.int64:
        return values
    numbers = pd.to_numeric(values, errors="coerce")
    bad = numbers.isna() | (numbers % 1 != 0)
    if bad.any():
        at = int(bad.argmax())
        raise InputError(
            f"{path}, row {at + 1} (comments and header not counted): {name} is {str(values.iloc[at])!r}, no "
            "integer. BED has no header line; a table "
            "with one is named .tsv or .csv."
        )
    return numbers.astype("int64")


def _require_intervals(table: pd.DataFrame, path: Path) -> None:
    bad = (table["start"] < 0) | (table["end"] < table["start"])
    if bad.any():
        at = int(bad.to_numpy().argmax())
        row = table.iloc[at]
        raise InputError(
            f"{path}, row {at + 1} (comments and header not counted): {row['chrom']}:{row['start']}-{row['end']} "
            "is not an interval: 0 <= start < end "
            "must hold (0-based, half-open)."
        )
    if n_empty := int((table["end"] == table["start"]).sum()):
        raise InputError(
            f"{path} has {n_empty} intervals of no base. Do its positions count from 1? BED and our tables count "
            "from 0, and the end is not included: subtract 1 from every start."
        )


def _require_strands(strand: pd.Series, path: Path) -> None:
    unknown = ~strand.isin(["+", "-"])
    if unknown.any():
        raise InputError(
            f"{path}: {unknown.sum()} start sites have no strand, + or - (BED: the sixth column), the first in "
            f"row {unknown.to_numpy().argmax() + 1}. Which bases are upstream depends on it."
        )


def _with_strand(table: pd.DataFrame) -> pd.DataFrame:
    strand = table["strand"] if "strand" in table else pd.Series("", index=table.index)
    table = table.assign(strand=strand.where(strand == "-", "+"))
    table.attrs["has_strands"] = bool(strand.isin(["+", "-"]).all())
    return table


def _refseq_name(accession: str) -> str:
    number = int(_REFSEQ.fullmatch(accession).group(1))  # type: ignore[union-attr]
    return f"chr{_NAMED.get(number, number)}"


def _from_sga(path: Path, lines: list[str]) -> pd.DataFrame:
    """Read EPD's SGA: accession, feature, 1-based position, strand, count, name."""
    columns = _columns(path, lines, numeric=[2])
    if columns.shape[1] < 6:
        raise InputError(f"{path} starts like an SGA file but has {columns.shape[1]} columns; EPD's have six.")
    position = _integers(columns[2], path, "position")
    chrom = [_refseq_name(accession) for accession in columns[0]]
    return pd.DataFrame({"chrom": chrom, "tss": position - 1, "strand": columns[3], "name": columns[5]})


def _from_fps(path: Path, lines: list[str]) -> pd.DataFrame:
    """Read EPD's FPS, the lines FP: name, accession, strand, 1-based position."""
    found = [_FPS.match(line) for line in lines if line.startswith("FP ")]
    if None in found:
        raise InputError(f"{path}: {lines[found.index(None)][:80]!r} is not an FP line of EPD.")
    name, accession, strand, position = zip(*(match.groups() for match in found if match), strict=True)
    return pd.DataFrame(
        {
            "chrom": [_refseq_name(a) for a in accession], "tss": [int(p) - 1 for p in position],
            "strand": list(strand), "name": list(name),
        }
    )
