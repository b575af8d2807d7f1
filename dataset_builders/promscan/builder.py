"""PromScan: overlapping windows around start sites; which of them hold the site?"""

from dataclasses import KW_ONLY, dataclass

import datasets
import numpy as np
import pandas as pd

from dataset_builders.promoters import PromoterTask, initiator_share
from dataset_builders.task_builder import IntervalBuilder
from dataset_builders.task_rows import interval_features, split_of, usable_rows
from grover_hf.corpus.splits import row_keys
from grover_hf.errors import InputError

CLASSES = ("no start site", "start site")
WINDOW_BP, STEP_BP = 1_001, 300
"""Methods, "PromScan"."""
FLANKS_BP = (5_000, 10_000)
"""Bases on each side of a start site: the text says windows of 10 kb, the legend of Fig. 6d +/-10 kb."""


class PromScan(IntervalBuilder["PromScanTask"]):
    """All windows of the region around each start site whose region the genome holds whole."""

    def _info(self) -> datasets.DatasetInfo:
        return datasets.DatasetInfo(features=interval_features(CLASSES, tss=datasets.Value("int64")))

    def _split_generators(self, dl_manager: object) -> list[datasets.SplitGenerator]:
        task, source = self.task, str(self.task.promoters)
        dropped: dict[str, int] = {}
        promoters = task.start_sites(dropped)
        n_given = len(promoters) + sum(dropped.values())
        regions = usable_rows(task.opened, _with_region(promoters, task.flank_bp), dropped, source=source)
        rows = windows_of(regions)
        keys = row_keys(rows["chrom"], rows["tss"].to_numpy(), rows["strand"], rows["start"].to_numpy())
        around = _with_region(rows, task.flank_bp)
        split = split_of(rows, keys, by=task.split_by, seed=task.seed, regions=around)
        return self.labelled_splits(
            rows, split, CLASSES, n_given=n_given, n_promoters=len(regions), dropped=dropped,
            initiator_share=initiator_share(task.opened, regions, source),
        )


def _with_region(rows: pd.DataFrame, flank_bp: int) -> pd.DataFrame:
    return rows.assign(start=rows["tss"] - flank_bp, end=rows["tss"] + flank_bp + 1)


def windows_of(regions: pd.DataFrame) -> pd.DataFrame:
    """Return the windows of each region, `chrom, start, end, strand, tss, label`.

    A window is positive if it holds the start site at the centre of its region; other start sites do
    not count (Methods: "only the central TSS was considered").

    Args:
        regions: `chrom, start, end, strand, tss`, all of one length.
    """
    length = int((regions["end"] - regions["start"]).iloc[0])
    offsets = np.arange(0, length - WINDOW_BP + 1, STEP_BP)
    region = np.repeat(np.arange(len(regions)), len(offsets))
    starts = (regions["start"].to_numpy()[:, None] + offsets).ravel()
    tss = regions["tss"].to_numpy()[region]
    return pd.DataFrame(
        {
            "chrom": regions["chrom"].to_numpy()[region], "start": starts, "end": starts + WINDOW_BP,
            "strand": regions["strand"].to_numpy()[region], "tss": tss,
            "label": ((starts <= tss) & (tss < starts + WINDOW_BP)).astype(np.int64),
        }
    )


@dataclass(frozen=True)
class PromScanTask(PromoterTask):
    """PromScan on a tokenized genome, whose tokenizer reads the sequences."""

    builder_class = PromScan
    dataset = "promscan"

    _: KW_ONLY
    flank_bp: int = FLANKS_BP[0]
    """Bases of the region on each side of the start site."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.flank_bp < WINDOW_BP:
            raise InputError(
                f"flank_bp is {self.flank_bp}; the region must be wider than a window of {WINDOW_BP} bp."
            )

    @property
    def variant(self) -> str:
        return "" if self.flank_bp == FLANKS_BP[0] else f"flank-{self.flank_bp}"


plan = PromScanTask
