"""A task's rows as a model reads them: whose tokens, how long, in which batches."""

import hashlib
import itertools
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pyarrow as pa
import torch
from numpy.typing import NDArray

from grover_hf._internals.progress import bars_on_terminals_only
from grover_hf.corpus.facts import DatasetFacts, choose_config, read_all_facts
from grover_hf.corpus.rows import load_rows, require_plain_name
from grover_hf.corpus.splits import SPLITS
from grover_hf.errors import InputError
from grover_hf.genome.letters import normalized_rows
from grover_hf.inference.input_rules import InputRules
from grover_hf.inference.windows import window_starts
from grover_hf.tokenization.identity import vocabulary_sha256

Ids = list[NDArray[np.integer]]
Collator = Callable[[Sequence[dict[str, Any]]], dict[str, torch.Tensor]]


@dataclass(frozen=True)
class Task:
    """A dataset of rows with a label."""

    name: str
    config: str
    splits: datasets.DatasetDict
    facts: DatasetFacts | None
    """Of the builder; None for a dataset that `grover build` did not make."""
    class_names: list[str]


@dataclass(frozen=True, eq=False)
class Examples(torch.utils.data.Dataset[dict[str, Any]]):
    """What a model reads: rows, or the windows of rows that are too long."""

    input_ids: list[NDArray[np.integer]]
    """Without special tokens; views of one array."""
    labels: NDArray[np.int64]
    row: NDArray[np.int64]
    """The row that each example belongs to, ascending."""

    def __len__(self) -> int:
        return len(self.input_ids)

    def __getitem__(self, number: int) -> dict[str, Any]:
        return {"input_ids": self.input_ids[number], "labels": self.labels[number], "row": self.row[number]}


def open_task(dataset: str, config: str | None) -> Task:
    """Open a folder made by `grover build`, or any dataset with the columns `sequence` and `label`.

    Raises:
        InputError: If it cannot be loaded, lacks a split, `label` or `sequence`, or its labels are
            not 0, 1, 2, ...
    """
    facts = None
    bars_on_terminals_only()
    if Path(dataset).is_dir() and read_all_facts(dataset):
        config, facts = choose_config(dataset, config)
        splits = load_rows(dataset, facts)
    else:
        splits = _load(dataset, config)
    if missing := [name for name in SPLITS if name not in splits]:
        raise InputError(f"{dataset} has no split {', '.join(missing)}; it has {', '.join(splits)}.")
    features = splits["train"].features
    if missing := [name for name in ("sequence", "label") if name not in features]:
        raise InputError(f"{dataset} has no column {', '.join(missing)}; it has {', '.join(features)}.")
    name = facts.dataset if facts else dataset
    return Task(name, config or "default", splits, facts, _class_names(dataset, splits))


def _load(dataset: str, config: str | None) -> datasets.DatasetDict:
    """Load a dataset that was not made here: a folder, or a name on the Hub."""
    if Path(dataset).exists():
        require_plain_name(dataset)
    try:
        return datasets.load_dataset(dataset, config)
    except (OSError, ValueError, RuntimeError, datasets.exceptions.DatasetGenerationError) as error:
        where_looked = "" if Path(dataset).exists() else "There is no such folder; as a name on the Hub: "
        why = error.__cause__ or error
        raise InputError(f"{dataset} cannot be loaded as a dataset. {where_looked}{why}") from error


def read_ids(task: Task, tokenizer: Any, *, retokenize: bool) -> dict[str, Ids]:
    """Return the token ids of each row, by split, without special tokens.

    Args:
        task: The dataset.
        tokenizer: The model's.
        retokenize: Tokenize `sequence` again, where the dataset has ids of another vocabulary.

    Raises:
        InputError: If the dataset's ids belong to another vocabulary, or a row is not a sequence or has no token.
    """
    ids_of = _reader(task, tokenizer, retokenize=retokenize)
    found = {name: ids_of(task.splits[name], f"{task.name}, {name}") for name in SPLITS}
    for name, rows in found.items():
        if empty := [number for number, ids in enumerate(rows) if not len(ids)]:
            raise InputError(f"{task.name}, {name}: row {empty[0]} has no token.")
    return found


def read_examples(
    task: Task, tokenizer: Any, rules: InputRules, *, retokenize: bool, windows: bool
) -> dict[str, Examples]:
    """Return the examples of each split.

    Args:
        task: The dataset.
        tokenizer: The model's.
        rules: What the model takes.
        retokenize: Tokenize `sequence` again, where the dataset has ids of another vocabulary.
        windows: Cut longer inputs into windows, instead of refusing them.

    Raises:
        InputError: If the dataset's ids belong to another vocabulary, a row is not a sequence, or inputs
            are too long.
    """
    room = rules.window_tokens
    examples = {}
    for name, all_ids in read_ids(task, tokenizer, retokenize=retokenize).items():
        split = task.splits[name]
        lengths = np.array([len(ids) for ids in all_ids])
        if (n_long := int((lengths > room).sum())) and not windows:
            raise InputError(
                f"{task.name}, {name}: {n_long} of {len(lengths)} inputs have more than the {room} tokens that "
                f"the model takes, the longest {lengths.max()}. Nothing is cut silently: say --long_input windows."
            )
        starts = [window_starts(int(length), room).tolist() for length in lengths]
        n_windows = [len(of_row) for of_row in starts]
        examples[name] = Examples(
            input_ids=[
                ids[start : start + room] for ids, of_row in zip(all_ids, starts, strict=True) for start in of_row
            ],
            labels=np.repeat(np.array(split["label"], np.int64), n_windows),
            row=np.repeat(np.arange(len(split)), n_windows),
        )
    return examples


