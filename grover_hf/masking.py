"""The masked-language collator: whole batches at once, masks keyed by (seed, epoch, example).

What is masked in an example depends on nothing else: not on the number of workers or ranks, not
on the batch it falls into, not on whether the run was resumed.
"""

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from grover_hf._internals.compilation import cached_njit
from grover_hf._internals.counter_rng import keyed_bits, next_bits
from grover_hf.errors import InputError
from grover_hf.tokenization.special_tokens import CLS_ID, MASK_ID, N_SPECIAL, PAD_ID, SEP_ID

IGNORED = -100
"""The label of a position that is not to be predicted, as in transformers."""
LOSS_WEIGHTS = "loss_weights"
"""Of a batch: how much each position counts in the loss."""

_CHOICE, _FATE, _REPLACEMENT = (np.uint64(purpose) for purpose in range(3))
_TO_53_BITS = np.uint64(11)


class Windows(NamedTuple):
    """Windows to be masked: slices of one array of ids, and what their masks are keyed by."""

    input_ids: NDArray[np.uint16]
    """Ids of these windows and of others, without [CLS] and [SEP]; it may be memory-mapped."""
    starts: NDArray[np.int64]
    """Where in `input_ids` each window begins, shape (B,)."""
    ends: NDArray[np.int64]
    """Where each window ends, shape (B,)."""
    epochs: NDArray[np.int64]
    """Shape (B,)."""
    examples: NDArray[np.int64]
    """Number of each window in the dataset, shape (B,)."""
    soft_mask: NDArray[np.uint8] | None = None
    """A bit for each of `input_ids`: whether it is soft-masked (`grover_hf.corpus.soft_mask`); mapped or not."""


@dataclass(frozen=True, kw_only=True)
class MaskingCollator:
    """Makes a batch for masked-language training: adds [CLS] and [SEP], pads, masks.

    Every token that is not special is selected with probability `p_select`. A selected token is
    replaced by [MASK] with probability `p_mask`, by a random token with `p_random`, else left as
    it is; the loss is on all selected ones (Methods, "The DLM GROVER"; the recipes have its
    numbers). Random tokens are never special ones: the paper excludes [CLS], [PAD] and [MASK] alone.

    Args:
        vocab_size: Number of token ids.
        seed: Another seed gives other masks.
        repeat_weight: How much a soft-masked token counts in the loss; others count 1.
    """

    vocab_size: int
    seed: int
    p_select: float
    p_mask: float
    p_random: float
    repeat_weight: float = 1.0

    def __post_init__(self) -> None:
        shares = min(self.p_mask, self.p_random) >= 0 and self.p_mask + self.p_random <= 1
        if not (0 < self.p_select <= 1 and shares):
            raise InputError(
                f"p_select {self.p_select}, p_mask {self.p_mask}, p_random {self.p_random}: "
                "0 < p_select <= 1 and p_mask + p_random <= 1 must hold."
            )

    def __call__(self, windows: Windows) -> dict[str, torch.Tensor]:
        """Return input_ids, attention_mask and labels, each (B, L), int64, as long as the longest.

        Where soft-masked tokens have a weight of their own, loss_weights too, (B, L), float32.
        """
        n_rows, n_columns = len(windows.starts), int((windows.ends - windows.starts).max()) + 2
        borders = np.arange(n_rows + 1) * n_columns
        filled = self.fill(windows, borders).view(3, n_rows, n_columns)
        batch = dict(zip(("input_ids", "attention_mask", "labels"), filled, strict=True))
        return batch | self.weigh(windows, borders, batch["labels"])

    def fill(self, windows: Windows, borders: NDArray[np.int64]) -> torch.Tensor:
        """Return input_ids, attention_mask and labels in rows of any lengths, shape (3, borders[-1]), int64.

        Args:
            windows: What to mask.
            borders: Where the row of each window begins, and the end, shape (B + 1,); a row has at least
                two places more than its window has tokens, and is padded at its end.
        """
        # One block of memory: three times as many requests would take as long as the filling.
        filled = torch.empty((3, int(borders[-1])), dtype=torch.int64)
        _fill(windows[:5], self._seed_and_limits, self.vocab_size, borders, filled.numpy())
        return filled

    def weigh(
        self, windows: Windows, borders: NDArray[np.int64], labels: torch.Tensor
    ) -> dict[str, torch.Tensor]:
        """Return loss_weights, float32, of the shape of `labels`; nothing where all tokens count alike.

        They are 0 where there is no label.

        Args:
            windows: What is masked.
            borders: As for `fill`.
            labels: What `fill` has returned, in any shape.

        Raises:
            InputError: If nobody knows which tokens are soft-masked.
        """
        if self.repeat_weight == 1:
            return {}
        if windows.soft_mask is None:
            raise InputError(f"repeat_weight is {self.repeat_weight}, and no window says what is in repeats.")
        weights = (labels != IGNORED).float()
        flat = weights.view(-1).numpy()
        _weigh(windows.soft_mask, windows.starts, windows.ends, borders, self.repeat_weight, flat)
        return {LOSS_WEIGHTS: weights}

    @cached_property
    def _seed_and_limits(self) -> NDArray[np.uint64]:
        """Bits of the seed; and as integers what 53 bits, taken as a number in [0, 1), are compared with."""
        limits = [math.ceil(p * 2.0**53) for p in (self.p_select, self.p_mask, self.p_mask + self.p_random)]
        return np.array([keyed_bits(self.seed), *limits], np.uint64)


