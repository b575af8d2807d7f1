"""A row: a number of the paper, where it stands, how ours is made, and what explains a difference."""

from dataclasses import dataclass

from grover_hf.analysis.vocabulary.paper import PaperNumber
from grover_hf.reproduction.paper import Bound
from grover_hf.reproduction.readings import Read, Reading


@dataclass(frozen=True, kw_only=True)
class Row:
    """A row of the table."""

    id: str
    quantity: str
    paper: PaperNumber | Bound | str
    """Words if it is none of a number."""
    where: str
    """In the paper."""
    why: str
    """A sentence that explains a difference, or says why there is no number of ours."""
    steps: tuple[str, ...] = ()
    """What is read, the last one first of all; none if there is nothing to run."""
    read: Read | None = None

    @property
    def paper_text(self) -> str:
        """Return the paper's number as it is printed."""
        return self.paper if isinstance(self.paper, str) else self.paper.text()

    def ours_text(self, reading: Reading) -> str:
        """Return ours, printed like the paper's."""
        if reading.value is None or isinstance(self.paper, str):
            return reading.words if reading.words else f"{reading.value:g}"
        return self.paper.text_of(reading.value)

    def interval_text(self, reading: Reading) -> str:
        """Return our interval with a decimal more than the paper has; "" if there is none."""
        if reading.ci95 is None or isinstance(self.paper, str):
            return ""
        number = self.paper.number if isinstance(self.paper, Bound) else self.paper
        finer = PaperNumber(number.value, number.n_decimals + 1, is_share=number.is_share)
        low, high = (finer.text_of(bound).removesuffix(" %") for bound in reading.ci95)
        return f"{low} to {high}" + (" %" if number.is_share else "")

    def agrees(self, reading: Reading) -> bool | None:
        """Say whether ours, rounded as the paper's is, is the paper's; None if that cannot be said."""
        if reading.value is None or isinstance(self.paper, str):
            return reading.agrees
        return self.paper.agrees(reading.value)

    def excludes(self, reading: Reading) -> bool | None:
        """Say whether our interval leaves the paper's number out; None without an interval."""
        if reading.ci95 is None or isinstance(self.paper, str):
            return None
        low, high = reading.ci95
        if isinstance(self.paper, Bound):
            # One that reaches to the paper's side does not exclude it.
            return not self.paper.agrees(high if self.paper.is_lower else low)
        return not low <= self.paper.value <= high
