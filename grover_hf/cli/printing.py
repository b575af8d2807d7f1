"""What the command prints: tables, and what the library logs."""

import contextlib
import logging
import sys
from collections.abc import Iterator, Sequence

from grover_hf._internals.progress import on_a_terminal


def print_table(rows: Sequence[tuple[str, ...]], header: tuple[str, ...]) -> None:
    """Print rows of text below a header; 110 columns wide where there is no terminal."""
    from rich.console import Console
    from rich.table import Table

    table = Table(*header)
    for row in rows:
        table.add_row(*row)
    Console(width=None if on_a_terminal() else 110).print(table)


@contextlib.contextmanager
def log_on_stdout(name: str) -> Iterator[None]:
    """Print what a logger and those below it say, from level "info" on, plainly and nowhere else."""
    logger = logging.getLogger(name)
    level, propagate = logger.level, logger.propagate
    handler = logging.StreamHandler(sys.stdout)
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    logger.propagate = False
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)
        logger.propagate = propagate
