"""What is embedded: regions of a file, bins of a genome, or the sequences of a FASTA file, with their tokens."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from grover_hf._internals.files import sha256_of_files
from grover_hf.corpus.bins import genome_bins
from grover_hf.corpus.corpus_facts import CORPUS_FILE
from grover_hf.corpus.region_table import outside_genome, require_in_genome
from grover_hf.corpus.tokenized_genome import TokenizedGenome
from grover_hf.errors import InputError
from grover_hf.genome import Interval
from grover_hf.genome.annotations import read_regions, require_same_names
from grover_hf.inference.dna_model import DnaModel
from grover_hf.inference.genome_models import encoder_of
from grover_hf.tokenization.special_tokens import MAX_TOKENS

logger = logging.getLogger(__name__)

TablePooling = Literal["mean", "cls", "token"]
_LISTED = 10


@dataclass(frozen=True, kw_only=True)
class EmbeddingPlan:
    """What to embed, and how."""

    model: str
    """Folder of a model whose tokenizer is one of ours, or its name on the Hub."""
    regions: Path | None = None
    """A BED file, or a table with `chrom`, `start`, `end`. With no genome: a FASTA file, each record a row. None
    for bins."""
    genome: Path | None = None
    """A FASTA file, which is tokenized once, into the cache; or a tokenized genome."""
    bins: bool = False
    """Instead of regions: the whole genome in bins of 510 tokens, the longest input of BERT. The last bin of a
    segment has fewer."""
    chromosomes: Sequence[str] | None = None
    """Of the bins; as `ReferenceGenome` takes them."""
    revision: str | None = None
    """Of the model on the Hub."""
    layer: int = -1
    """0 is what enters the first layer, -1 what leaves the last."""
    pooling: TablePooling = "mean"
    """mean of the tokens, or cls, see `DnaModel.embed`; or token: a row for each token."""
    allow_empty: bool = False
    """Whether regions without a token, in N, get NaN; else they are an error."""
    skip_bad: bool = False
    """Whether regions that the genome does not have get NaN, and are listed; else they are an error."""
    rows_a_part: int = 5_000
    """Regions of a Parquet file."""

    def require_sound(self) -> None:
        """Raise `InputError` if it asks for what does not go together."""
        if self.rows_a_part < 1:
            raise InputError(f"rows_a_part is {self.rows_a_part}; a part has one region or more.")
        if self.bins == (self.regions is not None):
            raise InputError("Name a file of regions or sequences, or say --bins for the whole genome; not both.")
        if self.bins and self.genome is None:
            raise InputError("--bins needs --genome.")
        if self.chromosomes is not None and not self.bins:
            raise InputError("--chromosomes is for --bins; which regions there are, their file says.")

    @property
    def source(self) -> str:
        """What a row was before it was embedded, in words."""
        if self.bins:
            return f"bins of {MAX_TOKENS} tokens"
        return "sequences" if self.genome is None else "regions"

    @property
    def inputs(self) -> list[Path]:
        """The files that are read, and the model's folder."""
        return [path for path in (self.regions, self.genome) if path is not None] + [Path(self.model)]


@dataclass(frozen=True)
class Places:
    """The rows to embed, and the tokenized genome that has their tokens."""

    table: pd.DataFrame
    """`chrom, start, end, strand, name`."""
    corpus: TokenizedGenome
    is_outside: NDArray[np.bool_]
    """Rows that the genome does not have, which get NaN; shape (n,)."""
    n_empty: int
    """Rows without any token: in N."""
    regions_sha256: str | None
    """Digest of their file; None for bins and sequences."""


def places_of(plan: EmbeddingPlan, dna: DnaModel) -> Places:
    """Return what a plan embeds.

    Raises:
        InputError: If a file cannot be used, a region is not in the genome, or one has no token, unless the plan
            allows that.
    """
    genome = plan.genome or plan.regions
    if genome is None:
        raise InputError("There is neither a genome nor a FASTA file.")
    try:
        corpus = _corpus(dna, genome, plan.model)
    except InputError as error:
        if plan.genome is not None:
            raise
        raise InputError(f"{error} Regions need --genome; without it, sequences are read from FASTA.") from None
    if plan.bins:
        table = genome_bins(corpus, plan.chromosomes)
        return Places(table, corpus, np.zeros(len(table), np.bool_), 0, None)
    table = _sequences(corpus) if plan.genome is None or plan.regions is None else read_regions(plan.regions)
    is_outside = _outside(table, corpus, plan)
    n_empty = _count_empty(table[~is_outside], corpus, plan)
    digest = None if plan.genome is None or plan.regions is None else sha256_of_files([plan.regions])
    return Places(table, corpus, is_outside, n_empty, digest)


def intervals(table: pd.DataFrame) -> list[Interval]:
    """Return the rows of a table as intervals."""
    columns = (table[name].tolist() for name in ("chrom", "start", "end"))
    return [Interval(*row) for row in zip(*columns, strict=True)]


def _sequences(corpus: TokenizedGenome) -> pd.DataFrame:
    names, sizes = corpus.chromosomes, [corpus.sizes[name] for name in corpus.chromosomes]
    return pd.DataFrame({"chrom": names, "start": 0, "end": sizes, "strand": ".", "name": names})


def _corpus(dna: DnaModel, genome: Path, model: str) -> TokenizedGenome:
    """Return the genome tokenized with the model's tokenizer."""
    encoder = encoder_of(dna, model)
    if (genome / CORPUS_FILE).exists():
        return TokenizedGenome.open(genome, encoder)
    return TokenizedGenome.cached(genome, encoder)


def _outside(table: pd.DataFrame, corpus: TokenizedGenome, plan: EmbeddingPlan) -> NDArray[np.bool_]:
    """Return which regions the genome does not have; they are listed.

    Raises:
        InputError: If there are some and they are not to be skipped, or no name is the genome's.
    """
    regions, genome = (Path(path or "the regions") for path in (plan.regions, plan.genome))
    if not plan.skip_bad:
        require_in_genome(table, corpus, regions, genome)
    names = table["chrom"].unique().tolist()
    require_same_names(names, list(corpus.sizes), what=str(regions), genome=str(genome))
    is_outside = outside_genome(table, corpus)
    if is_outside.any():
        rows = [f"row {row}: {table.loc[row, 'chrom']}:{table.loc[row, 'start']}-{table.loc[row, 'end']}"
                for row in np.flatnonzero(is_outside)[:_LISTED].tolist()]
        more = f", ... ({is_outside.sum():,} in all)" if is_outside.sum() > _LISTED else ""
        logger.warning(
            "%s: not in %s, and NaN in the output, with n_tokens null (rows count from 0): %s%s",
            regions, genome, ", ".join(rows), more,
        )
    return is_outside


def _count_empty(table: pd.DataFrame, corpus: TokenizedGenome, plan: EmbeddingPlan) -> int:
    """Return how many regions have no token.

    Raises:
        InputError: If there are some and they are not allowed.
    """
    empty = [not len(corpus.tokens_in(interval).input_ids) for interval in intervals(table)]
    if any(empty) and not plan.allow_empty:
        row = table.iloc[empty.index(True)]
        where = f"{plan.regions}: {row['chrom']}:{row['start']}-{row['end']}"
        raise InputError(
            f"{where} has no token: it lies in N, or with k-mers in a tail, as {sum(empty)} of {len(table):,} "
            "regions do. Leave them out, or say --allow-empty for NaN in their place."
        )
    return sum(empty)
