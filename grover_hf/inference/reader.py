"""Sequences of any length as a model takes them: checked, tokenized whole, in batches of windows.

A sequence is tokenized whole, because its tokens depend on their neighbours; the tokens, not the bases,
are then cut into windows (`windows`). Nothing is ever cut off.
"""

import inspect
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from grover_hf.errors import InputError
from grover_hf.genome.letters import normalized
from grover_hf.inference.windows import output_borders, window_starts


def longest_input(tokenizer: Any, model: Any) -> int:
    """Return the most tokens that a model takes, with special tokens.

    Raises:
        InputError: If neither tokenizer, configuration nor a table of positions says.
    """
    limits = [tokenizer.model_max_length]
    limits += [getattr(model.config, name, None) for name in ("max_position_embeddings", "max_seq_len")]
    for name, module in model.named_modules():
        if name.endswith("position_embeddings") and isinstance(module, torch.nn.Embedding):
            # RoBERTa and its kin count positions from behind the padding id: the rows before serve no token.
            limits.append(module.num_embeddings - (0 if module.padding_idx is None else module.padding_idx + 1))
    # Tokenizers that know no limit give an astronomical one.
    known = [limit for limit in limits if isinstance(limit, int) and 0 < limit < 10**9]
    if not known:
        raise InputError("Nothing says how long an input of this model may be: set tokenizer.model_max_length.")
    return min(known)


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
    raise InputError("The model's tokenizer changes a sequence when it adds special tokens; it is of no use here.")


class Tokenized(NamedTuple):
    """A sequence as the model reads it."""

    text: str
    input_ids: NDArray[np.int64]
    """Shape (L,), without special tokens."""
    spells_bases: NDArray[np.bool_]
    """Which tokens do: not [UNK], masks and letters that stand for several bases. Shape (L,)."""
    offsets: NDArray[np.int64]
    """Start and end of each token in the text, shape (L, 2); empty where nobody asked."""


class Window(NamedTuple):
    """A run of a sequence's tokens; those from `first` to `last`, counted from `start`, get their output here."""

    sequence: int
    start: int
    length: int
    first: int
    last: int


class Batch(NamedTuple):
    """Windows that the model takes together."""

    windows: list[Window]
    input_ids: NDArray[np.int64]
    """Shape (B, L), with special tokens and padding."""
    attention_mask: NDArray[np.int64]
    """Shape (B, L)."""
    first_column: int
    """Of the windows' own tokens, behind the special ones."""

    @property
    def owner(self) -> NDArray[np.int64]:
        """The sequence that each window belongs to, shape (B,)."""
        return np.array([window.sequence for window in self.windows])

    @property
    def share(self) -> NDArray[np.bool_]:
        """Which tokens get their output here, shape (B, L)."""
        token = np.arange(self.input_ids.shape[1]) - self.first_column
        first, last = (np.array([getattr(w, name) for w in self.windows])[:, None] for name in ("first", "last"))
        return (token >= first) & (token < last)


class SequenceReader:
    """What stands before a model: from sequences to batches of windows.

    Args:
        model: The model, for its longest input.
        tokenizer: Its tokenizer.
        max_batch_tokens: Most tokens in a batch, padding included; one window there is at least.

    Raises:
        InputError: If tokenizer and model leave no room for a sequence.
    """

    def __init__(self, model: Any, tokenizer: Any, max_batch_tokens: int) -> None:
        self.tokenizer = tokenizer
        self.before, self.after = special_around(tokenizer)
        self._n_special = len(self.before) + len(self.after)
        self.window_tokens = longest_input(tokenizer, model) - self._n_special
        if self.window_tokens < 1:
            raise InputError(f"{self._n_special} special tokens leave no room for a sequence in this model.")
        self._max_batch_tokens = max_batch_tokens
        self.takes_mask = "attention_mask" in inspect.signature(model.forward).parameters
        special = set(tokenizer.all_special_tokens)
        # A table over ids: [UNK] and N are told from bases even where a tokenizer does not declare them.
        self.spells_bases = np.array([
            bool(token) and token not in special and set(token.upper()) <= set("ACGT")
            for token in tokenizer.convert_ids_to_tokens(range(len(tokenizer)))
        ])

    def read(self, sequences: Sequence[str], *, masks: bool = False, offsets: bool = False) -> list[Tokenized]:
        """Return the tokens of each sequence.

        Args:
            sequences: As `normalized` says.
            masks: Whether they may have masks.
            offsets: Whether to say where tokens lie.

        Raises:
            InputError: If there is none, or one of them is no DNA or shorter than any token.
        """
        if isinstance(sequences, str) or len(sequences) == 0:
            raise InputError("sequences is one str, or empty; give a list of one sequence or more.")
        mask_token = self.tokenizer.mask_token if masks else None
        texts = [
            normalized(sequence, f"sequences[{number}]", mask_token) for number, sequence in enumerate(sequences)
        ]
        encoded = self.tokenizer(
            texts, add_special_tokens=False, return_attention_mask=False, return_token_type_ids=False,
            return_offsets_mapping=offsets, verbose=False,
        )
        found = []
        for number, text in enumerate(texts):
            input_ids = np.array(encoded["input_ids"][number], np.int64)
            spells_bases = self.spells_bases[input_ids]
            if not spells_bases.any():
                raise InputError(f"sequences[{number}] is shorter than the tokens of this model.")
            where = encoded["offset_mapping"][number] if offsets else []
            found.append(Tokenized(text, input_ids, spells_bases, np.array(where, np.int64).reshape(-1, 2)))
        return found

    def windows(self, read: list[Tokenized]) -> list[Window]:
        """Return the windows of all sequences, in their order."""
        windows = []
        for number, tokens in enumerate(read):
            n_tokens = len(tokens.input_ids)
            starts = window_starts(n_tokens, self.window_tokens).tolist()
            borders = output_borders(n_tokens, self.window_tokens).tolist()
            for start, first, last in zip(starts, borders[:-1], borders[1:], strict=True):
                length = min(n_tokens, self.window_tokens)
                windows.append(Window(number, start, length, first - start, last - start))
        return windows

    def batches(self, read: list[Tokenized], windows: list[Window]) -> Iterator[Batch]:
        """Yield windows of like length together, the longest first; those of one sequence stay in order."""
        # A model that cannot be told what is padding gets none.
        pads = self.takes_mask and self.tokenizer.pad_token_id is not None
        waiting: list[Window] = []
        for window in sorted(windows, key=lambda window: -window.length):
            if waiting:
                longest = waiting[0].length
                full = (len(waiting) + 1) * (longest + self._n_special) > self._max_batch_tokens
                if full or (window.length < longest and not pads):
                    yield self._batch(read, waiting)
                    waiting = []
            waiting.append(window)
        yield self._batch(read, waiting)

    def _batch(self, read: list[Tokenized], windows: list[Window]) -> Batch:
        lengths = np.array([window.length for window in windows]) + self._n_special
        input_ids = np.full((len(windows), lengths.max()), self.tokenizer.pad_token_id or 0, np.int64)
        for row, length, window in zip(input_ids, lengths, windows, strict=True):
            tokens = read[window.sequence].input_ids[window.start : window.start + window.length]
            row[:length] = np.concatenate([self.before, tokens, self.after])
        mask = np.arange(input_ids.shape[1]) < lengths[:, None]
        return Batch(windows, input_ids, mask.astype(np.int64), len(self.before))
