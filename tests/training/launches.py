"""Runs for the tests of training: small recipes, launches of two processes, runs that kill themselves.

As a script it is what a launch starts: `launches.py RUNS.json` trains a list of runs one after another;
`launches.py EVERY MOMENT STEP RANK <options of training.pretrain>` is a pretraining that logs every so many
steps and kills itself at a moment of a step in the process RANK.
"""

import contextlib
import functools
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from unittest import mock

import numpy as np
import torch
import transformers
from datasets import Dataset
from safetensors.torch import load_file

from dataset_builders.build import prepare
from dataset_builders.genome_windows.builder import plan
from grover_hf._internals import files
from grover_hf._internals.files import sha256_of_files
from grover_hf.corpus.tokenized_genome import TokenizedGenome
from grover_hf.genome import ReferenceGenome
from grover_hf.tokenization.bpe_encoding import GenomeEncoder
from training import finetune, pretrain
from training.runs import checkpoints
from training.runs.launch import run_script
from training.runs.recipe import RECIPES, read_recipe
from training.trainers import resumable as resumable_trainer

ROOT = Path(__file__).parents[2]
TRAININGS = {
    "pretrain": (pretrain.pretrain, pretrain.PretrainRecipe, "tiny_cpu"),
    "finetune": (finetune.finetune, finetune.FinetuneRecipe, "small_cpu"),
}
STOCK = {"initialization": "stock", "tie_embeddings": True}
COUNTS = {"initialization": "neighbour_counts", "tie_embeddings": False}
"""What the recipe `tiny_cpu` has."""
ABORT = ("terminate called without an active exception", "Signal 6 (SIGABRT)")
"""What is printed where one of two processes on CPUs aborts at its exit, as happens now and then."""
TRANSFORMERS_4 = transformers.__version__.startswith("4.")
NO_RESUME_IN_TWO = "transformers 4 cannot read an optimizer's state in several processes on CPUs"


