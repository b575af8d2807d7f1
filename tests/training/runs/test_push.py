"""A training that pushes to the Hub of the tests: a commit a save, and one at the end."""

import json

import pytest
from safetensors.torch import load

from grover_hf.errors import InputError
from grover_hf.hub.cards import read_card
from tests.training.launches import largest_difference, launch, train, weights


@pytest.fixture
def changes(inputs, tmp_path, repo_id):
    """A recipe of four steps with a checkpoint every two, and a push of each."""
    return {
        **inputs, "output": str(tmp_path / "run"), "batch_size": 8, "per_device_batch_size": 4, "max_steps": 4,
        "warmup_steps": 1, "eval_windows": 8, "bf16": False, "save_steps": 2, "push_to": repo_id,
        "push_license": "mit",
    }


def pushed(hub, repo):
    """What the card of each commit says of its weights, the Hub's own commit left out."""
    said = []
    for commit in hub.commits(repo)[1:]:
        metadata, body = read_card((hub.blobs / commit.files["README.md"].sha256).read_text())
        assert metadata["license"] == "mit"
        step = body.partition("after step ")[2].partition(" of ")[0]
        said.append(f"step {step}" if step else f"accuracy {'model-index' in metadata}")
    return said


@pytest.mark.slow
def test_two_processes_make_one_commit_a_save_and_one_more(hub, changes, repo_id, tmp_path):
    runs = tmp_path / "runs.json"
    runs.write_text(json.dumps([["pretrain", {**changes, "processes": 2}]]))
    done = launch(runs, runs=[changes["output"]], processes=2)
    assert done.returncode == 0, done.stderr[-3_000:]
    assert pushed(hub, repo_id) == ["step 2", "step 4", "accuracy True"]
    there = load(hub.files(repo_id)["model.safetensors"])
    assert largest_difference(there, weights(changes["output"])) == 0
    assert not [path for commit in hub.commits(repo_id) for path in commit.files if "optimizer" in path]


def test_a_push_that_fails_costs_no_step_and_is_told(hub, changes, repo_id, capsys):
    hub.fail(507, path="/commit/")
    train("pretrain", changes)
    assert pushed(hub, repo_id) == ["step 4", "accuracy True"]
    assert f"warning: not pushed: {repo_id}: the Hub has a problem of its own" in capsys.readouterr().err


def test_a_push_that_breaks_in_another_way_or_lasts_costs_no_step(hub, changes, repo_id, capsys, monkeypatch):
    monkeypatch.setattr("training.runs.push._PATIENCE_SECONDS", 0.3)
    hub.slow(3, path="/commit/")
    train("pretrain", changes)
    said = capsys.readouterr().err
    assert f"{repo_id} does not answer since" in said
    hub.reset_faults()
    monkeypatch.setattr("training.runs.push._PATIENCE_SECONDS", 60)
    monkeypatch.setattr("training.runs.push.publish", lambda *_, **__: json.loads("<html>"))
    train("pretrain", {**changes, "overwrite": True})
    assert capsys.readouterr().err.count("warning: not pushed: Expecting value") == 3


def test_a_training_that_could_not_push_does_not_begin(hub, changes, tmp_path):
    with pytest.raises(InputError, match="push_to needs push_license"):
        train("pretrain", {**changes, "push_license": None})
    with pytest.raises(InputError, match="push_license: license is 'nonsense'"):
        train("pretrain", {**changes, "push_license": "nonsense"})
    with pytest.raises(InputError, match="another namespace"):
        train("pretrain", {**changes, "push_to": "somebody/else"})
    hub.refuse_tokens()
    with pytest.raises(InputError, match="log in"):
        train("pretrain", changes)
    assert not (tmp_path / "run").exists()
