"""Run the tutorial and write it with its outputs as a page of the documentation.

    python notebooks/render_tutorial.py

The notebook itself is kept without outputs. The page names the digest of the code that gave them, and a test
compares it: whoever changes a code cell runs this script again.
"""

import base64
import hashlib
import os
import tempfile
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient

ROOT = Path(__file__).parents[1]
NOTEBOOK = ROOT / "notebooks" / "tutorial.ipynb"
PAGE = ROOT / "docs" / "tutorial.md"
FIGURES = ROOT / "docs" / "figures"


def code_sha256(notebook: Any) -> str:
    """Return the digest of the notebook's code cells."""
    code = "\0".join(cell.source for cell in notebook.cells if cell.cell_type == "code")
    return hashlib.sha256(code.encode()).hexdigest()


def code_line(notebook: Any) -> str:
    """Return the first line of the page, which says what code its outputs are of."""
    return f"<!-- made by notebooks/render_tutorial.py from code {code_sha256(notebook)} -->"


def markdown(notebook: Any) -> tuple[str, dict[str, bytes]]:
    """Return an executed notebook as Markdown, and its figures by name."""
    parts = [code_line(notebook)]
    figures: dict[str, bytes] = {}
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            parts.append(cell.source)
            continue
        parts.append(f"```python\n{cell.source}\n```")
        printed = ""
        for output in cell.outputs:
            if output.output_type == "stream":
                printed += output.text if output.name == "stdout" else ""
            elif "image/png" in output.data:
                name = f"tutorial-{len(figures) + 1}.png"
                figures[name] = base64.b64decode(output.data["image/png"])
                parts.append(f"![the figure that the cell above draws](figures/{name})")
            else:
                printed = f"{printed}{output.data['text/plain']}\n"
        if printed.strip():
            parts.append(f"```text\n{printed.rstrip()}\n```")
    return "\n\n".join(parts) + "\n", figures


def main() -> None:
    """Run the notebook in an empty folder and write the page."""
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    os.environ["PYTHONPATH"] = str(ROOT)
    with tempfile.TemporaryDirectory() as folder:
        resources = {"metadata": {"path": folder}}
        NotebookClient(notebook, timeout=1_200, kernel_name="python3", resources=resources).execute()
    page, figures = markdown(notebook)
    PAGE.write_text(page, encoding="utf-8")
    FIGURES.mkdir(exist_ok=True)
    for name, data in figures.items():
        (FIGURES / name).write_bytes(data)


if __name__ == "__main__":
    main()
