"""`grover reproduce`: run what can be run here, and set each number of the paper beside ours."""

from collections.abc import Callable, Sequence
from pathlib import Path

from grover_hf._internals.files import discard_folder
from grover_hf._internals.outputs import only_writer, require_writable
from grover_hf._internals.own_packages import require_own_packages
from grover_hf.errors import InputError
from grover_hf.reproduction.inputs import Inputs
from grover_hf.reproduction.rows import chosen_rows
from grover_hf.reproduction.running import Run, Runner
from grover_hf.reproduction.steps import steps_of, with_all_before
from grover_hf.reproduction.table import NAME, Line, line_of, write_table

STEPS = "steps"
_MARKER = f"{NAME}.json"
_CONTENTS = (f"{NAME}.csv", f"{NAME}.md", STEPS)


def list_rows(inputs: Inputs, output: Path, only: Sequence[str] = ()) -> list[Line]:
    """Return the rows, none of them run, with the commands as they would be run.

    Raises:
        InputError: If there is no such row.
    """
    steps = steps_of(inputs, output / STEPS)
    return [line_of(row, steps, {}) for row in chosen_rows(only)]


def reproduce(
    inputs: Inputs, output: Path, *, only: Sequence[str] = (), overwrite: bool = False,
    say: Callable[[str], None] = print, run: Run | None = None, has_gpu: bool | None = None,
) -> list[Line]:
    """Run the steps of the rows, and write the table, also when Ctrl-C ends it: finished steps stay.

    Args:
        inputs: What there is; rows that lack something say what.
        output: Folder of the table and of all outputs. One that is there goes on.
        only: Names of rows; all if there are none.
        overwrite: Begin anew.
        say: Takes a line for each step.
        run: Runs a command; None for a process of its own.
        has_gpu: Whether there is a GPU; None for asking PyTorch.

    Returns:
        The lines of the table.

    Raises:
        InputError: If there is no such row, or `output` has anything else.
    """
    require_own_packages()
    rows = chosen_rows(only)
    for path in inputs.paths:
        if output.resolve() in [path.resolve(), *path.resolve().parents] and not _is_mine(output):
            raise InputError(f"--output {output} is, or holds, the input {path}; name another --output.")
    require_writable(output, overwrite=True, marker=_MARKER, contents=_CONTENTS)
    with only_writer(output):
        if overwrite and (output / STEPS).exists():
            discard_folder(output / STEPS)
        steps = steps_of(inputs, output / STEPS)
        runner = Runner(inputs, output / STEPS, run=run, has_gpu=has_gpu)
        needed = with_all_before([name for row in rows for name in row.steps], steps)

        def table() -> list[Line]:
            lines = [line_of(row, steps, runner.outcomes) for row in rows]
            write_table(lines, output)
            return lines

        runner.plan(needed)
        table()
        try:
            runner.run_all(needed, say)
        finally:
            lines = table()
    return lines


def _is_mine(output: Path) -> bool:
    return (output / _MARKER).exists()
