"""What the paper says of its vocabulary, as numbers (Results, "Building a frequency-balanced vocabulary on the
human genome", and Fig. 3).
"""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class PaperNumber:
    """A number of the paper, as exactly as it is printed there."""

    value: float
    n_decimals: int = 0
    """Decimals of the number as it is printed: for a share, those of its percentage."""
    about: float = 0.0
    """Where the paper says "about": how far off a number may be that agrees."""
    is_share: bool = False
    """Whether it is a fraction that is printed in per cent."""

    def text(self) -> str:
        """Return the number as it is printed."""
        return ("~" if self.about else "") + self.text_of(self.value)

    def text_of(self, ours: float) -> str:
        """Return another number, printed like this one."""
        return f"{self._rounded(ours):,.{self.n_decimals}f}" + (" %" if self.is_share else "")

    def agrees(self, ours: float) -> bool:
        """Say whether a number, rounded like this one, equals it, or is about the same where the paper says so."""
        half_a_step = 0.5 * 10.0**-self.n_decimals
        return abs(self._rounded(ours) - self._rounded(self.value)) < self.about + half_a_step

    def _rounded(self, value: float) -> float:
        # Half is rounded up, as the paper does with 10 of 16 possible pairs.
        scale = 10.0**self.n_decimals
        return float(np.floor((100 if self.is_share else 1) * value * scale + 0.5) / scale)


TYPES_THAT_OCCUR = PaperNumber(601)
SINGLE_BASES_THAT_OCCUR = ("G",)
TYPES_BY_LENGTH = {2: PaperNumber(10), 4: PaperNumber(82, about=1), 5: PaperNumber(213), 6: PaperNumber(224)}
"""By bases; the paper has the share of the possible 4-mers, 32 %, which 81 to 83 types give."""
SHARE_OF_POSSIBLE = {2: PaperNumber(0.63, is_share=True), 4: PaperNumber(0.32, is_share=True)}
LONGEST_TYPES = ("A" * 16, "T" * 16)
START_WITH_A_OR_T = PaperNumber(0.97, is_share=True)
OF_BASES_A_OR_T = PaperNumber(0.60, is_share=True)
"""What "would be expected" of first bases: the share of A and T in the genome."""
MEAN_BASES = PaperNumber(4.07, n_decimals=2)
MOST_COMMON_LENGTH = 4
FREQUENCY_OF_MOST = PaperNumber(100_000)
"""Most types are more frequent than that."""
MEDIAN_FREQUENCY = PaperNumber(400_000, about=100_000)
MEDIAN_A_MILLION_BASES = PaperNumber(140, about=10)
KMER_FREQUENCIES = {6: (PaperNumber(10_000, about=5_000), PaperNumber(10_000_000, about=5_000_000))}
"""Of the rarest and the most frequent k-mer, which the paper's introduction gives as powers of ten."""
