"""The pages that people read, and the code blocks in them."""

import re
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
TUTORIAL = ROOT / "docs" / "tutorial.md"
PAGES = {
    path.relative_to(ROOT).as_posix(): path
    for path in (
        *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "training/README.md", "benchmarks/README.md")),
        *sorted((ROOT / "docs").rglob("*.md")),
    )
}
"""By their path in the repository."""

_FENCE = re.compile(
    r"(?:<!-- not run: (?P<reason>.+?) -->\s*\n)?"
    r"^(?P<indent> *)```(?P<language>\w*)[^\n]*\n(?P<code>.*?)^(?P=indent)```$"
    r"(?:\s*\n(?P=indent)```text\n(?P<output>.*?)^(?P=indent)```$)?",
    re.DOTALL | re.MULTILINE,
)


class Block(NamedTuple):
    """A block of code on a page."""

    language: str
    code: str
    line: int
    """Of the first line of its code."""
    output: str | None
    """The block of text right below it: what it prints."""
    not_run: str | None
    """Why it is not run, as the comment above it says."""


def blocks(text: str) -> list[Block]:
    """Return the blocks of code of a page, in order."""
    return [
        Block(
            language=fence["language"],
            code=_dedented(fence["code"], fence["indent"]),
            line=text.count("\n", 0, fence.start("code")) + 1,
            output=fence["output"] and _dedented(fence["output"], fence["indent"]),
            not_run=fence["reason"],
        )
        for fence in _FENCE.finditer(text)
    ]


def _dedented(code: str, indent: str) -> str:
    return re.sub(f"^{indent}", "", code, flags=re.MULTILINE)
