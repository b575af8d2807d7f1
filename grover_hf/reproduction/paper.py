"""Numbers of the paper that no other room has: as exactly as they are printed there."""

import math
from typing import NamedTuple

from grover_hf.analysis.results.table import PaperScore
from grover_hf.analysis.vocabulary.paper import MEAN_BASES, PaperNumber


class Bound(NamedTuple):
    """A number of which the paper says only that its own is above it, or not above it."""

    number: PaperNumber
    is_lower: bool
    """Whether the paper's is above."""

    def text(self) -> str:
        """Return it as the table shows it."""
        return ("> " if self.is_lower else "at most ") + self.number.text()

    def text_of(self, ours: float) -> str:
        """Return another number, printed like this one."""
        return self.number.text_of(ours)

    def agrees(self, ours: float) -> bool:
        """Say whether a number is on the paper's side."""
        return ours > self.number.value if self.is_lower else ours <= self.number.value


def share(value: float, n_decimals: int = 0, *, about: float = 0.0) -> PaperNumber:
    """Return a share that is printed in per cent."""
    return PaperNumber(value, n_decimals, about=about, is_share=True)


def printed(score: PaperScore) -> PaperNumber:
    """Return a score, which the paper prints in per cent, with the decimals that it has there.

    >>> printed(PaperScore(0.996, "Fig. 6b")).text()
    '99.6 %'
    """
    per_cent = 100 * score.value
    n_decimals = next(n for n in range(4) if math.isclose(round(per_cent, n), per_cent, abs_tol=1e-9))
    return share(score.value, n_decimals)


CHOSEN_CYCLES = PaperNumber(600)
"""Of 100 to 5,000, the best region 400 to 800 (Results, Fig. 2a)."""
SCANNED_CYCLES, BEST_CYCLES = "100 to 5,000", "400 to 800"

NEXT_6MER_DNABERT2 = share(0.006, 1)
NEXT_6MER_KMER_MODELS = Bound(share(0.004, 1), is_lower=False)
NEXT_6MER_CHANCE = share(1 / 4**6, 3)
"""Not in the paper: one of 4,096."""

BIN_BASES = PaperNumber(2_100, about=50)
"""Of a window of 510 tokens, "2.1 kb"."""
WINDOWS = PaperNumber(1_378_385)
WINDOWS_HIDDEN = PaperNumber(995)
TRAINING_SAMPLES = Bound(PaperNumber(5_000_000), is_lower=True)

PROM300_4MERS = share(0.79)
PROMSCAN_NT = share(0.52)
CTCF_MOTIFS = PaperNumber(85_000, about=5_000)
CTCF_BOUND = PaperNumber(32_000, about=1_000)
CTCF_DNABERT2 = share(0.59)
NT_PROMOTER_TFIDF = share(0.87)
"""The best of all, "up to"."""
NT_SPLICE_NT = NT_SPLICE_DNABERT = share(0.96)
GUE_DNABERT2, GUE_NT, GUE_TFIDF_BPE = share(0.77), share(0.61), share(0.59)
ALU = share(0.12, about=1)
PROMOTERS = PaperNumber(29_598)
"""Of EPDnew human 006 in hg38. Not in the paper, which names the database alone."""


def nats(perplexity: PaperNumber) -> PaperNumber:
    """Return the loss a token that follows from a perplexity, in nats.

    >>> nats(PaperNumber(72)).text()
    '4.277'
    """
    return PaperNumber(math.log(perplexity.value), 3)


def bits_a_base(perplexity: PaperNumber, bases: float = MEAN_BASES.value) -> PaperNumber:
    """Return the bits a base that follow from a perplexity and the mean bases of a token.

    >>> bits_a_base(PaperNumber(72)).text()
    '1.516'
    """
    return PaperNumber(math.log2(perplexity.value) / bases, 3)
