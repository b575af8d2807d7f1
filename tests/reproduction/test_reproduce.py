"""`grover reproduce`: numbers are those of the files, steps run once, and what is missing is named."""

import csv
import json
import re
import shutil
from importlib.resources import files
from pathlib import Path

import pandas as pd
import pytest
import yaml
from typer.main import get_command
from typer.testing import CliRunner

from grover_hf import cli
from grover_hf.analysis.vocabulary.paper import PaperNumber
from grover_hf.errors import InputError
from grover_hf.genome.synthetic import simulate_genome
from grover_hf.metrics.report import BaselineModel, write_metrics
from grover_hf.reproduction.inputs import KNOWN, Inputs, read_inputs
from grover_hf.reproduction.paper import Bound, share
from grover_hf.reproduction.readings import Reading
from grover_hf.reproduction.reproduce import list_rows, reproduce
from grover_hf.reproduction.row import Row
from grover_hf.reproduction.rows import ROWS
from grover_hf.reproduction.running import run_command
from grover_hf.reproduction.steps import _PAPERS_MASKS, steps_of
from grover_hf.reproduction.table import Line, markdown
from tests.made_up import baseline_report, evaluation_report, finetuning_report


def in_this_process(step, words, log):
    """Run a command as a process of its own would, without its start."""
    assert words[0] == "grover"
    log.write_text(step.command)
    cli.app(list(words[1:]), standalone_mode=False)
    return 0


class Fake:
    """Writes what a step leaves, and counts."""

    def __init__(self, mcc=0.4, fails=(), stops=None):
        self.ran = []
        self.words = {}
        self.mcc, self.fails, self.stops = mcc, fails, stops

    def __call__(self, step, words, log):
        self.ran.append(step.name)
        self.words[step.name] = words
        log.write_text(f"{step.command}\nerror: too few rows\n")
        if step.name == self.stops:
            step.output.mkdir(parents=True, exist_ok=True)
            raise KeyboardInterrupt
        if step.name in self.fails:
            return 1
        if step.marker == "metrics.json":
            kind = finetuning_report if step.hardware == "GPU" else baseline_report
            model = {} if kind is finetuning_report else {"model": BaselineModel(kind="tfidf", tokenizer="kmer-6")}
            metrics, ci95 = {"mcc": self.mcc, "accuracy": 0.7}, {"mcc": (self.mcc - 0.1, self.mcc + 0.1)}
            step.output.mkdir(parents=True, exist_ok=True)
            write_metrics(step.output, kind(metrics=metrics, ci95=ci95, **model))
        elif step.marker:
            place = step.output / step.marker.replace("*", "kmer-6")
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text("{}")
        else:
            step.output.write_text("")
        return 0


@pytest.fixture
def gue(tmp_path):
    """Inputs for the rows of GUE, with a model."""
    (tmp_path / "in" / "gue" / "tf" / "4").mkdir(parents=True)
    (tmp_path / "in" / "gue" / "tf" / "4" / "train.csv.gz").write_text("a")
    (tmp_path / "in" / "run" / "model").mkdir(parents=True)
    (tmp_path / "in" / "run" / "model" / "weights").write_text("a")
    return Inputs(gue=str(tmp_path / "in" / "gue"), run=str(tmp_path / "in" / "run"))


def written(output):
    """Rows of the JSON file by name."""
    return {row["id"]: row for row in json.loads((output / "reproduction.json").read_text())["rows"]}


GUE = ["gue-tf-4-6mers", "gue-tf-4-tokens"]


def lines_of(inputs, output, only, **options):
    options = {"say": lambda text: None, "has_gpu": False, **options}
    return {line.id: line for line in reproduce(inputs, output, only=only, **options)}


