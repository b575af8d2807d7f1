import dataclasses
import json
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from torch.utils.flop_counter import FlopCounterMode
from transformers import BertForMaskedLM
from typer.testing import CliRunner

from grover_hf.analysis.sweep.report import markdown, write_sweep_results
from grover_hf.analysis.sweep.results import VOCABULARIES, read_sweep
from grover_hf.cli import app
from grover_hf.corpus.facts import choose_config
from grover_hf.errors import InputError
from grover_hf.genome import ReferenceGenome
from grover_hf.metrics.classification import classification_metrics, mean_intervals, paired_difference
from grover_hf.metrics.predictions import Predictions, predictions_of, read_predictions, write_predictions
from grover_hf.metrics.report import BaselineModel, read_metrics, write_metrics
from grover_hf.model import grover_config
from grover_hf.tokenization.bpe_training import train_bpe
from grover_hf.tokenization.merges import MergeTable
from tests.made_up import baseline_report, dataset_identity, finetuning_report, training
from training import finetune, pretrain, vocabulary_sweep
from training.finetune import FinetuneRecipe
from training.pretrain import PretrainRecipe
from training.runs.folder import write_inputs, write_recipe
from training.runs.recipe import RECIPES, read_recipe, recipe_from_command_line
from training.sweep.budget import training_flop
from training.sweep.cells import BEGUN, FINISHED, MISSING, Cell, State, command_line, run_cell, states_of
from training.sweep.recipe import SweepRecipe, check_sweep
from training.sweep.side_by_side import Failure, Job, Stopped, only_one, run_side_by_side
from training.vocabulary_sweep import sweep


def job(name, tmp_path, script, *, needs=(), makes=True):
    """A job that runs a line of Python, in which {made} is the file it should make."""
    made = tmp_path / f"{name}.made"
    text = script.replace("{made}", str(made)) + (f"; open({str(made)!r}, 'a').write('x')" if makes else "")
    return Job(
        name=name, command=(sys.executable, "-S", "-c", text), log=tmp_path / "logs" / f"{name}.log",
        is_done=made.exists, needs=needs,
    )


def run(jobs, tmp_path, *, slots=({}, {}), stop=None):
    lines = []
    with only_one(tmp_path) as lock:
        failures = run_side_by_side(
            jobs, slots=list(slots), stop=stop or threading.Event(), lock=lock, report=lines.append
        )
    return failures, lines


def test_a_job_begins_when_those_that_it_needs_are_done(tmp_path):
    first = job("first", tmp_path, "import time; time.sleep(0.3)")
    second = job("second", tmp_path, f"import os; assert os.path.exists({str(tmp_path / 'first.made')!r})",
                 needs=("first", "not among the jobs"))
    failures, lines = run([second, first], tmp_path)
    assert failures == []
    assert [line.split(": ")[0] for line in lines] == ["[1/2] first", "[2/2] second"]


def test_as_many_run_at_once_as_there_are_slots_each_in_its_own_environment(tmp_path):
    # Each waits until another is there, which two at once can and one at a time cannot.
    script = (
        "import os, time, glob; d = os.environ['DEVICE']; open({made!r} + d, 'w'); t = time.monotonic()\n"
        "while len(glob.glob(os.path.dirname({made!r}) + '/*.made?')) < 2 and time.monotonic() < t + 10:"
        " time.sleep(0.01)\n"
        "assert time.monotonic() < t + 10"
    )
    jobs = []
    for name in ("one", "two"):
        made = str(tmp_path / f"{name}.made")
        jobs.append(Job(
            name=name, command=(sys.executable, "-S", "-c", script.replace("{made!r}", repr(made))),
            log=tmp_path / f"{name}.log", is_done=lambda: True,
        ))
    failures, _ = run(jobs, tmp_path, slots=({"DEVICE": "0"}, {"DEVICE": "1"}))
    assert failures == []
    assert sorted(path.name[-1] for path in tmp_path.glob("*.made?")) == ["0", "1"]


