"""Elements of genes from GTF or GFF3: promoters, UTRs, exons, introns, what lies behind and between.

The paper takes ChIPseeker's (Methods, "Genome annotation"), with promoters of 1 kb on both sides of a start
site and 10 kb downstream (Fig. 4g,h). Each base belongs to the first of `ELEMENTS` that lies there.
"""

import logging
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from grover_hf.errors import InputError
from grover_hf.genome.bulk_rows import Part, RowForm, read_bulk_rows
from grover_hf.interpretation.annotation.places import COLUMNS, GenomeLine
from grover_hf.interpretation.annotation.segments import UNKNOWN, Segments

logger = logging.getLogger(__name__)

PROMOTER, FIVE_PRIME, THREE_PRIME, EXON, INTRON = "promoter", "5' UTR", "3' UTR", "exon", "intron"
DOWNSTREAM, INTERGENIC = "downstream", "distal intergenic"
ELEMENTS = (PROMOTER, FIVE_PRIME, THREE_PRIME, EXON, INTRON, DOWNSTREAM)
"""ChIPseeker's order; a base of two has the first. All that is left is "distal intergenic"."""
TRANSCRIPT, CODING = "transcript", "coding sequence"
"""For "gene strand, coding sequence strand" (Fig. 4g,h): whole transcripts; the coding parts of their exons."""
PROMOTER_BP = 1_000
"""On both sides of the start site, which is a base itself."""
DOWNSTREAM_BP = 10_000
_CODING_ROWS = ("CDS", "start_codon", "stop_codon")
"""GTF leaves the stop codon out of its CDS, GFF3 does not."""
_COLUMNS = {"chrom": 0, "feature": 2, "start": 3, "end": 4, "strand": 6, "transcript": 8}
_KEPT = ("feature", ("exon", *_CODING_ROWS))
_GTF = Part(
    r'(?:^|;)\s*transcript_id\s+"?(?P<part>[^";]+)',
    "it has no transcript_id, which says what transcript an exon is of.",
)
_GFF3 = Part(r"(?:^|;)\s*Parent=(?P<part>[^;]+)", "it has no Parent, which says what transcript an exon is of.")


class _Rows(NamedTuple):
    """Exons or coding parts, in the order of their transcripts; each shape (n,)."""

    starts: NDArray[np.int64]
    ends: NDArray[np.int64]
    transcripts: NDArray[np.int64]
    """Numbers, from 0, in order."""

    def chosen(self, which: NDArray[np.bool_]) -> "_Rows":
        return _Rows(*(column[which] for column in self))


class _Transcripts(NamedTuple):
    """Transcripts by number; each shape (n,)."""

    chroms: pd.Categorical
    is_plus: NDArray[np.bool_]


def read_genes(path: str | Path) -> pd.DataFrame:
    """Read exons and coding parts of transcripts.

    Args:
        path: GTF, or GFF3 where its name ends in .gff3 or .gff; plain or gzip.

    Returns:
        `chrom, feature, start, end, strand, transcript`, 0-based and half-open. Rows without a strand are counted,
        and left out: they have no start site.

    Raises:
        InputError: If a line is damaged, or an exon has no transcript, with the line; or there is no exon.
    """
    path = Path(path)
    suffixes = {suffix.lower() for suffix in path.suffixes}
    if not suffixes & {".gtf", ".gff3", ".gff"}:
        raise InputError(
            f"{path} is not taken for genes: name it .gtf, .gff3 or .gff, with .gz behind it if it is compressed."
        )
    is_gtf = ".gtf" in suffixes
    form = RowForm(
        _COLUMNS, "GTF and GFF3 have nine, with tabs between", 9, first_base=1, kept=_KEPT,
        unknown_strand="?",
        parts={"transcript": _GTF if is_gtf else _GFF3}, ended_by=None if is_gtf else ">",
    )
    rows = read_bulk_rows(path, form)
    if not is_gtf and rows["transcript"].cat.categories.str.contains(",").any():
        # An exon of several transcripts.
        parents = rows["transcript"].astype(object).str.split(",")
        rows = rows.assign(transcript=parents).explode("transcript", ignore_index=True)
        rows["transcript"] = rows["transcript"].astype("category")
    is_known = (rows["strand"] != ".").to_numpy()
    if not is_known.any():
        raise InputError(f"{path} has no exon or CDS with a strand; genes are read from these.")
    if not is_known.all():
        n_unknown = f"{(~is_known).sum():,}"
        logger.warning("%s: %s exons and coding parts have no strand, and are left out.", path, n_unknown)
    return rows[is_known].reset_index(drop=True)


def gene_elements(rows: pd.DataFrame, line: GenomeLine) -> dict[str, Segments]:
    """Return where elements of genes lie: `ELEMENTS` and "distal intergenic", which share out the genome, and
    "transcript" and "coding sequence".

    Untranslated are the parts of a transcript's exons before and behind all its coding parts; introns lie between
    the exons of one transcript. A transcript without exons has its coding parts for exons.

    Args:
        rows: As `read_genes` gives them, those that lie on the genome.
        line: The genome.
    """
    found = line.segments(_raw_elements(rows, line))
    elements: dict[str, Segments] = {}
    for name in ELEMENTS:
        elements[name] = found[name].without(list(elements.values()))
    whole = Segments.of(np.array([0]), np.array([line.n_bases]), np.array([UNKNOWN], np.uint8))
    elements[INTERGENIC] = whole.without(list(elements.values()))
    return elements | {name: found[name] for name in (TRANSCRIPT, CODING)}


