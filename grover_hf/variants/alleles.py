"""Alternative alleles: what kind each is, and whether its reference is what the genome has."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from grover_hf.errors import InputError
from grover_hf.genome import ReferenceGenome
from grover_hf.genome.acgt import NOT_ACGT, base_codes
from grover_hf.genome.annotations import require_same_names
from grover_hf.genome.chromosome_names import synonyms
from grover_hf.genome.letters import reverse_complement

SNV, MNV, INDEL = "SNV", "MNV", "indel"
SCORED_KINDS = (SNV, MNV, INDEL)
MOST_BASES = 50
"""Of an allele; longer ones are structural variants."""
_MOST_MISMATCHES = 0.01
_SHOWN = 5
_BASES = re.compile("[ACGTacgt]+")
_IUPAC = re.compile("[ACGTNRYSWKMBDHVacgtnryswkmbdhv]+")


class Placed(NamedTuple):
    """Alleles on a strand of one chromosome."""

    starts: NDArray[np.int64]
    """First base that differs, on the strand, shape (n,)."""
    refs: list[str]
    """Bases of the strand there; "" for an insertion."""
    alts: list[str]
    """Bases in their place; "" for a deletion."""

    def reversed(self, size: int) -> "Placed":
        """Return the same alleles on the other strand of a chromosome of `size` bases."""
        lengths = np.array([len(ref) for ref in self.refs], np.int64)
        refs, alts = ([reverse_complement(one) for one in texts] for texts in (self.refs, self.alts))
        return Placed(size - self.starts - lengths, refs, alts)


@dataclass(frozen=True, eq=False)
class Alleles:
    """Alternative alleles in the order of a file, one a row; those of one record stand together."""

    records: NDArray[np.int64]
    """Number of the record that each belongs to, shape (n,)."""
    starts: NDArray[np.int64]
    """First base that differs, 0-based, once bases that both alleles share are taken off (of those that can have
    a score); shape (n,)."""
    chroms: NDArray[np.object_]
    refs: NDArray[np.object_]
    """Those bases of the reference, in upper case; "" for an insertion."""
    alts: NDArray[np.object_]
    """Those in their place; "" for a deletion."""
    kinds: NDArray[np.object_]
    """SNV, MNV or indel; else why it has no score."""

    def __len__(self) -> int:
        """Return the number of alleles."""
        return len(self.records)

    @property
    def scored(self) -> NDArray[np.bool_]:
        """Which can have a score, shape (n,)."""
        return np.isin(self.kinds.astype(str), SCORED_KINDS)

    def placed(self, rows: NDArray[np.int64]) -> Placed:
        """Return some alleles of one chromosome, on its forward strand."""
        return Placed(self.starts[rows], self.refs[rows].tolist(), self.alts[rows].tolist())

    def of_records(self, first: int, last: int) -> "Alleles":
        """Return the alleles of a run of records, which are counted from 0 then."""
        rows = slice(*np.searchsorted(self.records, [first, last]).tolist())
        return Alleles(
            self.records[rows] - first, self.starts[rows], self.chroms[rows], self.refs[rows], self.alts[rows],
            self.kinds[rows],
        )

    def counts(self) -> dict[str, int]:
        """Return how many alleles there are of each kind, and of those left out for each reason."""
        return dict(Counter(self.kinds.tolist()).most_common())


@dataclass(frozen=True, eq=False)
class Records:
    """The columns of a file that say which variants it has, one record a row."""

    path: str
    places: Sequence[str]
    """Where each stands in the file, for errors."""
    chroms: Sequence[str]
    positions: NDArray[np.int64]
    """1-based, as in VCF."""
    refs: Sequence[str]
    alts: Sequence[str]
    """With commas between several."""


def checked_alleles(records: Records, genome: ReferenceGenome, *, allow_mismatches: bool = False) -> Alleles:
    """Return the alleles of records, each with its kind, or why it is left out.

    Args:
        records: What a file has.
        genome: What the positions are of.
        allow_mismatches: Go on where more than one reference in a hundred is not what the genome has.

    Raises:
        InputError: If an allele is no text of bases nor any that VCF knows, no chromosome is in the genome, or
            more than 1 % of the references differ from it.
    """
    chroms = sorted(set(records.chroms))
    if chroms:
        require_same_names(chroms, list(genome.sizes), what=records.path, genome=str(genome.path))
    codes: dict[str, NDArray[np.uint8]] = {}
    rows, mismatches = [], []
    in_order = sorted(range(len(records.chroms)), key=lambda number: records.chroms[number])
    of_record: dict[int, list[tuple[int, str, str, str]]] = {}
    for number in in_order:
        chrom, position = records.chroms[number], int(records.positions[number]) - 1
        if chrom not in codes:
            # One chromosome at a time: a genome's codes are as large as its file.
            codes = {chrom: genome.codes(chrom)} if chrom in genome.sizes else {chrom: np.empty(0, np.uint8)}
        ref = records.refs[number].upper()
        why = _why_not(records, number, codes[chrom], position, ref, known=chrom in genome.sizes)
        if why == _MISMATCH:
            found = "".join("ACGTN"[code] for code in codes[chrom][max(position, 0) : position + len(ref)])
            place = f"{records.places[number]}: {chrom}:{position + 1}"
            mismatches.append(f"{place} {ref}, where the genome has {found or 'nothing'}")
        of_record[number] = []
        for alt in records.alts[number].split(","):
            kind = why or _kind(records, number, ref, alt)
            bases = _trimmed(position, ref, alt.upper()) if kind in SCORED_KINDS else (position, ref, alt)
            of_record[number].append((*bases, kind))
    _refuse_mismatches(records, genome, mismatches, allow=allow_mismatches)
    for number in range(len(records.chroms)):
        rows += [(number, records.chroms[number], *allele) for allele in of_record[number]]
    columns = pd.DataFrame(rows, columns=["record", "chrom", "start", "ref", "alt", "kind"], dtype=object)
    numbers = (columns[name].to_numpy(np.int64) for name in ("record", "start"))
    texts = (columns[name].to_numpy(object) for name in ("chrom", "ref", "alt", "kind"))
    return Alleles(*numbers, *texts)


def renamed(records: Records, genome: ReferenceGenome) -> Records:
    """Return records with the genome's names where theirs seem to mean them; see `synonyms`."""
    unknown = sorted(set(records.chroms) - set(genome.sizes))
    meant = synonyms(unknown, genome.sizes)
    return replace(records, chroms=[meant.get(chrom, chrom) for chrom in records.chroms])


