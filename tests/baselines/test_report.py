import csv
import json
import shutil

import numpy as np
import pytest
from sklearn.metrics import matthews_corrcoef

from dataset_builders.build import prepare
from dataset_builders.classification.builder import plan
from grover_hf._internals.records import plain
from grover_hf.analysis.results.report import write_results
from grover_hf.analysis.results.table import gather, markdown
from grover_hf.baselines.report import BaselinePlan, score_baseline
from grover_hf.corpus.facts import read_facts
from grover_hf.errors import InputError
from grover_hf.metrics.comparison import compare_runs
from grover_hf.metrics.predictions import read_predictions


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    """Sequences of which class 1 is richer in GC, two to one."""
    folder = tmp_path_factory.mktemp("baselines")
    rng = np.random.default_rng(0)
    lines = ["sequence\tlabel\tsplit"]
    for i in range(900):
        p = [0.2, 0.3, 0.3, 0.2] if i % 3 else [0.28, 0.22, 0.22, 0.28]
        split = ("train", "train", "train", "validation", "test")[i % 5]
        lines.append(f"{''.join(rng.choice(list('ACGT'), 80, p=p))}\t{int(i % 3 > 0)}\t{split}")
    (folder / "gc.tsv").write_text("\n".join(lines) + "\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GROVER_CACHE", str(folder / "cache"))
        return prepare(plan(folder / "gc.tsv", tokenizer="kmer-4", split_by="column"), folder / "out")


@pytest.fixture
def score(dataset, tmp_path):
    def make(name="score", **options):
        return score_baseline(BaselinePlan(dataset=dataset, **options), tmp_path / "scores" / name, overwrite=True)

    return make


def test_tfidf_finds_what_frequencies_tell(score, dataset, tmp_path):
    report = score(tokenizer="kmer-3", stride=1, max_trees=100)
    assert report.as_dict() == json.loads((tmp_path / "scores" / "score" / "metrics.json").read_text())
    low, high = report.ci95["mcc"]
    assert 0.25 < low < report.metrics["mcc"] < high <= 1
    assert report.model.trees == 100
    assert report.dataset.sha256 == read_facts(dataset, "kmer-4.by-column").sha256
    predictions = read_predictions(tmp_path / "scores" / "score")
    found = matthews_corrcoef(predictions.labels, predictions.predicted[0])
    assert found == pytest.approx(report.metrics["mcc"])


def test_the_majority_knows_nothing_and_gc_content_all_there_is(score):
    majority, gc = score(method="majority"), score(method="gc")
    assert (majority.metrics["mcc"], majority.metrics["auroc"]) == (0, 0.5)
    assert majority.metrics["accuracy"] == pytest.approx(2 / 3, abs=0.01)
    assert gc.metrics["mcc"] > 0.4


def test_what_a_method_needs_is_said(score):
    with pytest.raises(InputError, match="gc takes no --tokenizer"):
        score(method="gc", tokenizer="kmer-3")
    with pytest.raises(InputError, match="tfidf needs --tokenizer"):
        score()
    with pytest.raises(InputError, match="no baseline 'svm'; there are tfidf, majority"):
        score(method="svm")
    with pytest.raises(InputError, match="smallest number to choose from is 100"):
        score(tokenizer="kmer-3", max_trees=50)
    with pytest.raises(InputError, match="needs a dataset with them and their merges"):
        score(method="canonical-bpe", tokenizer="kmer-4")


def test_scikit_learn_does_not_count_words_of_one_letter(score):
    with pytest.raises(InputError, match="TF-IDF has no words to count"):
        score(tokenizer="kmer-1", max_trees=100)


def test_damaged_files_and_a_choice_of_configurations_are_refused(dataset, tmp_path):
    folder = tmp_path / "copy"
    shutil.copytree(dataset, folder)
    shutil.copytree(folder / "kmer-4.by-column", folder / "kmer-5.by-column")
    with pytest.raises(InputError, match=r"has the configurations kmer-4.by-column, kmer-5.by-column; say which"):
        score_baseline(BaselinePlan(dataset=folder, method="gc"), tmp_path / "score")
    next((folder / "kmer-5.by-column").glob("*test*")).write_bytes(b"")
    with pytest.raises(InputError, match="are damaged or were changed"):
        score_baseline(BaselinePlan(dataset=folder, method="gc", config="kmer-5.by-column"), tmp_path / "score")


