"""`grover interpret annotate`: tokens and windows of a genome beside tracks, as two tables.

OUTPUT/annotation.json   what was annotated with what, by digest
OUTPUT/tokens.parquet    a row for each type of the vocabulary: how many of its occurrences overlap each annotation
OUTPUT/regions.parquet   a row for each window: how much of it each annotation covers, and in which direction
"""

import importlib.metadata
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from grover_hf._internals.files import atomic_folder, sha256_of_file
from grover_hf._internals.outputs import only_writer, require_writable
from grover_hf.corpus.tokenized_genome import TokenizedGenome
from grover_hf.errors import InputError
from grover_hf.inference.embeddings.folder import FACTS
from grover_hf.interpretation.annotation.places import GenomeLine
from grover_hf.interpretation.annotation.segments import MINUS, PLUS, Segments
from grover_hf.interpretation.annotation.sources import Annotations, Sources, read_annotations
from grover_hf.interpretation.annotation.token_shares import TokenCounts, count_tokens
from grover_hf.interpretation.annotation.windows import COLUMNS, bins_of, read_windows, strand_column, window_table
from grover_hf.tokenization.special_tokens import N_SPECIAL

ANNOTATION_FILE, TOKENS_FILE, REGIONS_FILE = "annotation.json", "tokens.parquet", "regions.parquet"
_TOKEN_COLUMNS = ("id", "token", "n")


@dataclass(frozen=True, kw_only=True)
class AnnotationPlan:
    """What to annotate, and with what."""

    corpus: Path
    """A tokenized genome."""
    sources: Sources
    regions: Path | None = None
    """See `windows.read_windows`."""
    bins: bool = False
    """Instead: the whole genome in bins of 510 tokens, as `grover embed --bins` cuts it."""
    chromosomes: Sequence[str] | None = None
    """Of the bins; as `ReferenceGenome` takes them."""

    def require_sound(self) -> None:
        """Raise `InputError` if it asks for what does not go together."""
        if self.bins and self.regions is not None:
            raise InputError("Name a file of regions, or say --bins for the whole genome; not both.")
        if self.chromosomes is not None and not self.bins:
            raise InputError("--chromosomes is for --bins; which regions there are, their file says.")


class Summary(NamedTuple):
    """An annotation in short."""

    annotation: str
    n_bases: int
    """Of the genome, each once."""
    share_of_tokens: float
    """Tokens of the genome that overlap it."""
    share_of_windows: float | None
    """Windows that overlap it; None if there are no windows."""


class AnnotationWritten(NamedTuple):
    """What was written."""

    n_tokens: int
    n_windows: int | None
    annotations: list[Summary]


def write_annotation(plan: AnnotationPlan, output: Path, *, overwrite: bool = False) -> AnnotationWritten:
    """Annotate the tokens of a genome, and windows of it if the plan has some.

    Memory: the windows, one file of tracks, and some ten bytes for each of its intervals; nothing for each base or
    token of the genome.

    Args:
        plan: What and with what.
        output: Folder of the tables.
        overwrite: Replace one that is there.

    Raises:
        InputError: If a file cannot be used or is not of the genome, two columns would have one name, or `output`
            may not be written.
    """
    plan.require_sound()
    inputs = [plan.corpus, *plan.sources.paths, *([plan.regions] if plan.regions else [])]
    require_writable(
        output, overwrite=overwrite, marker=ANNOTATION_FILE, contents=[TOKENS_FILE, REGIONS_FILE], inputs=inputs
    )
    with only_writer(output):
        corpus = TokenizedGenome.open(plan.corpus)
        line = GenomeLine(corpus.sizes, genome=corpus.shown)
        windows = _windows(plan, corpus)
        annotations = read_annotations(plan.sources, corpus, line)
        _require_columns(annotations.segments)
        counts = count_tokens(corpus, annotations.segments, line)
        facts = _facts(plan, corpus, annotations)
        tokens = _token_table(corpus, counts, annotations.segments)
        regions = None if windows is None else window_table(windows, annotations.segments, line)
        with atomic_folder(output) as beside:
            _write(beside / TOKENS_FILE, tokens, facts)
            if regions is not None:
                _write(beside / REGIONS_FILE, regions, facts)
            (beside / ANNOTATION_FILE).write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")
    return _summed_up(counts, annotations.segments, regions)


