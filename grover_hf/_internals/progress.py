"""Progress bars: shown on a terminal for work that lasts, silent everywhere else."""

import sys
from typing import Any

from tqdm.auto import tqdm


def on_a_terminal() -> bool:
    """Return whether stdout is a terminal; it may be closed, and then it is none."""
    return sys.stdout is not None and sys.stdout.isatty()


def progress_bar(*, total: int | None = None, what: str, unit: str = "it", scale: bool = False) -> Any:
    """Return a `tqdm` bar that appears after two seconds, and only if stdout is a terminal."""
    return tqdm(
        total=total, desc=what, unit=unit, unit_scale=scale, delay=2.0, leave=False,
        disable=not on_a_terminal(),
    )


def bars_on_terminals_only() -> None:
    """Turn off the progress bars of `datasets` and of the Hub's client where stdout is not a terminal."""
    import datasets  # here: importing it takes a second
    from huggingface_hub.utils import disable_progress_bars

    if not on_a_terminal():
        datasets.disable_progress_bars()
        disable_progress_bars()
