"""A run that was stopped at any moment and went on is, bit for bit, one that was never stopped."""

import errno
import json
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import time

import psutil
import pytest
import torch
from datasets import load_dataset

from grover_hf.errors import InputError
from grover_hf.masking import MaskingCollator
from tests.training.launches import (
    ABORT,
    MOMENTS,
    NO_RESUME_IN_TWO,
    ROOT,
    TRANSFORMERS_4,
    command,
    few_windows,
    launch,
    logged_every,
    once_more_after_an_abort,
    report_of,
    train,
    windows_like,
)
from training.runs.checkpoints import MANIFEST, is_whole, newest_whole, read_manifest, seal
from training.runs.launch import PREEMPTED, Preempted
from training.trainers.loss import global_cross_entropy
from training.trainers.resumable import ResumableTrainer

N_STEPS, BATCH, SAVE_STEPS, EVERY = 9, 4, 3, 4
"""A line of the log is the mean of 4 steps: some of them before a checkpoint, some after."""
SETTINGS = {
    "max_steps": N_STEPS, "save_steps": SAVE_STEPS, "batch_size": BATCH, "per_device_batch_size": 1,
    "dropout": 0.1, "warmup_steps": 1, "learning_rate": 3e-3, "initialization": "stock", "tie_embeddings": True,
}


@pytest.fixture(scope="module")
def inputs(simulated_merges, tmp_path_factory):
    """So few windows that an epoch ends before the run, so many that it does not at the first line."""
    made = few_windows(simulated_merges, tmp_path_factory.mktemp("few"), 45_000)
    assert EVERY + 2 <= len(load_dataset(made["dataset"], split="train")) // BATCH < N_STEPS - 1
    return made


@pytest.fixture(scope="module")
def straight(inputs, tmp_path_factory):
    """What a run is that was never stopped, on so many processes and without workers."""
    found = {}

    def of(processes=1):
        if processes not in found:
            run = tmp_path_factory.mktemp("straight") / "run"
            if processes == 1:
                in_this_process(inputs, run)
            else:
                launched(inputs, run, "never", 0, processes=processes)
            found[processes] = what_it_is(run, processes)
        return found[processes]

    return of


def in_this_process(inputs, run, **changes):
    with logged_every(EVERY):
        return train("pretrain", {**inputs, **SETTINGS, "output": str(run), **changes})


def launched(inputs, run, moment, step, *, rank=0, processes=1, **changes):
    """Return the exit code of a run in processes of its own, of which one is killed at a moment."""
    done = launch(*arguments(inputs, run, moment, step, rank, **changes), runs=[run], processes=processes)
    assert moment != "never" or done.returncode == 0, done.stderr[-3_000:]
    return done.returncode


def arguments(inputs, run, moment="never", step=0, rank=0, **changes):
    """Return those of `launches.py` for a run."""
    fields = {**inputs, **SETTINGS, "output": run, **changes}
    options = [part for name, value in fields.items() for part in (f"--{name}", value)]
    return [EVERY, moment, step, rank, "--config", "tiny_cpu", *options]


def what_it_is(run, processes=1):
    """Return all that must be equal: of weights, optimizer and random states the digests of their files."""
    last = read_manifest(run / "checkpoints" / f"checkpoint-{N_STEPS}")["sha256"]
    states = ["rng_state.pth"] if processes == 1 else [f"rng_state_{rank}.pth" for rank in range(processes)]
    return {
        **{name: last[name] for name in ("model.safetensors", "optimizer.pt", "scheduler.pt", *states)},
        "log": (run / "log.jsonl").read_text(),
        "metrics": report_of(run)["metrics"],
        "model": (run / "model" / "model.safetensors").read_bytes(),
    }


@pytest.fixture
def at_step(monkeypatch):
    """Do something, once, after a step of a training in this process, before what is logged and saved there."""

    def add(step, act):
        def after(trainer, loss):
            after_step(trainer, loss)
            if trainer.state.global_step == step:
                monkeypatch.setattr(ResumableTrainer, "after_step", after_step)
                act()

        after_step = ResumableTrainer.after_step
        monkeypatch.setattr(ResumableTrainer, "after_step", after)

    return add


@pytest.mark.slow
def test_a_run_killed_while_a_checkpoint_is_written_goes_on_bit_for_bit(inputs, straight, tmp_path, capsys):
    assert launched(inputs, tmp_path / "run", "half the optimizer", 6) == -signal.SIGKILL
    in_this_process(inputs, tmp_path / "run", resume=True)
    assert "passed over, torn or damaged: " in (said := capsys.readouterr().err)
    assert f"{tmp_path}/run/checkpoints/checkpoint-6\n" in said
    assert what_it_is(tmp_path / "run") == straight()


