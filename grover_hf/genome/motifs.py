"""Where a motif occurs in a genome: FIMO's rule, by memelite."""

import re
from pathlib import Path
from typing import Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from grover_hf._internals.progress import progress_bar
from grover_hf.errors import InputError
from grover_hf.genome.letters import BASES

PSEUDOCOUNT = 0.1
"""Added to the counts of each column, as FIMO does (`--motif-pseudo`)."""
_BLOCK_BP = 10_000_000


class HasCodes(Protocol):
    """A `ReferenceGenome` or a `TokenizedGenome`."""

    @property
    def chromosomes(self) -> list[str]: ...

    def codes(self, chrom: str) -> NDArray[np.uint8]: ...


def read_jaspar(path: str | Path) -> tuple[str, NDArray[np.float64]]:
    """Return name and counts of the one motif of a JASPAR file, shape (4, width), rows A, C, G, T.

    Raises:
        InputError: If the file holds no motif, or several, or one that is damaged.
    """
    path = Path(path)
    try:
        text = path.read_text()
    except FileNotFoundError:
        raise InputError(f"There is no file {path}.") from None
    names = re.findall(r"^>\s*(\S+)", text, re.MULTILINE)
    rows = {base: re.search(rf"^{base}\s*\[(.*)\]", text, re.MULTILINE) for base in BASES}
    if len(names) != 1 or None in rows.values():
        raise InputError(
            f"{path} has {len(names)} JASPAR motifs; one is read: a line >NAME, then A [ ... ] to T [ ... ]."
        )
    try:
        values = [list(map(float, match.group(1).split())) for match in rows.values() if match]
    except ValueError as error:
        raise InputError(f"{path}: a count of {names[0]} is not a number: {error}") from None
    if len({len(row) for row in values}) != 1 or not values[0]:
        lengths = ", ".join(str(len(row)) for row in values)
        raise InputError(f"{path}: the rows of {names[0]} have {lengths} columns.")
    return names[0], np.array(values)


def find_motif(
    genome: HasCodes, counts: NDArray[np.float64], *, p_value: float
) -> pd.DataFrame:
    """Return all occurrences of a motif with a p-value below `p_value`, on both strands.

    The score of a position is the sum of log2(probability / 0.25); its p-value is the share of
    random sequences that score as much or more, on a background of equal bases (Grant, Bailey and
    Noble, Bioinformatics 2011). FIMO's own default background is that of a database, with 54 % A
    and T: hits near the threshold differ; read them with `read_fimo` where that matters.

    Args:
        genome: All its chromosomes are scanned.
        counts: Of the motif, shape (4, width), rows A, C, G, T.
        p_value: Threshold.

    Returns:
        `chrom, start, end, strand, score, p_value`, ordered by coordinate.
    """
    from memelite import fimo  # here: importing it compiles for seconds

    added = counts + PSEUDOCOUNT / 4
    motif = {"motif": added / added.sum(0)}
    width = counts.shape[1]
    found = []
    with progress_bar(total=len(genome.chromosomes), what="finding motifs", unit="chromosome") as bar:
        for chrom in genome.chromosomes:
            codes = genome.codes(chrom)
            bar.update(1)
            for first in range(0, codes.size, _BLOCK_BP):
                # Blocks overlap by a base less than the motif, so that none is missed or found twice.
                block = codes[first : first + _BLOCK_BP + width - 1]
                if block.size < width or (block == len(BASES)).all():
                    continue
                one_hot = (block == np.arange(len(BASES), dtype=np.uint8)[:, None]).astype(np.int8)
                hits = fimo(motif, one_hot[None], threshold=p_value)[0]
                hits = hits[_without_n(block, hits["start"].to_numpy(np.int64), width)]
                found.append(hits.assign(chrom=chrom, start=hits["start"] + first, end=hits["end"] + first))
    columns = ["chrom", "start", "end", "strand", "score", "p_value"]
    if not any(len(hits) for hits in found):
        return pd.DataFrame(columns=columns)
    table = pd.concat([hits for hits in found if len(hits)]).rename(columns={"p-value": "p_value"})
    order = {chrom: number for number, chrom in enumerate(genome.chromosomes)}
    table = table.astype({"start": np.int64, "end": np.int64}).assign(order=table["chrom"].map(order))
    return table.sort_values(["order", "start", "strand"], ignore_index=True)[columns]


def _without_n(codes: NDArray[np.uint8], starts: NDArray[np.int64], width: int) -> NDArray[np.bool_]:
    """Return which stretches hold A, C, G and T alone: FIMO skips the others, memelite scores N as 0."""
    n_unknown = np.concatenate([[0], np.cumsum(codes == len(BASES))])
    kept: NDArray[np.bool_] = n_unknown[starts + width] == n_unknown[starts]
    return kept
