"""What builders have in common: their configuration is the options of a task, and rows come in slices."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Generic, TypeVar

import datasets
import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from dataset_builders.task import BenchmarkTask, CorpusTask, Task
from dataset_builders.task_rows import (
    arrow_table,
    count_classes,
    in_context,
    in_slices,
    split_generators,
    tokenized_alone,
)

T = TypeVar("T", bound=Task)
C = TypeVar("C", bound=CorpusTask)
B = TypeVar("B", bound=BenchmarkTask)


@dataclass
class TaskConfig(datasets.BuilderConfig):  # type: ignore[misc]
    """What `datasets` calls a builder's configuration."""

    task: Any = None
    facts: dict[str, Any] = field(default_factory=dict, compare=False, repr=False)
    """Filled while the rows are made: what the card says of them."""

    def create_config_id(self, config_kwargs: Any, custom_features: Any = None) -> str:
        """Return the name: the build has a hash of its own, and else the library would pickle whole genomes."""
        return str(self.name)


class TaskBuilder(datasets.ArrowBasedBuilder, ABC, Generic[T]):  # type: ignore[misc]
    """A builder of a task.

    Subclasses say which features and splits there are (`_info`, `_split_generators`), and make the tables.
    """

    BUILDER_CONFIG_CLASS = TaskConfig
    config: TaskConfig

    @property
    def task(self) -> T:
        """The options."""
        task: T = self.config.task
        return task


class RowBuilder(TaskBuilder[T]):
    """A builder of labelled rows: subclasses say the columns of some rows, and tables are made in slices."""

    @abstractmethod
    def columns(self, rows: pd.DataFrame) -> dict[str, Any]:
        """Return the columns of some rows."""

    def labelled_splits(
        self, rows: pd.DataFrame, split: NDArray[np.integer], class_names: Sequence[str], **facts: Any
    ) -> list[datasets.SplitGenerator]:
        """Return the splits of rows with labels; their counts and other facts go onto the card."""
        self.config.facts |= {**facts, "classes": count_classes(rows, split, class_names)}
        return split_generators(rows, split, class_names)

    def _generate_tables(self, rows: pd.DataFrame) -> Iterator[tuple[int, pa.Table]]:
        for first, some_rows in in_slices(rows):
            yield first, arrow_table(self.columns(some_rows), self.info.features)


class IntervalBuilder(RowBuilder[C]):
    """A builder of rows with coordinates, whose tokens are those of the genome."""

    def columns(self, rows: pd.DataFrame) -> dict[str, Any]:
        return in_context(self.task.opened, rows)


class BenchmarkBuilder(RowBuilder[B]):
    """A builder of the rows of a benchmark."""

    first_features: ClassVar[dict[str, Any]] = {}
    """Columns before the sequence."""

    def _info(self) -> datasets.DatasetInfo:
        ids = {} if self.task.encoder is None else {"input_ids": datasets.List(datasets.Value("uint16"))}
        label = datasets.ClassLabel(names=list(self.task.class_names))
        features = {**self.first_features, "sequence": datasets.Value("string"), **ids, "label": label}
        return datasets.DatasetInfo(features=datasets.Features(features))

    def columns(self, rows: pd.DataFrame) -> dict[str, Any]:
        columns: dict[str, Any] = {name: rows[name].to_numpy() for name in rows}
        if self.task.encoder is not None:
            columns["input_ids"] = tokenized_alone(self.task.encoder, rows["sequence"])
        return columns

    def _generate_tables(self, rows: pd.DataFrame) -> Iterator[tuple[int, pa.Table]]:
        yield 0, arrow_table(self.columns(rows), self.info.features)