def test_a_job_that_is_killed_costs_itself_and_what_needs_it(tmp_path):
    killed = job("killed", tmp_path, "import os, signal; os.kill(os.getpid(), signal.SIGKILL)")
    jobs = [killed, job("after", tmp_path, "pass", needs=("killed",)), job("other", tmp_path, "pass")]
    failures, _ = run(jobs, tmp_path)
    assert [(failure.job.name, failure.reason) for failure in failures] == [
        ("killed", "killed by SIGKILL"), ("after", "not begun: it needs killed"),
    ]
    assert (tmp_path / "other.made").exists()


def test_a_failure_names_the_error_that_was_printed_last_time_and_not_before(tmp_path):
    failing = job("failing", tmp_path, "import sys; print('error: no memory'); print('noise'); sys.exit(3)")
    (tmp_path / "logs").mkdir()
    failing.log.write_text("error: of an earlier try\n")
    (failure,), _ = run([failing], tmp_path)
    assert failure.reason == "failed with code 3: error: no memory"
    assert "of an earlier try" in failing.log.read_text()


def test_a_job_that_ends_well_without_what_it_should_make_failed(tmp_path):
    (failure,), _ = run([job("empty", tmp_path, "pass", makes=False)], tmp_path)
    assert failure.reason == "ended without what it should have made"


def test_when_stopped_jobs_get_sigterm_and_are_waited_for_and_no_other_begins(tmp_path):
    stop = threading.Event()
    told = tmp_path / "told"
    script = (
        f"import signal, time, sys; made = lambda path: open(path, 'w').close(); told = {str(told)!r}; "
        "signal.signal(signal.SIGTERM, lambda *_: (time.sleep(0.3), made(told), sys.exit(75))); "
        f"made({str(tmp_path / 'ready')!r}); time.sleep(60)"
    )
    threading.Thread(target=lambda: (_wait_for(tmp_path / "ready"), stop.set())).start()
    with pytest.raises(Stopped, match="0 of 2"):
        run([job("long", tmp_path, script), job("next", tmp_path, "pass")], tmp_path, slots=({},), stop=stop)
    assert told.exists()
    assert not (tmp_path / "next.made").exists()


def test_a_job_that_was_left_behind_keeps_a_second_sweep_out(tmp_path):
    with only_one(tmp_path) as lock:
        left = subprocess.Popen([sys.executable, "-S", "-c", "input()"], stdin=subprocess.PIPE, pass_fds=[lock])
    with pytest.raises(InputError, match="Another process works in"), only_one(tmp_path):
        pass
    left.communicate(b"\n")
    with only_one(tmp_path):
        pass


def test_a_job_holds_the_lock_that_it_was_begun_under(tmp_path):
    script = "import os; a, b = os.fstat(int(os.environ['LOCK'])), os.stat({place!r}); assert a.st_ino == b.st_ino"
    with only_one(tmp_path) as lock:
        failures = run_side_by_side(
            [job("holds", tmp_path, script.replace("{place!r}", repr(str(tmp_path / ".lock"))))],
            slots=[{"LOCK": str(lock)}], stop=threading.Event(), lock=lock, report=print,
        )
    assert failures == []


def _wait_for(path):
    while not path.exists():
        time.sleep(0.01)


@pytest.fixture
def finetune_recipe(tmp_path):
    def make(**changes):
        fields = {"dataset": "there", "model": "pretrained", "output": str(tmp_path / "run"), **changes}
        return read_recipe(FinetuneRecipe, "next_kmer", "finetune", fields)

    return make


def state_of(recipe, sha256="rows"):
    return run_cell("cell", recipe, {"config": "next_kmer"}, sha256).state()


def pretend_finished(recipe, sha256="rows"):
    run_folder = Path(recipe.output)
    (run_folder / "model").mkdir(parents=True, exist_ok=True)
    write_recipe(run_folder, dataclasses.asdict(recipe))
    write_metrics(run_folder, finetuning_report(dataset=dataset_identity(sha256=sha256)))


