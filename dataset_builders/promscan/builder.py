"""PromScan: overlapping windows around start sites; which of them hold the site?"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pandas as pd
import pyarrow as pa

from dataset_builders.build import Plan
from dataset_builders.promoters import initiator_share, promoters_of
from dataset_builders.task_rows import (
    arrow_table,
    configuration_name,
    count_classes,
    in_context,
    in_slices,
    interval_features,
    split_generators,
    split_of,
    usable_rows,
)
from grover_hf._internals.files import sha256_of_files
from grover_hf.corpus.splits import row_keys
from grover_hf.corpus.tokenized_genome import TokenizedGenome
from grover_hf.errors import InputError

NAME = "promscan"
CARD = Path(__file__).parent / "README.md"
VERSION = "1.0.0"
CLASSES = ("no start site", "start site")
WINDOW_BP, STEP_BP = 1_001, 300
"""Methods, "PromScan"."""
FLANKS_BP = (5_000, 10_000)
"""Bases on each side of a start site: the text says windows of 10 kb, the legend of Fig. 6d +/-10 kb."""
SPLITS_BY = ("random", "promoter", "chromosome")


@dataclass
class PromScanConfig(datasets.BuilderConfig):
    """What to build; see `plan`."""

    corpus: str = ""
    promoters: str = ""
    chain: str | None = None
    flank_bp: int = FLANKS_BP[0]
    split_by: str = "random"
    seed: int = 0
    facts: dict[str, Any] = field(default_factory=dict, compare=False, repr=False)


class PromScan(datasets.ArrowBasedBuilder):
    """All windows of the region around each start site whose region the genome holds whole."""

    BUILDER_CONFIG_CLASS = PromScanConfig
    config: PromScanConfig

    def _info(self) -> datasets.DatasetInfo:
        return datasets.DatasetInfo(features=interval_features(CLASSES, tss=datasets.Value("int64")))

    def _split_generators(self, dl_manager: object) -> list[datasets.SplitGenerator]:
        config = self.config
        self._corpus = TokenizedGenome.open(config.corpus)
        dropped: dict[str, int] = {}
        promoters = promoters_of(config.promoters, config.chain, dropped)
        n_given = len(promoters) + sum(dropped.values())
        regions = _with_region(promoters, config.flank_bp)
        regions = usable_rows(self._corpus, regions, dropped, source=config.promoters)
        rows = windows_of(regions)
        keys = row_keys(rows["chrom"], rows["tss"].to_numpy(), rows["strand"], rows["start"].to_numpy())
        around = _with_region(rows, config.flank_bp)
        split = split_of(rows, keys, by=config.split_by, seed=config.seed, regions=around)
        config.facts |= {
            "n_given": n_given, "n_promoters": len(regions), "dropped": dropped,
            "initiator_share": initiator_share(self._corpus, regions, config.promoters),
            "classes": count_classes(rows, split, CLASSES),
        }
        return split_generators(rows, split, CLASSES)

    def _generate_tables(self, rows: pd.DataFrame) -> Iterator[tuple[int, pa.Table]]:
        for first, some in in_slices(rows):
            yield first, arrow_table(in_context(self._corpus, some), self.info.features)


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
    at = np.repeat(np.arange(len(regions)), len(offsets))
    starts = (regions["start"].to_numpy()[:, None] + offsets).ravel()
    tss = regions["tss"].to_numpy()[at]
    return pd.DataFrame(
        {
            "chrom": regions["chrom"].to_numpy()[at], "start": starts, "end": starts + WINDOW_BP,
            "strand": regions["strand"].to_numpy()[at], "tss": tss,
            "label": ((starts <= tss) & (tss < starts + WINDOW_BP)).astype(np.int64),
        }
    )


def plan(
    corpus: str | Path, promoters: str | Path, *, chain: str | Path | None = None, flank_bp: int = FLANKS_BP[0],
    split_by: str = "random", seed: int = 0,
) -> Plan:
    """Plan PromScan on a tokenized genome.

    Args:
        corpus: A folder made by `grover tokenize`; its tokenizer reads the sequences.
        promoters: Start sites: BED of 1 bp, or EPD's BED, SGA or FPS.
        chain: A chain file, if the promoters are of another assembly than the genome.
        flank_bp: Bases of the region on each side of the start site.
        split_by: "random" (the paper's, as far as its text says), "promoter" (regions that overlap
            stay together), or "chromosome".
        seed: Of the split.

    Raises:
        InputError: If the inputs cannot be used.
    """
    if flank_bp < WINDOW_BP:
        raise InputError(f"flank_bp is {flank_bp}; the region must be wider than a window of {WINDOW_BP} bp.")
    opened = TokenizedGenome.open(corpus)
    variant = "" if flank_bp == FLANKS_BP[0] else f"flank-{flank_bp}"
    config = configuration_name(opened.encoder.name, variant, split_by, SPLITS_BY)
    choices = {"flank_bp": flank_bp, "split_by": split_by, "seed": seed}
    files = [Path(path) for path in (promoters, chain) if path is not None]
    return Plan(
        builder_class=PromScan, dataset=NAME, config=config, version=VERSION,
        card=CARD, vocabulary_sha256=opened.vocabulary_sha256,
        settings={
            "corpus": str(corpus), "promoters": str(promoters), "chain": None if chain is None else str(chain),
            **choices,
        },
        inputs={
            "corpus": opened.facts, "files": [path.name for path in files], "files_sha256": sha256_of_files(files),
            **choices,
        },
    )
