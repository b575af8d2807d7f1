"""The first steps of a small pretraining, for tests/golden: `python -m tests.training.pretraining_trajectory`.

Transformers 4 and 5 draw the first weights in another order: each has its own trajectory, written by a run of
this in its environment.
"""

import json
import platform
import sys
import tempfile
from pathlib import Path

import torch
import transformers

from dataset_builders.build import prepare
from dataset_builders.genome_windows.builder import plan
from grover_hf.corpus.tokenized_genome import TokenizedGenome
from grover_hf.genome import ReferenceGenome
from grover_hf.genome.synthetic import simulate_genome
from grover_hf.metrics.report import versions
from grover_hf.tokenization.bpe_encoding import GenomeEncoder
from grover_hf.tokenization.bpe_training import train_bpe
from tests.training.launches import ROOT, STOCK, logged, logged_every, train

GOLDEN = ROOT / "tests" / "golden" / "pretraining_trajectory.json"
RECIPE = {
    "max_steps": 10, "batch_size": 8, "per_device_batch_size": 8, "warmup_steps": 2, "dropout": 0.0,
    "p_select": 0.022, "eval_windows": 16, "seed": 0, "learning_rate": 3e-3, **STOCK,
}
"""Changes to the recipe tiny_cpu."""


def of_these_transformers():
    """Return the key of a trajectory."""
    return f"transformers {transformers.__version__.split('.')[0]}"


def trajectory(inputs, run):
    """Train; return the loss and the norm of the gradients of each step, and the scores."""
    with logged_every(1):
        report = train("pretrain", {**inputs, **RECIPE, "output": str(run)})
    scores = {name: report.metrics[name] for name in ("n_masked", "perplexity", "bits_per_base")}
    return {"loss": logged(run, "loss"), "grad_norm": logged(run, "grad_norm"), **scores}


def main():
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        # As the fixtures of tests/conftest.py and tests/training/conftest.py.
        genome = ReferenceGenome(simulate_genome(folder / "sim.fa", 400_000, seed=1))
        encoder = GenomeEncoder(train_bpe(genome, 600))
        TokenizedGenome.build(genome, encoder, folder / "corpus")
        prepare(plan(folder / "corpus", split_by="window"), folder / "windows")
        inputs = {"dataset": str(folder / "windows"), "tokenizer": str(folder / "corpus" / "tokenizer")}
        found = trajectory(inputs, folder / "run")
    environment = {
        "versions": versions(), "platform": platform.platform(), "processor": platform.machine(),
        "instructions": torch.backends.cpu.get_cpu_capability(), "threads": torch.get_num_threads(),
    }
    known = json.loads(GOLDEN.read_text()) if GOLDEN.exists() else {}
    known[of_these_transformers()] = {"recipe": RECIPE, "environment": environment, **found}
    GOLDEN.write_text(json.dumps(known, indent=1, sort_keys=True) + "\n")


if __name__ == "__main__":
    sys.exit(main())
