import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from grover_hf.errors import InputError
from grover_hf.metrics.per_token import FEWEST_WINDOWS, PredictionTally, per_token
from grover_hf.metrics.window_bootstrap import WindowResamples

V, N, N_WINDOWS = 13, 3_000, 100


def log_softmax(logits):
    return (logits - np.log(np.exp(logits).sum(1, keepdims=True))).astype(np.float32)


@pytest.fixture
def tokens():
    """Log-probabilities that tell something, true ids (none of them 5 to 7), windows."""
    rng = np.random.default_rng(0)
    true = rng.choice([8, 9, 10, 11, 12], N, p=[0.5, 0.3, 0.15, 0.049, 0.001])
    logits = rng.normal(size=(N, V))
    logits[np.arange(N), true] += rng.exponential(1.0, N)
    return log_softmax(logits), true, np.sort(rng.integers(0, N_WINDOWS, N))


def tally_of(log_p, true, batch=N):
    tally = PredictionTally(V)
    for first in range(0, len(true), batch):
        tally.add(log_p[first : first + batch], true[first : first + batch])
    return tally


def scores(log_p, true, windows):
    resamples = WindowResamples(windows, N_WINDOWS, rng=np.random.default_rng(0), n_resamples=200)
    return per_token(tally_of(log_p, true), true, windows, resamples)


def test_auc_is_that_of_sklearn_as_exactly_as_it_says(tokens):
    log_p, true, _ = tokens
    found = scores(*tokens)
    for i in (8, 9, 10, 11, 12):
        assert abs(found.auc[i] - roc_auc_score(true == i, log_p[:, i])) <= found.auc_error[i] + 1e-9
    assert found.auc_error[8:].max() < 5e-4
    assert np.isnan(found.auc[:8]).all()


def test_probabilities_too_small_or_too_close_for_the_bins_are_said_to_be(tokens):
    log_p, true, windows = tokens
    for shifted in (log_p - 16, log_p / 1e4 - 1):
        found = scores(shifted.astype(np.float32), true, windows)
        for i in (8, 9, 10, 11):
            exact = roc_auc_score(true == i, shifted[:, i])
            assert found.auc_error[i] > 1e-3
            assert abs(found.auc[i] - exact) <= found.auc_error[i] + 1e-6


def test_a_predictor_that_always_says_the_same_has_half_of_the_area(tokens):
    _, true, windows = tokens
    found = scores(np.full((N, V), -np.log(V), np.float32), true, windows)
    assert found.auc[8:] == pytest.approx([0.5] * 5)
    assert found.auc_error[8:] == pytest.approx([0.5] * 5)
    assert (found.accuracy[8:] == 0).all()


def test_accuracy_is_the_share_of_the_tokens_of_a_type_that_are_right(tokens):
    log_p, true, _ = tokens
    found = scores(*tokens)
    right = log_p.argmax(1) == true
    assert found.n_masked.tolist() == np.bincount(true, minlength=V).tolist()
    for i in (8, 9, 10, 11, 12):
        assert found.accuracy[i] == pytest.approx(right[true == i].mean())
    for scored, ci95 in ((found.accuracy, found.accuracy_ci95), (found.auc, found.auc_ci95)):
        assert (ci95[0, 8:12] < scored[8:12]).all()
        assert (scored[8:12] < ci95[1, 8:12]).all()
    # The rarer, the wider.
    assert np.diff(found.auc_ci95[:, [8, 9, 10, 11]], axis=0)[0].argsort().tolist() == [0, 1, 2, 3]


def test_types_of_few_windows_have_no_interval(tokens):
    _, true, windows = tokens
    found = scores(*tokens)
    assert 1 < len(set(windows[true == 12])) < FEWEST_WINDOWS
    assert np.isfinite(found.auc[12])
    assert np.isnan(found.auc_ci95[:, 12]).all()
    assert np.isnan(found.accuracy_ci95[:, 12]).all()


def test_batches_add_up(tokens):
    log_p, true, _ = tokens
    whole, parts = tally_of(log_p, true), tally_of(log_p, true, batch=7)
    assert np.array_equal(whole.nll, parts.nll)
    assert np.array_equal(whole.rank, parts.rank)
    assert np.array_equal(whole.standing(true), parts.standing(true))


def test_loss_and_rank_are_those_of_each_row_and_ties_count_against_it(tokens):
    log_p, true, _ = tokens
    tally = tally_of(log_p, true)
    assert np.array_equal(tally.nll, -log_p[np.arange(N), true])
    assert tally.rank.tolist() == [int((row >= row[i]).sum()) - 1 for row, i in zip(log_p, true, strict=True)]
    assert (tally_of(np.zeros((N, V), np.float32), true).rank == V - 1).all()


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_probabilities_that_are_no_numbers_are_refused(value):
    log_p = np.full((3, V), -2, np.float32)
    log_p[1] = value
    with pytest.raises(InputError, match="not finite numbers: the model is broken"):
        PredictionTally(V).add(log_p, np.array([8, 9, 10]))
