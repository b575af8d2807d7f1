"""Any classification task of your own: intervals of a genome, or sequences, with labels."""

import re
from dataclasses import KW_ONLY, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dataset_builders.task import (
    FILE,
    OPENED,
    Task,
    configuration_name,
    opened_corpus,
    opened_encoder,
    require_split,
)
from dataset_builders.task_builder import RowBuilder
from dataset_builders.task_rows import (
    alone,
    in_context,
    interval_features,
    sequences_of,
    split_of,
    tokenized_alone,
    usable_rows,
)
from grover_hf._internals.records import plain
from grover_hf.corpus.splits import SPLITS, random_split, row_keys
from grover_hf.corpus.tokenized_genome import TokenizedGenome
from grover_hf.errors import InputError, shorten
from grover_hf.genome.annotations import read_bed, read_intervals, read_table
from grover_hf.genome.letters import normalized_rows
from grover_hf.tokenization.encoding import Encoder

_MISSING = ("", "NA", "NaN", "nan", "N/A", "n/a", "#N/A", "<NA>", "None", "NULL", "null")
"""What R, pandas, databases and spreadsheets write for a value that is missing."""


class Classification(RowBuilder["ClassificationTask"]):
    """The rows of a table, with the tokens of the genome where they have coordinates."""

    def _info(self) -> datasets.DatasetInfo:
        features = interval_features(self.task.classes)
        if self.task.opened is None:
            features = datasets.Features({name: features[name] for name in ("sequence", "input_ids", "label")})
        return datasets.DatasetInfo(features=features)

    def _split_generators(self, dl_manager: object) -> list[datasets.SplitGenerator]:
        task, rows, source = self.task, self.task.rows, str(self.task.table)
        n_given = len(rows)
        dropped: dict[str, int] = {}
        if task.opened is not None:
            place = ["chrom", "start", "end"]
            _require_one_label(rows, [*place, "strand"] if task.sense else place, source)
            rows = usable_rows(task.opened, rows, dropped, source=source, sense=task.sense)
        else:
            _require_one_label(rows, ["sequence"], source)
            repeated = rows.duplicated("sequence")
            dropped["duplicate"] = int(repeated.sum())
            rows = rows[~repeated].reset_index(drop=True)
        return self.labelled_splits(rows, self._split(rows), task.classes, n_given=n_given, dropped=dropped)

    def _split(self, rows: pd.DataFrame) -> NDArray[np.int64]:
        task = self.task
        if task.split_by == "column":
            return _split_column(rows, str(task.table))
        if task.opened is None:
            return random_split(row_keys(rows["sequence"]), seed=task.seed)
        keys = row_keys(rows["chrom"], rows["start"].to_numpy(), rows["end"].to_numpy(), rows["strand"])
        return split_of(rows, keys, by=task.split_by, seed=task.seed)

    def columns(self, rows: pd.DataFrame) -> dict[str, Any]:
        task = self.task
        if task.opened is None:
            ids = tokenized_alone(task.encoder, rows["sequence"])
            return {name: rows[name].to_numpy() for name in ("sequence", "label")} | {"input_ids": ids}
        if task.sense:
            return alone(task.encoder, rows, sequences_of(task.opened, rows, sense=True))
        return in_context(task.opened, rows)


@dataclass(frozen=True)
class ClassificationTask(Task):
    """A classification task of your own: a tokenized genome for intervals, or a tokenizer for sequences."""

    builder_class = Classification
    splits_by = ("random", "locus", "chromosome", "column")
    """By locus: intervals that overlap stay together; by column: the table's column `split` says train,
    validation or test."""

    table: str | Path = field(metadata=FILE)
    """See `labelled_rows`."""
    _: KW_ONLY
    corpus: TokenizedGenome | str | Path | None = field(default=None, metadata=OPENED)
    """For intervals: a tokenized genome, or a folder made by `grover tokenize`."""
    tokenizer: Encoder | str | Path | None = field(default=None, metadata=OPENED)
    """For sequences: a tokenizer, "kmer-K", a tokenizer folder or a merges file."""
    label_column: str = "label"
    """Column of the labels in a table with a header."""
    sense: bool = False
    """Intervals of the "-" strand as their reverse complement; then all are cut out and tokenized alone. Else
    all are read on the "+" strand, in the genome's context."""
    split_by: str = "random"
    """One of `splits_by`; at random 80, 10 and 10 %."""
    seed: int = 0
    """Seed of the split."""

    def __post_init__(self) -> None:
        require_split(self.split_by, self.splits_by)
        has_intervals = "start" in self.rows
        if has_intervals != (self.corpus is not None) or has_intervals == (self.tokenizer is not None):
            holds, needs = (
                ("intervals", "--corpus, or --genome and --tokenizer") if has_intervals
                else ("sequences", "--tokenizer")
            )
            raise InputError(f"{self.table} holds {holds}: {needs} must be given, and nothing else.")
        if not has_intervals and (self.sense or self.split_by in ("locus", "chromosome")):
            raise InputError(f"{self.table} holds sequences: strand, locus and chromosome are not known.")
        if self.sense and not self.rows.attrs["has_strands"]:
            raise InputError(f"{self.table} has rows without a strand, + or -: sense cannot turn them.")

    @cached_property
    def _labelled(self) -> tuple[pd.DataFrame, list[str]]:
        return labelled_rows(self.table, self.label_column)

    @property
    def rows(self) -> pd.DataFrame:
        """The rows of the table, with `label` as a number."""
        return self._labelled[0]

    @property
    def classes(self) -> list[str]:
        """Names of the classes, in the order of their numbers."""
        return self._labelled[1]

    def require_whole(self) -> None:
        if self.opened is not None:
            self.opened.require_whole()

    @cached_property
    def opened(self) -> TokenizedGenome | None:
        """The tokenized genome; None for sequences."""
        return None if self.corpus is None else opened_corpus(self.corpus)

    @cached_property
    def encoder(self) -> Encoder:
        """The tokenizer, that of the genome for intervals."""
        if self.opened is not None:
            return self.opened.encoder
        assert self.tokenizer is not None
        return opened_encoder(self.tokenizer)

    @property
    def dataset(self) -> str:
        return re.sub(r"\W+", "_", Path(self.table).name.split(".")[0]).lower()

    @property
    def config(self) -> str:
        return configuration_name(self.encoder.name, "sense" if self.sense else "", self.split_by, self.splits_by)

    @property
    def vocabulary_sha256(self) -> str:
        return self.encoder.vocabulary_sha256

    @property
    def inputs(self) -> dict[str, Any]:
        return {
            "corpus": None if self.opened is None else plain(self.opened.facts),
            "vocabulary": self.encoder.vocabulary_sha256, "class_names": self.classes, **self.files_read,
            **self.choices,
        }


