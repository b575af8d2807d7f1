"""The human tasks of the Nucleotide Transformer, from the FASTA or Parquet files of its authors."""

import logging
from dataclasses import KW_ONLY, dataclass
from pathlib import Path
from typing import Any

import datasets
import pandas as pd

from dataset_builders.task import BenchmarkTask
from dataset_builders.task_builder import BenchmarkBuilder
from grover_hf._internals.files import sha256_of_files
from grover_hf.corpus.splits import random_split, row_keys
from grover_hf.errors import InputError
from grover_hf.genome.gzip_files import file_text
from grover_hf.genome.letters import normalized_rows

logger = logging.getLogger(__name__)

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


class NucleotideTransformer(BenchmarkBuilder["NucleotideTransformerTask"]):
    """Rows of name, sequence and label, with the token ids of the sequence alone if wished."""

    first_features = {"name": datasets.Value("string")}  # noqa: RUF012 - nobody changes it

    def _split_generators(self, dl_manager: object) -> list[datasets.SplitGenerator]:
        task = self.task
        n_classes = len(task.class_names)
        train, test = (_read(task.file_of(split), task.subset, n_classes) for split in task.splits)
        as_published = (len(train), len(test)) == N_ROWS[task.subset]
        if not as_published:
            logger.warning(
                "%s: %s has %d rows in train and %d in test; the release that the paper used has %d and %d.",
                task.source, task.subset, len(train), len(test), *N_ROWS[task.subset],
            )
        # By sequence: one that occurs twice is never in train and validation both.
        keys = row_keys(train["sequence"])
        validation = random_split(keys, seed=task.seed, shares=(1 - VALIDATION_SHARE, VALIDATION_SHARE)) == 1
        known = set(train["sequence"][~validation])
        self.config.facts |= {
            "as_published": as_published, "test_rows_in_train": int(test["sequence"].isin(known).sum()),
        }
        parts = {"train": train[~validation], "validation": train[validation], "test": test}
        return [
            datasets.SplitGenerator(name=name, gen_kwargs={"rows": rows}) for name, rows in parts.items()
        ]


@dataclass(frozen=True)
class NucleotideTransformerTask(BenchmarkTask):
    """A human task of the Nucleotide Transformer, such as "promoter_all"."""

    builder_class = NucleotideTransformer
    benchmark = "The Nucleotide Transformer"
    labels = LABELS
    splits = ("train", "test")
    suffixes = (".fna", ".fasta", ".fa", ".parquet")

    _: KW_ONLY
    seed: int = 0
    """Seed of the choice of validation rows."""

    @property
    def dataset(self) -> str:
        return f"nt_{self.subset}"

    @property
    def inputs(self) -> dict[str, Any]:
        return {**self.choices, "labels": self.class_names, "files_sha256": sha256_of_files(self.files)}


plan = NucleotideTransformerTask


def _read(path: Path, task: str, n_classes: int) -> pd.DataFrame:
    """Return `name, sequence, label` of a file."""
    if path.suffix == ".parquet":
        try:
            table = pd.read_parquet(path)
        except (OSError, ValueError) as error:
            raise InputError(f"{path} is not a Parquet file: {' '.join(str(error).split())}") from error
        if missing := sorted({"sequence", "label"} - set(table)):
            raise InputError(f"{path} lacks the columns {', '.join(missing)}.")
        if "task" in table:
            table = table[table["task"] == task]
        if not pd.api.types.is_integer_dtype(table["label"]):
            raise InputError(f"{path} has labels of {table['label'].dtype}; labels are integers.")
        table = table.assign(name=table.get("name", pd.Series(".", table.index)).astype(str))
        table = table[["name", "sequence", "label"]]
    else:
        table = _read_fasta(path)
    labels = set(table["label"])
    if not labels <= set(range(n_classes)) or not len(table):
        raise InputError(
            f"{path} has {len(table)} rows with labels {sorted(labels)[:5]}; 0 to {n_classes - 1} are known."
        )
    sequences = normalized_rows(table["sequence"], str(path))
    return table.assign(sequence=sequences).reset_index(drop=True)


def _read_fasta(path: Path) -> pd.DataFrame:
    """Read records whose name ends in "|LABEL"."""
    records = file_text(path).split(">")
    if records[0].strip():
        raise InputError(f"{path} is not a FASTA file: it does not start with a line '>name|LABEL'.")
    parts = [record.partition("\n") for record in records[1:]]
    rows = [(name.strip(), letters.replace("\n", "")) for name, _, letters in parts]
    table = pd.DataFrame(rows, columns=["name", "sequence"])
    label = table["name"].str.extract(r"\|\s*(\d{1,9})$")[0]
    if label.isna().any() or not len(table):
        first = table["name"][label.isna()].head(1).tolist()
        raise InputError(f"{path}: the header {first} does not end in |LABEL with an integer.")
    return table.assign(label=label.astype("int64"))
