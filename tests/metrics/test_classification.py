import numpy as np
import pytest
from sklearn import metrics as sk

from grover_hf.errors import InputError
from grover_hf.metrics.classification import _mcc, bootstrap_intervals, classification_metrics


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


def test_mcc_of_tables_is_that_of_scikit_learn():
    rng = np.random.default_rng(0)
    for n_classes in (2, 4):
        labels, predicted = rng.integers(0, n_classes, (2, 200))
        table = sk.confusion_matrix(labels, predicted)
        assert _mcc(table[None])[0] == pytest.approx(sk.matthews_corrcoef(labels, predicted))


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
        ([1, 1], [[0.5, 0.5], [0.5, 0.5]], "no row has class 0"),
    ],
)
def test_what_cannot_be_scored_says_why(labels, probabilities, message):
    with pytest.raises(InputError, match=message):
        classification_metrics(np.array(labels, int), np.array(probabilities))
