"""A step: a command, what it needs, what it leaves, and where it runs."""

import math
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from grover_hf.reproduction.inputs import Inputs, has_file, named

CPU, GPU, BY_HAND = "CPU", "GPU", "by hand"
"""Where a step runs. A step by hand is never started: it takes days, or needs a network and a decision."""


class Need(NamedTuple):
    """An input that a step reads."""

    name: str
    inside: str = ""
    """A file that must be in it, as a pattern; "" for none."""


@dataclass(frozen=True, kw_only=True)
class Step:
    """A command, what it needs and what it leaves."""

    name: str
    words: tuple[str, ...]
    output: Path
    marker: str
    """A file of a finished output, in its folder; "" if the output is the file."""
    needs: tuple[Need, ...]
    after: tuple[str, ...]
    """Steps whose outputs it reads."""
    minutes: float
    """On all of hg19, two cores or one A100, roughly."""
    hardware: str = CPU
    is_given: bool = False
    """Whether the output is the user's, and there before."""

    @property
    def command(self) -> str:
        """Return the command as a shell takes it."""
        return shlex.join(self.words)

    def is_whole(self) -> bool:
        """Say whether the output is there: commands put it there when it is whole."""
        return any(self.output.glob(self.marker)) if self.marker else self.output.exists()

    def absent(self, inputs: Inputs) -> Iterator[str]:
        """Yield each input that is missing, and where it lies, as a clause."""
        for need in self.needs:
            if not inputs.has(need.name):
                yield named(need.name)
            elif need.inside and not has_file(inputs.shown(need.name), need.inside):
                yield f"{need.inside.removesuffix('.*')} in {named(need.name)}"


def duration(minutes: float) -> str:
    """Return a time in words.

    >>> duration(0.2), duration(90), duration(60 * 24 * 30)
    ('1 min', '2 h', '30 days')
    """
    if minutes < 60:
        return f"{max(1, round(minutes))} min"
    hours = math.ceil(minutes / 60)
    return f"{hours} h" if hours < 72 else f"{round(hours / 24)} days"