def test_vocabulary_rows_of_a_genome_are_what_the_commands_write(tmp_path):
    genome = simulate_genome(tmp_path / "g.fa", 300_000)
    only = ["types", "cg", "mean-length", "rarest-6mer", "bins", "bin-bases", "most-common-length"]
    output = tmp_path / "out"
    lines = lines_of(Inputs(genome=str(genome)), output, only, run=in_this_process)
    assert [line.status for line in lines.values()] == ["read"] * len(only)
    table = pd.read_csv(output / "steps" / "vocabulary.csv", keep_default_na=False).set_index("quantity")
    assert lines["types"].value == float(table.loc["types that occur", "value"])
    assert lines["mean-length"].value == float(table.loc["mean bases a token", "value"])
    assert lines["cg"].ours == table.loc["CG is a token", "ours"]
    assert lines["cg"].agrees == (lines["cg"].ours == "no")
    assert lines["most-common-length"].agrees == (lines["most-common-length"].ours == "4")
    corpus = json.loads((output / "steps" / "corpus" / "corpus.json").read_text())
    assert lines["mean-length"].value == pytest.approx(corpus["n_bases"] / corpus["n_tokens"], rel=1e-3)
    assert lines["bins"].value * lines["bin-bases"].value == pytest.approx(300_000, rel=0.02)
    # One that is finished is read again, and not run.
    assert lines_of(Inputs(genome=str(genome)), output, only, run=Fake(fails=["merges"])) == lines
    with open(output / "reproduction.csv", newline="") as file:
        rows = {row["id"]: row for row in csv.DictReader(file)}
    in_json = written(output)
    assert float(rows["types"]["value"]) == in_json["types"]["value"] == lines["types"].value
    assert f"| types that occur | 601 (Results, Fig. 3a) | {lines['types'].ours} |" in (
        output / "reproduction.md"
    ).read_text()


def test_rows_of_a_run_are_those_of_the_evaluation_in_its_folder(tmp_path):
    folder = tmp_path / "run" / "evaluation" / "bpe-600.by-block"
    folder.mkdir(parents=True)
    write_metrics(folder, evaluation_report(perplexities=(72.4, 94.0, 181.0)))
    (folder / "per_token.csv").write_text(
        "token,n_masked,model_accuracy,model_accuracy_low,model_accuracy_high,model_auc,model_auc_low,model_auc_high\n"
        "ATTACAGGC,7,0.995,0.97,1.0,0.99,0.9,1.0\nTTTAGG,9,0.25,0.2,0.3,0.45,0.4,0.48\n"
    )
    only = ["perplexity", "accuracy", "loss", "accuracy-ATTACAGGC", "accuracy-TGTAATCCCAGC", "accuracy-TTTAGG",
            "lowest-auc"]
    lines = lines_of(Inputs(run=str(tmp_path / "run")), tmp_path / "out", only, run=Fake(fails=["evaluation"]))
    perplexity = lines["perplexity"]
    assert (perplexity.value, perplexity.low, perplexity.high) == (72.4, 71.4, 73.4)
    assert (perplexity.paper, perplexity.ours) == ("72", "72")
    assert (perplexity.excludes_paper, perplexity.agrees) == (False, True)
    assert lines["accuracy"].excludes_paper
    assert lines["loss"].value == pytest.approx(4.282, abs=1e-3)
    best = lines["accuracy-ATTACAGGC"]
    assert (best.paper, best.value, best.excludes_paper, best.agrees) == ("> 99 %", 0.995, False, True)
    assert lines["accuracy-TGTAATCCCAGC"].ours == "not a type of this vocabulary"
    assert (lines["accuracy-TTTAGG"].agrees, lines["accuracy-TTTAGG"].excludes_paper) == (False, True)
    assert lines["lowest-auc"].value == 0.45
    assert "TTTAGG" in lines["lowest-auc"].explanation
    assert lines["lowest-auc"].excludes_paper


