import json
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient
from transformers import AutoModelForSequenceClassification

TUTORIAL = Path(__file__).parents[2] / "notebooks" / "tutorial.ipynb"


@pytest.mark.slow
def test_the_tutorial_runs_to_a_score_beside_its_baselines_and_publishes_its_model(
    hub, repo_id, tmp_path, monkeypatch
):
    monkeypatch.setenv("PYTHONPATH", str(TUTORIAL.parents[1]))
    book = nbformat.read(TUTORIAL, as_version=4)
    settings = next(cell for cell in book.cells if "REPOSITORY = None" in cell.source)
    settings.source = settings.source.replace("REPOSITORY = None", f"REPOSITORY = {repo_id!r}")
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
    _, commit = hub.commits(repo_id)
    assert {"model.safetensors", "tokenizer.json", "README.md", "handler.py"} <= commit.files.keys()
    model = AutoModelForSequenceClassification.from_pretrained(repo_id)
    assert model.config.id2label == {0: "unbound", 1: "bound"}


def test_the_tutorial_is_kept_without_outputs():
    book = nbformat.read(TUTORIAL, as_version=4)
    assert not any(cell.get("outputs") for cell in book.cells)
