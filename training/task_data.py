"""A task's rows as a model reads them: whose tokens, how long, in which batches."""

import inspect
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import torch
from numpy.typing import NDArray

from grover_hf.corpus.facts import read_all_facts, require_whole_files
from grover_hf.errors import InputError
from grover_hf.long_input import window_starts
from grover_hf.tokenization.vocabulary import vocabulary_sha256

SPLITS = ("train", "validation", "test")

Ids = list[NDArray[np.integer]]
Collator = Callable[[Sequence[dict[str, Any]]], dict[str, torch.Tensor]]


@dataclass(frozen=True)
class Task:
    """A dataset of rows with a label."""

    name: str
    config: str
    splits: datasets.DatasetDict
    facts: dict[str, Any]
    """Of the builder; empty for a dataset that `grover build` did not make."""
    class_names: list[str]


@dataclass(frozen=True)
class Examples(torch.utils.data.Dataset[dict[str, Any]]):
    """What a model reads: rows, or the windows of rows that are too long."""

    input_ids: list[NDArray[np.integer]]
    """With special tokens."""
    labels: NDArray[np.int64]
    row: NDArray[np.int64]
    """The row that each example belongs to, ascending."""

    def __len__(self) -> int:
        return len(self.input_ids)

    def __getitem__(self, number: int) -> dict[str, Any]:
        return {"input_ids": self.input_ids[number], "labels": self.labels[number]}


def open_task(dataset: str, config: str | None) -> Task:
    """Open a folder made by `grover build`, or any dataset with the columns `sequence` and `label`.

    Raises:
        InputError: If it cannot be loaded, or lacks a split, `label` or `sequence`.
    """
    facts: dict[str, Any] = {}
    if Path(dataset).is_dir():
        known = read_all_facts(dataset)
        if known:
            config = _default_config(dataset, known) if config is None else config
            if config not in known:
                raise InputError(f"{dataset} has no configuration {config!r}; it has {', '.join(known)}.")
            facts = known[config]
            require_whole_files(dataset, config)
    try:
        splits = datasets.load_dataset(dataset, config)
    except (FileNotFoundError, ValueError) as error:
        raise InputError(f"{dataset} cannot be loaded as a dataset: {error}") from error
    if missing := [name for name in SPLITS if name not in splits]:
        raise InputError(f"{dataset} has no split {', '.join(missing)}; it has {', '.join(splits)}.")
    features = splits["train"].features
    if missing := [name for name in ("sequence", "label") if name not in features]:
        raise InputError(f"{dataset} has no column {', '.join(missing)}; it has {', '.join(features)}.")
    label = features["label"]
    if isinstance(label, datasets.ClassLabel):
        names = list(label.names)
    else:
        names = [str(number) for number in range(int(max(splits["train"]["label"])) + 1)]
    return Task(facts.get("dataset", dataset), config or "default", splits, facts, names)


def read_examples(
    task: Task, tokenizer: Any, *, retokenize: bool, max_tokens: int, windows: bool
) -> dict[str, Examples]:
    """Return the examples of each split.

    Args:
        task: The dataset.
        tokenizer: The model's.
        retokenize: Tokenize `sequence` again, where the dataset has ids of another vocabulary.
        max_tokens: The longest input of the model, with special tokens.
        windows: Cut longer inputs into windows, instead of refusing them.

    Raises:
        InputError: If the dataset's ids belong to another vocabulary, or inputs are too long.
    """
    ids_of = _reader(task, tokenizer, retokenize=retokenize)
    prefix, suffix = _special_around(tokenizer)
    room = max_tokens - len(prefix) - len(suffix)
    examples = {}
    for name in SPLITS:
        split = task.splits[name]
        all_ids = ids_of(split)
        lengths = np.array([len(ids) for ids in all_ids])
        if not lengths.all():
            raise InputError(f"{task.name}, {name}: row {int(np.argmin(lengths))} has no token.")
        if (n_long := int((lengths > room).sum())) and not windows:
            raise InputError(
                f"{task.name}, {name}: {n_long} of {len(lengths)} inputs have more than the {room} tokens that "
                f"the model takes, the longest {lengths.max()}. Nothing is cut silently: say --long_input windows."
            )
        starts = [window_starts(int(length), room) for length in lengths]
        examples[name] = Examples(
            input_ids=[
                np.concatenate([prefix, ids[start : start + room], suffix])
                for ids, of_row in zip(all_ids, starts, strict=True)
                for start in of_row
            ],
            labels=np.repeat(np.array(split["label"], np.int64), [len(of_row) for of_row in starts]),
            row=np.repeat(np.arange(len(split)), [len(of_row) for of_row in starts]),
        )
    return examples


