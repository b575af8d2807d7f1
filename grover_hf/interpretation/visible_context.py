"""How far a model looks: the loss at a masked token by how many tokens it sees beside it.

Each target is [MASK] in a crop of its window: so many tokens on each side, or on one, and nothing else. A model
that uses tokens further away has a smaller loss with each that is added; where the curve is flat it does not.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from grover_hf.corpus.window_store import WindowStore
from grover_hf.errors import InputError
from grover_hf.masking import IGNORED
from grover_hf.metrics.classification import Interval
from grover_hf.metrics.window_bootstrap import WindowResamples, interval
from grover_hf.tokenization.special_tokens import CLS_ID, MASK_ID, SEP_ID

MOST_VISIBLE = 127
Side = Literal["both", "left", "right"]
Predict = Callable[[Mapping[str, torch.Tensor]], NDArray[np.float32]]
"""Returns the logarithm of the probability of every id where a batch has labels, shape (B, ids)."""


class Targets(NamedTuple):
    """Tokens to predict, n of them, with as many tokens on each side as are shown at most."""

    stretches: NDArray[np.int64]
    """Ids of the targets, in the middle, and of the tokens around them, shape (n, 2 * most + 1)."""
    windows: NDArray[np.int64]
    """Number of the window of each, shape (n,)."""

    @property
    def most(self) -> int:
        """Tokens on each side."""
        return int(self.stretches.shape[1]) // 2

    @property
    def true(self) -> NDArray[np.int64]:
        """Ids to predict, shape (n,)."""
        return self.stretches[:, self.most]


@dataclass(frozen=True, kw_only=True)
class ContextRow:
    """The loss of a predictor, with 95 % intervals over windows."""

    predictor: str
    visible: int | None
    """Tokens that it sees on each side that is shown; None for one that counts."""
    nats: float
    """Mean negative log-likelihood of a target, natural logarithm."""
    nats_ci95: Interval
    perplexity: float
    less_than_before: float | None = None
    """Nats that the tokens since the row above save; paired."""
    less_than_before_ci95: Interval | None = None


def visible_numbers(most: int = MOST_VISIBLE) -> list[int]:
    """Return 0, the powers of two below `most`, and `most`.

    Examples:
        >>> from grover_hf.interpretation.visible_context import visible_numbers
        >>> visible_numbers(10)
        [0, 1, 2, 4, 8, 10]
    """
    return [0, *(2**power for power in range(most.bit_length()) if 2**power < most), most]


def draw_targets(store: WindowStore, n_targets: int, *, most: int = MOST_VISIBLE, seed: int) -> Targets:
    """Return targets drawn from windows at random, each with `most` tokens or more of its window on both sides.

    Args:
        store: Windows that the model was not trained on.
        n_targets: How many.
        most: Tokens to be seen on each side at most.
        seed: Of the draw.

    Raises:
        InputError: If no window is long enough.
    """
    rng = np.random.default_rng(seed)
    long = np.flatnonzero(store.lengths > 2 * most)
    if not long.size:
        raise InputError(
            f"No window has more than {2 * most} tokens; the longest has {int(store.lengths.max())}. Say "
            "a smaller --most."
        )
    windows = rng.choice(long, n_targets)
    places = store.borders[windows] + most + rng.integers(0, store.lengths[windows] - 2 * most)
    around = places[:, None] + np.arange(-most, most + 1)
    return Targets(store.input_ids[around].astype(np.int64), windows)


def target_losses(
    predict: Predict, targets: Targets, *, visible: int, side: Side = "both", batch_size: int = 64,
    step: Callable[[int], object] = lambda _: None,
) -> NDArray[np.float64]:
    """Return the negative log-likelihood of each target in its crop, in nats, shape (n,).

    Args:
        predict: The model. A crop is between [CLS] and [SEP], and the target has the only label.
        targets: From `draw_targets`.
        visible: Tokens to be seen on each side that is shown.
        side: Which sides are shown.
        batch_size: Crops at once, all of one length.
        step: Called with the number of targets of each batch.
    """
    left = 0 if side == "right" else visible
    right = 0 if side == "left" else visible
    crops = targets.stretches[:, targets.most - left : targets.most + right + 1]
    inputs = np.pad(crops, ((0, 0), (1, 1)))
    inputs[:, 0], inputs[:, -1], inputs[:, left + 1] = CLS_ID, SEP_ID, MASK_ID
    labels = np.full_like(inputs, IGNORED)
    labels[:, left + 1] = targets.true
    losses = []
    for first in range(0, len(inputs), batch_size):
        some = slice(first, first + batch_size)
        ids = torch.from_numpy(inputs[some])
        batch = {
            "input_ids": ids, "attention_mask": torch.ones_like(ids), "labels": torch.from_numpy(labels[some])
        }
        log_p = predict(batch)
        losses.append(-log_p[np.arange(len(ids)), targets.true[some]].astype(np.float64))
        step(len(ids))
    return np.concatenate(losses)


def context_rows(
    counted: Mapping[str, NDArray[np.float64]], model: str, by_visible: Mapping[int, NDArray[np.float64]],
    windows: NDArray[np.integer], *, seed: int,
) -> list[ContextRow]:
    """Return the losses of predictors that count, then those of the model by what it sees.

    Args:
        counted: By predictor, the loss of each target, shape (n,).
        model: What the model is called.
        by_visible: Its losses by the number of tokens that it sees, in order.
        windows: The window of each target: whole windows are drawn again, the same for all.
        seed: Of the bootstrap.
    """
    names, numbers = np.unique(windows, return_inverse=True)
    resamples = WindowResamples(numbers, len(names), rng=np.random.default_rng(seed))
    n_drawn = resamples.sums()[:, 0]

    def ci95(values: NDArray[np.float64]) -> Interval:
        low, high = interval(resamples.sums(values)[:, 0] / n_drawn)
        return float(low), float(high)

    rows = [_row(name, None, losses, ci95) for name, losses in counted.items()]
    before: NDArray[np.float64] | None = None
    for visible, losses in by_visible.items():
        rows.append(_row(model, visible, losses, ci95, before))
        before = losses
    return rows


def _row(
    predictor: str, visible: int | None, losses: NDArray[np.float64],
    ci95: Callable[[NDArray[np.float64]], Interval], before: NDArray[np.float64] | None = None,
) -> ContextRow:
    less = None if before is None else before - losses
    return ContextRow(
        predictor=predictor, visible=visible, nats=float(losses.mean()), nats_ci95=ci95(losses),
        perplexity=float(np.exp(losses.mean())),
        less_than_before=None if less is None else float(less.mean()),
        less_than_before_ci95=None if less is None else ci95(less),
    )

