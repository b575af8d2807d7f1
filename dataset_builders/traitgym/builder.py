"""TraitGym, from its Parquet files: variants that are thought to cause a trait, and matched ones that are not."""

import logging
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pandas as pd
import pyarrow as pa

from dataset_builders.task import OPENED, Task
from dataset_builders.task_builder import TaskBuilder
from dataset_builders.task_rows import arrow_table
from grover_hf._internals.files import sha256_of_files
from grover_hf.errors import InputError
from grover_hf.variants.files import read_variants

logger = logging.getLogger(__name__)

FOLDERS = {
    "mendelian_traits": "mendelian_traits_matched_9", "complex_traits": "complex_traits_matched_9",
    "mendelian_traits_full": "mendelian_traits_all", "complex_traits_full": "complex_traits_all",
}
"""Folder of each subset, as its authors name both."""
N_CAUSAL = {"mendelian_traits": 338, "complex_traits": 1_140}
"""Putative causal variants (Benegas, Eraslan and Song, bioRxiv 2025, https://doi.org/10.1101/2025.02.11.637758)."""
CONTROLS_EACH = 9
"""Controls of each causal variant in these two."""
CLASSES = ("control", "putative causal")
_NEEDED = {"chrom": "string", "pos": "int64", "ref": "string", "alt": "string"}
_KEPT = ("consequence", "match_group")


class TraitGym(TaskBuilder["TraitGymTask"]):
    """Variants with their labels, in the order of the file; all are test rows, as published."""

    def _info(self) -> datasets.DatasetInfo:
        texts = {name: datasets.Value("string") for name in _KEPT if name in self.task.rows}
        features = {name: datasets.Value(kind) for name, kind in _NEEDED.items()}
        label = datasets.ClassLabel(names=list(CLASSES))
        return datasets.DatasetInfo(features=datasets.Features({**features, **texts, "label": label}))

    def _split_generators(self, dl_manager: object) -> list[datasets.SplitGenerator]:
        task = self.task
        n_causal = int(task.rows["label"].sum())
        expected = N_CAUSAL.get(task.subset)
        as_published = None if expected is None else (len(task.rows), n_causal) == (
            expected * (1 + CONTROLS_EACH), expected
        )
        if as_published is False:
            assert expected is not None
            logger.warning(
                "%s has %d rows, %d of them causal; the published benchmark has %d and %d.",
                task.file, len(task.rows), n_causal, expected * (1 + CONTROLS_EACH), expected,
            )
        counts = dict(zip(CLASSES, (len(task.rows) - n_causal, n_causal), strict=True))
        self.config.facts |= {"as_published": as_published, "classes": counts}
        return [datasets.SplitGenerator(name=datasets.Split.TEST, gen_kwargs={"rows": task.rows})]

    def _generate_tables(self, rows: pd.DataFrame) -> Iterator[tuple[int, pa.Table]]:
        yield 0, arrow_table({name: rows[name].to_numpy() for name in rows}, self.info.features)


@dataclass(frozen=True)
class TraitGymTask(Task):
    """A subset of TraitGym, such as "mendelian_traits"."""

    builder_class = TraitGym

    source: str | Path = field(metadata=OPENED)
    """A folder with `mendelian_traits_matched_9/test.parquet` in it."""
    subset: str

    def __post_init__(self) -> None:
        if self.subset not in FOLDERS:
            raise InputError(f"TraitGym has no subset {self.subset!r}; it has {', '.join(FOLDERS)}.")
        if not self.file.exists():
            raise InputError(f"There is no {self.file}; `grover fetch traitgym` says where to get it.")

    @property
    def file(self) -> Path:
        """The file of the subset."""
        return Path(self.source) / FOLDERS[self.subset] / "test.parquet"

    @property
    def files(self) -> list[Path]:
        return [self.file]

    @property
    def dataset(self) -> str:
        return f"traitgym_{self.subset}"

    @property
    def config(self) -> str:
        return "variants"

    @property
    def vocabulary_sha256(self) -> None:
        return None

    @property
    def inputs(self) -> dict[str, Any]:
        return {**self.choices, "file_sha256": sha256_of_files(self.files)}

    @cached_property
    def rows(self) -> pd.DataFrame:
        """The variants: chrom, pos (from 1), ref, alt, what else is kept, and label as 0 or 1.

        Raises:
            InputError: If the file is not Parquet, lacks a column, or a row is not a labelled variant.
        """
        table = read_variants(self.file).table
        if "label" not in table:
            raise InputError(f"{self.file} has no column label; it has {', '.join(map(str, table))}.")
        # Published as true and false; 0 and 1 mean the same.
        bad = ~table["label"].isin([0, 1]).to_numpy()
        if bad.any():
            row = int(bad.argmax())
            given = table["label"].iloc[row]
            raise InputError(f"{self.file}, row {row + 1}: label is {given!r}, not true or false.")
        doubled = table.duplicated(list(_NEEDED)).to_numpy()
        if doubled.any():
            raise InputError(f"{self.file}, row {int(doubled.argmax()) + 1} is a variant that is there already.")
        kept = [name for name in _KEPT if name in table]
        return table[[*_NEEDED, *kept]].assign(label=table["label"].to_numpy().astype(np.int64))


plan = TraitGymTask