def few_windows(merges, folder, n_bp):
    """Make the windows of so many bases, one of 1,500 or so, and a tokenizer; return fields of a recipe."""
    with mock.patch.dict(os.environ, {"GROVER_CACHE": str(folder / "cache")}):
        bases = "".join(np.random.default_rng(0).choice([*"ACGT"], n_bp))
        # Repeats are lower case; tokens are the same.
        bases = bases[: n_bp // 3].lower() + bases[n_bp // 3 :]
        (folder / "few.fa").write_text(f">few\n{bases}\n")
        TokenizedGenome.build(ReferenceGenome(folder / "few.fa"), GenomeEncoder(merges), folder / "corpus")
        prepare(plan(folder / "corpus", split_by="window"), folder / "windows")
    return {"dataset": str(folder / "windows"), "tokenizer": str(folder / "corpus" / "tokenizer")}


def windows_like(folder, inputs, change):
    """Copy the windows with other splits: what `change` makes of them, as if they had been built so."""
    shutil.copytree(inputs["dataset"], folder)
    config = next(folder.glob("*/facts.json")).parent
    paths = {name: next(config.glob(f"*{name}*.parquet")) for name in ("train", "test")}
    changed = change({name: Dataset.from_parquet(str(path)) for name, path in paths.items()})
    for name, path in paths.items():
        path.unlink()
        if name in changed:
            changed[name].to_parquet(path)
    facts = json.loads((config / "facts.json").read_text())
    digest = sha256_of_files(sorted(config.glob("*.parquet")))
    (config / "facts.json").write_text(json.dumps(facts | {"sha256": digest}))
    # `datasets` caches by the digest that stands in the card.
    card = folder / "README.md"
    card.write_text(card.read_text().replace(facts["sha256"], digest))
    return str(folder)


def train(kind, changes):
    """Train a packaged recipe with changes, a pretraining from stock weights; return its report."""
    function, recipe_class, base = TRAININGS[kind]
    return function(read_recipe(recipe_class, base, kind, {**(STOCK if kind == "pretrain" else {}), **changes}))


def logged(run, name):
    """Return a number of each step that `log.jsonl` has."""
    lines = [json.loads(line) for line in (Path(run) / "log.jsonl").read_text().splitlines()]
    return [line[name] for line in lines if "loss" in line]


def report_of(run):
    return json.loads((Path(run) / "metrics.json").read_text())


def weights(run):
    return load_file(Path(run) / "model" / "model.safetensors")


def largest_difference(first, second):
    assert first.keys() == second.keys()
    return max(float((first[name] - second[name]).abs().max()) for name in first)


@contextlib.contextmanager
def logged_every(n_steps):
    """Have a line of the log every so many steps, not by 1 % or by 50; on CPUs, whatever else there is."""

    def arguments(**given):
        on_cpus = {"use_cpu": True} if torch.accelerator.is_available() else {}
        return transformers.TrainingArguments(**given | {"logging_steps": n_steps, **on_cpus})

    with contextlib.ExitStack() as stack:
        for module in (pretrain, finetune):
            stack.enter_context(mock.patch.object(module, "TrainingArguments", arguments))
        yield


def command(*arguments, processes=1):
    """Return a command that runs this file, and the environment it needs."""
    launcher = ["-m", "accelerate.commands.launch", "--config_file", RECIPES / "accelerate" / "cpu_2.yaml"]
    start = [sys.executable, *(launcher if processes == 2 else []), __file__, *arguments]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    if torch.accelerator.is_available():
        environment["ACCELERATE_USE_CPU"] = "true"
    return {"args": [str(part) for part in start], "env": environment, "cwd": ROOT}


def launch(*arguments, runs, processes=1):
    """Run this file, in two processes by `accelerate launch`; return what came of it."""
    start = functools.partial(
        subprocess.run, **command(*arguments, processes=processes), capture_output=True, text=True, timeout=400
    )
    return once_more_after_an_abort(start, runs)


def once_more_after_an_abort(start, runs):
    """Start a launch; if it aborted at its exit with all artefacts written, start it once more.

    It is done here, not in `training`: it was seen on CPUs alone, where several processes are for trials, and
    a launch is the user's own command.

    Args:
        start: Starts the launch; returns its `returncode` and `stderr`.
        runs: The folders that it writes; they are put back as they were before it is started again.
    """
    with contextlib.ExitStack() as stack:
        before = {run: run.with_name(f"{run.name}-before") for run in map(Path, runs)}
        for run, copy in before.items():
            stack.callback(shutil.rmtree, copy, ignore_errors=True)
            if run.exists():
                shutil.copytree(run, copy)
        done = start()
        whole = all((run / "metrics.json").exists() and (run / "model").exists() for run in before)
        if done.returncode and whole and all(sign in done.stderr for sign in ABORT):
            print(f"launched once more: all was written, then {ABORT[0]!r}", flush=True)
            for run, copy in before.items():
                shutil.rmtree(run)
                if copy.exists():
                    shutil.copytree(copy, run)
            done = start()
    return done


MOMENTS = (
    "in a step", "weights written", "half the optimizer", "before the digests", "half the manifest",
    "before old ones are removed", "half an old one removed",
)


def _killed_at(moment, step):
    """Patch what runs at a moment, so that the process kills itself there; or "slowly", or "never"."""

    def kill(*_, **__):
        os.kill(os.getpid(), signal.SIGKILL)

    def before(module, name, when):
        original = getattr(module, name)

        def patched(*args, **kwargs):
            if when(*args):
                kill()
            return original(*args, **kwargs)

        return mock.patch.object(module, name, patched)

    def half_written(state, file, *args, **kwargs):
        save(state, file, *args, **kwargs)
        if str(file).endswith(f"checkpoint-{step}/optimizer.pt"):
            os.truncate(file, os.path.getsize(file) // 2)
            kill()

    save = transformers.trainer.torch.save
    trainer = resumable_trainer.ResumableTrainer
    return {
        "in a step": lambda: before(trainer, "after_step", lambda self, *_: self.state.global_step == step),
        "weights written": lambda: before(
            trainer, "_save_optimizer_and_scheduler", lambda self, *_: self.state.global_step == step
        ),
        "half the optimizer": lambda: mock.patch("torch.save", half_written),
        "before the digests": lambda: before(
            resumable_trainer, "seal", lambda folder, _: folder.name == f"checkpoint-{step}"
        ),
        "half the manifest": lambda: before(
            files.os, "replace", lambda _, to: str(to).endswith(f"checkpoint-{step}/manifest.json")
        ),
        "before old ones are removed": lambda: before(
            resumable_trainer, "remove_older", lambda newest, _: newest.name == f"checkpoint-{step}"
        ),
        "half an old one removed": lambda: before(
            checkpoints.shutil, "rmtree", lambda folder, *_: Path(folder).name.startswith("checkpoint-")
        ),
        "slowly": lambda: before(trainer, "after_step", lambda *_: time.sleep(1)),
        "never": contextlib.nullcontext,
    }[moment]()


def main(arguments):
    if len(arguments) == 1:
        runs = json.loads(Path(arguments[0]).read_text())
        with logged_every(1):
            run_script(lambda: [train(kind, changes) for kind, changes in runs], when_stopped="stopped")
        return
    every, moment, step, rank, *options = arguments
    with contextlib.ExitStack() as stack:
        stack.enter_context(logged_every(int(every)))
        if os.environ.get("RANK", "0") == rank or moment == "slowly":
            stack.enter_context(_killed_at(moment, int(step)))
        pretrain.main(options)


if __name__ == "__main__":
    main(sys.argv[1:])
