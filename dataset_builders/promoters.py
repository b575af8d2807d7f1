"""Start sites for the tasks on promoters: read, lifted over, checked."""

import logging
from dataclasses import KW_ONLY, dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from dataset_builders.task import FILE, CorpusTask
from dataset_builders.task_rows import codes_of
from grover_hf.corpus.tokenized_genome import TokenizedGenome
from grover_hf.errors import InputError
from grover_hf.genome.acgt import base_codes
from grover_hf.genome.start_sites import lift_over, names_in_chain, read_start_sites

_PYRIMIDINES, _PURINES = base_codes("CT"), base_codes("AG")

logger = logging.getLogger(__name__)

EXPECTED_INITIATORS = 0.4
"""Less than this, and the start sites are likely of another assembly: 71 % of EPDnew's human start
sites are on an initiator in their assembly, and a quarter of positions at random."""


@dataclass(frozen=True)
class PromoterTask(CorpusTask):
    """The options of a dataset of promoters on a tokenized genome."""

    splits_by = ("random", "promoter", "chromosome")
    """At random, as in the paper as far as its text says; by promoter: rows that overlap stay together, and with
    them what was made of them."""

    promoters: str | Path = field(metadata=FILE)
    """Start sites: BED of 1 bp, or EPD's BED, SGA or FPS."""
    _: KW_ONLY
    chain: str | Path | None = field(default=None, metadata=FILE)
    """A chain file, if the promoters are of another assembly than the genome."""

    def start_sites(self, dropped: dict[str, int]) -> pd.DataFrame:
        """Return `chrom, tss, strand, name` of the start sites, lifted over if a chain file is given.

        Args:
            dropped: Takes the number of start sites lost on the way, by reason.
        """
        known = self.opened.chromosomes if self.chain is None else names_in_chain(self.chain)
        promoters = read_start_sites(self.promoters, known)
        if self.chain is None:
            return promoters
        lifted, lost = lift_over(promoters, self.chain)
        dropped |= lost
        if not len(lifted):
            raise InputError(
                f"{self.chain} has no place for any of the {len(promoters)} start sites of {self.promoters}: is "
                "it the chain file from their assembly to that of the genome?"
            )
        return lifted


def initiator_share(corpus: TokenizedGenome, promoters: pd.DataFrame, source: str) -> float:
    """Return the share of start sites on an initiator; warn if it is too low for start sites.

    An initiator is a pyrimidine, then, at the start site, a purine (Carninci et al., Nature Genetics 2006).

    Args:
        corpus: The tokenized genome.
        promoters: `chrom, tss, strand`, all inside the genome's segments by a base or more.
        source: Name of the file, for the warning.
    """
    around = promoters.assign(start=promoters["tss"] - 1, end=promoters["tss"] + 2)
    before, on_site, _ = codes_of(corpus, around).T
    share = float(np.mean(np.isin(before, _PYRIMIDINES) & np.isin(on_site, _PURINES)))
    if share < EXPECTED_INITIATORS:
        logger.warning(
            "%s: only %.0f %% of %d start sites are on an initiator (pyrimidine, then purine); of positions at "
            "random 25 %% are. Are they of another assembly than the genome? Then give a chain file.",
            source, 100 * share, len(promoters),
        )
    return share
