"""Transcription start sites: read from BED and from EPD's own files, and lifted over to another assembly.

Tables have the columns `chrom, tss, strand, name`; `tss` is the 0-based position of the first transcribed base.
"""

import io
import re
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import NoReturn

import pandas as pd

from grover_hf.errors import InputError, shorten
from grover_hf.genome.annotations import (
    BED,
    LARGEST_POSITION,
    bed_columns,
    interval_lines,
    read_bed,
    tab_columns,
)
from grover_hf.genome.gzip_files import file_text

_BED_8 = (*BED, "thick_start", "thick_end")
_EPD_BED_BP = 60
_HUMAN = {f"NC_{number:06d}": f"chr{number}" for number in range(1, 23)}
_HUMAN |= {"NC_000023": "chrX", "NC_000024": "chrY", "NC_012920": "chrM"}
"""RefSeq's accessions of the human chromosomes, without their versions, and the names of UCSC."""
# FP   AANAT_1             :+S  EU:NC_000017.11      1+  76453351 ; 11148.
_FPS = re.compile(r"FP\s+(\S+).*?:.*?:(\S+)\s+\d+([+-])\s+(\d+)")


def read_start_sites(path: str | Path, known: Collection[str] = ()) -> pd.DataFrame:
    """Read transcription start sites: BED of 1 bp, or EPD's own BED (60 bp), SGA or FPS files.

    Args:
        path: The file.
        known: Names of chromosomes that stay as they are. RefSeq's accessions of the human chromosomes
            become the names of UCSC, chr1 and so on, unless they are among these.

    Returns:
        `chrom, tss, strand, name`; `tss` is the 0-based position of the first transcribed base.

    Raises:
        InputError: If the file is none of these, a start site has no strand or lies outside its interval, or
            an accession is neither known nor human.
    """
    path = Path(path)
    lines = interval_lines(path)
    if lines[0][1].startswith("FP "):
        sites, numbers = _from_fps(path, lines)
    elif _is_sga(lines[0][1]):
        sites, numbers = _from_sga(path, lines)
    else:
        return _from_bed(path)
    unknown = ~sites["strand"].isin(["+", "-"]).to_numpy()
    if unknown.any():
        _refuse_strandless(path, numbers[int(unknown.argmax())], int(unknown.sum()))
    outside = ~sites["tss"].between(0, LARGEST_POSITION).to_numpy()
    if outside.any():
        row = int(outside.argmax())
        position = sites["tss"].iloc[row] + 1
        raise InputError(f"{path}, line {numbers[row]}: its position is {position}; it is 1 or more.")
    return sites.assign(chrom=_names_of(sites["chrom"], set(known), path))


def _from_bed(path: Path) -> pd.DataFrame:
    table = bed_columns(path, _BED_8)
    rows = read_bed(path)
    given = table.columns.get("strand", pd.Series("", index=table.columns.index))
    unknown = ~given.isin(["+", "-"]).to_numpy()
    if unknown.any():
        _refuse_strandless(path, table.lines[int(unknown.argmax())], int(unknown.sum()))
    size = rows["end"] - rows["start"]
    if (size == 1).all():
        tss = rows["start"]
    elif (size == _EPD_BED_BP).all() and "thick_end" in table.columns:
        # EPD draws 49 bp before the start site thin, and 11 bp from it on thick.
        tss = table.integers("thick_start").where(rows["strand"] == "+", table.integers("thick_end") - 1)
        outside = ((tss < rows["start"]) | (tss >= rows["end"])).to_numpy()
        if outside.any():
            row = int(outside.argmax())
            raise InputError(f"{table.place(row)}: its thick part, at {tss.iloc[row]}, is outside the interval.")
    else:
        raise InputError(
            f"{path}: its intervals have {size.min()} to {size.max()} bp. A start site is an interval of 1 bp "
            "(start = its 0-based position), or a line of EPD's BED, SGA or FPS."
        )
    name = rows["name"] if "name" in rows else pd.Series(".", index=rows.index)
    return pd.DataFrame({"chrom": rows["chrom"], "tss": tss, "strand": rows["strand"], "name": name})


