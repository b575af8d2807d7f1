"""Tables of annotated intervals, and where they lie on a genome.

A table has `chrom, start, end, strand, annotation`, a row for each interval, 0-based and half-open; texts are
categories, and a strand that is not known is ".".
"""

import logging
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from grover_hf.errors import InputError, shorten
from grover_hf.genome.annotations import require_same_names
from grover_hf.genome.chromosome_names import offer
from grover_hf.interpretation.annotation.segments import STRAND_BITS, Segments

logger = logging.getLogger(__name__)

COLUMNS = ["chrom", "start", "end", "strand", "annotation"]


class GenomeLine:
    """The chromosomes of a genome one behind another, as `Segments` take them.

    Args:
        sizes: Of the chromosomes in bp, in order.
        genome: What the genome is called in messages.
    """

    def __init__(self, sizes: Mapping[str, int], *, genome: str) -> None:
        self.sizes, self.genome = dict(sizes), genome
        ends = np.cumsum(list(self.sizes.values()), dtype=np.int64)
        self.first_bases = dict(zip(self.sizes, [0, *ends[:-1].tolist()], strict=True))
        """Where each chromosome begins on the line."""
        self.n_bases = int(ends[-1])

    def places(self, chroms: "pd.Series[str]", positions: "pd.Series[int]") -> NDArray[np.int64]:
        """Return positions on chromosomes of the genome as places on the line, shape (n,)."""
        codes, names = pd.factorize(chroms)
        first = np.array([self.first_bases[name] for name in names], np.int64)
        return np.asarray(first[codes] + positions.to_numpy())

    def kept(self, rows: pd.DataFrame, path: Path) -> pd.DataFrame:
        """Return what lies on the genome of the rows of a file; what does not is counted, and said.

        Intervals that reach past the end of a chromosome are cut there.

        Raises:
            InputError: If nothing lies on the genome, or no chromosome has a name of the genome's.
        """
        # Categories may hold names of rows that were left out.
        codes, names = pd.factorize(rows["chrom"])
        names = [str(name) for name in names]
        require_same_names(names, list(self.sizes), what=str(path), genome=self.genome)
        sizes = np.array([self.sizes.get(name, -1) for name in names], np.int64)[codes]
        starts, ends = (rows[name].to_numpy() for name in ("start", "end"))
        is_known, is_there = sizes >= 0, starts < sizes
        is_cut = is_there & (ends > sizes)
        if not is_there.all() or is_cut.any():
            strange = [name for name in names if name not in self.sizes]
            counts = [
                (~is_known, f"are on chromosomes that it does not have ({shorten(strange, 3)})"),
                (is_known & ~is_there, "lie behind the end of their chromosome"),
                (is_cut, "reach over it and are cut there"),
            ]
            said = ", ".join(f"{which.sum():,} {what}" for which, what in counts if which.any())
            logger.warning(
                "%s has %s intervals; of these are not, or not wholly, in %s: %s.%s", path, f"{len(rows):,}",
                self.genome, said, offer(strange, list(self.sizes)),
            )
        if not is_there.any():
            raise InputError(f"{path} has no interval that lies in {self.genome}; is it of the same assembly?")
        if is_there.all() and not is_cut.any():
            return rows
        return rows.assign(end=np.minimum(ends, sizes))[is_there].reset_index(drop=True)

    def segments(self, rows: pd.DataFrame) -> dict[str, Segments]:
        """Return where each annotation of a table lies, in the order of the categories."""
        starts, ends = (self.places(rows["chrom"], rows[name]) for name in ("start", "end"))
        bit_of = np.array([STRAND_BITS[strand] for strand in rows["strand"].cat.categories], np.uint8)
        strands = bit_of[rows["strand"].cat.codes]
        codes = rows["annotation"].cat.codes.to_numpy()
        in_order = np.argsort(codes, kind="stable")
        names = rows["annotation"].cat.categories
        borders = np.searchsorted(codes[in_order], np.arange(len(names) + 1))
        chosen = (in_order[first:last] for first, last in pairwise(borders.tolist()))
        return {
            str(name): Segments.of(starts[mine], ends[mine], strands[mine])
            for name, mine in zip(names, chosen, strict=True)
        }


def annotated(rows: pd.DataFrame, name: str) -> pd.DataFrame:
    """Return rows with one annotation for all of them."""
    codes = np.zeros(len(rows), np.int8)
    return rows.assign(annotation=pd.Categorical.from_codes(codes, [name]))[COLUMNS]
