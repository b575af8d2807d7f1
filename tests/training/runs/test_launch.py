"""How a training script ends, alone and as one of several processes."""

import os
import subprocess
import sys

import pytest
import torch
from transformers import Trainer, TrainingArguments

from grover_hf.errors import InputError
from tests.training.launches import ROOT
from training.runs import launch
from training.runs.launch import PREEMPTED, Preempted, run_script
from training.runs.recipe import RECIPES
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


@pytest.mark.slow
@pytest.mark.parametrize("processes", [1, 2])
def test_the_error_of_a_launch_is_the_last_thing_printed(processes, tmp_path):
    configuration = RECIPES / "accelerate" / ("cpu_2.yaml" if processes == 2 else "gpu_1.yaml")
    command = [
        "accelerate.commands.launch", "--config_file", configuration, "-m", "training.pretrain",
        "--config", "tiny_cpu", "--tokenizer", tmp_path / "none", "--output", tmp_path / "run",
    ]
    on_cpus = {"ACCELERATE_USE_CPU": "true"} if torch.accelerator.is_available() else {}
    done = subprocess.run(
        [sys.executable, "-m", *map(str, command)], cwd=ROOT, capture_output=True, text=True, timeout=200,
        env=os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "TMPDIR": str(tmp_path)} | on_cpus,
    )
    assert done.returncode == 1
    # The traceback of the launcher is what would be last.
    assert "Traceback" in done.stderr
    lines = done.stderr.splitlines()
    assert lines[-1].startswith(f"error: {tmp_path / 'none'}")
    # Said at once too, in case that nothing outlives the launcher.
    assert lines.index(lines[-1]) < lines.index(next(line for line in lines if "Traceback" in line))
    assert done.stderr.count(lines[-1]) <= processes + 1
    assert not list(tmp_path.glob("grover-last-word-*"))


@pytest.mark.slow
def test_a_process_that_was_not_launched_says_its_error_once(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "training.pretrain", "--config", tmp_path / "none.yaml"], cwd=ROOT, timeout=200,
        env=os.environ | {"PYTHONPATH": str(ROOT)}, capture_output=True, text=True,
    )
    assert done.returncode == 1
    assert done.stderr.count("error: There is no recipe") == 1
