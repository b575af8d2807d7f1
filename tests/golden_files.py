"""Texts that are kept in tests/golden."""

import os
from pathlib import Path

GOLDEN = Path(__file__).parent / "golden"


def hold_against_golden(text: str, name: str) -> None:
    """Compare a text with the file that is kept; with GROVER_WRITE_GOLDEN=1, write the file anew instead."""
    if os.environ.get("GROVER_WRITE_GOLDEN"):
        (GOLDEN / name).write_text(text)
    assert text == (GOLDEN / name).read_text()
