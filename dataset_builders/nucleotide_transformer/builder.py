"""The human tasks of the Nucleotide Transformer, from the FASTA or Parquet files of its authors."""

import logging
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import datasets
import pandas as pd
import pyarrow as pa

from dataset_builders.build import Plan
from dataset_builders.task_rows import arrow_table, tokenized_alone
from grover_hf._internals.files import sha256_of_files
from grover_hf.corpus.splits import random_split, row_keys
from grover_hf.errors import InputError
from grover_hf.tokenization.export import encoder_named

logger = logging.getLogger(__name__)

CARD = Path(__file__).parent / "README.md"
VERSION = "1.0.0"

_SPLICE = ("no splice site", "splice site")
LABELS: dict[str, tuple[str, ...]] = {
    **{f"promoter_{kind}": ("no promoter", "promoter") for kind in ("all", "no_tata", "tata")},
    "enhancers": ("no enhancer", "enhancer"),
    # The tasks with three classes name them by number alone.
    "enhancers_types": ("0", "1", "2"),
    "splice_sites_acceptors": _SPLICE, "splice_sites_donors": _SPLICE, "splice_sites_all": ("0", "1", "2"),
}
"""Names of the classes, by task."""

N_ROWS = {
    "promoter_all": (53_276, 5_920), "promoter_tata": (5_509, 621), "promoter_no_tata": (47_767, 5_299),
    "enhancers": (14_968, 400), "enhancers_types": (14_968, 400), "splice_sites_all": (27_000, 3_000),
    "splice_sites_acceptors": (19_961, 2_218), "splice_sites_donors": (19_775, 2_198),
}
"""Rows of train and test in the first release, which the paper used (its dataset card)."""
VALIDATION_SHARE = 0.05
"""Methods: "5% of the training split was used for validation"."""


@dataclass
class NucleotideTransformerConfig(datasets.BuilderConfig):
    """What to convert: the folder of the files, the task, and a tokenizer or none."""

    source: str = ""
    task: str = ""
    tokenizer: str | None = None
    seed: int = 0
    facts: dict[str, Any] = field(default_factory=dict, compare=False, repr=False)


class NucleotideTransformer(datasets.ArrowBasedBuilder):
    """Rows of name, sequence and label, with the token ids of the sequence alone if wished."""

    BUILDER_CONFIG_CLASS = NucleotideTransformerConfig
    config: NucleotideTransformerConfig

    def _info(self) -> datasets.DatasetInfo:
        features: dict[str, Any] = {"name": datasets.Value("string"), "sequence": datasets.Value("string")}
        if self.config.tokenizer is not None:
            features["input_ids"] = datasets.List(datasets.Value("uint16"))
        features["label"] = datasets.ClassLabel(names=list(LABELS[self.config.task]))
        return datasets.DatasetInfo(features=datasets.Features(features))

    def _split_generators(self, dl_manager: object) -> list[datasets.SplitGenerator]:
        config = self.config
        n_classes = len(LABELS[config.task])
        train, test = (
            _read(source_file(config.source, config.task, split), config.task, n_classes)
            for split in ("train", "test")
        )
        as_published = (len(train), len(test)) == N_ROWS[config.task]
        if not as_published:
            logger.warning(
                "%s: %s has %d rows in train and %d in test; the release that the paper used has %d and %d.",
                config.source, config.task, len(train), len(test), *N_ROWS[config.task],
            )
        # By sequence: one that occurs twice is never in train and validation both.
        keys = row_keys(train["sequence"])
        validation = random_split(keys, seed=config.seed, shares=(1 - VALIDATION_SHARE, VALIDATION_SHARE)) == 1
        known = set(train["sequence"][~validation])
        config.facts |= {
            "as_published": as_published, "test_rows_in_train": int(test["sequence"].isin(known).sum()),
        }
        parts = {"train": train[~validation], "validation": train[validation], "test": test}
        return [
            datasets.SplitGenerator(name=name, gen_kwargs={"rows": rows}) for name, rows in parts.items()
        ]

    def _generate_tables(self, rows: pd.DataFrame) -> Iterator[tuple[int, pa.Table]]:
        columns: dict[str, Any] = {name: rows[name].to_numpy() for name in ("name", "sequence", "label")}
        if self.config.tokenizer is not None:
            columns["input_ids"] = tokenized_alone(encoder_named(self.config.tokenizer), rows["sequence"])
        yield 0, arrow_table(columns, self.info.features)


