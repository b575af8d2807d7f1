"""What a model and two predictors that count say of the same masked tokens."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from transformers import AutoModelForMaskedLM

from grover_hf._internals.progress import progress_bar
from grover_hf.baselines.neighbour_counts import NeighbourCounts, count_neighbours
from grover_hf.baselines.neighbour_model import (
    Corruption,
    NeighbourModel,
    Seen,
    TokenFrequency,
    Weights,
    choose_weights,
    seen_at,
)
from grover_hf.corpus.row_choice import evenly_spaced_rows
from grover_hf.corpus.splits import Places, block_split
from grover_hf.corpus.window_store import WindowStore
from grover_hf.errors import InputError
from grover_hf.masking import IGNORED, MaskingCollator
from grover_hf.metrics.per_token import PredictionTally, per_token
from grover_hf.metrics.predictors import FREQUENCY, MODEL, NEIGHBOURS
from grover_hf.metrics.window_bootstrap import WindowResamples
from grover_hf.tokenization.special_tokens import MASK_ID
from training.data.window_batches import WindowDataset
from training.evaluation.report import Judged

_HELD_OUT_SHARE = 0.05
_HELD_OUT_BP = 50_000
_HELD_OUT_WINDOWS = 2_000
_HELD_OUT_TOKENS = 20_000

Baseline: TypeAlias = NeighbourModel | TokenFrequency


class MaskedModel:
    """A masked language model, ready on the device.

    Args:
        folder: Folder of the model.
        n_tokens: Ids that it must know.
        longest: Tokens of the longest window, for which it must have room.

    Raises:
        InputError: If the model is damaged, too short or knows too few ids.
    """

    def __init__(self, folder: Path, *, n_tokens: int, longest: int) -> None:
        try:
            model = AutoModelForMaskedLM.from_pretrained(folder)
        except SafetensorError as error:
            raise InputError(f"The weights of {folder} are damaged: {error}") from error
        n_positions, n_rows = model.config.max_position_embeddings, model.config.vocab_size
        if longest + 2 > n_positions:
            raise InputError(
                f"A window has {longest} tokens; {folder} has {n_positions} positions, so it takes "
                f"{n_positions - 2} tokens with [CLS] and [SEP] around them."
            )
        if n_rows < n_tokens:
            raise InputError(f"{folder} knows {n_rows} ids; its tokenizer has {n_tokens}.")
        self._model = model.eval().to("cuda" if torch.cuda.is_available() else "cpu")

    @property
    def n_parameters(self) -> int:
        """Number of its weights."""
        return int(self._model.num_parameters())

    @torch.inference_mode()
    def log_probabilities(self, batch: Mapping[str, torch.Tensor], *, bf16: bool) -> NDArray[np.float32]:
        """Return the logarithms of the probabilities of every id at the masked tokens, shape (n_masked, ids).

        Raises:
            InputError: If the memory of the device is too small.
        """
        device = self._model.device
        inputs = {name: batch[name].to(device) for name in ("input_ids", "attention_mask")}
        try:
            with torch.autocast(device.type, torch.bfloat16, enabled=bf16):
                logits = self._model(**inputs).logits[(batch["labels"] != IGNORED).to(device)]
            log_p: NDArray[np.float32] = torch.log_softmax(logits.float(), -1).cpu().numpy()
        except torch.OutOfMemoryError as error:
            raise InputError("The memory of the device is too small; say a smaller --batch-size.") from error
        return log_p


def baselines_of(counts: NeighbourCounts, weights: Weights, collator: MaskingCollator) -> dict[str, Baseline]:
    """Return the predictors that count, which know how tokens are masked."""
    corruption = Corruption(1 - collator.p_mask - collator.p_random, collator.p_random)
    return {
        NEIGHBOURS: NeighbourModel(counts, weights, corruption),
        FREQUENCY: TokenFrequency(counts.singles, corruption),
    }


def count_and_weigh(
    train: WindowStore, places: Places, collator: MaskingCollator
) -> tuple[NeighbourCounts, Weights]:
    """Return the counts of all train windows, and the weights that were best where they were not counted."""
    split = held_out_split(places, collator.seed)
    other_counts = count_neighbours(train.input_ids, train.borders, collator.vocab_size, used=split == 0)
    rows = np.flatnonzero(split == 1)
    held_out = WindowDataset(train, rows[evenly_spaced_rows(len(rows), _HELD_OUT_WINDOWS)])
    parts = []
    for number in range(len(held_out)):
        input_ids, is_masked, true = _as_arrays(collator(held_out[number]))
        parts.append((*seen_at(input_ids, is_masked), true))
    *seen, true = (np.concatenate(column) for column in zip(*parts, strict=True))
    tokens = evenly_spaced_rows(len(true), _HELD_OUT_TOKENS)
    weights = choose_weights(other_counts, Seen(*(column[tokens] for column in seen)), true[tokens])
    return count_neighbours(train.input_ids, train.borders, collator.vocab_size), weights


def held_out_split(places: Places, seed: int) -> NDArray[np.int64]:
    """Return 1 for train windows to choose weights on, 0 for those that are counted for it, -1 for others.

    Raises:
        InputError: If there are too few windows.
    """
    block_bp = max(_HELD_OUT_BP, int((places.ends - places.starts).max()))
    # In a small genome the first seeds may hold out nothing.
    for attempt in range(100):
        split = block_split(places, block_bp=block_bp, seed=seed + attempt, test_share=_HELD_OUT_SHARE)
        if (split == 0).any() and (split == 1).any():
            return split
    raise InputError(
        f"{len(split)} train windows are too few to hold out blocks of {block_bp:,} bp, on which the weights of "
        "the neighbour counts are chosen."
    )


def judge(
    model: MaskedModel, baselines: Mapping[str, Baseline], windows: WindowDataset, collator: MaskingCollator, *,
    passes: int, batch_size: int, bf16: bool,
) -> Judged:
    """Return what the model and the baselines say of the masked tokens.

    Args:
        model: To be judged.
        baselines: By name.
        windows: To be masked.
        collator: Masks them.
        passes: How often each window is masked.
        batch_size: Windows at once.
        bf16: Compute in bfloat16.

    Raises:
        InputError: If no token was masked.
    """
    tallies = {name: PredictionTally(collator.vocab_size) for name in (MODEL, *baselines)}
    parts = []
    for batch, numbers in _batches(windows, collator, passes, batch_size):
        input_ids, is_masked, true = _as_arrays(batch)
        seen = seen_at(input_ids, is_masked)
        rows, columns = np.nonzero(is_masked)
        soft_masked = windows.soft_masked(numbers[rows], columns)
        known = [] if soft_masked is None else [soft_masked]
        parts.append((true, seen.centre == MASK_ID, numbers[rows], *known))
        log_p = model.log_probabilities(batch, bf16=bf16)
        # Rows of embeddings that no token has are left out.
        tallies[MODEL].add(log_p[:, : collator.vocab_size], true)
        for name, baseline in baselines.items():
            tallies[name].add(baseline.log_probabilities(seen), true)
    true, hidden, window, *known = (np.concatenate(column) for column in zip(*parts, strict=True))
    if not true.size:
        raise InputError(f"No token of {len(windows)} windows was masked: take more --windows or --passes.")
    resamples = WindowResamples(window, len(windows), rng=np.random.default_rng(collator.seed))
    types = {name: per_token(tallies[name], true, window, resamples) for name in (MODEL, NEIGHBOURS)}
    return Judged(tallies, true, hidden, resamples, types, known[0] if known else None)


def _batches(
    windows: WindowDataset, collator: MaskingCollator, passes: int, batch_size: int
) -> Iterator[tuple[dict[str, Any], NDArray[np.int64]]]:
    """Yield masked windows, and their numbers; windows of about the same length together."""
    by_length = np.argsort(-windows.lengths, kind="stable")
    with progress_bar(total=passes * len(windows), what="windows") as bar:
        for epoch in range(passes):
            for first in range(0, len(windows), batch_size):
                numbers = by_length[first : first + batch_size]
                yield collator(windows.__getitems__((epoch * len(windows) + numbers).tolist())), numbers
                bar.update(len(numbers))


def _as_arrays(
    batch: Mapping[str, torch.Tensor]
) -> tuple[NDArray[np.int64], NDArray[np.bool_], NDArray[np.int64]]:
    """Return a batch's ids, which of them are to be predicted, and what is true there."""
    labels = batch["labels"].numpy()
    is_masked = labels != IGNORED
    return batch["input_ids"].numpy(), is_masked, labels[is_masked]