def test_a_run_is_finished_by_its_metrics_its_recipe_and_its_rows(finetune_recipe):
    recipe = finetune_recipe()
    assert state_of(recipe) == MISSING
    pretend_finished(recipe)
    assert state_of(recipe) == FINISHED
    assert state_of(finetune_recipe(dataset="moved", model="moved/too")) == FINISHED
    assert state_of(recipe, "other rows") == State("other", "it has read other rows")
    changed = state_of(finetune_recipe(learning_rate=0.5))
    assert changed.kind == "other"
    assert "learning_rate (1e-06, now 0.5)" in changed.how_other


def test_a_stopped_fine_tuning_goes_on_a_pretraining_only_from_a_checkpoint(finetune_recipe, recipe, tmp_path):
    pretend_finished(finetune_recipe())
    (tmp_path / "run" / "metrics.json").unlink()
    assert state_of(finetune_recipe()) == MISSING
    write_inputs(tmp_path / "run", {"rows": "rows"})
    assert state_of(finetune_recipe()) == BEGUN
    assert state_of(finetune_recipe(), "other rows") == State("other", "it was begun with other rows")
    shutil.rmtree(tmp_path / "run")
    pretend_finished(recipe())
    (tmp_path / "run" / "metrics.json").unlink()
    assert state_of(recipe()) == MISSING


def test_what_was_made_from_an_unfinished_run_is_not_trusted():
    def cell(name, state, needs=()):
        return Cell(name=name, folder=Path(), command=(), state=lambda: state, needs=needs)

    cells = [cell("a", BEGUN), cell("b", FINISHED, ("a",)), cell("c", MISSING, ("a",)), cell("d", FINISHED)]
    kinds = {name: state.kind for name, state in states_of(cells).items()}
    assert kinds == {"a": "begun", "b": "other", "c": "missing", "d": "finished"}


def test_the_options_of_a_command_give_the_recipe_back(finetune_recipe):
    options = {"config": "next_kmer", "dataset": "null", "model": "a: b", "output": "1", "seeds": [3, 4],
               "learning_rate": 1e-7, "dropout": None, "retokenize": True}
    read = recipe_from_command_line(FinetuneRecipe, "finetune", command_line(options))
    assert read == finetune_recipe(**{name: value for name, value in options.items() if name != "config"})


def test_the_flop_of_training_are_three_times_those_that_torch_counts_forward():
    n_tokens, vocab_size = 254, 609
    model = BertForMaskedLM(grover_config(vocab_size, "tiny", attn_implementation="eager"))
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        model(torch.full((1, n_tokens + 2), 7))
    ours = training_flop(np.array([n_tokens]), vocab_size, "tiny", p_select=1.0)
    assert ours == pytest.approx(3 * counter.get_total_flops(), rel=1e-2)


@pytest.fixture
def settings(simulated_fasta, simulated_merges, tmp_path):
    """A recipe for a sweep of seconds."""
    simulated_merges.write(tmp_path / "merges.txt")
    return {
        "genome": str(simulated_fasta), "output": str(tmp_path / "sweep"), "chromosomes": "all",
        "merges": str(tmp_path / "merges.txt"), "cycles": [20, 60], "kmers": [3], "right_aligned": True, "ks": [2],
        "task_chromosomes": ["sim3"], "hold_out": True, "task_rows": 400,
        "pretrain": {"config": "tiny_cpu", "batch_size": 2, "per_device_batch_size": 2, "warmup_steps": 0,
                     "eval_windows": 2},
        "tokens": 3_000,
        "finetune": {"config": "next_kmer", "epochs": 1, "warmup_steps": 1, "seeds": [0, 1]},
        "tfidf": ["bpe-20"], "max_trees": 100, "models": [], "at_once": 2, "threads": 1,
    }


def made(settings, tmp_path, **changes):
    path = tmp_path / "recipe.yaml"
    path.write_text(yaml.safe_dump({**settings, **changes}))
    return read_recipe(SweepRecipe, str(path), "", {})


