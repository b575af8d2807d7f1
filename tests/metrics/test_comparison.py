import json

import numpy as np
import pytest

from grover_hf.errors import InputError
from grover_hf.metrics.comparison import compare_runs
from grover_hf.metrics.predictions import Predictions, write_predictions
from grover_hf.metrics.report import write_metrics
from tests.made_up import baseline_report, dataset_identity

LABELS = np.arange(400) % 2
"""Two classes, equally frequent."""


@pytest.fixture
def run(tmp_path):
    """Write a run whose trainings are wrong about so many rows each, the first ones; return its folder."""

    def make(name, *n_wrong, labels=LABELS, **dataset):
        wrong = np.arange(len(labels)) < np.array(n_wrong)[:, None]
        predicted = np.where(wrong, 1 - labels, labels)
        accuracy = float((predicted == labels).mean())
        scores = {"accuracy": accuracy, "mcc": 2 * accuracy - 1}
        (tmp_path / name).mkdir()
        write_metrics(tmp_path / name, baseline_report(metrics=scores, dataset=dataset_identity(**dataset)))
        write_predictions(tmp_path / name, Predictions(labels, predicted, None))
        return tmp_path / name

    return make


def test_the_difference_is_that_of_the_means_and_lies_in_its_interval(run):
    comparison = compare_runs(run("a", 40), run("b", 60, 100))
    assert (comparison.first.n_trainings, comparison.second.n_trainings, comparison.n_rows) == (1, 2, 400)
    accuracy = comparison.differences["accuracy"]
    assert accuracy.difference == pytest.approx(0.9 - 0.8)
    low, high = accuracy.ci95
    # 40 rows of 400 that one is right about, and half of 40 more: a binomial spread of about 1.5 %.
    assert 0.04 < low < 0.1 < high < 0.16
    assert accuracy.p_value < 0.001
    # With classes equally frequent and equally often mistaken, MCC is twice the accuracy less 1.
    assert comparison.differences["mcc"].difference == pytest.approx(2 * accuracy.difference, abs=1e-9)


def test_the_other_way_round_is_the_negative(run):
    first, second = run("a", 40), run("b", 60)
    there, back = (compare_runs(*pair).differences["accuracy"] for pair in ((first, second), (second, first)))
    assert back.difference == -there.difference
    assert back.ci95 == pytest.approx([-end for end in there.ci95[::-1]], abs=0.01)


def test_a_run_does_not_differ_from_itself(run):
    difference = compare_runs(run("a", 40), run("b", 40)).differences["mcc"]
    assert (difference.difference, difference.ci95, difference.p_value) == (0, (0, 0), 1)


def test_the_seed_decides_about_the_interval_alone(run):
    first, second = run("a", 40), run("b", 60)
    drawn = [compare_runs(first, second, seed=seed).differences["accuracy"] for seed in (0, 0, 1, 2, 3)]
    assert drawn[0] == drawn[1]
    assert len({one.difference for one in drawn}) == 1
    assert len({one.ci95 for one in drawn}) > 1


def test_the_result_is_written_as_a_file_which_is_not_replaced_unasked(run, tmp_path):
    first, second, path = run("a", 40), run("b", 60), tmp_path / "out.json"
    comparison = compare_runs(first, second, output=path)
    content = json.loads(path.read_text())
    assert content["first"] == {"run": str(first), "mcc": 0.8, "accuracy": 0.9, "n_trainings": 1}
    assert content["differences"]["mcc"]["ci95"] == list(comparison.differences["mcc"].ci95)
    with pytest.raises(InputError, match="is there already"):
        compare_runs(first, second, output=path)
    metrics = (first / "metrics.json").read_text()
    with pytest.raises(InputError, match="is not replaced: it does not begin with"):
        compare_runs(first, second, output=first / "metrics.json", overwrite=True)
    assert (first / "metrics.json").read_text() == metrics
    compare_runs(second, first, output=path, overwrite=True)
    assert json.loads(path.read_text())["first"]["run"] == str(second)


def test_only_the_same_rows_of_one_build_are_compared(run):
    first = run("a", 40)
    others = (run("b", 40, sha256="0" * 64), run("c", 40, labels=1 - LABELS), run("d", 40, labels=LABELS[:-1]))
    for other in others:
        with pytest.raises(InputError, match="only runs on one build of a dataset can be paired"):
            compare_runs(first, other)
