"""The masked-language collator: whole batches at once, masks keyed by (seed, epoch, example).

What is masked in an example depends on nothing else: not on the number of workers or ranks, not
on the batch it falls into, not on whether the run was resumed.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypedDict

import numpy as np
import torch
from numpy.typing import NDArray

from grover_hf.errors import InputError
from grover_hf.keyed_random import keyed_uniform
from grover_hf.tokenization.special_tokens import CLS_ID, MASK_ID, N_SPECIAL, PAD_ID, SEP_ID

IGNORED = -100
"""The label of a position that is not to be predicted, as in transformers."""


class Example(TypedDict):
    """A window to be masked: ids without [CLS] and [SEP], its number in the dataset, the epoch."""

    input_ids: NDArray[np.uint16]
    example: int
    epoch: int


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
    """

    vocab_size: int
    seed: int
    p_select: float
    p_mask: float
    p_random: float

    def __post_init__(self) -> None:
        shares = min(self.p_mask, self.p_random) >= 0 and self.p_mask + self.p_random <= 1
        if not (0 < self.p_select <= 1 and shares):
            raise InputError(
                f"p_select {self.p_select}, p_mask {self.p_mask}, p_random {self.p_random}: "
                "0 < p_select <= 1 and p_mask + p_random <= 1 must hold."
            )

    def __call__(self, examples: Sequence[Example]) -> dict[str, torch.Tensor]:
        """Return input_ids, attention_mask and labels, each (B, L), int64, as long as the longest."""
        lengths = np.array([len(example["input_ids"]) for example in examples])
        column = np.arange(lengths.max() + 2)
        is_token = (column >= 1) & (column <= lengths[:, None])
        input_ids = np.full(is_token.shape, PAD_ID, np.int64)
        input_ids[is_token] = np.concatenate([example["input_ids"] for example in examples])
        input_ids[:, 0] = CLS_ID
        input_ids[np.arange(len(examples)), lengths + 1] = SEP_ID

        key = [
            np.array([int(example[name]) for example in examples])[:, None]  # type: ignore[literal-required]
            for name in ("epoch", "example")
        ]
        choose, fate, replacement = (
            keyed_uniform(self.seed, *key, column, purpose) for purpose in range(3)
        )
        selected = is_token & (input_ids >= N_SPECIAL) & (choose < self.p_select)
        labels = np.where(selected, input_ids, IGNORED)
        random_ids = N_SPECIAL + (replacement * (self.vocab_size - N_SPECIAL)).astype(np.int64)
        input_ids = np.where(selected & (fate < self.p_mask), MASK_ID, input_ids)
        is_random = selected & (fate >= self.p_mask) & (fate < self.p_mask + self.p_random)
        input_ids = np.where(is_random, random_ids, input_ids)
        attention_mask = (column < lengths[:, None] + 2).astype(np.int64)
        return {
            "input_ids": torch.from_numpy(input_ids),
            "attention_mask": torch.from_numpy(attention_mask),
            "labels": torch.from_numpy(labels),
        }