@pytest.fixture
def in_process(monkeypatch):
    """Run jobs one after another in this process, which costs no imports; return the names of those that ran."""
    ran = []

    def run_here(jobs, *, slots, stop, lock, report):
        failures = {}
        for each in jobs:
            ran.append(each.name)
            if lost := [name for name in each.needs if name in failures]:
                failures[each.name] = Failure(each, f"not begun: it needs {', '.join(lost)}")
                continue
            _, _, module, *words = each.command
            try:
                if module == "grover_hf.cli":
                    CliRunner().invoke(app, words, catch_exceptions=False)
                else:
                    {"training.pretrain": pretrain, "training.finetune": finetune}[module].main(words)
            except (InputError, SystemExit) as error:
                failures[each.name] = Failure(each, str(error))
            else:
                assert each.is_done(), each.name
        return list(failures.values())

    monkeypatch.setattr(vocabulary_sweep, "run_side_by_side", run_here)
    return ran


@pytest.fixture
def pretended(in_process, monkeypatch):
    """As `in_process`, with trainings that end at once, and no results."""

    def pretend(recipe_class, kind):
        def main(words):
            recipe = recipe_from_command_line(recipe_class, kind, words)
            pretend_finished(recipe, choose_config(recipe.dataset, recipe.dataset_config)[1].sha256)

        return main

    monkeypatch.setattr(pretrain, "main", pretend(PretrainRecipe, "pretrain"))
    monkeypatch.setattr(finetune, "main", pretend(FinetuneRecipe, "finetune"))
    monkeypatch.setattr(vocabulary_sweep, "write_sweep_results", lambda *_: "")
    return in_process


@pytest.mark.slow
def test_a_sweep_ends_with_a_table_and_a_figure_of_what_was_trained(settings, tmp_path, in_process):
    assert sweep(made(settings, tmp_path, cycles=[20], kmers=[3], right_aligned=False), threading.Event()) == []
    output = tmp_path / "sweep"
    table = pd.read_csv(output / "results" / "sweep.csv")
    assert {path.name for path in (output / "results").iterdir()} == {
        "sweep.csv", "sweep.md", "sweep.png", "seeds.csv", "tfidf.csv",
    }
    assert set(table["vocabulary"]) == {"bpe-20", "kmer-3"}
    line = table.set_index("vocabulary").loc["kmer-3"]
    of_run = read_metrics(output / "finetune" / "next-2mer" / "kmer-3").metrics
    assert line["accuracy"] == pytest.approx(of_run["accuracy"], rel=1e-5)
    masked = read_metrics(output / "pretrain" / "kmer-3").metrics
    assert line["perplexity"] == pytest.approx(masked["perplexity"], rel=1e-5)
    # The rows to predict are in no vocabulary and no window.
    corpus = json.loads((output / "data" / "bpe-20" / "corpus" / "corpus.json").read_text())
    assert [chromosome["name"] for chromosome in corpus["chromosomes"]] == ["sim1", "sim2"]


def test_a_sweep_runs_what_is_missing_alone(settings, tmp_path, pretended):
    stop = threading.Event()
    few = {**settings, "cycles": [20], "tfidf": []}
    sweep(made(few, tmp_path), stop)
    trained = [name for name in pretended if name.startswith(("pretrain", "finetune"))]
    assert trained == [
        "pretrain/bpe-20", "pretrain/kmer-3", "finetune/next-2mer/bpe-20", "finetune/next-2mer/kmer-3",
        "finetune/next-2mer/kmer-3.right-aligned",
    ]
    pretended.clear()
    sweep(made(few, tmp_path), stop)
    assert pretended == []
    sweep(made(few, tmp_path, cycles=[20, 60]), stop)
    assert {name.split("/")[-1] for name in pretended} == {"bpe-60"}


