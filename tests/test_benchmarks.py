"""Benchmarks: what they compute is right, and one that no machine here runs in full does run, on tiny sizes."""

import importlib
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

ROOT = Path(__file__).parents[1]


def script(monkeypatch, name):
    """Return a benchmark as a module."""
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    return importlib.import_module(name)


def test_simple_repeats_are_all_stretches_that_repeat_a_short_unit(monkeypatch):
    kinds = script(monkeypatch, "kinds_of_tokens")
    rng = np.random.default_rng(0)
    pieces = [np.tile(rng.integers(0, 4, unit), 30)[:length] for unit in range(1, 8) for length in range(15, 26)]
    codes = np.concatenate([part for piece in pieces for part in (piece, rng.integers(0, 5, 9))]).astype(np.uint8)
    expected = np.zeros(len(codes), bool)
    for first in range(len(codes) - 19):
        stretch = codes[first : first + 20]
        if any((stretch[unit:] == stretch[:-unit]).all() and (stretch < 4).all() for unit in range(1, 7)):
            expected[first : first + 20] = True
    assert 0.2 < expected.mean() < 0.8
    np.testing.assert_array_equal(kinds.in_simple_repeat(codes), expected)


@pytest.mark.parametrize(
    ("form", "law"), [("WithFloor", (2.0, 0.8, 0.5, 1.5, 0.2)), ("WithoutFloor", (4.6, 0.02, 0.03))]
)
def test_the_fit_of_losses_finds_the_law_that_made_them(monkeypatch, form, law):
    fit = script(monkeypatch, "scaling_fit")
    law = getattr(fit, form)(*law)
    points = np.array([(n, d, 0.0) for n in (0.4e6, 1.3e6, 3.1e6, 1e8) for d in (1e5, 1e6, 1e7, 1e9)])
    points[:, 2] = law.at(points)
    np.testing.assert_allclose(getattr(fit, form).fitted(points).at(points), points[:, 2], rtol=5e-3)


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
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    variants = script(monkeypatch, "variants")
    rows = variants.planted(tmp_path, seed=7, mbp=2.0, steps=60, n_sites=60)
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
    variants = script(monkeypatch, "variants")
    table = pd.DataFrame({
        "chrom": ["1"] * 4 + ["2"] * 2 + ["3"] * 2, "label": [True, False, False, True, False, True, False, False],
        "variant_kind": "SNV", "llr": [9.0, 1.0, 3.0, 2.0, None, 0.5, 1.0, 1.0],
    })
    # Chromosome 1: ranks 9 (true), 3, 2 (true), 1: (1/1 + 2/3) / 2; chromosome 2: the one without a score is last;
    # chromosome 3 has no positive, and no precision.
    precision, low, high = variants.precision_by_chromosome(table, "llr", "label")
    assert precision == pytest.approx((4 * (1 + 2 / 3) / 2 + 2 * 1) / 6)
    assert low <= precision <= high


@pytest.mark.slow
def test_the_benchmark_of_annotation_runs_and_its_ways_agree(tmp_path):
    sizes = {"windows": 500, "repeats": 5_000, "sample": 90, "mbp": 1}
    options = [word for name, value in sizes.items() for word in (f"--{name}", str(value))]
    words = [ROOT / "benchmarks" / "annotation.py", *options]
    done = subprocess.run(
        [sys.executable, *words], capture_output=True, text=True, cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT), "GROVER_CACHE": str(tmp_path / "cache")},
    )
    assert done.returncode == 0, done.stderr[-3_000:]
    rows = [line.split("|") for line in done.stdout.splitlines() if line.startswith("| ")]
    shares = [float(row[6]) for row in rows[1:]]
    assert shares == pytest.approx([1] * 5, abs=1e-3)
    assert "the command on 1 Mbp" in done.stdout
