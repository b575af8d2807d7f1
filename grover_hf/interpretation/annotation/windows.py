"""The windows that are annotated: regions of a file, those of embeddings, or bins of a genome."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.dataset

from grover_hf.corpus.bins import genome_bins
from grover_hf.corpus.region_table import require_in_genome
from grover_hf.corpus.tokenized_genome import TokenizedGenome
from grover_hf.errors import InputError
from grover_hf.genome.annotations import read_regions
from grover_hf.inference.embeddings.folder import FACTS, read_facts
from grover_hf.interpretation.annotation.places import GenomeLine
from grover_hf.interpretation.annotation.segments import Segments, directions

COLUMNS = ["chrom", "start", "end", "name"]


def read_windows(path: Path, corpus: TokenizedGenome) -> pd.DataFrame:
    """Read windows.

    Args:
        path: BED; a table with `chrom, start, end`; or a folder of Parquet files that `grover embed` wrote.
        corpus: The genome that has them.

    Returns:
        `chrom, start, end, name`, in the order of the file.

    Raises:
        InputError: If the file cannot be used, embeddings are not finished or are of another genome, or a window
            is not in the genome.
    """
    table = _of_embeddings(path, corpus) if path.is_dir() else read_regions(path)
    require_in_genome(table, corpus, path, Path(corpus.shown))
    return table[COLUMNS]


def bins_of(corpus: TokenizedGenome, chromosomes: Sequence[str] | None) -> pd.DataFrame:
    """Return the bins of 510 tokens of a genome, as `grover embed --bins` cuts them."""
    return genome_bins(corpus, chromosomes)[COLUMNS]


def window_table(windows: pd.DataFrame, annotations: dict[str, Segments], line: GenomeLine) -> pa.Table:
    """Return how annotations cover windows.

    Args:
        windows: `chrom, start, end, name`.
        annotations: On the genome that has them.
        line: The genome.

    Returns:
        The columns of `windows`, and for each annotation its name, the share of bases that it covers, float32; and
        where strands of it are known `NAME strand`, int8: 1 or -1 where all that overlaps the window is on that
        strand, 0 where it is on both or one is not known, null where nothing overlaps.
    """
    starts, ends = (line.places(windows["chrom"], windows[name]) for name in ("start", "end"))
    kinds = (pa.string(), pa.int64(), pa.int64(), pa.string())
    columns = {name: pa.array(windows[name], kind) for name, kind in zip(COLUMNS, kinds, strict=True)}
    for name, segments in annotations.items():
        covered = segments.coverage(starts, ends)
        columns[name] = pa.array((covered.bases / (ends - starts)).astype(np.float32))
        if segments.is_stranded:
            direction, is_none = directions(covered.strands)
            columns[strand_column(name)] = pa.array(direction, mask=is_none)
    return pa.table(columns)


def strand_column(annotation: str) -> str:
    """Return the name of the column of directions."""
    return f"{annotation} strand"


def _of_embeddings(folder: Path, corpus: TokenizedGenome) -> pd.DataFrame:
    if not (folder / FACTS).exists():
        raise InputError(f"{folder} is not a folder of embeddings: it has no {FACTS}. Name a BED file or a table.")
    facts = read_facts(folder)
    if not facts.finished:
        raise InputError(f"{folder} is not finished; grover embed goes on with it.")
    if facts.genome_sha256 != corpus.facts.genome.sha256:
        raise InputError(
            f"{folder} has embeddings of another genome than {corpus.shown}: {facts.genome_sha256[:12]}, not "
            f"{corpus.facts.genome.sha256[:12]}."
        )
    parts = [str(path) for path in sorted(folder.glob("part-*.parquet"))]
    return pyarrow.dataset.dataset(parts).to_table(columns=COLUMNS).to_pandas()
