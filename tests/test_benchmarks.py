"""Benchmarks that no machine here runs in full do run: on tiny sizes, from their first line to their last."""

import importlib
import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

ROOT = Path(__file__).parents[1]


@pytest.mark.slow
def test_the_benchmark_of_a_gpu_runs_on_a_cpu(tmp_path):
    options = {"size": "tiny", "batch": 4, "seconds": 3, "windows": 40, "bf16": "false", "mbp": 1}
    words = [word for name, value in options.items() for word in (f"--{name}", str(value))]
    environment = {key: value for key, value in os.environ.items() if key != "GROVER_DATA"}
    done = subprocess.run(
        [sys.executable, ROOT / "benchmarks" / "gpu.py", *words], capture_output=True, text=True, cwd=tmp_path,
        env=environment | {"PYTHONPATH": str(ROOT), "GROVER_CACHE": str(tmp_path / "cache")},
    )
    assert done.returncode == 0, done.stderr[-3_000:]
    assert "| ours, without padding |" in done.stdout
    assert "tokens/s" in done.stdout.split("vectors of 40 test windows")[1]
    assert "neighbour counts" in done.stdout.split("bpe_600_fast, tiny:")[1]


@pytest.mark.slow
def test_base_marginals_of_a_trained_model_tell_the_bases_of_a_planted_motif(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    variants = importlib.import_module("variants")
    rows = variants.planted(tmp_path, seed=7, mbp=2.0, n_sites=60)
    inside = {(scored_by, which): float(auroc.split()[0]) for _, scored_by, which, _, auroc, _ in rows}
    assert inside["model", "all"] > 0.95
    assert inside["token frequency", "all"] < 0.8


@pytest.mark.slow
def test_the_benchmark_of_embeddings_runs(tmp_path):
    environment = {key: value for key, value in os.environ.items() if key != "GROVER_DATA"}
    words = [ROOT / "benchmarks" / "embedding.py", "--regions", "6", "--peer-regions", "4", "--repeats", "1"]
    done = subprocess.run(
        [sys.executable, *words], capture_output=True, text=True, cwd=tmp_path,
        env=environment | {"PYTHONPATH": str(ROOT), "GROVER_CACHE": str(tmp_path / "cache")},
    )
    assert done.returncode == 0, done.stderr[-3_000:]
    lines = [line for line in done.stdout.splitlines() if "differ by " in line]
    differences = [float(line.split("differ by ")[1].split()[0]) for line in lines]
    assert len(differences) == 4
    assert max(differences) < 1e-5


def test_precision_by_chromosome_is_that_of_each_chromosome_weighted_by_its_variants(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    variants = importlib.import_module("variants")
    table = pd.DataFrame({
        "chrom": ["1"] * 4 + ["2"] * 2 + ["3"] * 2, "label": [True, False, False, True, False, True, False, False],
        "variant_kind": "SNV", "llr": [9.0, 1.0, 3.0, 2.0, None, 0.5, 1.0, 1.0],
    })
    # Chromosome 1: ranks 9 (true), 3, 2 (true), 1: (1/1 + 2/3) / 2; chromosome 2: the one without a score is last;
    # chromosome 3 has no positive, and no precision.
    precision, low, high = variants.precision_by_chromosome(table, "llr", "label")
    assert precision == pytest.approx((4 * (1 + 2 / 3) / 2 + 2 * 1) / 6)
    assert low <= precision <= high
