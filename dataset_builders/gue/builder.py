"""The human tasks of GUE, from the CSV files of its authors."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import datasets
import pandas as pd
import pyarrow as pa
import pyarrow.csv

from dataset_builders.task import BenchmarkTask
from dataset_builders.task_builder import BenchmarkBuilder
from grover_hf._internals.files import sha256_of_files
from grover_hf.errors import InputError
from grover_hf.genome.letters import normalized_rows

_BINDING = ("unbound", "bound")
_PROMOTER = ("no promoter", "promoter")
LABELS: dict[str, tuple[str, ...]] = {
    **{f"tf/{n}": _BINDING for n in range(5)},
    **{f"prom/prom_{size}_{kind}": _PROMOTER for size in ("300", "core") for kind in ("all", "notata", "tata")},
    # Not said by its authors, but plain in the rows: class 0 has AG before the middle in 99 % of
    # its rows, class 1 has GT after it.
    "splice/reconstructed": ("acceptor", "donor", "neither"),
}
"""Names of the classes, by subset."""

N_ROWS: dict[str, tuple[int, int, int]] = {
    **{f"tf/{n}": (rows, 1_000, 1_000) for n, rows in enumerate((32_378, 30_672, 19_000, 27_294, 19_000))},
    **{
        f"prom/prom_{size}_{kind}": rows
        for size in ("300", "core")
        for kind, rows in {
            "all": (47_356, 5_920, 5_920), "notata": (42_452, 5_307, 5_307), "tata": (4_904, 613, 613),
        }.items()
    },
    "splice/reconstructed": (36_496, 4_562, 4_562),
}
"""Rows of train, dev and test (Zhou et al., DNABERT-2, ICLR 2024, appendix)."""

_SPLITS = {"train": datasets.Split.TRAIN, "dev": datasets.Split.VALIDATION, "test": datasets.Split.TEST}


class Gue(BenchmarkBuilder["GueTask"]):
    """Rows of sequence and label, with the token ids of the sequence alone if a tokenizer is given."""

    def _split_generators(self, dl_manager: object) -> list[datasets.SplitGenerator]:
        task = self.task
        tables = {split: _read(task.file_of(split), len(task.class_names)) for split in _SPLITS}
        n_rows = tuple(len(table) for table in tables.values())
        if n_rows != N_ROWS[task.subset]:
            raise InputError(
                f"{task.source}: {task.subset} has {n_rows} rows in train, dev and test; the published "
                f"benchmark has {N_ROWS[task.subset]}."
            )
        in_train = {
            split: int(tables[split]["sequence"].isin(set(tables["train"]["sequence"])).sum())
            for split in ("dev", "test")
        }
        self.config.facts |= {"in_train": in_train}
        return [
            datasets.SplitGenerator(name=name, gen_kwargs={"rows": tables[split]})
            for split, name in _SPLITS.items()
        ]


@dataclass(frozen=True)
class GueTask(BenchmarkTask):
    """A human task of GUE, such as "tf/0" or "prom/prom_core_tata"; `source` has `tf/0/train.csv` in it."""

    builder_class = Gue
    benchmark = "GUE"
    labels = LABELS
    splits = tuple(_SPLITS)
    suffixes = (".csv", ".csv.gz")

    @property
    def dataset(self) -> str:
        return "gue_" + self.subset.replace("/", "_")

    @property
    def inputs(self) -> dict[str, Any]:
        return {**self.choices, "labels": self.class_names, "csv_sha256": sha256_of_files(self.files)}


plan = GueTask


def _read(path: Path, n_classes: int) -> pd.DataFrame:
    types = {"sequence": pa.string(), "label": pa.int64()}
    try:
        with pa.input_stream(str(path), compression="detect") as stream:
            options = pyarrow.csv.ConvertOptions(column_types=types, include_columns=list(types))
            table = pyarrow.csv.read_csv(stream, convert_options=options).to_pandas()
    except (pa.ArrowInvalid, pa.ArrowKeyError, OSError) as error:
        why = " ".join(str(error).split())
        raise InputError(f"{path} is not a CSV with the columns sequence and label: {why}") from error
    labels = table["label"]
    if labels.isna().any():
        raise InputError(f"{path}, row {int(labels.isna().argmax()) + 2}: it has no label.")
    if len(labels) and not (labels.min() >= 0 and labels.max() < n_classes):
        raise InputError(f"{path} has labels {labels.min()} to {labels.max()}; 0 to {n_classes - 1} are known.")
    # The header is line 1.
    return table.assign(sequence=normalized_rows(table["sequence"], str(path), first_row=2))
