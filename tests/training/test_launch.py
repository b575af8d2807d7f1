"""How a training script ends, alone and as one of several processes."""

import os

import pytest
import torch

from grover_hf.errors import InputError
from training import launch
from training.launch import PREEMPTED, Preempted, run_script
from training.watched_trainer import _OwnDropout


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


def test_each_process_draws_its_own_dropout_and_the_first_that_of_a_run_alone():
    class Arguments:
        seed = 3

    drawn = []
    for rank in range(3):
        torch.manual_seed(3)
        Arguments.process_index = rank
        _OwnDropout().on_train_begin(Arguments, None, None)
        drawn.append(torch.rand(4).tolist())
    torch.manual_seed(3)
    assert drawn[0] == torch.rand(4).tolist()
    assert drawn[0] != drawn[1] != drawn[2] != drawn[0]
