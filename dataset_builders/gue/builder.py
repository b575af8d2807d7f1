"""The human tasks of GUE, from the CSV files of its authors."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import datasets
import pyarrow as pa
import pyarrow.csv

from dataset_builders.build import Plan
from dataset_builders.task_rows import tokenized_alone
from grover_hf._internals.files import sha256_of_files
from grover_hf.errors import InputError
from grover_hf.tokenization.export import encoder_named

CARD = Path(__file__).parent / "README.md"
VERSION = "1.0.0"

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


@dataclass
class GueConfig(datasets.BuilderConfig):
    """What to convert: the folder of the CSV files, the subset, and a tokenizer or none."""

    source: str = ""
    subset: str = ""
    tokenizer: str | None = None
    facts: dict[str, Any] = field(default_factory=dict, compare=False, repr=False)


class Gue(datasets.ArrowBasedBuilder):
    """Rows of sequence and label, with the token ids of the sequence alone if a tokenizer is given."""

    BUILDER_CONFIG_CLASS = GueConfig
    config: GueConfig

    def _info(self) -> datasets.DatasetInfo:
        features: dict[str, Any] = {"sequence": datasets.Value("string")}
        if self.config.tokenizer is not None:
            features["input_ids"] = datasets.List(datasets.Value("uint16"))
        features["label"] = datasets.ClassLabel(names=list(LABELS[self.config.subset]))
        return datasets.DatasetInfo(features=datasets.Features(features))

    def _split_generators(self, dl_manager: object) -> list[datasets.SplitGenerator]:
        subset = self.config.subset
        tables = {
            split: _read(csv_path(self.config.source, subset, split), len(LABELS[subset])) for split in _SPLITS
        }
        found = tuple(len(table) for table in tables.values())
        if found != N_ROWS[subset]:
            raise InputError(
                f"{self.config.source}: {subset} has {found} rows in train, dev and test; the published "
                f"benchmark has {N_ROWS[subset]}."
            )
        known = set(tables["train"]["sequence"].to_pylist())
        self.config.facts["in_train"] = {
            split: sum(sequence in known for sequence in tables[split]["sequence"].to_pylist())
            for split in ("dev", "test")
        }
        return [
            datasets.SplitGenerator(name=_SPLITS[split], gen_kwargs={"table": table})
            for split, table in tables.items()
        ]

    def _generate_tables(self, table: pa.Table) -> Iterator[tuple[int, pa.Table]]:
        if self.config.tokenizer is not None:
            ids = tokenized_alone(encoder_named(self.config.tokenizer), table["sequence"].to_pylist())
            table = table.append_column("input_ids", ids)
        yield 0, table.select(list(self.info.features)).cast(self.info.features.arrow_schema)


def plan(source: str | Path, subset: str, *, tokenizer: str | Path | None = None) -> Plan:
    """Plan to convert a human task of GUE; the tokenizer names the configuration, or "sequences".

    Args:
        source: The folder of GUE's CSV files, with `tf/0/train.csv` in it, plain or gzip.
        subset: The task, such as "tf/0" or "prom/prom_core_tata".
        tokenizer: "kmer-K", a tokenizer folder or a merges file, for token ids; None for sequences alone.

    Raises:
        InputError: If files are missing.
    """
    encoder = None if tokenizer is None else encoder_named(tokenizer)
    files = [csv_path(source, subset, split) for split in ("train", "dev", "test")]
    return Plan(
        builder_class=Gue, dataset="gue_" + subset.replace("/", "_"),
        config="sequences" if encoder is None else encoder.name, version=VERSION, card=CARD,
        vocabulary_sha256=None if encoder is None else encoder.vocabulary_sha256,
        settings={
            "source": str(source), "subset": subset, "tokenizer": None if tokenizer is None else str(tokenizer),
        },
        inputs={"subset": subset, "labels": LABELS[subset], "csv_sha256": sha256_of_files(files)},
    )


def csv_path(source: str | Path, subset: str, split: str) -> Path:
    """Return the CSV file of a split, plain or gzip.

    Raises:
        InputError: If the subset is unknown or the file is missing.
    """
    if subset not in LABELS:
        raise InputError(f"GUE has no human subset {subset!r}; it has {', '.join(LABELS)}.")
    for name in (f"{split}.csv", f"{split}.csv.gz"):
        path = Path(source) / subset / name
        if path.exists():
            return path
    raise InputError(
        f"There is no {Path(source) / subset / split}.csv, nor .csv.gz; `grover fetch gue` says where to get them."
    )


def _read(path: Path, n_classes: int) -> pa.Table:
    types = {"sequence": pa.string(), "label": pa.int64()}
    try:
        with pa.input_stream(str(path), compression="detect") as stream:
            options = pyarrow.csv.ConvertOptions(column_types=types, include_columns=list(types))
            table = pyarrow.csv.read_csv(stream, convert_options=options)
    except (pa.ArrowInvalid, pa.ArrowKeyError, OSError) as error:
        raise InputError(f"{path} is no CSV with the columns sequence and label: {error}") from error
    labels = table["label"].to_numpy()
    if len(labels) and not (labels.min() >= 0 and labels.max() < n_classes):
        raise InputError(f"{path} has labels {labels.min()} to {labels.max()}; 0 to {n_classes - 1} are known.")
    for row, sequence in enumerate(table["sequence"].to_pylist(), 2):
        if not sequence or set(sequence) - set("ACGTN"):
            raise InputError(f"{path}, line {row}: {sequence[:40]!r}... is no sequence over A, C, G, T, N.")
    return table
