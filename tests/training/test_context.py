"""`grover interpret context`: what is written is what is said, and what cannot be looked at is refused."""

import csv
import json
import shutil

import pytest
import torch
from transformers import BertForMaskedLM

from grover_hf.errors import InputError
from grover_hf.model import grover_config
from training.context import ContextPlan, look, main, summary


@pytest.fixture(scope="module")
def model(inputs, tmp_path_factory):
    """A model with random weights, whose vocabulary is that of the windows."""
    folder = tmp_path_factory.mktemp("model") / "model"
    shutil.copytree(inputs["tokenizer"], folder)
    torch.manual_seed(0)
    BertForMaskedLM(grover_config(609, "tiny")).save_pretrained(folder)
    return folder


@pytest.fixture
def planned(inputs, model, tmp_path):
    output = str(tmp_path / "out")
    fields = {"run": str(model), "dataset": inputs["dataset"], "output": output, "targets": 40, "most": 5}
    return lambda **changes: ContextPlan(**{**fields, **changes})


def test_frequency_the_table_and_each_number_of_tokens_have_a_row_in_all_files(planned, tmp_path, capsys):
    report = look(planned())
    rows = [(row.predictor, row.visible) for row in report.rows]
    assert rows == [
        ("token frequency", None), ("neighbour counts", None),
        *(("model", visible) for visible in (0, 1, 2, 4, 5)),
    ]
    # Random weights say nothing: about ln 609.
    assert all(5.5 < row.nats < 7.5 for row in report.rows if row.predictor == "model")
    assert report.rows[1].nats < report.rows[2].nats
    assert report.n_targets == 40
    content = json.loads((tmp_path / "out" / "context.json").read_text())
    assert content["rows"][1]["nats"] == report.rows[1].nats
    with open(tmp_path / "out" / "context.csv", newline="") as file:
        table = list(csv.DictReader(file))
    assert [float(row["nats"]) for row in table] == [row.nats for row in report.rows]
    assert [row["visible"] for row in table] == ["", "", "0", "1", "2", "4", "5"]
    names = {"context.json", "context.csv", "context.png", "context.svg"}
    assert {path.name for path in (tmp_path / "out").iterdir()} == names
    assert "model, 5 visible" in summary(report)


def test_one_side_is_shown_to_the_table_too(planned, tmp_path):
    both, left, right = (
        look(planned(side=side, output=str(tmp_path / side), targets=20, most=1)).rows
        for side in ("both", "left", "right")
    )
    assert len({rows[1].nats for rows in (both, left, right)}) == 3
    # Of frequency, and of a model that sees nothing, the side is the same.
    for number in (0, 2):
        assert both[number].nats == left[number].nats == right[number].nats


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"side": "up"}, "side is 'up'; it is both, left, right"),
        ({"targets": 0}, "targets is 0; it is 1 or more"),
        ({"seed": -1}, "seed is -1"),
        ({"most": 255}, "A window has 511 tokens; .* has 512 positions"),
        ({"output": None}, "is a model without a run: say --output, and --dataset"),
    ],
)
def test_what_cannot_be_looked_at_is_refused(planned, tmp_path, changes, message):
    with pytest.raises(InputError, match=message):
        look(planned(**changes))
    assert not (tmp_path / "out").exists()


def test_the_command_writes_once_and_again_only_if_told_so(planned, tmp_path, inputs, model, capsys):
    words = [str(model), "--dataset", inputs["dataset"], "--output", str(tmp_path / "out")]
    words += ["--targets", "9", "--most", "1"]
    main(words)
    assert "visible on each side" in capsys.readouterr().out
    with pytest.raises(SystemExit, match="1"):
        main(words)
    main([*words, "--overwrite"])
