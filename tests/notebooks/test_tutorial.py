import json
from pathlib import Path

import nbformat
from nbclient import NotebookClient

TUTORIAL = Path(__file__).parents[2] / "notebooks" / "tutorial.ipynb"


def test_the_tutorial_runs_and_ends_with_a_score_beside_its_baselines(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(TUTORIAL.parents[1]))
    book = nbformat.read(TUTORIAL, as_version=4)
    where = {"metadata": {"path": str(tmp_path)}}
    NotebookClient(book, timeout=600, kernel_name="python3", resources=where).execute()
    scores = {
        path.parent.name: json.loads(path.read_text())["metrics"]["mcc"]
        for path in (tmp_path / "tutorial" / "scores").rglob("metrics.json")
    }
    assert scores.keys() == {"majority", "gc", "kmer-4", "nearest", "fine-tuned"}
    # The peaks were made up by GC content.
    assert scores["gc"] > 0.6
    assert scores["majority"] == 0
    printed = "".join(output.get("text", "") for cell in book.cells for output in cell.get("outputs", []))
    assert "fine-tuned |" in printed


def test_the_tutorial_is_kept_without_outputs():
    book = nbformat.read(TUTORIAL, as_version=4)
    assert not any(cell.get("outputs") for cell in book.cells)