def plan(source: str | Path, task: str, *, tokenizer: str | Path | None = None, seed: int = 0) -> Plan:
    """Plan to convert a human task of the Nucleotide Transformer.

    Args:
        source: The folder with `TASK/train.fna` and `TASK/test.fna`, or the same as .parquet.
        task: Such as "promoter_all".
        tokenizer: "kmer-K", a tokenizer folder or a merges file, for token ids; None for sequences alone.
        seed: Of the choice of validation rows.

    Raises:
        InputError: If files are missing.
    """
    encoder = None if tokenizer is None else encoder_named(tokenizer)
    files = [source_file(source, task, split) for split in ("train", "test")]
    return Plan(
        builder_class=NucleotideTransformer, dataset=f"nt_{task}",
        config="sequences" if encoder is None else encoder.name, version=VERSION, card=CARD,
        vocabulary_sha256=None if encoder is None else encoder.vocabulary_sha256,
        settings={
            "source": str(source), "task": task, "tokenizer": None if tokenizer is None else str(tokenizer),
            "seed": seed,
        },
        inputs={"subset": task, "labels": LABELS[task], "seed": seed, "files_sha256": sha256_of_files(files)},
    )


def source_file(source: str | Path, task: str, split: str) -> Path:
    """Return the file of a split.

    Raises:
        InputError: If the task is unknown or the file is missing.
    """
    if task not in LABELS:
        raise InputError(f"The Nucleotide Transformer has no human task {task!r}; it has {', '.join(LABELS)}.")
    folder = Path(source) / task
    for name in (f"{split}.fna", f"{split}.fasta", f"{split}.fa", f"{split}.parquet"):
        if (folder / name).exists():
            return folder / name
    raise InputError(f"There is no {folder / split}.fna, nor .fasta, .fa or .parquet.")


def _read(path: Path, task: str, n_classes: int) -> pd.DataFrame:
    """Return `name, sequence, label` of a file."""
    if path.suffix == ".parquet":
        table = pd.read_parquet(path)
        if missing := sorted({"sequence", "label"} - set(table)):
            raise InputError(f"{path} lacks the columns {', '.join(missing)}.")
        if "task" in table:
            table = table[table["task"] == task]
        table = table.assign(name=table.get("name", "."))[["name", "sequence", "label"]]
    else:
        table = _read_fasta(path)
    labels = set(table["label"])
    if not labels <= set(range(n_classes)) or not len(table):
        raise InputError(
            f"{path} has {len(table)} rows with labels {sorted(labels)[:5]}; 0 to {n_classes - 1} are known."
        )
    table["sequence"] = table["sequence"].str.upper()
    odd = ~table["sequence"].str.fullmatch("[ACGTN]+")
    if odd.any():
        raise InputError(f"{path}: {table['sequence'][odd].iloc[0][:40]!r}... is no sequence over A, C, G, T, N.")
    return table.reset_index(drop=True)


def _read_fasta(path: Path) -> pd.DataFrame:
    """Read records whose name ends in "|LABEL"."""
    records = path.read_text().split(">")
    if records[0].strip():
        raise InputError(f"{path} is no FASTA file: it does not start with a line '>name|LABEL'.")
    parts = [record.partition("\n") for record in records[1:]]
    rows = [(name.strip(), letters.replace("\n", "")) for name, _, letters in parts]
    table = pd.DataFrame(rows, columns=["name", "sequence"])
    label = table["name"].str.extract(r"\|\s*(\d+)$")[0]
    if label.isna().any() or not len(table):
        first = table["name"][label.isna()].head(1).tolist()
        raise InputError(f"{path}: the header {first} does not end in |LABEL with an integer.")
    return table.assign(label=label.astype("int64"))
