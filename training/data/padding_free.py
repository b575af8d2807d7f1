"""Batches as one row of windows, without padding, and the attention of each window to itself.

Stock BERT does everything but attention token by token, so that a row of windows is as good to it as padded ones.
It is the layout of `DataCollatorWithFlattening` in transformers, whose flash attention takes it as it is.
Where there is none, `SDPA` pads within attention, a tenth of the work of BERT-base, and nowhere else.

A model learns what it would learn from padded batches; with dropout, what it would learn in another draw.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import transformers

from grover_hf.errors import InputError
from grover_hf.masking import MaskingCollator, Windows

SDPA = "sdpa_without_padding"
"""The name that the attention below has in transformers."""


@dataclass(frozen=True, kw_only=True)
class PaddingFreeCollator:
    """Makes the batches of a `MaskingCollator`, `padded`, without their padding."""

    padded: MaskingCollator

    def __call__(self, windows: Windows) -> dict[str, Any]:
        """Return what a model takes with flash attention, or with `SDPA`.

        input_ids, position_ids and labels, each (1, T), int64: the windows one after another.
        loss_weights, (1, T), float32, where the `MaskingCollator` gives them.
        cu_seq_lens_q and cu_seq_lens_k, (B + 1,), int32: where each window begins, and the end.
        max_length_q and max_length_k: length of the longest.
        """
        lengths = windows.ends - windows.starts + 2
        borders = np.concatenate([[0], np.cumsum(lengths)])
        input_ids, _, labels = self.padded.fill(windows, borders)
        positions = np.arange(borders[-1]) - np.repeat(borders[:-1], lengths)
        cu_seq_lens, max_length = torch.from_numpy(borders.astype(np.int32)), int(lengths.max())
        return {
            "input_ids": input_ids[None], "labels": labels[None],
            **self.padded.weigh(windows, borders, labels[None]),
            "position_ids": torch.from_numpy(positions)[None],
            "cu_seq_lens_q": cu_seq_lens, "cu_seq_lens_k": cu_seq_lens,
            "max_length_q": max_length, "max_length_k": max_length,
        }


def padding_free_attention(attention: str) -> str:
    """Return the attention to be used without padding where `attention` would be used with it.

    Raises:
        InputError: If there is none.
    """
    if transformers.__version__.startswith("4."):
        raise InputError(
            f"padding_free needs transformers 5; this is {transformers.__version__}. Say --padding_free false "
            "--group_by_length true."
        )
    if attention == "sdpa":
        return _registered()
    if attention.startswith("flash_attention"):
        return attention
    raise InputError(f"padding_free goes with attention sdpa or flash_attention_2, not with {attention!r}.")


def _registered() -> str:
    from transformers import AttentionInterface, AttentionMaskInterface
    from transformers.masking_utils import sdpa_mask

    AttentionInterface.register(SDPA, _attention)
    # For batches with padding: the evaluation's.
    AttentionMaskInterface.register(SDPA, sdpa_mask)
    return SDPA


def _attention(
    module: torch.nn.Module, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor,
    attention_mask: torch.Tensor | None, dropout: float = 0.0, scaling: float | None = None, **kwargs: Any,
) -> tuple[torch.Tensor, None]:
    """Attend as transformers calls it: (1, heads, T, size) to (1, T, heads, size); padded batches as SDPA does."""
    borders = kwargs.get("cu_seq_lens_k")
    if borders is None:
        from transformers.integrations.sdpa_attention import sdpa_attention_forward

        attended, _ = sdpa_attention_forward(
            module, query, key, value, attention_mask, dropout=dropout, scaling=scaling, **kwargs
        )
        return attended, None
    n_columns = kwargs["max_length_k"]
    lengths = borders.diff()
    tokens = torch.arange(query.shape[2], device=borders.device, dtype=borders.dtype)
    rows = torch.searchsorted(borders, tokens, right=True) - 1
    places = rows * n_columns + tokens - borders[rows]

    def padded(states: torch.Tensor) -> torch.Tensor:
        by_token = states[0].transpose(0, 1)
        grid = by_token.new_zeros(len(lengths) * n_columns, *by_token.shape[1:]).index_copy(0, places, by_token)
        return grid.view(len(lengths), n_columns, *by_token.shape[1:]).transpose(1, 2)

    is_token = torch.arange(n_columns, device=borders.device) < lengths[:, None]
    attended = torch.nn.functional.scaled_dot_product_attention(
        padded(query), padded(key), padded(value), attn_mask=is_token[:, None, None], dropout_p=dropout,
        scale=scaling,
    )
    return attended.transpose(1, 2).flatten(0, 1)[places][None], None
