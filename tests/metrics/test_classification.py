import numpy as np
import pytest
from sklearn import metrics as sk

from grover_hf.errors import InputError
from grover_hf.metrics.classification import (
    bootstrap_intervals,
    classification_metrics,
    mean_intervals,
    paired_difference,
)


@pytest.mark.parametrize("n_classes", [2, 3, 5])
def test_scores_are_those_of_scikit_learn(n_classes):
    rng = np.random.default_rng(n_classes)
    labels = rng.integers(0, n_classes, 300)
    probabilities = rng.dirichlet(np.ones(n_classes), 300) + 0.5 * np.eye(n_classes)[labels]
    found = classification_metrics(labels, probabilities)
    predicted = probabilities.argmax(1)
    average = "binary" if n_classes == 2 else "macro"
    assert found["mcc"] == pytest.approx(sk.matthews_corrcoef(labels, predicted))
    assert found["f1"] == pytest.approx(sk.f1_score(labels, predicted, average=average))
    one_class = [sk.roc_auc_score(labels == c, probabilities[:, c]) for c in range(n_classes)]
    assert found["auroc"] == pytest.approx(one_class[1] if n_classes == 2 else np.mean(one_class))


def test_a_prediction_of_one_class_has_mcc_0_and_a_perfect_one_1():
    labels = np.array([0, 1, 1, 0])
    assert classification_metrics(labels, np.tile([0.6, 0.4], (4, 1)))["mcc"] == 0
    assert classification_metrics(labels, np.eye(2)[labels])["mcc"] == 1


@pytest.mark.parametrize("n_classes", [2, 100])
def test_intervals_of_a_mean_are_those_of_rows_drawn_one_by_one(n_classes):
    rng = np.random.default_rng(0)
    labels = rng.integers(0, n_classes, 400)
    predicted = np.where(rng.random((3, 400)) < 0.6, labels, rng.integers(0, n_classes, (3, 400)))
    drawn = []
    for _ in range(400):
        rows = rng.integers(0, 400, 400)
        drawn.append(np.mean([sk.matthews_corrcoef(labels[rows], p[rows]) for p in predicted]))
    found = mean_intervals(labels, predicted, rng=rng)["mcc"]
    assert found == pytest.approx(np.quantile(drawn, [0.025, 0.975]), abs=0.016)


def test_a_paired_difference_is_that_of_the_means_and_narrower_than_that_of_two_test_sets():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, 500)
    hard = rng.random(500) < 0.3
    first = np.where(hard, 1 - labels, labels)[None]
    second = np.stack([np.where(hard | (rng.random(500) < 0.04), 1 - labels, labels) for _ in range(2)])
    found = paired_difference(labels, first, second, rng=rng, n_resamples=2_000)["mcc"]
    mcc = [np.mean([sk.matthews_corrcoef(labels, p) for p in predicted]) for predicted in (first, second)]
    assert found.difference == pytest.approx(mcc[0] - mcc[1])
    low, high = found.ci95
    assert 0 < low < found.difference < high
    assert found.p_value < 0.01
    alone = mean_intervals(labels, first, rng=rng)["mcc"]
    assert high - low < 0.6 * (alone[1] - alone[0])
    same = paired_difference(labels, first, first, rng=rng, n_resamples=100)["mcc"]
    assert (same.difference, same.p_value) == (0, 1)


def test_intervals_hold_the_score_and_shrink_with_more_rows():
    rng = np.random.default_rng(1)
    widths = []
    for n in (200, 3200):
        labels = rng.integers(0, 2, n)
        probabilities = np.clip(np.eye(2)[labels] * 0.3 + rng.random((n, 2)), 0, None)
        low, high = bootstrap_intervals(labels, probabilities, rng=rng)["mcc"]
        assert low < classification_metrics(labels, probabilities)["mcc"] < high
        widths.append(high - low)
    # Four times narrower with sixteen times the rows.
    assert 2.5 < widths[0] / widths[1] < 6


@pytest.mark.parametrize(
    ("labels", "probabilities", "message"),
    [
        ([], np.empty((0, 2)), "no row"),
        ([0, 1], [[np.nan, 1.0], [0.5, 0.5]], "1 of 2 rows"),
        ([0, 2], [[0.5, 0.5], [0.5, 0.5]], "labels go from 0 to 2; there are 2"),
        ([1, 1], [[0.5, 0.5], [0.5, 0.5]], "all 2 rows have class 1"),
    ],
)
def test_what_cannot_be_scored_says_why(labels, probabilities, message):
    with pytest.raises(InputError, match=message):
        classification_metrics(np.array(labels, int), np.array(probabilities))


def test_means_over_classes_are_over_those_that_occur():
    labels = np.array([0, 1, 0, 1])
    probabilities = np.eye(3)[[0, 1, 2, 1]]
    found = classification_metrics(labels, probabilities)
    # Class 0: precision 1, recall 1/2; class 1: both 1; class 2 does not occur.
    assert found["f1"] == pytest.approx((2 / 3 + 1) / 2)
    assert found["recall"] == pytest.approx(0.75)
