"""What the command prints: tables, and what the library logs."""

import contextlib
import logging
import sys
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from grover_hf._internals.progress import on_a_terminal

if TYPE_CHECKING:
    from grover_hf._internals.shards import ShardWritten


def print_table(rows: Sequence[tuple[str, ...]], header: tuple[str, ...]) -> None:
    """Print rows of text below a header; 110 columns wide where there is no terminal."""
    from rich.console import Console
    from rich.table import Table

    table = Table(*header)
    for row in rows:
        table.add_row(*row)
    Console(width=None if on_a_terminal() else 110).print(table)


def print_shard(written: "ShardWritten") -> None:
    """Say what a command with --shard did."""
    was_whole = "; it is whole, and was left as it is" if written.was_whole else ""
    print(f"{written.path}: {written.n_rows:,} rows{was_whole}" if written.n_rows or was_whole
          else f"{written.path}: this shard is empty")


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
