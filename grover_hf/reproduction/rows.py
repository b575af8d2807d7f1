"""The rows of the table: every number of the paper that can be set beside one of ours."""

from collections.abc import Sequence

from grover_hf.errors import InputError
from grover_hf.reproduction.model_rows import model_rows
from grover_hf.reproduction.row import Row
from grover_hf.reproduction.task_rows import task_rows
from grover_hf.reproduction.vocabulary_rows import vocabulary_rows

ROWS: tuple[Row, ...] = (*vocabulary_rows(), *model_rows(), *task_rows())


def chosen_rows(only: Sequence[str]) -> list[Row]:
    """Return the rows of some names; all if there are none.

    Raises:
        InputError: If there is no such row.
    """
    known = [row.id for row in ROWS]
    if unknown := [name for name in only if name not in known]:
        raise InputError(f"There is no row {unknown[0]!r}; there are {', '.join(known)}.")
    return [row for row in ROWS if not only or row.id in only]
