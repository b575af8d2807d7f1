"""CTCF: which occurrences of its motif are bound?"""

import logging
from dataclasses import KW_ONLY, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dataset_builders.task import FILE, CorpusTask
from dataset_builders.task_builder import IntervalBuilder
from dataset_builders.task_rows import interval_features, split_of, usable_rows
from grover_hf.corpus.splits import row_keys
from grover_hf.errors import InputError, shorten
from grover_hf.genome.annotations import read_bed, read_fimo, require_same_names
from grover_hf.genome.chromosome_names import offer
from grover_hf.genome.motifs import BACKGROUNDS, find_motif, read_motif

logger = logging.getLogger(__name__)

CLASSES = ("unbound", "bound")
FLANK_BP = 500
"""On each side of the base in the middle of the motif: "a 1 kb window around" it (Methods, "CTCF")."""
_LARGEST_P_VALUE = 0.01
P_VALUE = 1e-4
"""Methods, "CTCF"."""


class Ctcf(IntervalBuilder["CtcfTask"]):
    """Windows around the occurrences of a motif, bound where they meet a ChIP-seq peak."""

    def _info(self) -> datasets.DatasetInfo:
        position = datasets.Value("int64")
        extra = {"motif_start": position, "motif_end": position, "p_value": datasets.Value("float64")}
        return datasets.DatasetInfo(features=interval_features(CLASSES, **extra))

    def _split_generators(self, dl_manager: object) -> list[datasets.SplitGenerator]:
        task = self.task
        peaks = read_bed(task.peaks)
        n_elsewhere = {"peaks": task.count_elsewhere(peaks, task.peaks)}
        given = task.occurrences()
        ambiguous = None
        if task.ambiguous is not None:
            ambiguous = read_bed(task.ambiguous)
            n_elsewhere["less certain peaks"] = task.count_elsewhere(ambiguous, task.ambiguous)
        hits, dropped, without_peaks = labelled_hits(given, peaks, ambiguous)
        if not len(hits):
            raise InputError(
                f"No occurrence of the motif is left: {task.peaks} has no peak on {', '.join(without_peaks)}."
            )
        middle = (hits["start"] + hits["end"]) // 2
        rows = hits.rename(columns={"start": "motif_start", "end": "motif_end"})
        rows = rows.assign(start=middle - FLANK_BP, end=middle + FLANK_BP + 1)
        rows = usable_rows(task.opened, rows, dropped, source="the motif's occurrences")
        keys = row_keys(rows["chrom"], rows["motif_start"].to_numpy(), rows["strand"])
        split = split_of(rows, keys, by=task.split_by, seed=task.seed)
        return self.labelled_splits(
            rows, split, CLASSES, n_given=len(given), dropped=dropped, chromosomes_without_peaks=without_peaks,
            on_other_chromosomes=n_elsewhere,
        )


def labelled_hits(
    hits: pd.DataFrame, peaks: pd.DataFrame, ambiguous: pd.DataFrame | None
) -> tuple[pd.DataFrame, dict[str, int], list[str]]:
    """Label a motif's occurrences: 1 if they share a base with a peak, else 0.

    Args:
        hits: `chrom, start, end, strand, p_value`.
        peaks: `chrom, start, end`.
        ambiguous: Less certain peaks; unbound occurrences that meet one are left out. None for none.

    Returns:
        The occurrences with `label`, how many were left out by reason, and the chromosomes with
        occurrences but no peak at all: their peaks are missing, not absent, so that their
        occurrences cannot be called unbound.
    """
    import bioframe  # here, because it brings matplotlib

    without_peaks = sorted(set(hits["chrom"]) - set(peaks["chrom"]))
    excluded = hits["chrom"].isin(without_peaks)
    kept = hits[~excluded].reset_index(drop=True)
    n_peaks = bioframe.count_overlaps(kept, peaks[["chrom", "start", "end"]])["count"]
    label = (n_peaks > 0).astype("int64")
    less_certain = peaks if ambiguous is None else ambiguous
    n_less_certain = bioframe.count_overlaps(kept, less_certain[["chrom", "start", "end"]])["count"]
    unsure = (n_less_certain > 0) & (label == 0)
    dropped = {
        "on a chromosome without any peak": int(excluded.sum()),
        "unbound, but meets a less certain peak": int(unsure.sum()),
    }
    return kept.assign(label=label)[~unsure].reset_index(drop=True), dropped, without_peaks