def longest_input(tokenizer: Any, config: Any) -> int:
    """Return the most tokens that a model takes, with special tokens."""
    limits = [tokenizer.model_max_length]
    for name in ("max_position_embeddings", "max_seq_len"):
        limits.append(getattr(config, name, None))
    # Tokenizers that know no limit give an astronomical one.
    known = [int(limit) for limit in limits if isinstance(limit, int) and 0 < limit < 10**9]
    if not known:
        raise InputError("Neither tokenizer nor configuration says how long an input may be; say --max_tokens.")
    return min(known)


def collator(tokenizer: Any, model: torch.nn.Module) -> Collator:
    """Return what pads a batch to its longest input."""
    if tokenizer.pad_token_id is None:
        raise InputError("The model's tokenizer has no token for padding, which a batch of inputs needs.")
    takes_mask = "attention_mask" in inspect.signature(model.forward).parameters

    def collate(rows: Sequence[dict[str, Any]]) -> dict[str, torch.Tensor]:
        longest = max(len(row["input_ids"]) for row in rows)
        input_ids = np.full((len(rows), longest), tokenizer.pad_token_id, np.int64)
        for number, row in enumerate(rows):
            input_ids[number, : len(row["input_ids"])] = row["input_ids"]
        lengths = np.array([len(row["input_ids"]) for row in rows])
        labels = torch.tensor([int(row["labels"]) for row in rows])
        batch = {"input_ids": torch.from_numpy(input_ids), "labels": labels}
        if takes_mask:
            batch["attention_mask"] = torch.from_numpy((np.arange(longest) < lengths[:, None]).astype(np.int64))
        return batch

    return collate


def mean_over_windows(logits: NDArray[np.floating], row: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the mean logits of each row over its windows, shape (n_rows, C)."""
    sums = np.zeros((int(row[-1]) + 1, logits.shape[1]))
    np.add.at(sums, row, logits)
    return sums / np.bincount(row)[:, None]


def _default_config(dataset: str, known: dict[str, Any]) -> str:
    if len(known) > 1 and "bpe-600" not in known:
        raise InputError(f"{dataset} has the configurations {', '.join(known)}; say which: --dataset_config NAME.")
    return "bpe-600" if "bpe-600" in known else next(iter(known))


def _reader(task: Task, tokenizer: Any, *, retokenize: bool) -> Callable[[datasets.Dataset], Ids]:
    """Return what gives the ids of a split's rows, without special tokens."""
    dataset_vocabulary = task.facts.get("vocabulary_sha256")
    if "input_ids" in task.splits["train"].features and not retokenize:
        tokens = tokenizer.convert_ids_to_tokens(range(len(tokenizer)))
        own = vocabulary_sha256([token or "" for token in tokens])
        if dataset_vocabulary is None or own != dataset_vocabulary:
            raise InputError(
                f"{task.name} ({task.config}) has ids of vocabulary {str(dataset_vocabulary)[:12]}..., the "
                f"model's tokenizer has {own[:12]}.... Say --retokenize true to tokenize the sequences with the "
                "model's; tokens at their ends then differ from those in the genome."
            )
        return lambda split: list(split.with_format("numpy", columns=["input_ids"])["input_ids"][:])
    return lambda split: _tokenized(tokenizer, split["sequence"])


def _tokenized(tokenizer: Any, sequences: Iterable[str]) -> Ids:
    texts = list(sequences)
    found: Ids = []
    for first in range(0, len(texts), 1_000):
        # Without `truncation` and `max_length`: length is checked by `read_examples`.
        ids = tokenizer(texts[first : first + 1_000], add_special_tokens=False, verbose=False)["input_ids"]
        found += [np.asarray(row, np.int64) for row in ids]
    return found


def _special_around(tokenizer: Any) -> tuple[list[int], list[int]]:
    """Return the ids that the tokenizer puts before and after a sequence."""
    bare = tokenizer("ACGTACGTACGT", add_special_tokens=False)["input_ids"]
    whole = tokenizer("ACGTACGTACGT")["input_ids"]
    for first in range(len(whole) - len(bare) + 1):
        if whole[first : first + len(bare)] == bare:
            return whole[:first], whole[first + len(bare) :]
    raise InputError("The model's tokenizer changes a sequence when it adds special tokens; it is of no use here.")
