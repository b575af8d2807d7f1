"""Transcription start sites: read from BED and from EPD's own files, and lifted over to another assembly.

Tables have the columns `chrom, tss, strand, name`; `tss` is the 0-based position of the first transcribed base.
"""

import re
from pathlib import Path

import pandas as pd

from grover_hf.errors import InputError
from grover_hf.genome.annotations import BED, bed_table, integers, interval_lines, tab_columns

_BED_8 = (*BED, "thick_start", "thick_end")
_EPD_BED_BP = 60
_NAMED = {23: "X", 24: "Y", 12920: "M"}
_REFSEQ = re.compile(r"NC_0*(\d+)\.\d+")
# FP   AANAT_1             :+S  EU:NC_000017.11      1+  76453351 ; 11148.
_FPS = re.compile(r"FP\s+(\S+).*?:.*?(NC_\d+\.\d+)\s+\d+([+-])\s+(\d+)")


def read_start_sites(path: str | Path) -> pd.DataFrame:
    """Read transcription start sites: BED of 1 bp, or EPD's own BED (60 bp), SGA or FPS files.

    Returns:
        `chrom, tss, strand, name`; `tss` is the 0-based position of the first transcribed base.

    Raises:
        InputError: If the file is none of these, or a start site has no strand.
    """
    path = Path(path)
    lines = interval_lines(path)
    if lines[0].startswith("FP "):
        return _from_fps(path, lines)
    if _REFSEQ.match(lines[0]):
        table = _from_sga(path, lines)
        _require_strands(table["strand"], path)
        return table
    table = bed_table(path, lines, _BED_8)
    _require_strands(table["strand"] if "strand" in table else pd.Series("", index=table.index), path)
    size = table["end"] - table["start"]
    if (size == 1).all():
        tss = table["start"]
    elif (size == _EPD_BED_BP).all() and "thick_end" in table:
        # EPD draws 49 bp before the start site thin, and 11 bp from it on thick.
        thick = [integers(table[name], path, name) for name in ("thick_start", "thick_end")]
        tss = thick[0].where(table["strand"] == "+", thick[1] - 1)
    else:
        raise InputError(
            f"{path}: its intervals have {size.min()} to {size.max()} bp. A start site is an interval of 1 bp "
            "(start = its 0-based position), or a line of EPD's BED, SGA or FPS."
        )
    name = table["name"] if "name" in table else pd.Series(".", index=table.index)
    return pd.DataFrame({"chrom": table["chrom"], "tss": tss, "strand": table["strand"], "name": name})


def lift_over(start_sites: pd.DataFrame, chain: str | Path) -> tuple[pd.DataFrame, dict[str, int]]:
    """Move start sites to another assembly; return those with exactly one place there, and what was lost.

    Args:
        start_sites: `chrom, tss, strand, name`.
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


def _require_strands(strand: pd.Series, path: Path) -> None:
    unknown = ~strand.isin(["+", "-"])
    if unknown.any():
        raise InputError(
            f"{path}: {unknown.sum()} start sites have no strand, + or - (BED: the sixth column), the first in "
            f"row {unknown.to_numpy().argmax() + 1}. Which bases are upstream depends on it."
        )


def _refseq_name(accession: str) -> str:
    number = int(_REFSEQ.fullmatch(accession).group(1))  # type: ignore[union-attr]
    return f"chr{_NAMED.get(number, number)}"


def _from_sga(path: Path, lines: list[str]) -> pd.DataFrame:
    """Read EPD's SGA: accession, feature, 1-based position, strand, count, name."""
    columns = tab_columns(path, lines, numeric=[2])
    if columns.shape[1] < 6:
        raise InputError(f"{path} starts like an SGA file but has {columns.shape[1]} columns; EPD's have six.")
    position = integers(columns[2], path, "position")
    chrom = [_refseq_name(accession) for accession in columns[0]]
    return pd.DataFrame({"chrom": chrom, "tss": position - 1, "strand": columns[3], "name": columns[5]})


def _from_fps(path: Path, lines: list[str]) -> pd.DataFrame:
    """Read EPD's FPS, the lines FP: name, accession, strand, 1-based position."""
    matches = [_FPS.match(line) for line in lines if line.startswith("FP ")]
    if None in matches:
        raise InputError(f"{path}: {lines[matches.index(None)][:80]!r} is not an FP line of EPD.")
    name, accession, strand, position = zip(*(match.groups() for match in matches if match), strict=True)
    return pd.DataFrame(
        {
            "chrom": [_refseq_name(a) for a in accession], "tss": [int(p) - 1 for p in position],
            "strand": list(strand), "name": list(name),
        }
    )