@pytest.mark.slow
@pytest.mark.parametrize("processes", [1, 2])
@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("moment", MOMENTS)
def test_a_run_killed_at_any_moment_goes_on_bit_for_bit(moment, workers, processes, inputs, straight, tmp_path):
    if processes == 2 and TRANSFORMERS_4:
        pytest.skip(NO_RESUME_IN_TWO)
    random.seed(f"{moment} {workers} {processes}")
    # There must be a whole checkpoint before: 3 at least.
    step = random.randint(4, N_STEPS) if moment == "in a step" else random.choice([6, 9])
    rank = random.randrange(processes) if moment == "in a step" else 0
    ran = {"processes": processes, "workers": workers, "keep_checkpoints": 1}
    run = tmp_path / "run"
    assert launched(inputs, run, moment, step, rank=rank, **ran) != 0
    assert not (run / "metrics.json").exists()
    if processes == 1:
        in_this_process(inputs, run, **ran, resume=True)
    else:
        launched(inputs, run, "never", 0, **ran, resume=True)
    assert what_it_is(run, processes) == straight(processes)


def test_sigterm_ends_a_run_after_its_step_with_a_checkpoint_and_it_goes_on_bit_for_bit(
    inputs, straight, tmp_path, at_step
):
    at_step(4, lambda: os.kill(os.getpid(), signal.SIGTERM))
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(Preempted, match="stopped after step 5, whose checkpoint is written"):
        in_this_process(inputs, tmp_path / "run")
    assert signal.getsignal(signal.SIGTERM) is before
    checkpoints = tmp_path / "run" / "checkpoints"
    assert newest_whole(checkpoints) == (checkpoints / "checkpoint-5", [])
    in_this_process(inputs, tmp_path / "run", resume=True)
    assert what_it_is(tmp_path / "run") == straight()


@pytest.mark.slow
@pytest.mark.parametrize(("processes", "to"), [(1, "all"), (2, "all"), (2, "one")])
def test_sigterm_to_a_job_is_agreed_on_and_has_its_own_exit_code(processes, to, inputs, straight, tmp_path):
    # To all, as a scheduler may send it: also to the launcher and to those that load data.
    run = tmp_path / "run"
    ran = {"workers": 2, "processes": processes}
    started = command(*arguments(inputs, run, "slowly", 0, **ran), processes=processes)
    with subprocess.Popen(**started, stderr=subprocess.PIPE, text=True) as job:
        while not (run / "log.jsonl").exists() or not (run / "log.jsonl").read_text():
            assert job.poll() is None
            time.sleep(0.1)
        running = [psutil.Process(job.pid), *psutil.Process(job.pid).children(recursive=True)]
        assert sum(process.name() == "pt_data_worker" for process in running) == 2 * processes
        trainers = [process for process in running if process.name() != "pt_data_worker"]
        of_rank_1 = [process for process in trainers if process.environ().get("RANK") == "1"]
        for process in running if to == "all" else of_rank_1:
            process.terminate()
        said = job.communicate(timeout=120)[1]
    # `accelerate launch` makes 1 of every code.
    assert job.returncode == (PREEMPTED if processes == 1 else 1), said[-3_000:]
    assert "whose checkpoint is written; the same command with --resume true goes on" in said, said[-9_000:]
    newest, torn = newest_whole(run / "checkpoints")
    assert EVERY < int(newest.name.rpartition("-")[2]) < N_STEPS
    assert not torn
    if processes == 1 or not TRANSFORMERS_4:
        launched(inputs, run, "never", 0, **ran, resume=True)
        assert what_it_is(run, processes) == straight(processes)


def test_a_run_stopped_after_its_last_step_is_evaluated_and_not_trained_on(
    inputs, straight, tmp_path, monkeypatch
):
    def stopped(trainer):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("training.pretrain._evaluate", stopped)
        with pytest.raises(KeyboardInterrupt):
            in_this_process(inputs, tmp_path / "run")
    in_this_process(inputs, tmp_path / "run", resume=True)
    assert what_it_is(tmp_path / "run") == straight()
    with pytest.raises(InputError, match="is finished"):
        in_this_process(inputs, tmp_path / "run", resume=True)


def test_the_last_checkpoints_stay_as_many_as_the_recipe_says(inputs, tmp_path):
    for keep in (1, 2):
        in_this_process(inputs, tmp_path / f"{keep}", keep_checkpoints=keep)
        left = sorted(path.name for path in (tmp_path / f"{keep}" / "checkpoints").iterdir())
        assert left == ["checkpoint-3", "checkpoint-6", "checkpoint-9"][3 - keep :]


