import dataclasses
import json
from pathlib import Path

import pytest
from transformers import TrainerControl, TrainerState, TrainingArguments

from grover_hf.errors import InputError
from training.runs.folder import JsonLinesLog, require_own_run, require_same_run, science_of, write_recipe


def begin_and_log(log, history, *lines):
    """What the Trainer does with a log: begin with the history of a checkpoint, then log."""
    arguments, control = TrainingArguments(output_dir="unused", use_cpu=True), TrainerControl()
    state = TrainerState(log_history=history)
    log.on_train_begin(arguments, state, control)
    for step, numbers in lines:
        state.global_step = step
        log.on_log(arguments, state, control, numbers)


def lines_of(run):
    return [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]


def test_a_log_goes_on_from_what_the_checkpoint_knows(tmp_path):
    begin_and_log(JsonLinesLog(tmp_path), [], (2, {"loss": 0.5}), (4, {"loss": 0.25}))
    with open(tmp_path / "log.jsonl", "a") as file:
        file.write('{"loss": 0.1')
    begin_and_log(JsonLinesLog(tmp_path), [{"loss": 0.5, "step": 2}], (4, {"loss": 0.125}))
    assert lines_of(tmp_path) == [{"loss": 0.5, "step": 2}, {"loss": 0.125, "step": 4}]


def test_the_lines_of_other_trainings_of_a_run_stay(tmp_path):
    begin_and_log(JsonLinesLog(tmp_path, seed=1), [], (2, {"loss": 0.5}))
    begin_and_log(JsonLinesLog(tmp_path, seed=2), [], (2, {"loss": 0.25}))
    begin_and_log(JsonLinesLog(tmp_path, seed=2), [], (2, {"loss": 0.125}))
    assert lines_of(tmp_path) == [
        {"loss": 0.5, "seed": 1, "step": 2}, {"loss": 0.125, "seed": 2, "step": 2},
    ]


def test_how_long_a_session_took_is_not_in_the_log(tmp_path):
    spent = {"train_runtime": 9.0, "train_steps_per_second": 1.0, "train_loss": 0.5}
    scores = {"test_accuracy": 0.5, "test_runtime": 3.0, "test_samples_per_second": 7.0, "test_top": [1, 2]}
    begin_and_log(JsonLinesLog(tmp_path), [], (2, spent), (2, scores))
    assert lines_of(tmp_path) == [{"step": 2, "test_accuracy": 0.5}]


def test_what_makes_another_run_is_named_and_what_does_not_is_left_out():
    before = {"seed": 0, "workers": 2, "size": "tiny", "dataset": "a"}
    require_same_run(Path("run"), before, science_of(before | {"workers": 8}))
    with pytest.raises(InputError, match=r"run was begun with another seed \(0, now 1\), size \('tiny', now"):
        require_same_run(Path("run"), before, science_of(before | {"seed": 1, "size": "base"}))
    with pytest.raises(InputError, match=r"another scheduler \(None, now 'linear'\)"):
        require_same_run(Path("run"), before, before | {"scheduler": "linear"})


def test_a_run_of_an_earlier_version_goes_on_where_what_it_lacks_is_as_it_was():
    before = {"seed": 0}
    require_same_run(Path("run"), before, before | {"repeat_weight": 1.0, "initialization": "stock"})
    with pytest.raises(InputError, match=r"another repeat_weight \(1.0, now 0.1\)"):
        require_same_run(Path("run"), before, before | {"repeat_weight": 0.1})


def test_a_run_is_begun_over_one_of_its_own_command_alone(tmp_path):
    @dataclasses.dataclass(frozen=True)
    class Recipe:
        steps: int = 3
        overwrite: bool = True

    def begin(**changes):
        recipe = dataclasses.replace(Recipe(), **changes)
        require_own_run(run, recipe, contents=["model"], inputs=[])

    run = tmp_path / "run"
    begin(overwrite=False)
    write_recipe(run, {"steps": 3, "overwrite": False})
    begin()
    with pytest.raises(InputError, match="is there already"):
        begin(overwrite=False)
    write_recipe(run, {"steps": 3, "epochs": 4})
    with pytest.raises(InputError, match="its recipe.yaml is not of this command"):
        begin()
    write_recipe(run, {"steps": 3})
    (run / "notes.txt").write_text("mine")
    with pytest.raises(InputError, match="it has notes.txt, which this command did not make"):
        begin()