def test_a_changed_recipe_is_refused_and_begun_anew_with_what_hangs_on_it_where_that_is_asked(
    settings, tmp_path, pretended
):
    stop = threading.Event()
    few = {**settings, "cycles": [20], "kmers": [], "tfidf": []}
    sweep(made(few, tmp_path), stop)
    pretended.clear()
    with pytest.raises(InputError, match=r"(?s)2 cells.*bpe-20: .*max_steps \(\d, now \d\).*is not finished"):
        sweep(made(few, tmp_path, tokens=5_000), stop)
    assert pretended == []
    sweep(made(few, tmp_path, tokens=5_000, overwrite=True), stop)
    assert pretended == ["pretrain/bpe-20", "finetune/next-2mer/bpe-20"]


@pytest.mark.parametrize("facts", ["corpus/corpus.json", "windows/bpe-20.by-block/facts.json"])
def test_data_that_are_damaged_are_made_again_only_where_that_is_asked(facts, settings, tmp_path, pretended):
    stop = threading.Event()
    few = {**settings, "cycles": [20], "kmers": [], "tfidf": []}
    recipe = made(few, tmp_path)
    path = Path(recipe.output) / "data" / "bpe-20" / facts
    sweep(recipe, stop)
    whole = path.read_text()
    path.write_text(whole[:-10])
    with pytest.raises(InputError, match=f"{facts} is damaged"):
        sweep(recipe, stop)
    assert path.read_text() == whole[:-10]
    sweep(made(few, tmp_path, overwrite=True), stop)
    assert path.read_text() == whole


def test_a_sweep_of_another_genome_is_refused(settings, tmp_path, pretended):
    few = {**settings, "cycles": [20], "kmers": [], "tfidf": []}
    sweep(made(few, tmp_path), threading.Event())
    with pytest.raises(InputError, match="another genome or other chromosomes"):
        sweep(made(few, tmp_path, hold_out=False), threading.Event())


def test_a_folder_of_something_else_is_left_alone(settings, tmp_path, pretended):
    (tmp_path / "sweep").mkdir()
    (tmp_path / "sweep" / "notes.txt").write_text("mine")
    with pytest.raises(InputError, match="exists and is not a sweep; name another output"):
        sweep(made(settings, tmp_path, overwrite=True), threading.Event())
    assert [path.name for path in (tmp_path / "sweep").iterdir()] == ["notes.txt"]


def test_models_of_others_are_fine_tuned_on_the_same_rows_with_their_own_tokens(settings, tmp_path, pretended):
    few = {**settings, "cycles": [20], "kmers": [], "tfidf": []}
    models = [{"model": "lab/dna", "revision": "main", "max_tokens": 64}]
    sweep(made(few, tmp_path, models=models), threading.Event())
    ours, other = (
        yaml.safe_load((tmp_path / "sweep" / "finetune" / "next-2mer" / name / "recipe.yaml").read_text())
        for name in ("bpe-20", "lab--dna")
    )
    assert {name for name in ours if ours[name] != other[name]} == {
        "model", "revision", "max_tokens", "retokenize", "output",
    }
    assert other["retokenize"]


def test_merges_are_learnt_once_from_what_is_not_held_out_and_again_for_more_cycles(settings, tmp_path, pretended):
    few = {**settings, "merges": None, "kmers": [], "tfidf": []}
    sweep(made(few, tmp_path, cycles=[20]), threading.Event())
    expected = train_bpe(ReferenceGenome(settings["genome"], ["sim1", "sim2"]), 60)
    assert MergeTable.read(tmp_path / "sweep" / "merges.txt") == expected.first(20)
    pretended.clear()
    sweep(made(few, tmp_path, cycles=[20, 60]), threading.Event())
    assert MergeTable.read(tmp_path / "sweep" / "merges.txt") == expected
    assert {name.split("/")[-1] for name in pretended} == {"bpe-60"}