@pytest.fixture
def preempted(inputs, tmp_path, at_step):
    """A run that SIGTERM stopped, and that writes checkpoints for no other reason."""
    at_step(3, lambda: os.kill(os.getpid(), signal.SIGTERM))
    with pytest.raises(Preempted):
        in_this_process(inputs, tmp_path / "run", save_steps=0)
    return tmp_path / "run"


def resumed(inputs, run, **changes):
    return in_this_process(inputs, run, save_steps=0, resume=True, **changes)


def test_a_changed_recipe_or_input_is_named_before_anything_is_resumed(inputs, tmp_path, preempted):
    content = {path: path.read_bytes() for path in preempted.rglob("*") if path.is_file()}
    with pytest.raises(InputError, match=r"another learning_rate \(0.003, now 0.1\), seed \(0, now 7\)"):
        resumed(inputs, preempted, learning_rate=0.1, seed=7)
    other = windows_like(tmp_path / "other", inputs, lambda splits: splits | {"train": splits["train"].shuffle(0)})
    with pytest.raises(InputError, match="another dataset"):
        resumed({**inputs, "dataset": other}, preempted)
    manifest = preempted / "checkpoints" / "checkpoint-4" / MANIFEST
    for name, value in (("processes", 2), ("tokenizer", "0" * 64)):
        before = read_manifest(manifest.parent)
        manifest.write_text(json.dumps(before | {"run": before["run"] | {name: value}}))
        with pytest.raises(InputError, match=f"another {name}"):
            resumed(inputs, preempted)
        manifest.write_bytes(content[manifest])
    assert {path: path.read_bytes() for path in preempted.rglob("*") if path.is_file()} == content


def test_inputs_may_lie_elsewhere_and_a_device_hold_more_when_a_run_goes_on(inputs, tmp_path, preempted):
    shutil.copytree(inputs["dataset"], tmp_path / "elsewhere")
    report = resumed({**inputs, "dataset": str(tmp_path / "elsewhere")}, preempted, per_device_batch_size=4)
    assert report.metrics["n_masked"] > 0


def test_checkpoints_of_another_run_are_refused(inputs, tmp_path):
    in_this_process(inputs, tmp_path / "other", seed=1)
    (tmp_path / "run").mkdir()
    shutil.copytree(tmp_path / "other" / "checkpoints", tmp_path / "run" / "checkpoints")
    with pytest.raises(InputError, match=r"checkpoint-9 was begun with another seed \(1, now 0\)"):
        in_this_process(inputs, tmp_path / "run", resume=True)


def test_where_no_checkpoint_is_whole_there_is_nothing_to_resume(inputs, tmp_path):
    with pytest.raises(InputError, match="no whole checkpoint to go on from"):
        in_this_process(inputs, tmp_path / "run", resume=True)
    in_this_process(inputs, tmp_path / "run", keep_checkpoints=3)
    for folder in (tmp_path / "run" / "checkpoints").iterdir():
        (folder / "optimizer.pt").write_bytes(b"")
    with pytest.raises(InputError, match="no whole checkpoint to go on from"):
        in_this_process(inputs, tmp_path / "run", resume=True)


def test_a_run_stopped_before_its_first_checkpoint_begins_anew_where_it_is_to_go_on(
    inputs, straight, tmp_path, at_step, capsys
):
    def stopped():
        raise KeyboardInterrupt

    at_step(2, stopped)
    run = tmp_path / "run"
    with pytest.raises(KeyboardInterrupt):
        in_this_process(inputs, run)
    with pytest.raises(InputError, match="run is there already, and not finished: say --resume true to go on"):
        in_this_process(inputs, run)
    with pytest.raises(InputError, match="was begun with another learning_rate"):
        in_this_process(inputs, run, resume=True, learning_rate=1e-5)
    # A kill in the middle of the first one leaves it without a manifest.
    (run / "checkpoints" / "checkpoint-3").mkdir(parents=True)
    in_this_process(inputs, run, resume=True)
    assert "run was stopped before its first checkpoint: it begins anew" in capsys.readouterr().err
    assert what_it_is(run) == straight()


