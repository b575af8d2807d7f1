"""`grover results`: the table of many runs as Markdown, CSV and a figure."""

import csv
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path

from grover_hf._internals.files import atomic_folder
from grover_hf._internals.outputs import only_writer, require_writable
from grover_hf.analysis.figure_style import require_matplotlib, save_figure
from grover_hf.analysis.results.figure import results_figure
from grover_hf.analysis.results.table import Result, markdown


def write_results(rows: Sequence[Result], folder: Path, *, overwrite: bool = False) -> None:
    """Write `results.md`, `results.csv` and `results.png` into a folder.

    Raises:
        InputError: If the folder may not be replaced, or matplotlib is missing.
    """
    require_matplotlib()
    require_writable(folder, overwrite=overwrite, marker="results.csv", contents=["results.*"])
    with only_writer(folder), atomic_folder(folder) as part:
        (part / "results.md").write_text(markdown(rows) + "\n")
        with open(part / "results.csv", "w", newline="") as file:
            writer = csv.writer(file)
            names = [field.name for field in fields(Result)]
            writer.writerow(names)
            writer.writerows([getattr(row, name) for name in names] for row in rows)
        save_figure(results_figure(rows), part / "results.png")
