import itertools
import re

import pytest
from transformers import TrainerControl, TrainerState, TrainingArguments

from training.trainers.progress import EarlyFirstLine, ProgressLines


def logged_steps(n_steps, logging_steps):
    """Return the steps after which a training logs for `EarlyFirstLine`."""
    arguments = TrainingArguments(output_dir="unused", use_cpu=True)
    state, logged = TrainerState(max_steps=n_steps, logging_steps=logging_steps), []
    for step in range(1, n_steps + 1):
        state.global_step, control = step, TrainerControl()
        EarlyFirstLine().on_step_end(arguments, state, control)
        logged += [step] * control.should_log
    return logged


@pytest.mark.parametrize(
    ("n_steps", "logging_steps", "early"),
    [(200, 2_000, [20]), (200, 50, [20]), (12, 50, [12]), (200, 20, []), (200, 3, []), (9, 4, [])],
)
def test_the_first_line_comes_within_20_steps_and_no_other_line_is_added(n_steps, logging_steps, early):
    assert logged_steps(n_steps, logging_steps) == early


class Clock:
    """A training whose steps take as long as it says."""

    def __init__(self, monkeypatch, n_steps, *, bar=False, rank_0=True):
        self.now = 0.0
        monkeypatch.setattr("training.trainers.progress.time.perf_counter", lambda: self.now)
        self.arguments = TrainingArguments(output_dir="unused", use_cpu=True, disable_tqdm=not bar)
        self.state = TrainerState(max_steps=n_steps, is_world_process_zero=rank_0)
        self.lines = ProgressLines()

    def train(self, seconds, begin=0):
        self.state.global_step = begin
        self.lines.on_train_begin(self.arguments, self.state, TrainerControl())
        for a_step in seconds:
            self.now += a_step
            self.state.global_step += 1
            self.lines.on_step_end(self.arguments, self.state, TrainerControl())


def test_seconds_a_step_are_those_after_the_first_and_what_is_left_follows(monkeypatch, capsys):
    Clock(monkeypatch, 100).train([60.0, *[2.0] * 5])
    assert capsys.readouterr().out == "step 6 of 100: 2 s a step, 3 min 8 s left\n"


def test_slow_steps_are_told_after_half_a_minute_and_the_loss_with_them(monkeypatch, capsys):
    clock = Clock(monkeypatch, 1_000)
    clock.state.log_history = [{"loss": 6.25, "step": 1}, {"eval_mcc": 0.5}]
    clock.train([100.0, 90.0])
    assert capsys.readouterr().out == "step 2 of 1,000: 90 s a step, 1 day left, loss 6.250\n"


def test_lines_become_rare(monkeypatch, capsys):
    Clock(monkeypatch, 10_000).train([1.0] * 2_000)
    steps = [int(step.replace(",", "")) for step in re.findall(r"step ([\d,]+) of", capsys.readouterr().out)]
    assert steps[:6] == [6, 16, 36, 76, 156, 316]
    assert {later - earlier for earlier, later in itertools.pairwise(steps[6:])} == {300}


def test_a_session_that_goes_on_counts_its_own_steps_alone(monkeypatch, capsys):
    Clock(monkeypatch, 100).train([9.0, *[1.0] * 5], begin=50)
    assert capsys.readouterr().out == "step 56 of 100: 1 s a step, 44 s left\n"


@pytest.mark.parametrize("other", [{"bar": True}, {"rank_0": False}])
def test_nothing_is_printed_beside_a_bar_or_by_another_process(monkeypatch, capsys, other):
    Clock(monkeypatch, 100, **other).train([1.0] * 50)
    assert capsys.readouterr().out == ""