def test_equal_tokens_are_equal_steps_of_any_vocabulary_and_equal_bases_are_not(settings, tmp_path, pretended):
    def budgets(**changes):
        few = {**settings, "cycles": [20], "tfidf": [], "overwrite": True}
        sweep(made(few, tmp_path, **changes), threading.Event())
        return pd.read_csv(tmp_path / "sweep" / VOCABULARIES).set_index("vocabulary")

    by_tokens = budgets(tokens=100_000)
    step = 2 * 388
    assert (by_tokens["tokens"] - 100_000).abs().max() < step
    assert by_tokens.loc["kmer-3", "bases"] > 1.2 * by_tokens.loc["bpe-20", "bases"]
    by_bases = budgets(tokens=None, bases=300_000)
    assert (by_bases["bases"] - 300_000).abs().max() < 3 * step
    assert by_bases.loc["kmer-3", "flop"] < by_bases.loc["bpe-20", "flop"] / 1.2


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"cyles": [1]}, "unknown keys cyles; known are genome"),
        ({"cycles": 600}, r"cycles is 600; it must be list"),
        ({"cycles": []}, r"cycles is \[\]"),
        ({"cycles": [20, 20]}, "each may stand there once"),
        ({"cycles": [0, 20]}, "the smallest of cycles is 0"),
        ({"cycles": [20, 601]}, "601 cycles were asked for; the table has 600"),
        ({"kmers": [8]}, "k is 8; k-mer vocabularies go from 1 to 7"),
        ({"tokens": None}, "Give tokens or bases"),
        ({"bases": 5}, "Give tokens or bases"),
        ({"pretrain": {"size": "tiny"}}, "pretrain has no config"),
        ({"pretrain": {"config": "tiny_cpu", "max_steps": 3}}, "pretrain has max_steps, which the sweep sets"),
        ({"pretrain": {"config": "tiny_cpu", "speed": 3}}, "unknown keys speed"),
        ({"finetune": {"config": "next_kmer", "epochs": "3"}}, "epochs is '3'; it must be int"),
        ({"finetune": {"config": "nothing"}}, "no recipe nothing; packaged ones are"),
        ({"tfidf": ["bpe-600"]}, "tfidf has bpe-600; it takes kmer-K, or one of bpe-20, bpe-60"),
        ({"models": [{"revision": "main"}]}, "it needs model"),
        ({"models": [{"model": "a/b"}, {"model": "a/b", "random_weights": True}]}, "each may stand there"),
        ({"task_chromosomes": ["chr21"]}, "no chromosome 'chr21'; it has sim1"),
        ({"chromosomes": ["sim3"]}, "No chromosome is left without task_chromosomes"),
        ({"chromosomes": "some"}, "it is all, primary, or a list of names"),
        ({"at_once": 0}, "at_once is 0"),
        ({"output": "{genome}"}, "is, or holds, the input"),
    ],
)
def test_a_recipe_that_cannot_be_is_refused_before_anything_runs(changes, message, settings, tmp_path, in_process):
    if "output" in changes:
        changes = {"output": settings["genome"]}
    with pytest.raises(InputError, match=message):
        sweep(made(settings, tmp_path, **changes), threading.Event())
    assert in_process == []


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"ks": [7]}, r"(?s)Nothing was trained.*next-7mer/bpe-20: k is 7; next-k-mer prediction has k from 2"),
        ({"task_rows": 2}, r"Nothing was trained|too small"),
        ({"pretrain": {"config": "tiny_cpu", "batch_size": 5_000}}, "too small: bpe-20 gives .* a batch has 5000"),
        ({"tokens": 100}, "The budget gives bpe-20 0 steps"),
        (
            {"finetune": {"config": "next_kmer", "epochs": 1, "warmup_steps": 9, "warmup_share": None}},
            "train rows, too few. The warm-up has 9 steps",
        ),
    ],
)
def test_a_genome_or_k_that_gives_no_data_is_refused_before_any_training(
    changes, message, settings, tmp_path, in_process
):
    with pytest.raises(InputError, match=message):
        sweep(made(settings, tmp_path, cycles=[20], kmers=[], **changes), threading.Event())
    assert not any(name.startswith(("pretrain", "finetune")) for name in in_process)