def lift_over(start_sites: pd.DataFrame, chain: str | Path) -> tuple[pd.DataFrame, dict[str, int]]:
    """Move start sites to another assembly; return those with exactly one place there, and what was lost.

    Args:
        start_sites: `chrom, tss, strand, name`.
        chain: A UCSC chain file, plain or gzip.
    """
    import pyliftover

    try:
        converter = pyliftover.LiftOver(io.BytesIO(file_text(Path(chain)).encode()))
    except InputError:
        raise
    except Exception as error:
        # pyliftover has no errors of its own: whatever a damaged file makes it raise.
        raise InputError(f"{chain} is not a chain file: {error}") from error
    places = [
        converter.convert_coordinate(chrom, tss, strand) or []
        for chrom, tss, strand in zip(start_sites["chrom"], start_sites["tss"], start_sites["strand"], strict=True)
    ]
    n_places = pd.Series([len(of_site) for of_site in places], index=start_sites.index)
    chrom, tss, strand = ([of_site[0][i] for of_site in places if len(of_site) == 1] for i in range(3))
    lifted = start_sites[n_places == 1].assign(chrom=chrom, tss=tss, strand=strand)
    lost = {
        "lift-over: no place in the other assembly": int((n_places == 0).sum()),
        "lift-over: several places in the other assembly": int((n_places > 1).sum()),
    }
    return lifted, lost


def names_in_chain(chain: str | Path) -> set[str]:
    """Return the names of the chromosomes that a UCSC chain file, plain or gzip, leads from."""
    headers = (line.split() for line in file_text(Path(chain)).splitlines() if line.startswith("chain"))
    return {fields[2] for fields in headers if len(fields) > 2}


def _refuse_strandless(path: Path, line: int, n_sites: int) -> NoReturn:
    raise InputError(
        f"{path}: {n_sites} start sites have no strand, + or - (BED: the sixth column), the first in line {line}. "
        "Which bases are upstream depends on it."
    )


def _names_of(accessions: pd.Series, known: set[str], path: Path) -> list[str]:
    translated = {
        name: name if name in known else _HUMAN.get(name.partition(".")[0]) for name in accessions.unique()
    }
    if unknown := sorted(name for name, of_genome in translated.items() if of_genome is None):
        raise InputError(
            f"{path} names {shorten(unknown)}, which is neither a chromosome of the genome nor RefSeq's accession "
            "of a human one. Write the genome's names in the file."
        )
    return [str(translated[name]) for name in accessions]


def _is_sga(line: str) -> bool:
    fields = line.split("\t")
    return len(fields) >= 6 and not fields[1].strip().isdigit() and fields[2].strip().isdigit()


def _from_sga(path: Path, lines: Sequence[tuple[int, str]]) -> tuple[pd.DataFrame, list[int]]:
    """Read EPD's SGA: accession, feature, 1-based position, strand, count, name."""
    table = tab_columns(path, lines)
    columns = table.columns
    sites = {"chrom": columns[0], "tss": table.integers(2) - 1, "strand": columns[3], "name": columns[5]}
    return pd.DataFrame(sites), table.lines


def _from_fps(path: Path, lines: Sequence[tuple[int, str]]) -> tuple[pd.DataFrame, list[int]]:
    """Read EPD's FPS, the lines FP: name, accession, strand, 1-based position."""
    rows, numbers = [], []
    for number, line in lines:
        if not line.startswith("FP "):
            continue
        match = _FPS.match(line)
        if match is None:
            raise InputError(f"{path}, line {number}: {line[:80]!r} is not an FP line of EPD.")
        name, accession, strand, position = match.groups()
        rows.append((accession, int(position) - 1, strand, name))
        numbers.append(number)
    return pd.DataFrame(rows, columns=["chrom", "tss", "strand", "name"]), numbers
