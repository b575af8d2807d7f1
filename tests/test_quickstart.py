import os
import re

import numpy as np
import pytest
from transformers import AutoModelForMaskedLM, AutoTokenizer

from grover_hf.errors import InputError
from grover_hf.genome.synthetic import simulate_genome
from grover_hf.metrics.report import read_metrics
from grover_hf.quickstart import run_quickstart
from grover_hf.tokenization.bpe_training import train_bpe
from grover_hf.tokenization.merges import MergeTable


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
    page = (tmp_path / "q" / "report.html").read_text()
    assert f"report: {tmp_path / 'q' / 'report.html'}" in out
    for text in ("does NOT beat the neighbour counts", "bpe-100", "training loss by step"):
        assert text in page
    model = AutoModelForMaskedLM.from_pretrained(tmp_path / "q" / "run" / "model")
    assert model.config.vocab_size == len(AutoTokenizer.from_pretrained(tmp_path / "q" / "run" / "model")) == 109
    with pytest.raises(InputError, match="is there already"):
        run_quickstart(tmp_path / "q", genome=simulated_fasta)


def test_model_and_counts_are_judged_on_the_windows_and_masks_of_the_models_own_evaluation(
    simulated_fasta, tmp_path, capsys
):
    run_quickstart(tmp_path / "q", genome=simulated_fasta, n_cycles=100, max_steps=1)
    run = tmp_path / "q" / "run"
    own, judged = read_metrics(run), read_metrics(run / "evaluation" / "bpe-100.by-block")
    assert judged.n_windows == own.n_windows
    for name in ("n_masked", "accuracy", "accuracy_top_10_percent", "perplexity"):
        # A near-tie may change a rank from one batch to another.
        tolerance = {"abs": 1.01 / own.metrics["n_masked"]} if name.startswith("accuracy") else {"rel": 1e-4}
        assert judged.metrics[name] == pytest.approx(own.metrics[name], **tolerance)
    out = capsys.readouterr().out
    row = next(line for line in out.splitlines() if line.startswith("│ perplexity"))
    shown = [judged.baselines[name] for name in ("frequency", "neighbour_counts")] + [own]
    assert re.findall(r"\d+", row)[:3] == [f"{scores.metrics['perplexity']:.0f}" for scores in shown]


STAGES = ["simulate_genome", "train_bpe_to_file", "save_tokenizer", "_cut_windows", "_pretrain", "_judge"]


@pytest.mark.slow
def test_one_that_was_stopped_goes_on_when_it_is_called_in_the_same_way(tmp_path, monkeypatch):
    def small(path, seed):
        return simulate_genome(path, 200_000, seed=seed)

    def stopped(*_, **__):
        raise KeyboardInterrupt

    def called(output, **changes):
        run_quickstart(output, **{"n_cycles": 20, "max_steps": 1, **changes})

    monkeypatch.setattr("grover_hf.quickstart.simulate_genome", small)
    called(tmp_path / "straight")
    for stage in STAGES:
        with monkeypatch.context() as patch:
            patch.setattr(f"grover_hf.quickstart.{stage}", stopped)
            with pytest.raises(KeyboardInterrupt):
                called(tmp_path / "q")
    with pytest.raises(InputError, match="was begun with another cycles, seed"):
        called(tmp_path / "q", n_cycles=30, seed=1)
    called(tmp_path / "q")
    names = ("simulated.fa", "merges.txt", "corpus/ids.uint16", "run/model/model.safetensors", "quickstart.json")
    for name in names:
        assert (tmp_path / "q" / name).read_bytes() == (tmp_path / "straight" / name).read_bytes()
    with pytest.raises(InputError, match="is there already"):
        called(tmp_path / "q")
    called(tmp_path / "q", n_cycles=30, overwrite=True)
    assert MergeTable.read(tmp_path / "q" / "merges.txt").n_cycles == 30


def test_merges_that_were_learnt_are_gone_on_with(simulated_fasta, tmp_path, monkeypatch):
    def stopped(genomes, path, *, n_cycles):
        train_bpe(genomes, n_cycles // 2, partial=partial)
        raise KeyboardInterrupt

    def looked_at(genomes, path, *, n_cycles):
        there.append(partial.read_bytes())
        raise KeyboardInterrupt

    partial, there = tmp_path / "q" / "merges.txt.partial", []
    for instead in (stopped, looked_at):
        with monkeypatch.context() as patch:
            patch.setattr("grover_hf.quickstart.train_bpe_to_file", instead)
            with pytest.raises(KeyboardInterrupt):
                run_quickstart(tmp_path / "q", genome=simulated_fasta, n_cycles=100)
    assert there[0].count(b"\n") > 50


@pytest.mark.parametrize("names", [["merges.txt", "corpus"], ["quickstart.json", "notes.txt"], ["notes.txt"]])
@pytest.mark.parametrize("overwrite", [False, True])
def test_what_a_quickstart_did_not_make_stays(names, overwrite, simulated_fasta, tmp_path):
    for name in names:
        (tmp_path / name).write_text("{}")
    with pytest.raises(InputError):
        run_quickstart(tmp_path, genome=simulated_fasta, n_cycles=20, max_steps=1, overwrite=overwrite)
    assert [(tmp_path / name).read_text() for name in names] == ["{}"] * len(names)


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
