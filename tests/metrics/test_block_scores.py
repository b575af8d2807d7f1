"""AUROC and MCC of blocks that are drawn again are those of rows that many times."""

import numpy as np
import pytest
from sklearn.metrics import matthews_corrcoef, roc_auc_score

from grover_hf.metrics.block_scores import two_class_scores
from grover_hf.metrics.window_bootstrap import WindowResamples


@pytest.fixture
def rows():
    """200 rows of 20 blocks; probabilities have ties."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, 200)
    return labels, (rng.random(200) + 0.3 * labels).round(1) / 1.3, np.arange(200) // 10


def test_scores_of_each_resample_are_those_of_its_rows(rows):
    labels, probabilities, blocks = rows
    resamples = WindowResamples(blocks, 20, rng=np.random.default_rng(1), n_resamples=60)
    scores = two_class_scores(labels, probabilities, np.zeros(200), resamples)
    weights = resamples.weights(slice(0, 60))
    predicted = probabilities > 0.5
    assert scores.auroc.value == pytest.approx(roc_auc_score(labels, probabilities))
    assert scores.mcc.value == pytest.approx(matthews_corrcoef(labels, predicted))
    for number in (0, 49, 50, 59):
        weight = weights[:, number]
        # Blocks are drawn as a whole.
        assert (weight.reshape(20, 10) == weight[::10, None]).all()
        expected = roc_auc_score(labels, probabilities, sample_weight=weight)
        assert scores.auroc.resampled[number] == pytest.approx(expected)
        expected = matthews_corrcoef(labels, predicted, sample_weight=weight)
        assert scores.mcc.resampled[number] == pytest.approx(expected)
    low, high = scores.auroc.ci95
    assert low < scores.auroc.value < high


def test_rows_of_two_folds_are_not_compared():
    labels, probabilities = np.array([0, 1, 0, 1]), np.array([0.1, 0.2, 0.3, 0.4])
    resamples = WindowResamples(np.arange(4), 4, rng=np.random.default_rng(0), n_resamples=10)
    assert two_class_scores(labels, probabilities, np.zeros(4), resamples).auroc.value == 0.75
    assert two_class_scores(labels, probabilities, np.array([0, 0, 1, 1]), resamples).auroc.value == 1


def test_a_resample_of_one_class_has_no_score_and_does_not_move_the_interval():
    labels, probabilities = np.array([0, 1]), np.array([0.2, 0.7])
    resamples = WindowResamples(np.arange(2), 2, rng=np.random.default_rng(0), n_resamples=100)
    scores = two_class_scores(labels, probabilities, np.zeros(2), resamples)
    assert 20 < np.isnan(scores.auroc.resampled).sum() < 80
    np.testing.assert_array_equal(np.isnan(scores.auroc.resampled), np.isnan(scores.mcc.resampled))
    assert scores.auroc.ci95 == scores.mcc.ci95 == (1, 1)


def test_rows_that_are_copies_within_their_block_make_intervals_no_narrower(rows):
    labels, probabilities, _ = rows
    widths = []
    for copies in (1, 10):
        blocks = np.repeat(np.arange(200), copies)
        resamples = WindowResamples(blocks, 200, rng=np.random.default_rng(0))
        copied = labels.repeat(copies), probabilities.repeat(copies)
        scores = two_class_scores(*copied, np.zeros(len(blocks)), resamples)
        widths.append(np.diff(scores.auroc.ci95)[0])
    assert widths[0] == pytest.approx(widths[1], rel=1e-6)


def test_differences_are_paired(rows):
    labels, probabilities, blocks = rows
    resamples = WindowResamples(blocks, 20, rng=np.random.default_rng(1))
    score = two_class_scores(labels, probabilities, np.zeros(200), resamples).auroc
    assert score.minus(score).ci95 == (0, 0)
