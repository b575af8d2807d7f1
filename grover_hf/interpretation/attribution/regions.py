"""The regions that are looked at, and what a method says of one: a value for each token and for each base.

Everything is in the order in which the region's strand is read, 5' to 3'. Positions are those of the forward
strand, so on "-" they descend; letters are those of the region's strand.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from grover_hf.corpus.region import tokenize_region
from grover_hf.corpus.region_table import require_in_genome
from grover_hf.corpus.token_lookup import IntervalTokens
from grover_hf.errors import InputError
from grover_hf.genome import Interval, ReferenceGenome
from grover_hf.genome.annotations import read_regions
from grover_hf.tokenization.encoding import Encoder


class Region(NamedTuple):
    """A region of the file."""

    number: int
    """Its row, from 0."""
    name: str
    interval: Interval

    @property
    def shown(self) -> str:
        """What it is called in errors and titles."""
        interval = self.interval
        place = f"{interval.chrom}:{interval.start:,}-{interval.end:,} ({interval.strand})"
        return f"{self.name}, {place}" if self.name else place


@dataclass(frozen=True, eq=False)
class Attribution:
    """What a method says of one region."""

    tokens: IntervalTokens
    """The tokens that the region's strand has there; those at its ends may reach out of it."""
    token_values: NDArray[np.float64]
    """Shape (n_tokens,)."""
    positions: NDArray[np.int64]
    """Of the bases that have a row, on the forward strand, shape (n_bases,)."""
    letters: str
    """Those bases, on the region's strand."""
    base_values: NDArray[np.float64]
    """Shape (n_bases,); NaN where there is none."""
    by_base: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)
    """More columns of the bases: by name, for A, C, G, T of the region's strand, shape (n_bases, 4)."""
    of_tokens: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)
    """More columns of the tokens, each (n_tokens,)."""
    summary: Mapping[str, float | str] = field(default_factory=dict)
    """What is said of the region as a whole."""


def regions_to_read(path: Path, genome: ReferenceGenome) -> list[Region]:
    """Return the regions of a file, each with its strand, "+" where the file has none.

    Raises:
        InputError: If the file cannot be used, or a region is not in the genome.
    """
    table = read_regions(path)
    require_in_genome(table, genome, path, genome.path)
    columns = (table[name].tolist() for name in ("chrom", "start", "end", "strand", "name"))
    return [
        Region(number, name, Interval(chrom, start, end, strand))
        for number, (chrom, start, end, strand, name) in enumerate(zip(*columns, strict=True))
    ]


def tokens_of(region: Region, genome: ReferenceGenome, encoder: Encoder) -> IntervalTokens:
    """Return the genome's own tokens over a region, of its strand.

    Raises:
        InputError: If it has none: it lies in N.
    """
    tokens = tokenize_region(genome, region.interval, encoder, strand=region.interval.strand)
    if not len(tokens.input_ids):
        raise InputError(f"{region.shown} has no token: it lies in N. Leave it out.")
    return tokens


def spread_to_bases(
    tokens: IntervalTokens, values: NDArray[np.floating]
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return the positions of all bases of tokens, and their values: each base has an even share of its token's.

    Args:
        tokens: In the order in which their strand is read.
        values: Shape (n_tokens,).

    Returns:
        Positions on the forward strand and values, in the order of reading, both (n_bases,).
    """
    lengths = tokens.ends - tokens.starts
    places = [
        np.arange(start, end) if tokens.strand == "+" else np.arange(end - 1, start - 1, -1)
        for start, end in zip(tokens.starts.tolist(), tokens.ends.tolist(), strict=True)
    ]
    of_bases = np.repeat(values / lengths, lengths).astype(np.float64)
    return np.concatenate([np.empty(0, np.int64), *places]), of_bases


def sum_over_bases(
    tokens: IntervalTokens, positions: NDArray[np.int64], values: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the sum of the values of each token's bases, shape (n_tokens,); bases without a value count 0.

    Args:
        tokens: Those of a region.
        positions: Of the bases that have a row, shape (n_bases,); a token's other bases count 0.
        values: Shape (n_bases,).
    """
    in_order = np.argsort(tokens.starts)
    owners = in_order[np.searchsorted(tokens.starts[in_order], positions, side="right") - 1]
    held = (tokens.starts[owners] <= positions) & (positions < tokens.ends[owners]) & np.isfinite(values)
    return np.bincount(owners[held], values[held], minlength=len(tokens.starts)).astype(np.float64)


def letters_of(tokens: IntervalTokens, spelled: Sequence[str]) -> str:
    """Return what tokens spell, as one text.

    Args:
        tokens: Those of a region.
        spelled: The vocabulary, by id.
    """
    return "".join(spelled[token] for token in tokens.input_ids.tolist())