def test_a_failed_cell_is_returned_with_what_hangs_on_it(settings, tmp_path, pretended, monkeypatch):
    right = pretrain.main

    def without_bpe_60(words):
        if any("bpe-60" in word for word in words):
            sys.exit("error: the memory is too small")
        right(words)

    monkeypatch.setattr(pretrain, "main", without_bpe_60)
    failures = sweep(made(settings, tmp_path, kmers=[], tfidf=[]), threading.Event())
    assert [(failure.job.name, failure.reason) for failure in failures] == [
        ("pretrain/bpe-60", "error: the memory is too small"),
        ("finetune/next-2mer/bpe-60", "not begun: it needs pretrain/bpe-60"),
    ]
    assert (tmp_path / "sweep" / "finetune" / "next-2mer" / "bpe-20" / "metrics.json").exists()


def test_the_command_lists_failed_cells_with_their_logs_and_ends_with_an_error(
    settings, tmp_path, pretended, monkeypatch
):
    made(settings, tmp_path, cycles=[20], kmers=[], tfidf=[])
    monkeypatch.setattr(pretrain, "main", lambda words: sys.exit("error: the memory is too small"))
    with pytest.raises(SystemExit) as ended:
        vocabulary_sweep.main(["--config", str(tmp_path / "recipe.yaml")])
    said = str(ended.value.code)
    assert said.startswith("2 cells failed; the same command tries them again:\n")
    log = tmp_path / "sweep" / "logs" / "pretrain.bpe-20.log"
    assert f"pretrain/bpe-20: error: the memory is too small\n    {log}" in said


@pytest.mark.parametrize("name", sorted(path.stem for path in RECIPES.glob("*.yaml")))
def test_every_packaged_sweep_can_be_read(name):
    recipe = read_recipe(SweepRecipe, name, "", {})
    check_sweep(recipe)
    assert len(recipe.cycles) >= 5
    assert recipe.kmers == [4, 5, 6]


N_TEST = 400
ACCURACIES = {100: 0.20, 300: 0.26, 600: 0.30, 1200: 0.27, 2500: 0.21}


@pytest.fixture
def made_up(tmp_path):
    """Runs of a sweep that were never trained: the accuracy is best at 600 cycles."""
    folder = tmp_path / "sweep"
    rng = np.random.default_rng(0)
    for k in (2, 4):
        labels = np.arange(N_TEST) % 4**k
        for name, accuracy in [*((f"bpe-{n}", a) for n, a in ACCURACIES.items()), ("kmer-4", 0.1)]:
            right = [rng.random(N_TEST) < accuracy for _ in range(3)]
            predicted = np.array([np.where(r, labels, (labels + 1) % 4**k) for r in right])
            run_folder = folder / "finetune" / f"next-{k}mer" / name
            run_folder.mkdir(parents=True)
            write_predictions(run_folder, Predictions(labels, predicted, None))
            of_seeds = [float(r.mean()) for r in right]
            write_metrics(run_folder, finetuning_report(
                metrics={"accuracy": float(np.mean(of_seeds)), "mcc": 0.0}, n_rows=N_TEST,
                ci95=mean_intervals(labels, predicted, rng=rng, n_resamples=200),
                standard_deviation={"accuracy": float(np.std(of_seeds, ddof=1))},
                seeds=[training(seed, metrics={"accuracy": a}) for seed, a in enumerate(of_seeds)],
            ))
        probabilities = np.full((N_TEST, 4**k), 1.0)
        baseline = folder / "baselines" / f"next-{k}mer" / "tfidf-bpe-600"
        baseline.mkdir(parents=True)
        write_predictions(baseline, predictions_of(labels, probabilities))
        write_metrics(baseline, baseline_report(
            model=BaselineModel(kind="tfidf", tokenizer="bpe-600"), ci95={"accuracy": (0.0, 0.1)},
            metrics=classification_metrics(labels, probabilities),
        ))
    budgets = {name: {"types": 4, "bases_a_token": 4.0, "steps": 9, "tokens": 9e6, "bases": 36e6, "passes": 1.5,
                      "flop": 2e13} for name in [*(f"bpe-{n}" for n in ACCURACIES), "kmer-4"]}
    pd.DataFrame(budgets).T.rename_axis("vocabulary").to_csv(folder / VOCABULARIES)
    return folder