def _raw_elements(rows: pd.DataFrame, line: GenomeLine) -> pd.DataFrame:
    """Return a table of elements as they come, which overlap."""
    all_rows, is_coding, transcripts = _in_order(rows)
    coding = all_rows.chosen(is_coding)
    n = len(transcripts.is_plus)
    has_exons = np.zeros(n, np.bool_)
    has_exons[all_rows.transcripts[~is_coding]] = True
    exons = all_rows.chosen(~is_coding | ~has_exons[all_rows.transcripts])
    starts, ends = _spans(exons, n)
    is_plus = transcripts.is_plus
    sites = np.where(is_plus, starts, ends - 1)
    every = np.arange(n)
    before, behind = _untranslated(exons, coding, n)
    parts = {
        PROMOTER: [_Rows(sites - PROMOTER_BP, sites + PROMOTER_BP + 1, every)],
        FIVE_PRIME: [before.chosen(is_plus[before.transcripts]), behind.chosen(~is_plus[behind.transcripts])],
        THREE_PRIME: [behind.chosen(is_plus[behind.transcripts]), before.chosen(~is_plus[before.transcripts])],
        EXON: [exons],
        INTRON: [_introns(exons)],
        DOWNSTREAM: [_Rows(
            np.where(is_plus, ends, starts - DOWNSTREAM_BP), np.where(is_plus, ends + DOWNSTREAM_BP, starts), every
        )],
        TRANSCRIPT: [_Rows(starts, ends, every)],
        CODING: [coding],
    }
    numbered = [(number, one) for number, several in enumerate(parts.values()) for one in several]
    whole = _Rows(*(np.concatenate(column) for column in zip(*(one for _, one in numbered), strict=True)))
    annotation = np.repeat([number for number, _ in numbered], [one.starts.size for _, one in numbered])
    chroms = transcripts.chroms.take(whole.transcripts)
    sizes = np.array([line.sizes.get(name, 0) for name in chroms.categories], np.int64)[chroms.codes]
    table = pd.DataFrame({
        "chrom": chroms, "start": np.maximum(whole.starts, 0), "end": np.minimum(whole.ends, sizes),
        "strand": pd.Categorical.from_codes((~is_plus[whole.transcripts]).astype(np.int8), ["+", "-"]),
        "annotation": pd.Categorical.from_codes(annotation, list(parts)),
    })
    # What lies behind the last gene of a chromosome may lie behind its end.
    return table.loc[table["start"] < table["end"], COLUMNS].reset_index(drop=True)


def _in_order(rows: pd.DataFrame) -> tuple[_Rows, NDArray[np.bool_], _Transcripts]:
    """Return rows by transcript and start, which of them are coding parts, and the transcripts.

    A name may come again on another chromosome or strand, as in the pseudoautosomal regions: another transcript.
    """
    keys = [rows[name].cat.codes.to_numpy().astype(np.int64) for name in ("chrom", "strand", "transcript")]
    n_strands, n_names = len(rows["strand"].cat.categories), len(rows["transcript"].cat.categories)
    key = (keys[0] * n_strands + keys[1]) * n_names + keys[2]
    _, first, numbers = np.unique(key, return_index=True, return_inverse=True)
    in_order = np.lexsort((rows["start"].to_numpy(), numbers))
    columns = (rows["start"].to_numpy(), rows["end"].to_numpy(), numbers)
    is_coding = (rows["feature"] != "exon").to_numpy()
    transcripts = _Transcripts(rows["chrom"].iloc[first].array, (rows["strand"].iloc[first] == "+").to_numpy())
    return _Rows(*(column[in_order] for column in columns)), is_coding[in_order], transcripts


def _spans(rows: _Rows, n: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the first base of each of n transcripts' rows and the one after their last; shape (n,) each.

    What has no row has the largest number and -1.
    """
    starts, ends = np.full(n, np.iinfo(np.int64).max), np.full(n, -1)
    np.minimum.at(starts, rows.transcripts, rows.starts)
    np.maximum.at(ends, rows.transcripts, rows.ends)
    return starts, ends


def _untranslated(exons: _Rows, coding: _Rows, n: int) -> tuple[_Rows, _Rows]:
    """Return the parts of exons before and behind what codes, along the chromosome, of transcripts that code."""
    first, last = _spans(coding, n)
    exons = exons.chosen(last[exons.transcripts] >= 0)
    first, last = first[exons.transcripts], last[exons.transcripts]
    before = exons._replace(ends=np.minimum(exons.ends, first))
    behind = exons._replace(starts=np.maximum(exons.starts, last))
    return before.chosen(before.starts < before.ends), behind.chosen(behind.starts < behind.ends)


def _introns(exons: _Rows) -> _Rows:
    """Return what lies between the exons of each transcript; they are in order, and may overlap."""
    apart = int(exons.ends.max(initial=0)) + 1
    shift = exons.transcripts * apart
    reached = np.maximum.accumulate(exons.ends + shift) - shift
    introns = _Rows(reached[:-1], exons.starts[1:], exons.transcripts[1:])
    is_one = (np.diff(exons.transcripts) == 0) & (introns.starts < introns.ends)
    return introns.chosen(is_one)
