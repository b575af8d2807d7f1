"""Start sites for the tasks on promoters: read, lifted over, checked."""

import logging
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from grover_hf.genome.annotations import lift_over, read_promoters

logger = logging.getLogger(__name__)

EXPECTED_INITIATORS = 0.4
"""Less than this, and the start sites are likely of another assembly: 71 % of EPDnew's human start
sites are on an initiator in their assembly, and a quarter of positions at random."""


def promoters_of(path: str | Path, chain: str | Path | None, dropped: dict[str, int]) -> pd.DataFrame:
    """Return `chrom, tss, strand, name` of the start sites, lifted over if a chain file is given.

    Args:
        path: BED of 1 bp, or EPD's BED, SGA or FPS.
        chain: A UCSC chain file, or None.
        dropped: Takes the number of start sites lost on the way, by reason.
    """
    promoters = read_promoters(path)
    if chain is None:
        return promoters
    lifted, lost = lift_over(promoters, chain)
    dropped |= lost
    return lifted


def initiator_share(around: Sequence[str], source: str) -> float:
    """Return the share of start sites on an initiator; warn if it is too low for start sites.

    Args:
        around: The bases before and at each start site, read along its strand. An initiator is a
            pyrimidine, then a purine (Carninci et al., Nature Genetics 2006).
        source: Name of the file, for the warning.
    """
    share = sum(pair[0] in "CT" and pair[1] in "AG" for pair in around) / len(around)
    if share < EXPECTED_INITIATORS:
        logger.warning(
            "%s: only %.0f %% of %d start sites are on an initiator (pyrimidine, then purine); of positions at "
            "random 25 %% are. Are they of another assembly than the genome? Then give a chain file.",
            source, 100 * share, len(around),
        )
    return share