def test_rows_of_vectors_are_those_of_the_summary_and_the_correlations(tmp_path):
    for name in ("run/model", "windows", "out/steps/tokens"):
        (tmp_path / name).mkdir(parents=True)
    inputs = Inputs(run=str(tmp_path / "run"), windows=str(tmp_path / "windows"))

    def run(step, words, log):
        step.output.mkdir(parents=True, exist_ok=True)
        mev = {"static": 0.02, "word2vec": 0.148, "contextual_mean_layer_2": 0.5, "contextual_mean_layer_10": 0.03}
        content = {"mev": mev, "n_types": 601, "source": "2 test windows"}
        (step.output / step.marker).write_text(json.dumps(content))
        (step.output / "correlations.csv").write_text(
            "kind,layer,component,variance_share,property,less_gc,n,rho,p,q\n"
            "word2vec,,1,0.1,GC content,none,600,-0.91,0,0\nword2vec,,1,0.1,GC content,loess,600,0.1,0,0\n"
            "contextual_mean,10,2,0.1,GC content,none,600,0.2,0,0\n"
            "contextual_mean,10,4,0.1,GC content,none,600,0.7,0,0\n"
        )
        return 0

    (tmp_path / "out" / "steps" / "tokens").rmdir()
    (tmp_path / "out" / "steps").rmdir()
    only = ["mev-word2vec", "mev-static", "mev-contextual", "word2vec-pc1", "model-pc2"]
    lines = lines_of(inputs, tmp_path / "out", only, run=run)
    assert [lines[name].value for name in only[:3]] == [0.148, 0.02, 0.03]
    assert (lines["word2vec-pc1"].value, lines["word2vec-pc1"].n) == (0.91, "600 types")
    # The paper's is -0.96: the sign of a component means nothing.
    assert lines["model-pc2"].value == -0.2
    assert "goes best with PC4 here, rho +0.70" in lines["model-pc2"].explanation


def test_cycles_are_those_that_a_sweep_made_by_hand_chose(tmp_path):
    (tmp_path / "g.fa").write_text(">a\nACGT\n")
    results = Path(__file__).parents[2] / "benchmarks" / "results" / "sweep"
    shutil.copytree(results, tmp_path / "out" / "steps" / "sweep" / "results")
    (tmp_path / "out" / "reproduction.json").write_text("{}")
    line = lines_of(Inputs(genome=str(tmp_path / "g.fa")), tmp_path / "out", ["cycles"], run=Fake())["cycles"]
    chosen = re.search(r"middle, (\d+), is chosen", (results / "sweep.md").read_text())[1]
    assert (line.ours, line.agrees) == (chosen, chosen == "600")


def test_a_model_alone_is_judged_on_the_windows_with_the_papers_masks(tmp_path):
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "config.json").write_text("{}")
    model = str(tmp_path / "model")
    steps = steps_of(Inputs(run=model, windows="w"), Path("steps"))
    assert steps["evaluation"].command.startswith(f"grover evaluate {model} --dataset w --p-select 0.022 ")
    assert f"--model {model} " in steps["tokens"].command
    line, = list_rows(Inputs(run=model), Path("o"), ["perplexity"])
    assert line.needs == ["run", "windows"]
    # One of a run is judged as it was trained.
    steps = steps_of(Inputs(run="run", windows="w"), Path("steps"))
    assert steps["evaluation"].command == "grover evaluate run --trained-on w --output steps/evaluation"


def test_a_finished_step_is_not_run_again_and_one_that_is_damaged_or_of_other_inputs_is(tmp_path, gue):
    fake = Fake()
    lines = lines_of(gue, tmp_path / "out", GUE, run=fake)
    assert sorted(fake.ran) == ["gue-tf-4", "gue-tf-4-6mers", "gue-tf-4-tokens"]
    assert (lines["gue-tf-4-6mers"].value, lines["gue-tf-4-6mers"].excludes_paper) == (0.4, True)
    assert lines["gue-tf-4-6mers"].commands == list_rows(gue, tmp_path / "out", ["gue-tf-4-6mers"])[0].commands
    lines_of(gue, tmp_path / "out", GUE, run=fake)
    assert len(fake.ran) == 3
    (tmp_path / "out" / "steps" / "gue-tf-4-tokens" / "metrics.json").write_text("{}")
    lines_of(gue, tmp_path / "out", GUE, run=fake)
    assert fake.ran[3:] == ["gue-tf-4-tokens"]
    assert fake.words["gue-tf-4-tokens"][-1] == "--overwrite"
    (tmp_path / "in" / "gue" / "tf" / "4" / "train.csv.gz").write_text("other")
    lines_of(gue, tmp_path / "out", GUE, run=fake)
    assert sorted(fake.ran[4:]) == ["gue-tf-4", "gue-tf-4-6mers", "gue-tf-4-tokens"]
    lines_of(gue, tmp_path / "out", GUE[:1], run=fake, overwrite=True)
    assert fake.ran[7:] == ["gue-tf-4", "gue-tf-4-6mers"]