def test_two_trainings_do_not_write_one_run(inputs, tmp_path):
    run = tmp_path / "run"
    held = subprocess.Popen(
        [sys.executable, "-c", "import sys\nfrom grover_hf._internals.outputs import only_writer\n"
         "with only_writer(sys.argv[1]):\n    print(flush=True)\n    sys.stdin.read()", str(run)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT,
    )
    with held:
        held.stdout.readline()
        with pytest.raises(InputError, match=f"Another process is writing {run}"):
            in_this_process(inputs, run)
        held.stdin.close()
    assert not run.exists()
    in_this_process(inputs, run, max_steps=1)


@pytest.mark.parametrize("megabytes", [1, 3])
def test_a_full_disk_ends_a_run_and_its_last_checkpoint_stays_whole(
    inputs, straight, tmp_path, at_step, megabytes
):
    # Files that may not grow stand for the disk. Weights take 2 MB, the optimizer 4: one is refused to
    # safetensors, the other to torch.
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    at_step(6, lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (megabytes << 20, limits[1])))
    last = tmp_path / "run" / "checkpoints" / "checkpoint-3"
    try:
        with pytest.raises(InputError, match=f"checkpoint-6 cannot be written: .*whole checkpoint is {last}"):
            in_this_process(inputs, tmp_path / "run")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert is_whole(last)
    in_this_process(inputs, tmp_path / "run", resume=True)
    assert what_it_is(tmp_path / "run") == straight()


def test_a_disk_that_is_full_at_the_manifest_leaves_a_torn_checkpoint(inputs, tmp_path, monkeypatch):
    def full(folder, facts, *, needed):
        if folder.name == "checkpoint-6":
            raise OSError(errno.ENOSPC, "No space left on device")
        seal(folder, facts, needed=needed)

    monkeypatch.setattr("training.trainers.resumable.seal", full)
    with pytest.raises(InputError, match="checkpoint-6 cannot be written: .*No space left on device"):
        in_this_process(inputs, tmp_path / "run")
    checkpoints = tmp_path / "run" / "checkpoints"
    assert newest_whole(checkpoints) == (checkpoints / "checkpoint-3", [checkpoints / "checkpoint-6"])


@pytest.mark.parametrize("what", ["loss", "gradient"])
@pytest.mark.parametrize("per_device_batch_size", [4, 1])
def test_a_number_that_is_not_finite_ends_a_run_and_names_step_and_windows(
    inputs, tmp_path, monkeypatch, what, per_device_batch_size
):
    batches, a_step = [], BATCH // per_device_batch_size

    class Recorded(MaskingCollator):
        def __call__(self, windows):
            batches.append(list(zip(windows.epochs.tolist(), windows.examples.tolist(), strict=True)))
            return super().__call__(windows)

    def spoilt(outputs, labels, num_items_in_batch=None, weights=None):
        loss = global_cross_entropy(outputs, labels, num_items_in_batch, weights=weights)
        spoilt.calls += 1
        if spoilt.calls != 8 * a_step:
            return loss
        # Infinite with gradients of 0; or finite with gradients that are none.
        return loss + torch.inf if what == "loss" else loss + 0 * torch.sqrt(outputs.logits * 0).sum()

    spoilt.calls = 0
    monkeypatch.setattr("training.pretrain.MaskingCollator", Recorded)
    monkeypatch.setattr("training.pretrain.global_cross_entropy", spoilt)
    with pytest.raises(InputError, match="Step 8: the loss is") as error:
        in_this_process(inputs, tmp_path / "run", per_device_batch_size=per_device_batch_size)
    windows = [str(window) for batch in batches[7 * a_step : 8 * a_step] for _, window in batch]
    assert f"Its examples were the train windows {', '.join(windows)} in epoch 1." in str(error.value)
    assert "checkpoint-6." in str(error.value)
    assert newest_whole(tmp_path / "run" / "checkpoints")[0].name == "checkpoint-6"


def test_a_launch_that_aborted_at_its_exit_is_started_once_more_and_no_other(tmp_path, capsys):
    class Done:
        def __init__(self, returncode, stderr):
            self.returncode, self.stderr = returncode, stderr

    def launches(*ends, whole=True):
        run = tmp_path / "run"
        shutil.rmtree(run, ignore_errors=True)
        ends = iter(ends)

        def start():
            assert not run.exists()
            (run / "model").mkdir(parents=True)
            if whole:
                (run / "metrics.json").write_text("{}")
            return next(ends)

        done = once_more_after_an_abort(start, [run])
        return done.returncode, len(list(ends))

    aborted, well = Done(1, " ... ".join(ABORT)), Done(0, "")
    assert launches(well, well) == (0, 1)
    assert launches(aborted, well) == (0, 0)
    assert "launched once more" in capsys.readouterr().out
    assert launches(aborted, aborted, well) == (1, 1)
    assert launches(aborted, well, whole=False) == (1, 1)
    assert launches(Done(1, "Signal 6 (SIGABRT)"), well) == (1, 1)