@cached_njit
def _fill(
    windows: tuple[NDArray[Any], ...], seed_and_limits: NDArray[np.uint64], vocab_size: int,
    borders: NDArray[np.int64], filled: NDArray[np.int64],
) -> None:
    tokens, starts, ends, epochs, examples = windows
    seed, to_select, to_mask, to_replace = seed_and_limits
    choices = np.empty(np.max(ends - starts), np.uint64)
    for row in range(len(starts)):
        input_ids, attention_mask, labels = filled[:, borders[row] : borders[row + 1]]
        window = tokens[starts[row] : ends[row]]
        n_tokens = len(window)
        for column in range(len(labels)):
            input_ids[column] = PAD_ID
            attention_mask[column] = column < n_tokens + 2
            labels[column] = IGNORED
        for column in range(n_tokens):
            input_ids[column + 1] = window[column]
        input_ids[0] = CLS_ID
        input_ids[n_tokens + 1] = SEP_ID
        # The numbers of `keyed_bits(seed, epoch, example, column, purpose)`. A loop that does nothing but draw
        # them, and without a branch, is done eight positions at a time: ten times as fast.
        key = next_bits(next_bits(seed ^ np.uint64(epochs[row])) ^ np.uint64(examples[row]))
        for column in range(n_tokens):
            choices[column] = next_bits(next_bits(key ^ np.uint64(column + 1)) ^ _CHOICE) >> _TO_53_BITS
        for column in range(n_tokens):
            if choices[column] < to_select and input_ids[column + 1] >= N_SPECIAL:
                labels[column + 1] = input_ids[column + 1]
                of_column = next_bits(key ^ np.uint64(column + 1))
                fate = next_bits(of_column ^ _FATE) >> _TO_53_BITS
                if fate < to_mask:
                    input_ids[column + 1] = MASK_ID
                elif fate < to_replace:
                    uniform = np.float64(next_bits(of_column ^ _REPLACEMENT) >> _TO_53_BITS) * 2.0**-53
                    input_ids[column + 1] = N_SPECIAL + int(uniform * (vocab_size - N_SPECIAL))


@cached_njit
def _weigh(
    soft_mask: NDArray[np.uint8], starts: NDArray[np.int64], ends: NDArray[np.int64], borders: NDArray[np.int64],
    repeat_weight: float, weights: NDArray[np.float32],
) -> None:
    """Multiply the weights of soft-masked tokens, in rows as those of `_fill`."""
    for row in range(len(starts)):
        for token in range(starts[row], ends[row]):
            if soft_mask[token >> 3] >> (7 - (token & 7)) & 1:
                weights[borders[row] + 1 + token - starts[row]] *= repeat_weight
