import os
import re

import numpy as np
import pytest
from transformers import AutoModelForMaskedLM, AutoTokenizer

from grover_hf.errors import InputError
from grover_hf.metrics.report import read_metrics
from grover_hf.quickstart import run_quickstart


def test_the_whole_way_on_a_fasta_of_the_user(simulated_fasta, tmp_path, capsys):
    run_quickstart(tmp_path / "q", genome=simulated_fasta, n_cycles=100, max_steps=3)
    out = capsys.readouterr().out
    for text in ("accuracy, top 1", "perplexity", "pretrain a tiny BERT", "fill-mask", "true:"):
        assert text in out
    # Three steps teach less than counting.
    assert "The model does NOT beat the neighbour counts" in out
    header = next(line for line in out.splitlines() if "neighbour counts" in line and "paper" in line)
    assert header.index("token frequency") < header.index("neighbour counts") < header.index("tiny BERT")
    assert (tmp_path / "q" / "vocabulary.png").stat().st_size > 10_000
    model = AutoModelForMaskedLM.from_pretrained(tmp_path / "q" / "run" / "model")
    assert model.config.vocab_size == len(AutoTokenizer.from_pretrained(tmp_path / "q" / "run" / "model")) == 109
    with pytest.raises(InputError, match="is there already"):
        run_quickstart(tmp_path / "q", genome=simulated_fasta)


def test_model_and_counts_are_judged_on_the_windows_and_masks_of_the_models_own_evaluation(
    simulated_fasta, tmp_path, capsys
):
    run_quickstart(tmp_path / "q", genome=simulated_fasta, n_cycles=100, max_steps=1)
    run = tmp_path / "q" / "run"
    own, judged = read_metrics(run), read_metrics(run / "evaluation" / "bpe-100")
    assert judged.n_windows == own.n_windows
    for name in ("n_masked", "accuracy", "accuracy_top_10_percent", "perplexity"):
        assert judged.metrics[name] == pytest.approx(own.metrics[name], rel=1e-4)
    out = capsys.readouterr().out
    row = next(line for line in out.splitlines() if line.startswith("│ perplexity"))
    shown = [judged.baselines[name] for name in ("frequency", "neighbour_counts")] + [own]
    assert re.findall(r"\d+", row)[:3] == [f"{scores.metrics['perplexity']:.0f}" for scores in shown]


def test_a_genome_too_small_for_counting_goes_the_whole_way_and_is_told_so(write_fasta, tmp_path, capsys):
    bases = "".join(np.random.default_rng(0).choice([*"ACGT"], 25_000))
    run_quickstart(tmp_path / "q", genome=write_fasta(f">one\n{bases}\n"), n_cycles=20, max_steps=1)
    out = capsys.readouterr().out
    assert re.search(r"Not judged beside counting: \d+ train windows are too few to hold out blocks", out)


@pytest.mark.parametrize(
    ("load", "given", "threads", "policy"),
    [
        (0.2, {}, "4", "passive"), (3.0, {}, "2", "passive"), (30.0, {}, "1", "passive"),
        (30.0, {"OMP_NUM_THREADS": "3", "OMP_WAIT_POLICY": "active"}, "3", "active"),
    ],
)
def test_threads_take_what_is_idle_and_sleep_while_they_wait_unless_the_user_says_otherwise(
    load, given, threads, policy, simulated_fasta, tmp_path, monkeypatch
):
    def ends(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("grover_hf.quickstart.ReferenceGenome", ends)
    monkeypatch.setattr("grover_hf.quickstart.usable_cores", lambda: 4)
    monkeypatch.setattr(os, "getloadavg", lambda: (load, 0.0, 0.0))
    for name in ("OMP_NUM_THREADS", "OMP_WAIT_POLICY"):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(KeyboardInterrupt):
        run_quickstart(tmp_path / "q", genome=simulated_fasta)
    assert (os.environ["OMP_NUM_THREADS"], os.environ["OMP_WAIT_POLICY"]) == (threads, policy)


def test_pytorch_is_not_loaded_before_the_threads_are_told(in_fresh_process):
    # OpenMP reads its settings once, as PyTorch loads it.
    assert in_fresh_process("import sys, grover_hf.quickstart; print(int('torch' in sys.modules))") == 0