def test_results_gather_all_scores_below_folders_with_the_papers_beside(score, tmp_path):
    score("a/majority", method="majority")
    score("b/gc", method="gc")
    report = json.loads((tmp_path / "scores" / "b" / "gc" / "metrics.json").read_text())
    for folder, config in (("c", "bpe-600"), ("f", "bpe-600.by-locus")):
        of_builder = {"task": "ctcf", "dataset": report["dataset"] | {"builder": "Ctcf", "config": config}}
        (tmp_path / "scores" / folder).mkdir(exist_ok=True)
        (tmp_path / "scores" / folder / "metrics.json").write_text(json.dumps(report | of_builder))
    (tmp_path / "scores" / "e").mkdir()
    # Of the same name, but a table of one's own.
    (tmp_path / "scores" / "e" / "metrics.json").write_text(json.dumps(report | {"task": "ctcf"}))
    masked = tmp_path / "scores" / "d"
    masked.mkdir()
    (masked / "metrics.json").write_text(json.dumps(report | {"metrics": {"perplexity": 72}}))
    rows = gather([tmp_path / "scores"])
    assert [row.task for row in rows] == ["ctcf", "ctcf", "ctcf", "gc", "gc"]
    assert [row.model for row in rows] == ["gc", "gc", "gc", "gc", "majority"]
    # Neither the variant nor the table of one's own has a number of the paper.
    assert [row.paper_grover for row in rows] == ["0.6 (Fig. 6h)", "", "", "", ""]
    assert [row.excludes_paper for row in rows] == [None] * 5
    low, high = report["ci95"]["mcc"]
    assert f"| {report['metrics']['mcc']:.3f} ({low:.3f} to {high:.3f}) |" in markdown(rows)
    assert all(row.rows == report["n_rows"] and f"| {row.rows:,} |" in markdown([row]) for row in rows)
    write_results(rows, tmp_path / "table")
    with open(tmp_path / "table" / "results.csv", newline="") as file:
        read = list(csv.DictReader(file))
    assert [float(row["mcc"]) for row in read] == [row.mcc for row in rows]
    assert (tmp_path / "table" / "results.png").read_bytes().startswith(b"\x89PNG")
    with pytest.raises(InputError, match=r"no metrics.json of a task below"):
        gather([masked])
    (masked / "metrics.json").write_text("{")
    with pytest.raises(InputError, match="is damaged"):
        gather([masked])


@pytest.mark.parametrize(
    ("interval", "excludes"), [((0.1, 0.2), True), ((0.1, 0.26), False), ((0.26, 0.5), False), ((0.3, 0.5), True)]
)
def test_a_score_says_whether_its_interval_excludes_the_papers(score, tmp_path, interval, excludes):
    score("a", method="tfidf", tokenizer="kmer-3", max_trees=100)
    path = tmp_path / "scores" / "a" / "metrics.json"
    report = json.loads(path.read_text())
    of_paper = {"task": "ctcf", "dataset": report["dataset"] | {"builder": "Ctcf", "config": "bpe-600"}}
    path.write_text(json.dumps(report | of_paper | {"ci95": report["ci95"] | {"mcc": interval}}))
    [row] = gather([tmp_path / "scores"])
    assert (row.paper_tfidf, row.excludes_paper) == ("0.26, 4-mers (Fig. 6i)", excludes)
    assert f"| {'yes' if excludes else 'no'} |" in markdown([row])


def test_runs_are_compared_row_by_row_and_only_on_one_build(score, tmp_path):
    first, second = score("gc", method="gc"), score("majority", method="majority")
    folder = tmp_path / "scores"
    comparison = compare_runs(folder / "gc", folder / "majority", output=tmp_path / "difference.json")
    assert plain(comparison) == json.loads((tmp_path / "difference.json").read_text())
    result = comparison.differences["mcc"]
    assert result.difference == pytest.approx(first.metrics["mcc"] - second.metrics["mcc"])
    assert 0 < result.ci95[0] < result.difference < result.ci95[1]
    path = folder / "majority" / "metrics.json"
    path.write_text(path.read_text().replace(second.dataset.sha256, "0" * 64))
    with pytest.raises(InputError, match="only runs on one build of a dataset can be paired"):
        compare_runs(folder / "gc", folder / "majority")
    (folder / "gc" / "predictions.npz").unlink()
    with pytest.raises(InputError, match=r"has no predictions.npz"):
        compare_runs(folder / "gc", folder / "majority")