_MISMATCH = "reference differs from the genome"


def _why_not(
    records: Records, number: int, codes: NDArray[np.uint8], position: int, ref: str, *, known: bool
) -> str | None:
    """Return why no allele of a record can have a score; None if one may."""
    if not _IUPAC.fullmatch(ref):
        raise InputError(f"{records.places[number]}: REF is {records.refs[number]!r}; it must be bases.")
    if not known:
        return "chromosome not in the genome"
    there = codes[max(position, 0) : position + len(ref)]
    given = base_codes(ref)
    # Callers of structural variants write N for a base that they have not looked up.
    if len(there) != len(ref) or ((there != given) & (given != NOT_ACGT)).any():
        return _MISMATCH
    return None


def _kind(records: Records, number: int, ref: str, alt: str) -> str:
    if alt.startswith("<"):
        return "symbolic allele"
    if alt in ("*", "."):
        return "star allele" if alt == "*" else "no alternative"
    if "[" in alt or "]" in alt or (len(alt) > 1 and (alt.startswith(".") or alt.endswith("."))):
        return "breakend"
    if not _IUPAC.fullmatch(alt):
        raise InputError(
            f"{records.places[number]}: ALT is {alt!r}; it must be bases, *, a symbol in <> or a breakend."
        )
    if not _BASES.fullmatch(alt) or not _BASES.fullmatch(ref):
        return "unknown bases"
    _, short_ref, short_alt = _trimmed(0, ref, alt.upper())
    if not short_ref and not short_alt:
        return "same as the reference"
    if max(len(short_ref), len(short_alt)) > MOST_BASES:
        return f"longer than {MOST_BASES} bases"
    if len(short_ref) != len(short_alt):
        return INDEL
    return SNV if len(short_ref) == 1 else MNV


def _trimmed(position: int, ref: str, alt: str) -> tuple[int, str, str]:
    """Take off what both alleles share, at the end first, as VCF puts indels to the left."""
    while ref and alt and ref[-1] == alt[-1]:
        ref, alt = ref[:-1], alt[:-1]
    while ref and alt and ref[0] == alt[0]:
        position, ref, alt = position + 1, ref[1:], alt[1:]
    return position, ref, alt


def _refuse_mismatches(
    records: Records, genome: ReferenceGenome, mismatches: list[str], *, allow: bool
) -> None:
    if allow or len(mismatches) <= _MOST_MISMATCHES * len(records.chroms):
        return
    shown = "\n  ".join(mismatches[:_SHOWN])
    raise InputError(
        f"{len(mismatches):,} of {len(records.chroms):,} records of {records.path} have a reference that is not "
        f"what {genome.path} has there; is it another assembly?\n  {shown}\n"
        "Up to 1 % are left out and counted; --allow-mismatches leaves out any number."
    )