def test_a_stopped_step_runs_again_and_the_finished_ones_stay(tmp_path, gue):
    with pytest.raises(KeyboardInterrupt):
        lines_of(gue, tmp_path / "out", GUE, run=Fake(stops="gue-tf-4-tokens"))
    statuses = {name: row["status"] for name, row in written(tmp_path / "out").items()}
    assert statuses == {"gue-tf-4-6mers": "read", "gue-tf-4-tokens": "not run"}
    fake = Fake()
    lines = lines_of(gue, tmp_path / "out", GUE, run=fake)
    assert fake.ran == ["gue-tf-4-tokens"]
    assert fake.words["gue-tf-4-tokens"][-1] == "--overwrite"
    assert lines["gue-tf-4-tokens"].status == "read"


def test_a_step_that_fails_leaves_the_others_to_run_and_says_why(tmp_path, gue):
    said = []
    lines = lines_of(gue, tmp_path / "out", GUE, run=Fake(fails=["gue-tf-4-6mers"]), say=said.append)
    assert (lines[GUE[0]].status, lines[GUE[1]].status) == ("failed", "read")
    assert "Failed: too few rows (" in lines[GUE[0]].explanation
    assert any("failed: too few rows" in text for text in said)
    assert [re.match(r"step \d of 3, about .* left: grover ", text) is not None for text in said].count(True) == 3


def test_fine_tunings_are_not_started_without_a_gpu_and_one_made_by_hand_is_read(tmp_path, gue):
    only = ["gue-tf-4-grover"]
    fake = Fake(mcc=0.7)
    line = lines_of(gue, tmp_path / "out", only, run=fake)[only[0]]
    assert (line.status, line.ours) == ("not started", "")
    assert "it takes about 30 min of a GPU" in line.explanation
    assert "gue-tf-4-grover" not in fake.ran
    assert line.commands[-1].startswith("accelerate launch -m training.finetune --config gue")
    folder = tmp_path / "out" / "steps" / "gue-tf-4-grover"
    folder.mkdir()
    write_metrics(folder, finetuning_report(metrics={"mcc": 0.5, "accuracy": 0.7}, ci95={"mcc": (0.4, 0.8)}))
    line = lines_of(gue, tmp_path / "out", only, run=fake)[only[0]]
    assert (line.status, line.value, line.excludes_paper) == ("read", 0.5, False)
    line = lines_of(gue, tmp_path / "with_gpu", only, run=fake, has_gpu=True)[only[0]]
    assert (fake.ran[-1], line.value) == ("gue-tf-4-grover", 0.7)
    # One that was made here is read without a GPU too, as long as its rows are the same.
    assert lines_of(gue, tmp_path / "with_gpu", only, run=fake)[only[0]] == line
    (tmp_path / "in" / "gue" / "tf" / "4" / "train.csv.gz").write_text("other")
    assert lines_of(gue, tmp_path / "with_gpu", only, run=fake)[only[0]].status == "not started"


@pytest.mark.parametrize(
    ("row", "missing"),
    [("types", "`genome` (a FASTA file of hg19: `grover fetch hg19` downloads it, from https://hgdownload.soe.ucsc.edu"),
     ("ctcf-motifs", "`peaks` (ChIP-seq peaks of CTCF in HepG2: `grover fetch ctcf` says what to do"),
     ("perplexity", "`accelerate launch -m training.pretrain --config bpe_600`"),
     ("alu", "rmsk.txt.gz of hg19 lies at UCSC")],
)
def test_a_row_whose_input_is_missing_names_it_and_where_it_lies(tmp_path, row, missing):
    fake = Fake()
    line = lines_of(Inputs(), tmp_path / "out", [row], run=fake)[row]
    assert (line.status, fake.ran) == ("missing", [])
    assert missing in line.explanation