def runs_of(folder):
    return {str(path.parent.relative_to(folder)) for path in folder.rglob("metrics.json")}


def test_the_table_has_who_is_how_far_behind_the_best_and_the_cycle_is_chosen(made_up):
    results = read_sweep(made_up, runs_of(made_up))
    of_2 = results.table[results.table["k"] == 2].set_index("vocabulary")
    assert of_2.index[0] == "bpe-600"
    assert of_2.loc["bpe-600", "behind_best"] == 0
    lost = of_2.loc["kmer-4"]
    assert lost["behind_best"] == pytest.approx(of_2.loc["bpe-600", "accuracy"] - lost["accuracy"])
    # The slow way, which resamples whole rows.
    best, said = (read_predictions(made_up / "finetune" / "next-2mer" / name) for name in ("bpe-600", "kmer-4"))
    expected = paired_difference(
        said.labels, best.predicted, said.predicted, rng=np.random.default_rng(1), n_resamples=5_000
    )["accuracy"].ci95
    assert (lost["behind_low"], lost["behind_high"]) == pytest.approx(expected, abs=0.004)
    assert of_2.loc["bpe-600", "tfidf_accuracy"] == pytest.approx(1 / 16)
    assert np.isnan(lost["tfidf_accuracy"])
    assert results.choice.cycle == 600
    assert len(results.seeds) == 2 * 6 * 3
    text = markdown(results)
    assert "600, is chosen" in text
    assert "9 million tokens, 36 million bases, 1.5 passes over the train windows, 20 TFLOP" in text


def test_without_all_cycles_of_every_k_no_cycle_is_chosen_and_the_reason_is_said(made_up):
    shutil.rmtree(made_up / "finetune" / "next-4mer" / "bpe-100")
    results = read_sweep(made_up, runs_of(made_up))
    assert results.choice is None
    assert "No cycle is chosen. k = 4: There are 4 counts of cycles; a curve needs 5" in markdown(results)
    written = write_sweep_results(made_up, runs_of(made_up))
    assert written == (made_up / "results" / "sweep.md").read_text() == markdown(results)
    assert [path.name for path in (made_up / "results").glob("*.png")] == ["sweep.png"]


def test_runs_of_another_recipe_that_lie_in_the_folder_are_no_results(made_up):
    names = {name for name in runs_of(made_up) if not name.endswith(("bpe-2500", "kmer-4"))}
    results = read_sweep(made_up, names)
    assert set(results.table["vocabulary"]) == {"bpe-100", "bpe-300", "bpe-600", "bpe-1200"}
    assert results.choice is None


def test_a_sweep_without_a_finished_run_has_no_results(made_up):
    shutil.rmtree(made_up / "finetune")
    with pytest.raises(InputError, match="no finished fine-tuning"):
        read_sweep(made_up, runs_of(made_up))


@pytest.mark.slow
def test_a_sweep_by_its_command_that_is_terminated_goes_on_to_the_end(settings, tmp_path):
    path = tmp_path / "recipe.yaml"
    path.write_text(yaml.safe_dump(settings))
    command = [sys.executable, "-m", "training.vocabulary_sweep", "--config", str(path)]
    begun = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    for line in begun.stdout:
        if "pretrain/" in line:
            break
    begun.send_signal(signal.SIGTERM)
    said = begun.communicate()[0]
    assert begun.returncode == 75, said
    assert "the same command goes on" in said
    ended = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "of which 0 are finished" not in ended.stdout
    assert len(pd.read_csv(tmp_path / "sweep" / "results" / "sweep.csv")) == 4
