"""CTCF: which occurrences of its motif are bound?"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import datasets
import pandas as pd
import pyarrow as pa

from dataset_builders.build import Plan
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
from grover_hf.genome.annotations import read_bed, read_fimo, require_same_names
from grover_hf.genome.motifs import find_motif, read_motif

NAME = "ctcf"
CARD = Path(__file__).parent / "README.md"
VERSION = "1.0.0"
CLASSES = ("unbound", "bound")
FLANK_BP = 500
"""On each side of the base in the middle of the motif: "a 1 kb window around" it (Methods, "CTCF")."""
_LARGEST_P_VALUE = 0.01
P_VALUE = 1e-4
"""Methods, "CTCF"."""
SPLITS_BY = ("random", "locus", "chromosome")


@dataclass
class CtcfConfig(datasets.BuilderConfig):
    """What to build; see `plan`."""

    corpus: str = ""
    peaks: str = ""
    motif: str | None = None
    hits: str | None = None
    ambiguous: str | None = None
    p_value: float = P_VALUE
    max_hits: int | None = None
    split_by: str = "random"
    seed: int = 0
    facts: dict[str, Any] = field(default_factory=dict, compare=False, repr=False)


class Ctcf(datasets.ArrowBasedBuilder):
    """Windows around the occurrences of a motif, bound where they meet a ChIP-seq peak."""

    BUILDER_CONFIG_CLASS = CtcfConfig
    config: CtcfConfig

    def _info(self) -> datasets.DatasetInfo:
        position = datasets.Value("int64")
        extra = {"motif_start": position, "motif_end": position, "p_value": datasets.Value("float64")}
        return datasets.DatasetInfo(features=interval_features(CLASSES, **extra))

    def _split_generators(self, dl_manager: object) -> list[datasets.SplitGenerator]:
        config = self.config
        self._corpus = TokenizedGenome.open(config.corpus)
        peaks = read_bed(config.peaks)
        require_same_names(
            peaks["chrom"].tolist(), self._corpus.chromosomes, what=config.peaks, genome=config.corpus
        )
        hits = self._hits()
        n_given = len(hits)
        hits, dropped, without_peaks = labelled_hits(
            hits, peaks, None if config.ambiguous is None else read_bed(config.ambiguous)
        )
        middle = (hits["start"] + hits["end"]) // 2
        if not len(hits):
            raise InputError(
                f"No occurrence of the motif is left: {config.peaks} has no peak on {', '.join(without_peaks)}."
            )
        rows = hits.rename(columns={"start": "motif_start", "end": "motif_end"})
        rows = rows.assign(start=middle - FLANK_BP, end=middle + FLANK_BP + 1)
        rows = usable_rows(self._corpus, rows, dropped, source="the motif's occurrences")
        keys = row_keys(rows["chrom"], rows["motif_start"].to_numpy(), rows["strand"])
        split = split_of(rows, keys, by=config.split_by, seed=config.seed)
        config.facts |= {
            "n_given": n_given, "dropped": dropped, "chromosomes_without_peaks": without_peaks,
            "classes": count_classes(rows, split, CLASSES),
        }
        return split_generators(rows, split, CLASSES)

    def _generate_tables(self, rows: pd.DataFrame) -> Iterator[tuple[int, pa.Table]]:
        for first, some in in_slices(rows):
            yield first, arrow_table(in_context(self._corpus, some), self.info.features)

    def _hits(self) -> pd.DataFrame:
        """Return `chrom, start, end, strand, p_value` of the motif, the best ones if only so many are wanted."""
        config = self.config
        if config.hits is not None:
            hits = read_fimo(config.hits)
            require_same_names(
                hits["chrom"].tolist(), self._corpus.chromosomes, what=config.hits, genome=config.corpus
            )
            hits = hits[hits["p_value"] < config.p_value]
        else:
            assert config.motif is not None
            hits = find_motif(self._corpus, read_motif(config.motif)[1], p_value=config.p_value)
        if config.max_hits is not None:
            hits = hits.sort_values("p_value", kind="stable").head(config.max_hits)
        if not len(hits):
            raise InputError(f"The motif does not occur at p < {config.p_value:g}.")
        return hits[["chrom", "start", "end", "strand", "p_value"]]


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


def plan(  # noqa: PLR0913 - the options of the verb, by keyword
    corpus: str | Path, peaks: str | Path, *, motif: str | Path | None = None, hits: str | Path | None = None,
    ambiguous: str | Path | None = None, p_value: float = P_VALUE, max_hits: int | None = None,
    split_by: str = "random", seed: int = 0,
) -> Plan:
    """Plan the CTCF task on a tokenized genome.

    Args:
        corpus: A folder made by `grover tokenize`; its tokenizer reads the sequences.
        peaks: ChIP-seq peaks, BED or narrowPeak.
        motif: A JASPAR file, to be found in the genome; or
        hits: FIMO's table of occurrences.
        ambiguous: Less certain peaks: unbound occurrences that meet one are left out.
        p_value: Occurrences with a smaller p-value are used.
        max_hits: Use only so many, those with the smallest p-values.
        split_by: "random" (the paper's), "locus" (windows that overlap stay together) or "chromosome".
        seed: Of the split.

    Raises:
        InputError: If the inputs cannot be used.
    """
    if (motif is None) == (hits is None):
        raise InputError("Name a motif (JASPAR) or its occurrences (FIMO's table), one of the two.")
    if not 0 < p_value <= _LARGEST_P_VALUE:
        raise InputError(f"p_value is {p_value}; it lies between 0 and {_LARGEST_P_VALUE}.")
    opened = TokenizedGenome.open(corpus)
    variant = "-".join(
        [f"p-{p_value:g}"] * (p_value != P_VALUE) + [f"best-{max_hits}"] * (max_hits is not None)
    )
    config = configuration_name(opened.encoder.name, variant, split_by, SPLITS_BY)
    named = {"peaks": peaks, "motif": motif, "hits": hits, "ambiguous": ambiguous}
    files = [Path(path) for path in named.values() if path is not None]
    choices = {"p_value": p_value, "max_hits": max_hits, "split_by": split_by, "seed": seed}
    return Plan(
        builder_class=Ctcf, dataset=NAME, config=config, version=VERSION,
        card=CARD, vocabulary_sha256=opened.vocabulary_sha256,
        settings={
            "corpus": str(corpus), **{name: None if path is None else str(path) for name, path in named.items()},
            **choices,
        },
        inputs={
            "corpus": opened.facts, "files": [path.name for path in files], "files_sha256": sha256_of_files(files),
            "motif": "the motif" if motif is None else read_motif(motif)[0],
            "occurrences": "FIMO's table" if motif is None else "memelite's scan", **choices,
        },
    )