def test_a_folder_without_the_task_that_is_needed_is_said_to_lack_it(tmp_path):
    (tmp_path / "gue" / "tf" / "3").mkdir(parents=True)
    line = lines_of(Inputs(gue=str(tmp_path / "gue")), tmp_path / "out", GUE[:1], run=Fake())[GUE[0]]
    assert line.status == "missing"
    assert "tf/4/train in `gue`" in line.explanation


def test_inputs_are_read_beside_the_file_and_unknown_or_absent_ones_are_errors(tmp_path):
    (tmp_path / "g.fa").write_text(">a\nACGT\n")
    path = tmp_path / "inputs.yaml"
    path.write_text("genome: g.fa\nchromosomes: chr1,chr2\nrun:\n")
    assert read_inputs(path) == Inputs(genome=str(tmp_path / "g.fa"), chromosomes="chr1,chr2")
    for text, message in (
        ("genom: g.fa", "names 'genom', which is not an input; there are genome, chromosomes, run, "),
        ("genome: other.fa", r"genome is other\.fa, and there is no .*other\.fa"),
        ("genome: 7", "genome is 7; it must be text"),
        ("- g.fa", "does not hold names with paths"),
        ("genome: [", "is not YAML"),
        ("windows: g.fa", "there is no run. Name both"),
    ):
        path.write_text(text)
        with pytest.raises(InputError, match=message):
            read_inputs(path)
    with pytest.raises(InputError, match="There is no file"):
        read_inputs(tmp_path / "none.yaml")


def test_a_folder_of_downloads_gives_the_inputs_under_the_names_of_fetch(tmp_path):
    for name in ("hg19.fa.gz", "MA0139.1.jaspar"):
        (tmp_path / name).write_text("")
    genome, motif = (str(tmp_path / name) for name in ("hg19.fa.gz", "MA0139.1.jaspar"))
    assert read_inputs(tmp_path) == Inputs(genome=genome, motif=motif)
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="nothing that `grover fetch` downloads"):
        read_inputs(tmp_path / "empty")


def test_an_unknown_row_names_the_known_ones(tmp_path):
    with pytest.raises(InputError, match="no row 'perplexty'; there are cycles, types, .*gue-tf-4-nt"):
        reproduce(Inputs(), tmp_path / "out", only=["types", "perplexty"])
    assert not (tmp_path / "out").exists()


