"""What a model takes: its longest input, its special tokens, its padding.

The one place that decides this, for inference, fine-tuning and evaluation. How sequences become such
inputs is in `reader`.
"""

import inspect
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from grover_hf.errors import InputError


@dataclass(frozen=True)
class InputRules:
    """How token ids are put before a model; made by `of`."""

    before: list[int]
    """Special tokens before a sequence, such as [CLS]."""
    after: list[int]
    """Special tokens after it, such as [SEP]."""
    max_tokens: int
    """The longest input, special tokens included."""
    pad_id: int
    """What fills shorter inputs up; 0 where nothing is ever filled up."""
    takes_mask: bool
    """Whether the model's forward takes an attention mask."""
    pads: bool
    """Whether inputs of different lengths may share a batch. If not, a batch has one length."""
    max_rows: int | None
    """Most inputs in a batch; None for any number."""

    @classmethod
    def of(cls, model: Any, tokenizer: Any, *, max_tokens: int | None = None) -> "InputRules":
        """Return the rules of a model.

        Args:
            model: A model of transformers, or one whose forward takes `input_ids`.
            tokenizer: Its tokenizer.
            max_tokens: The longest input, special tokens included, if it is to be shorter than the
                longest that the model takes, or if nothing says how long that is.

        Raises:
            InputError: If nothing says how long an input may be, `max_tokens` is more than that, or the
                special tokens leave no room for a sequence.
        """
        before, after = special_around(tokenizer)
        longest = _longest_input(model, tokenizer)
        if longest is None and max_tokens is None:
            raise InputError("Nothing says how long an input of this model is; set tokenizer.model_max_length.")
        if longest is not None and max_tokens is not None and max_tokens > longest:
            raise InputError(f"max_tokens is {max_tokens}; the model takes {longest} tokens.")
        limit = max_tokens or longest or 0
        n_special = len(before) + len(after)
        if limit <= n_special:
            raise InputError(f"{n_special} special tokens leave no room for a sequence in an input of {limit}.")
        takes_mask = "attention_mask" in inspect.signature(model.forward).parameters
        pad_id = tokenizer.pad_token_id
        # Decoders with a classifier look for the last token that is not padding, and refuse several rows if
        # nothing says what padding is.
        is_classifier = type(model).__name__.endswith("ForSequenceClassification")
        alone = is_classifier and getattr(model.config, "pad_token_id", None) is None
        return cls(
            before, after, limit, pad_id or 0, takes_mask, pads=takes_mask and pad_id is not None,
            max_rows=1 if alone else None,
        )

    @property
    def n_special(self) -> int:
        """Special tokens of an input."""
        return len(self.before) + len(self.after)

    @property
    def window_tokens(self) -> int:
        """Most tokens of a sequence in an input, without special tokens."""
        return self.max_tokens - self.n_special

    def batch(self, sequences: Sequence[NDArray[np.integer]]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return token ids with special tokens and padding, and which of them are not padding.

        Args:
            sequences: Token ids without special tokens, each of up to `window_tokens`.

        Returns:
            `input_ids` and `attention_mask`, both of shape (B, L), int64.
        """
        lengths = np.array([len(ids) for ids in sequences]) + self.n_special
        input_ids = np.full((len(sequences), lengths.max()), self.pad_id, np.int64)
        for row, length, ids in zip(input_ids, lengths, sequences, strict=True):
            row[:length] = np.concatenate([self.before, ids, self.after])
        return input_ids, (np.arange(input_ids.shape[1]) < lengths[:, None]).astype(np.int64)


def share_pad_id(model: Any, tokenizer: Any) -> None:
    """Let a model take its tokenizer's id for padding; decoders look for the last token that is not padding.

    Models that count positions from behind the padding id keep theirs: with another one, all their
    positions would be others than those they were trained with.
    """
    if tokenizer.pad_token_id is not None and not any(_positions_from(table) for table in _position_tables(model)):
        model.config.pad_token_id = tokenizer.pad_token_id


def special_around(tokenizer: Any) -> tuple[list[int], list[int]]:
    """Return the ids that a tokenizer puts before and after a sequence.

    Raises:
        InputError: If it changes the sequence in between.
    """
    probe = "ACGT" * 15
    bare, whole = tokenizer(probe, add_special_tokens=False)["input_ids"], tokenizer(probe)["input_ids"]
    for first in range(len(whole) - len(bare) + 1):
        if whole[first : first + len(bare)] == bare:
            return whole[:first], whole[first + len(bare) :]
    raise InputError("The model's tokenizer changes a sequence when it adds special tokens; it cannot be used.")


def _longest_input(model: Any, tokenizer: Any) -> int | None:
    """Return the most tokens that a model takes, with special tokens, or None if nothing says."""
    limits = [tokenizer.model_max_length]
    limits += [getattr(model.config, name, None) for name in ("max_position_embeddings", "max_seq_len")]
    limits += [table.num_embeddings - _positions_from(table) for table in _position_tables(model)]
    # Tokenizers without a limit give an astronomical one.
    known = [limit for limit in limits if isinstance(limit, int) and 0 < limit < 10**9]
    return min(known) if known else None


def _position_tables(model: Any) -> list[torch.nn.Embedding]:
    return [
        module for name, module in model.named_modules()
        if name.endswith("position_embeddings") and isinstance(module, torch.nn.Embedding)
    ]


def _positions_from(table: torch.nn.Embedding) -> int:
    """Return the first row of a table of positions that a token can have.

    RoBERTa and its kin count positions from behind the padding id: the rows before are for no token.
    """
    return 0 if table.padding_idx is None else table.padding_idx + 1