def examples_sha256(examples: dict[str, Examples]) -> str:
    """Return a digest of all that a training reads: ids, labels, rows."""
    digest = hashlib.sha256()
    for name, split in sorted(examples.items()):
        digest.update(name.encode())
        for ids, label, row in zip(split.input_ids, split.labels.tolist(), split.row.tolist(), strict=True):
            digest.update(np.array([row, label, len(ids), *ids], "<i8").data)
    return digest.hexdigest()


def collator(rules: InputRules) -> Collator:
    """Return what pads a batch to its longest input; `row` says which rows it is of."""

    def collate(rows: Sequence[dict[str, Any]]) -> dict[str, torch.Tensor]:
        input_ids, attention_mask = rules.batch([row["input_ids"] for row in rows])
        batch = {name: torch.tensor([int(row[name]) for row in rows]) for name in ("labels", "row")}
        return batch | {
            "input_ids": torch.from_numpy(input_ids), "attention_mask": torch.from_numpy(attention_mask)
        }

    return collate


def _class_names(dataset: str, splits: datasets.DatasetDict) -> list[str]:
    feature = splits["train"].features["label"]
    if not isinstance(feature, datasets.ClassLabel) and not (
        isinstance(feature, datasets.Value) and feature.dtype.lstrip("u").startswith("int")
    ):
        raise InputError(f"{dataset} has labels of {feature}; labels are 0, 1, 2, ... Number your classes first.")
    labels = {name: set(splits[name].unique("label")) for name in SPLITS}
    every = set.union(*labels.values())
    if odd := [label for label in every if not isinstance(label, int) or label < 0]:
        raise InputError(f"{dataset} has the label {odd[0]!r}; labels are 0, 1, 2, ... Number your classes first.")
    if not isinstance(feature, datasets.ClassLabel) and len(labels["train"]) != max(every) + 1:
        missing = next(label for label in itertools.count() if label not in labels["train"])
        raise InputError(
            f"{dataset} has labels up to {max(every)}, and no row of {missing} in train: number your classes 0, "
            "1, 2, ..., each with rows to train on."
        )
    names = feature.names if isinstance(feature, datasets.ClassLabel) else list(map(str, range(max(every) + 1)))
    if max(every) >= len(names) or len(labels["train"]) < 2:
        raise InputError(
            f"{dataset} has labels up to {max(every)}, {len(names)} classes, and {len(labels['train'])} of them "
            "in train: two or more must be there."
        )
    if alone := [name for name in SPLITS if len(labels[name]) < 2]:
        raise InputError(f"{dataset}, {alone[0]}: all rows have one class: no score tells a good model.")
    return list(names)


def _reader(task: Task, tokenizer: Any, *, retokenize: bool) -> Callable[[datasets.Dataset, str], Ids]:
    """Return what gives the ids of a split's rows, without special tokens."""
    dataset_vocabulary = task.facts.vocabulary_sha256 if task.facts else None
    if "input_ids" in task.splits["train"].features and not retokenize:
        tokens = tokenizer.convert_ids_to_tokens(range(len(tokenizer)))
        own = vocabulary_sha256([token or "" for token in tokens])
        if dataset_vocabulary is None or own != dataset_vocabulary:
            raise InputError(
                f"{task.name} ({task.config}) has ids of vocabulary {str(dataset_vocabulary)[:12]}..., the "
                f"model's tokenizer has {own[:12]}.... Say --retokenize to tokenize the sequences with the "
                "model's; tokens at their ends then differ from those in the genome."
            )
        return lambda split, _: _stored_ids(split)
    return lambda split, name: _tokenized(tokenizer, split["sequence"], name)


def _stored_ids(split: datasets.Dataset) -> Ids:
    """Return views of the ids as they are stored, two bytes a token."""
    column = split.with_format("arrow")["input_ids"][:]
    found: Ids = []
    for chunk in column.chunks if isinstance(column, pa.ChunkedArray) else [column]:
        offsets, values = chunk.offsets.to_numpy(), chunk.values.to_numpy()
        found += [values[first:last] for first, last in itertools.pairwise(offsets)]
    return found


def _tokenized(tokenizer: Any, sequences: Iterable[object], name: str) -> Ids:
    # Rows count from 0, as those of a dataset do.
    texts = normalized_rows(sequences, name, first_row=0)
    found: Ids = []
    for first in range(0, len(texts), 1_000):
        # Without `truncation` and `max_length`: length is checked by `read_examples`.
        ids = tokenizer(texts[first : first + 1_000], add_special_tokens=False, verbose=False)["input_ids"]
        found += [np.asarray(row, np.uint32) for row in ids]
    return found