def test_a_folder_of_something_else_is_left_alone(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(InputError, match=r"it has no reproduction\.json"):
        reproduce(Inputs(), tmp_path, only=["types"])
    (tmp_path / "notes.txt").unlink()
    (tmp_path / "g.fa").write_text(">a\nACGT\n")
    with pytest.raises(InputError, match="is, or holds, the input"):
        reproduce(Inputs(genome=str(tmp_path / "g.fa")), tmp_path, only=["types"])


def test_what_would_end_a_cell_does_not():
    fields = dict.fromkeys(("value", "low", "high", "excludes_paper", "agrees"))
    texts = dict.fromkeys(("id", "where", "interval", "n", "data"), "")
    line = Line(
        quantity="a|b", paper="1\n2", ours="c\\", status="read", explanation="x\n| y", commands=["grover 'a | b'"],
        needs=[], hardware="CPU", minutes=1, **fields, **texts,
    )
    row = next(text for text in markdown([line]).splitlines() if text.startswith("| a"))
    assert row.startswith(r"| a\|b | 1 2 () | c\\ |")
    assert row.endswith(r"| 1 (CPU, 1 min) | x \| y |")
    assert "1. `grover 'a | b'`" in markdown([line])


def test_an_interval_excludes_a_number_it_does_not_hold_and_a_bound_it_does_not_reach():
    def excludes(paper, ci95):
        row = Row(id="a", quantity="", paper=paper, where="", why="")
        return row.excludes(Reading(value=0.5, ci95=ci95))

    assert [excludes(share(0.67), ci95) for ci95 in ((0.6, 0.7), (0.1, 0.3), None)] == [False, True, None]
    above, below = Bound(share(0.99), is_lower=True), Bound(share(0.01), is_lower=False)
    assert [excludes(above, ci95) for ci95 in ((0.5, 0.98), (0.98, 1.0))] == [True, False]
    assert [excludes(below, ci95) for ci95 in ((0.005, 0.2), (0.02, 0.2))] == [False, True]
    assert Row(id="a", quantity="", paper=PaperNumber(72), where="", why="").interval_text(
        Reading(value=72.0, ci95=(71.44, 73.0))
    ) == "71.4 to 73.0"


def test_every_row_has_a_name_of_its_own_steps_that_exist_and_an_explanation():
    steps = steps_of(Inputs(), Path("steps"))
    assert len({row.id for row in ROWS}) == len(ROWS)
    assert len({row.quantity for row in ROWS}) == len(ROWS)
    for row in ROWS:
        assert set(row.steps) <= set(steps), row.id
        assert row.why.endswith("."), row.id
        assert (row.read is not None) == bool(row.steps), row.id
    used = {name for row in ROWS for name in row.steps}
    before = {name for step in steps.values() for name in step.after}
    assert set(steps) <= used | before
    assert {need.name for step in steps.values() for need in step.needs} | {"chromosomes", "chain"} == set(KNOWN)


def test_every_command_of_a_row_has_its_verb_and_options():
    everything = Inputs(**{name: name for name in KNOWN})
    for inputs in (Inputs(), everything):
        for step in steps_of(inputs, Path("steps")).values():
            command, rest = get_command(cli.app), list(step.words[1:])
            if step.words[0] != "grover" or rest[0] in ("evaluate", "sweep"):
                continue
            while hasattr(command, "commands"):
                command, rest = command.commands[rest[0]], rest[1:]
            known = {word for option in command.params for word in (*option.opts, *option.secondary_opts)}
            assert {word for word in rest if word.startswith("--")} <= known, step.command


def test_a_command_runs_in_a_process_of_its_own_and_its_words_go_into_the_log(tmp_path):
    step, log = steps_of(Inputs(), tmp_path)["tokenizer"], tmp_path / "log"
    words = ("grover", "export-tokenizer", "--output", str(tmp_path / "t"))
    assert run_command(step, (*words, "--kmer", "2"), log) == 0
    assert (tmp_path / "t" / "tokenizer.json").exists()
    assert "kmer-2" in log.read_text()
    assert run_command(step, (*words, "none.txt"), log) == 1
    assert "error: " in log.read_text()


def test_the_verb_lists_rows_with_their_commands_and_takes_several_after_only(tmp_path):
    run = CliRunner().invoke
    listed = run(cli.app, ["reproduce", "--list", "--only", "types", "alu", "--output", "o"])
    assert listed.exit_code == 0
    assert "grover train-bpe GENOME --cycles 600 --output o/steps/merges.txt" in listed.stdout
    assert re.findall(r"^(\S+): ", listed.stdout, re.MULTILINE) == ["types", "alu"]
    (tmp_path / "i.yaml").write_text("")
    words = ["reproduce", "--inputs", str(tmp_path / "i.yaml"), "--output", str(tmp_path / "o"), "--only", "types"]
    made = run(cli.app, words)
    assert made.exit_code == 0
    assert "1 rows: 1 missing" in made.stdout
    for wrong in (["reproduce"], ["reproduce", "types"], [*words, "none"]):
        assert isinstance(run(cli.app, wrong).exception, InputError)


def test_a_model_without_a_run_is_judged_with_the_masks_of_the_papers_recipe():
    recipe = yaml.safe_load((files("training") / "recipes" / "pretrain" / "bpe_600.yaml").read_text())
    given = dict(zip(_PAPERS_MASKS[::2], map(float, _PAPERS_MASKS[1::2]), strict=True))
    assert given == {f"--{name.replace('_', '-')}": recipe[name] for name in ("p_select", "p_mask", "p_random")}
