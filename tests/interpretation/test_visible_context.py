"""Losses by visible tokens are those of crops: a model that ignores them, one that copies, one that is real."""

import numpy as np
import pytest
import torch

from grover_hf.corpus.window_store import WindowStore
from grover_hf.errors import InputError
from grover_hf.interpretation.visible_context import (
    Targets,
    context_rows,
    draw_targets,
    target_losses,
    visible_numbers,
)
from grover_hf.interpretation.visible_context_figure import context_figure
from grover_hf.masking import IGNORED
from grover_hf.tokenization.special_tokens import CLS_ID, MASK_ID, SEP_ID
from tests.tiny_models import tiny_masked_model

N_IDS = 17
MOST = 6


@pytest.fixture
def targets():
    """200 targets; each is the token on its left."""
    stretches = np.random.default_rng(0).integers(5, N_IDS, (200, 2 * MOST + 1))
    stretches[:, MOST] = stretches[:, MOST - 1]
    return Targets(stretches, np.arange(200) // 4)


def probabilities_of(model):
    """What `target_losses` takes, by a model in torch."""

    @torch.no_grad()
    def predict(batch):
        logits = model(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"]).logits
        return torch.log_softmax(logits[batch["labels"] != IGNORED].float(), -1).numpy()

    return predict


def copier(batch):
    """Nearly all probability to the token on the left of the target, if it is one of DNA."""
    rows, columns = torch.nonzero(batch["labels"] != IGNORED, as_tuple=True)
    left = batch["input_ids"][rows, columns - 1].numpy()
    p = np.full((len(left), N_IDS), 1 / 12)
    p[left >= 5] = 0.1 / 11
    p[left >= 5, left[left >= 5]] = 0.9
    return np.log(p).astype(np.float32)


def curve(predict, targets, **options):
    return [target_losses(predict, targets, visible=visible, **options) for visible in visible_numbers(MOST)]


def test_a_model_that_ignores_context_has_a_flat_curve(targets):
    def blind(batch):
        return np.tile(np.log(np.arange(1, N_IDS + 1) / 153).astype(np.float32), (len(batch["input_ids"]), 1))

    first, *others = curve(blind, targets)
    assert len(others) == 4
    for losses in others:
        np.testing.assert_array_equal(losses, first)
    rows = context_rows({}, "model", dict(enumerate([first, *others])), targets.windows, seed=0)
    assert all(row.less_than_before_ci95 == (0, 0) for row in rows[1:])


def test_a_model_that_copies_its_left_neighbour_gains_at_one_token_and_nowhere_else(targets):
    losses = curve(copier, targets)
    np.testing.assert_allclose(losses[0], np.log(12), rtol=1e-5)
    for of_more in losses[1:]:
        np.testing.assert_allclose(of_more, -np.log(0.9), rtol=1e-5)
    rows = context_rows({"table": losses[1]}, "model", dict(enumerate(losses[:3])), targets.windows, seed=0)
    assert [row.predictor for row in rows] == ["table", "model", "model", "model"]
    assert [row.visible for row in rows] == [None, 0, 1, 2]
    assert rows[2].less_than_before == pytest.approx(np.log(12 * 0.9), rel=1e-5)
    assert rows[3].less_than_before == 0
    assert rows[2].perplexity == pytest.approx(1 / 0.9, rel=1e-5)


def test_one_side_alone_is_shown_if_that_is_said(targets):
    np.testing.assert_array_equal(*map(np.stack, (curve(copier, targets, side="left"), curve(copier, targets))))
    for losses in curve(copier, targets, side="right"):
        np.testing.assert_allclose(losses, np.log(12), rtol=1e-5)


def test_the_loss_at_a_full_window_is_that_of_the_model_on_it(targets):
    model = tiny_masked_model()
    losses = target_losses(probabilities_of(model), targets, visible=MOST, batch_size=7)
    for row in (0, 6, 7, 199):
        window = targets.stretches[row].tolist()
        window[MOST] = MASK_ID
        with torch.no_grad():
            logits = model(torch.tensor([[CLS_ID, *window, SEP_ID]])).logits[0, MOST + 1]
        expected = torch.nn.functional.cross_entropy(logits, torch.tensor(targets.true[row]))
        assert losses[row] == pytest.approx(float(expected), rel=1e-4)


def store_of(lengths):
    borders = np.concatenate([[0], np.cumsum(lengths)])
    return WindowStore(None, np.arange(5, 5 + borders[-1]).astype(np.uint16), borders, None)


def test_targets_have_all_their_context_in_their_own_window():
    store = store_of([30, 12, 13, 40])
    targets = draw_targets(store, 500, most=MOST, seed=0)
    assert set(targets.windows) == {0, 2, 3}
    first, end = store.borders[targets.windows] + 5, store.borders[targets.windows + 1] + 5
    assert (targets.stretches[:, 0] >= first).all()
    assert (targets.stretches[:, -1] < end).all()
    assert (np.diff(targets.stretches) == 1).all()
    # Each place that can be is drawn, the first and the last too.
    assert (targets.true[targets.windows == 2] == 5 + 42 + 6).all()
    assert targets.true[targets.windows == 0].min() == 5 + 6
    assert targets.true[targets.windows == 0].max() == 5 + 30 - 7
    with pytest.raises(InputError, match="No window has more than 40 tokens; the longest has 40. Say a smaller"):
        draw_targets(store, 5, most=20, seed=0)


def test_visible_numbers_are_powers_of_two_and_end_with_the_most():
    assert visible_numbers(1) == [0, 1]
    assert visible_numbers(8) == [0, 1, 2, 4, 8]
    assert visible_numbers(127) == [0, 1, 2, 4, 8, 16, 32, 64, 127]


def test_the_figure_has_the_curve_and_a_level_for_what_counts():
    visible, nats = np.array([0, 1, 2, 127]), np.array([5.0, 4.8, 4.5, 4.4])
    ci95 = np.stack([nats - 0.1, nats + 0.1])
    figure = context_figure(visible, nats, ci95, {"table": (4.6, 4.5, 4.7)}, sides="on each side", title="t")
    [axes] = figure.axes
    lines = {line.get_label(): line for line in axes.lines}
    np.testing.assert_array_equal(lines["model"].get_xydata(), np.stack([visible, nats], 1))
    assert set(lines["table"].get_ydata()) == {4.6}
    assert [label.get_text() for label in axes.get_xticklabels()] == ["0", "1", "2", "127"]
