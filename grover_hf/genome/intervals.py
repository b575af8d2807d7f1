"""`Interval`: a stretch of one chromosome."""

from dataclasses import dataclass
from typing import Literal

from grover_hf.errors import InputError


@dataclass(frozen=True, slots=True, order=True)
class Interval:
    """A stretch of a chromosome: 0-based, half-open, in base pairs.

    Raises:
        InputError: If not 0 <= `start` <= `end`, or `strand` is neither "+" nor "-".

    Examples:
        >>> from grover_hf import Interval
        >>> interval = Interval("chr21", 33_031_000, 33_032_000, "-")
        >>> len(interval), interval.strand
        (1000, '-')
    """

    chrom: str
    start: int
    end: int
    strand: Literal["+", "-"] = "+"

    def __post_init__(self) -> None:
        if not 0 <= self.start <= self.end:
            raise InputError(
                f"{self.chrom}:{self.start}-{self.end} is not an interval: "
                "0 <= start <= end must hold (0-based, half-open)."
            )
        if self.strand not in ("+", "-"):
            raise InputError(
                f"{self.chrom}:{self.start}-{self.end} has strand {self.strand!r}; a strand is '+' or '-'."
            )

    def __len__(self) -> int:
        return self.end - self.start

    def __str__(self) -> str:
        return f"{self.chrom}:{self.start}-{self.end}({self.strand})"