@dataclass(frozen=True)
class CtcfTask(CorpusTask):
    """The CTCF task on a tokenized genome, whose tokenizer reads the sequences."""

    builder_class = Ctcf
    dataset = "ctcf"
    splits_by = ("random", "locus", "chromosome")
    """By locus: windows that overlap stay together."""

    peaks: str | Path = field(metadata=FILE)
    """ChIP-seq peaks, BED or narrowPeak."""
    _: KW_ONLY
    motif: str | Path | None = field(default=None, metadata=FILE)
    """A motif file, to be found in the genome; or"""
    hits: str | Path | None = field(default=None, metadata=FILE)
    """FIMO's table of occurrences."""
    ambiguous: str | Path | None = field(default=None, metadata=FILE)
    """Less certain peaks: unbound occurrences that meet one are left out."""
    p_value: float = P_VALUE
    """Occurrences with a smaller p-value are used."""
    background: str = "fimo"
    """The bases that p-values of a motif's occurrences suppose, one of `BACKGROUNDS`."""
    max_hits: int | None = None
    """Use only so many, those with the smallest p-values."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if (self.motif is None) == (self.hits is None):
            raise InputError("Name a motif or its occurrences (FIMO's table), one of the two.")
        if self.background not in BACKGROUNDS:
            raise InputError(f"There is no background {self.background!r}; there are {', '.join(BACKGROUNDS)}.")
        if self.hits is not None and self.background != "fimo":
            raise InputError("FIMO's table has p-values of its own background; name a motif for another one.")
        if not 0 < self.p_value <= _LARGEST_P_VALUE:
            raise InputError(f"p_value is {self.p_value}; it lies between 0 and {_LARGEST_P_VALUE}.")

    @property
    def variant(self) -> str:
        parts = [f"p-{self.p_value:g}"] * (self.p_value != P_VALUE)
        parts += [f"background-{self.background}"] * (self.background != "fimo")
        return "-".join(parts + [f"best-{self.max_hits}"] * (self.max_hits is not None))

    @property
    def inputs(self) -> dict[str, Any]:
        motif, how = (
            ("the motif", "FIMO's table") if self._motif is None else (self._motif[0], "an exact scan")
        )
        frequencies = None if self._motif is None else list(BACKGROUNDS[self.background])
        return {**super().inputs, "motif": motif, "occurrences": how, "background_frequencies": frequencies}

    @cached_property
    def _motif(self) -> tuple[str, NDArray[np.float64]] | None:
        return None if self.motif is None else read_motif(self.motif)

    def occurrences(self) -> pd.DataFrame:
        """Return `chrom, start, end, strand, p_value` of the motif, the best ones if only so many are wanted."""
        if self._motif is not None:
            background = BACKGROUNDS[self.background]
            hits = find_motif(self.opened, self._motif[1], p_value=self.p_value, background=background)
        else:
            assert self.hits is not None
            hits = read_fimo(self.hits)
            self.count_elsewhere(hits, self.hits)
            hits = hits[hits["p_value"] < self.p_value]
        if self.max_hits is not None:
            hits = hits.sort_values("p_value", kind="stable").head(self.max_hits)
        if not len(hits):
            raise InputError(f"The motif does not occur at p < {self.p_value:g}.")
        return hits[["chrom", "start", "end", "strand", "p_value"]]

    def count_elsewhere(self, rows: pd.DataFrame, source: str | Path) -> int:
        """Return how many rows of a file are on chromosomes that the genome has not; say so if there are some.

        Raises:
            InputError: If all are.
        """
        known = self.opened.chromosomes
        require_same_names(rows["chrom"].tolist(), known, what=str(source), genome=self.opened.shown)
        elsewhere = rows["chrom"][~rows["chrom"].isin(known)]
        if len(elsewhere):
            names = sorted(set(elsewhere))
            logger.warning(
                "%s: %d of %d rows are on %s, which %s has not; they are not used.%s",
                source, len(elsewhere), len(rows), shorten(names), self.opened.shown, offer(names, known),
            )
        return len(elsewhere)


plan = CtcfTask
