"""How a training script ends, alone and as one of several processes."""

import os

import pytest
import torch
from transformers import Trainer, TrainingArguments

from grover_hf.errors import InputError
from training.runs import launch
from training.runs.launch import PREEMPTED, Preempted, run_script
from training.trainers.watched import WatchedTrainer


def failing(error):
    def script():
        raise error

    return script


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (InputError("no such genome"), 1, "error: no such genome"),
        (OSError(28, "No space left on device"), 1, "No space left on device"),
        (KeyboardInterrupt(), 130, "as far as it came"),
    ],
)
def test_a_process_that_fails_alone_says_why_and_waits_for_no_other(error, code, said, monkeypatch, capfd):
    ended = []

    def die(status):
        ended.append(status)
        raise SystemExit(status)

    monkeypatch.setattr(os, "_exit", die)
    # Where the others wait for this process, it would never come back.
    monkeypatch.setattr(launch, "_leave_the_others", lambda: pytest.fail("it waits for the others"))
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(SystemExit) as end:
        run_script(failing(error), when_stopped="as far as it came")
    assert (ended, end.value.code) == ([code], code)
    assert said in capfd.readouterr().err
    monkeypatch.setenv("WORLD_SIZE", "1")
    with pytest.raises(SystemExit) as end:
        run_script(failing(error), when_stopped="as far as it came")
    assert said in f"{end.value.code}{capfd.readouterr().err}"
    assert len(ended) == 1


def test_what_all_processes_know_of_ends_all_of_them_in_order(monkeypatch):
    left = []
    monkeypatch.setattr(launch, "_leave_the_others", lambda: left.append(True))
    run_script(lambda: None, when_stopped="")
    with pytest.raises(SystemExit) as end:
        run_script(failing(Preempted("stopped after step 3")), when_stopped="")
    assert (left, end.value.code) == ([True, True], PREEMPTED)


def test_each_process_draws_its_own_dropout_and_the_first_that_of_a_run_alone(tmp_path, monkeypatch):
    class Drawing:
        def training_step(self, *_, **__):
            self.drawn = torch.rand(4).tolist()
            return torch.zeros(())

    class Watched(Drawing, WatchedTrainer):
        examples_of_step = what_is_kept = stop_for_sigterm = None

    class Plain(Drawing, Trainer):
        pass

    def drawn(trainer_class, rank):
        monkeypatch.setattr(TrainingArguments, "process_index", rank)
        arguments = TrainingArguments(
            str(tmp_path), seed=3, max_steps=1, use_cpu=True, report_to="none", save_strategy="no",
            disable_tqdm=True,
        )
        trainer = trainer_class(model=torch.nn.Linear(1, 1), args=arguments, train_dataset=[{"x": [0.0]}])
        trainer.train()
        return trainer.drawn

    assert drawn(Watched, 0) == drawn(Plain, 0) == drawn(Plain, 1)
    assert drawn(Watched, 0) != drawn(Watched, 1) != drawn(Watched, 2) != drawn(Watched, 0)