plan = ClassificationTask


def labelled_rows(path: str | Path, label_column: str = "label") -> tuple[pd.DataFrame, list[str]]:
    """Read a table and number its classes.

    Args:
        path: BED with the label as the name (4th column), or a table with a header (.tsv, .csv; may
            be gzip) that has `chrom, start, end` and perhaps `strand`, or else `sequence`.
        label_column: Column of the labels in a table with a header.

    Returns:
        The rows with `label` as a number, and the names of the classes: integers in their order,
        anything else in alphabetical order.

    Raises:
        InputError: If there is no label, labels are measurements, or integers that skip a class.
    """
    path = Path(path)
    if ".bed" in [suffix.lower() for suffix in path.suffixes]:
        rows = read_bed(path)
        if "name" not in rows:
            raise InputError(f"{path} has no fourth column: in BED that is the label.")
        labels = rows["name"]
    else:
        header = read_table(path)
        rows = header if "sequence" in header and "start" not in header else read_intervals(path)
        if label_column not in rows:
            raise InputError(f"{path} has no column {label_column!r}; it has {', '.join(rows)}.")
        labels = rows[label_column]
    if "sequence" in rows and "start" not in rows:
        rows["sequence"] = normalized_rows(rows["sequence"].fillna(""), str(path))
    missing = (labels.isna() | labels.isin(_MISSING)).to_numpy()
    if missing.any():
        row = int(missing.argmax())
        raise InputError(
            f"{path}: {missing.sum()} rows have no label, the first is row {row + 1} ({labels.iloc[row]!r}). Take "
            "them out, or give their class a name."
        )
    names = sorted(set(labels.astype(str)))
    if all(re.fullmatch(r"\d+", name) for name in names):
        names = sorted(names, key=int)
        if names != [str(number) for number in range(len(names))]:
            raise InputError(
                f"{path} has the classes {shorten(names)}: integers must be 0, 1, 2, ... without a gap, each with "
                "rows. Other names are free."
            )
    elif all(re.fullmatch(r"[-+]?\d*\.?\d+(e[-+]?\d+)?", name, re.IGNORECASE) for name in names):
        raise InputError(f"{path}: labels such as {names[0]} are measurements; make classes of them first.")
    if len(names) < 2:
        raise InputError(f"{path} has only one class, {names[0]!r}; there is nothing to tell apart.")
    numbers = {name: number for number, name in enumerate(names)}
    kept = [name for name in ("chrom", "start", "end", "strand", "sequence", "split") if name in rows]
    labelled = rows[kept].assign(label=labels.astype(str).map(numbers))
    labelled.attrs["has_strands"] = rows.attrs.get("has_strands", False)
    return labelled, names


def _require_one_label(rows: pd.DataFrame, key: list[str], table: str) -> None:
    n_labels = rows.groupby(key)["label"].nunique()
    if (contradictory := n_labels > 1).any():
        raise InputError(
            f"{table}: {contradictory.sum()} rows stand there again with another label, such as "
            f"{_place(n_labels.index[contradictory.argmax()])}."
        )


def _place(key: Any) -> str:
    return f"{key[0]}:{key[1]}-{key[2]}" if isinstance(key, tuple) else str(key)[:60]


def _split_column(rows: pd.DataFrame, table: str) -> NDArray[np.int64]:
    if "split" not in rows:
        raise InputError(f"{table} has no column 'split'.")
    if unknown := sorted(set(rows["split"].astype(str)) - set(SPLITS)):
        raise InputError(f"{table}: split is {', '.join(unknown[:3])}; {', '.join(SPLITS)} are known.")
    numbers: NDArray[np.int64] = rows["split"].map({name: i for i, name in enumerate(SPLITS)}).to_numpy(np.int64)
    return numbers