def token_columns(annotation: str, *, is_stranded: bool) -> list[str]:
    """Return the names of an annotation's columns in `tokens.parquet`: overlapping it; in one direction alone."""
    return [annotation, *([f"{annotation} +", f"{annotation} -"] if is_stranded else [])]


def _windows(plan: AnnotationPlan, corpus: TokenizedGenome) -> pd.DataFrame | None:
    if plan.regions is not None:
        return read_windows(plan.regions, corpus)
    return bins_of(corpus, plan.chromosomes) if plan.bins else None


def _require_columns(annotations: Mapping[str, Segments]) -> None:
    """Raise `InputError` if two columns would have one name."""
    for fixed in (_TOKEN_COLUMNS, COLUMNS):
        seen = set(fixed)
        for name, segments in annotations.items():
            mine = token_columns(name, is_stranded=segments.is_stranded)
            if fixed is COLUMNS:
                mine = [name, *([strand_column(name)] if segments.is_stranded else [])]
            if doubled := sorted(seen & set(mine)):
                raise InputError(
                    f"The annotation {name!r} needs a column {doubled[0]!r}, which the table has already; name it "
                    "otherwise, as in NAME=FILE."
                )
            seen.update(mine)


def _token_table(corpus: TokenizedGenome, counts: TokenCounts, annotations: Mapping[str, Segments]) -> pa.Table:
    """Return the table of types, without special tokens; shares of types that do not occur are null."""
    types = np.arange(N_SPECIAL, len(corpus.encoder.tokens))
    n = counts.occurrences[types]
    columns = {
        "id": pa.array(types, pa.int64()), "token": pa.array([corpus.encoder.tokens[i] for i in types.tolist()]),
        "n": pa.array(n),
    }
    for name, segments in annotations.items():
        by_strands = counts.overlapping[name][types]
        overlapping = [by_strands.sum(1), by_strands[:, PLUS], by_strands[:, MINUS]]
        for column, some in zip(token_columns(name, is_stranded=segments.is_stranded), overlapping, strict=False):
            columns[column] = pa.array(some / np.maximum(n, 1), mask=n == 0)
    return pa.table(columns)


def _facts(plan: AnnotationPlan, corpus: TokenizedGenome, annotations: Annotations) -> dict[str, Any]:
    """Return what the tables follow from."""
    regions = plan.regions
    if regions is not None and regions.is_dir():
        regions = regions / FACTS
    windows = "none" if plan.regions is None else "regions"
    return {
        "version": importlib.metadata.version("grover-hf"),
        "corpus_sha256": corpus.facts.sha256, "vocabulary_sha256": corpus.vocabulary_sha256,
        "genome": corpus.facts.genome.name, "genome_sha256": corpus.facts.genome.sha256,
        "windows": "bins of 510 tokens" if plan.bins else windows,
        "regions_sha256": None if regions is None else sha256_of_file(regions),
        "chromosomes": None if plan.chromosomes is None else ",".join(plan.chromosomes),
        "tracks": [
            {"file": source.path.name, "sha256": source.sha256, "annotations": source.annotations}
            for source in annotations.sources
        ],
    }


def _write(path: Path, table: pa.Table, facts: dict[str, Any]) -> None:
    metadata = {
        f"grover.{name}": value if isinstance(value, str) else json.dumps(value)
        for name, value in facts.items() if value is not None
    }
    pq.write_table(table.replace_schema_metadata(metadata), path, compression="zstd")


def _summed_up(
    counts: TokenCounts, annotations: Mapping[str, Segments], regions: pa.Table | None
) -> AnnotationWritten:
    n_tokens = int(counts.occurrences.sum())
    n_windows = None if regions is None else regions.num_rows
    summaries = []
    for name, segments in annotations.items():
        overlapping = None
        if regions is not None:
            overlapping = float((regions[name].to_numpy() > 0).sum()) / max(1, regions.num_rows)
        share = float(counts.overlapping[name].sum()) / n_tokens
        summaries.append(Summary(name, segments.n_bases, share, overlapping))
    return AnnotationWritten(n_tokens, n_windows, summaries)
