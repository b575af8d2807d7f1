"""Any classification task of your own: intervals of a genome, or sequences, with labels."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from dataset_builders.build import Plan
from dataset_builders.task_rows import (
    alone,
    arrow_table,
    configuration_name,
    count_classes,
    in_context,
    in_slices,
    interval_features,
    sequences_of,
    split_generators,
    split_of,
    tokenized_alone,
    usable_rows,
)
from grover_hf._internals.files import sha256_of_files
from grover_hf.corpus.splits import SPLITS, random_split, row_keys
from grover_hf.corpus.tokenized_genome import TokenizedGenome
from grover_hf.errors import InputError, shorten
from grover_hf.genome.annotations import read_bed, read_intervals, read_table
from grover_hf.tokenization.export import encoder_named

CARD = Path(__file__).parent / "README.md"
VERSION = "1.0.0"
SPLITS_BY = ("random", "locus", "chromosome", "column")


@dataclass
class ClassificationConfig(datasets.BuilderConfig):
    """What to build; see `plan`."""

    table: str = ""
    label_column: str = "label"
    corpus: str | None = None
    tokenizer: str | None = None
    sense: bool = False
    split_by: str = "random"
    seed: int = 0
    facts: dict[str, Any] = field(default_factory=dict, compare=False, repr=False)


class Classification(datasets.ArrowBasedBuilder):
    """The rows of a table, with the tokens of the genome where they have coordinates."""

    BUILDER_CONFIG_CLASS = ClassificationConfig
    config: ClassificationConfig

    def _info(self) -> datasets.DatasetInfo:
        self._rows, self._classes = labelled_rows(self.config.table, self.config.label_column)
        features = interval_features(self._classes)
        if self.config.corpus is None:
            features = datasets.Features({name: features[name] for name in ("sequence", "input_ids", "label")})
        return datasets.DatasetInfo(features=features)

    def _split_generators(self, dl_manager: object) -> list[datasets.SplitGenerator]:
        config, rows = self.config, self._rows
        dropped: dict[str, int] = {}
        if config.corpus is not None:
            self._corpus = TokenizedGenome.open(config.corpus)
            place = ["chrom", "start", "end"]
            _require_one_label(rows, [*place, "strand"] if config.sense else place, config.table)
            rows = usable_rows(self._corpus, rows, dropped, source=config.table, sense=config.sense)
        else:
            _require_one_label(rows, ["sequence"], config.table)
            repeated = rows.duplicated("sequence")
            dropped["duplicate"] = int(repeated.sum())
            rows = rows[~repeated].reset_index(drop=True)
        split = self._split(rows)
        config.facts |= {
            "n_given": len(self._rows), "dropped": dropped, "classes": count_classes(rows, split, self._classes),
        }
        return split_generators(rows, split, self._classes)

    def _split(self, rows: pd.DataFrame) -> NDArray[np.int64]:
        if self.config.split_by == "column":
            return _split_column(rows, self.config.table)
        if self.config.corpus is None:
            return random_split(row_keys(rows["sequence"]), seed=self.config.seed)
        keys = row_keys(rows["chrom"], rows["start"].to_numpy(), rows["end"].to_numpy(), rows["strand"])
        return split_of(rows, keys, by=self.config.split_by, seed=self.config.seed)

    def _generate_tables(self, rows: pd.DataFrame) -> Iterator[tuple[int, pa.Table]]:
        tokenizer = self.config.tokenizer
        encoder = self._corpus.encoder if tokenizer is None else encoder_named(tokenizer)
        for first, some in in_slices(rows):
            if self.config.corpus is None:
                ids = tokenized_alone(encoder, some["sequence"])
                columns = {name: some[name].to_numpy() for name in ("sequence", "label")} | {"input_ids": ids}
            elif self.config.sense:
                sequences = sequences_of(self._corpus, some, sense=True)
                columns = alone(encoder, some, sequences)
            else:
                columns = in_context(self._corpus, some)
            yield first, arrow_table(columns, self.info.features)


def labelled_rows(path: str | Path, label_column: str = "label") -> tuple[pd.DataFrame, list[str]]:
    """Read a table and number its classes.

    Args:
        path: BED with the label as the name (4th column), or a table with a header (.tsv, .csv; may
            be gzip) that has `chrom, start, end` and perhaps `strand`, or else `sequence`.
        label_column: Of a table with a header.

    Returns:
        The rows with `label` as a number, and the names of the classes: integers in their order,
        anything else in alphabetical order.

    Raises:
        InputError: If there is no label, labels are measurements, or integers that skip a class.
    """
    path = Path(path)
    if ".bed" in path.suffixes:
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
        rows["sequence"] = rows["sequence"].fillna("").str.upper()
        if (odd := ~rows["sequence"].str.fullmatch("[ACGTN]+")).any():
            raise InputError(f"{path}, row {int(odd.argmax()) + 1}: no sequence over A, C, G, T, N.")
    if labels.isna().any():
        missing = labels.isna()
        raise InputError(f"{path}: {missing.sum()} rows have no label, first row {missing.argmax() + 1}.")
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
        raise InputError(f"{path} has one class alone, {names[0]!r}; there is nothing to tell apart.")
    numbers = {name: number for number, name in enumerate(names)}
    kept = [name for name in ("chrom", "start", "end", "strand", "sequence", "split") if name in rows]
    labelled = rows[kept].assign(label=labels.astype(str).map(numbers))
    labelled.attrs["has_strands"] = rows.attrs.get("has_strands", False)
    return labelled, names


def plan(
    table: str | Path, *, corpus: str | Path | None = None, tokenizer: str | Path | None = None,
    label_column: str = "label", sense: bool = False, split_by: str = "random", seed: int = 0,
) -> Plan:
    """Plan a classification task of your own.

    Args:
        table: See `labelled_rows`.
        corpus: For intervals: a folder made by `grover tokenize`.
        tokenizer: For sequences: "kmer-K", a tokenizer folder or a merges file.
        label_column: Of a table with a header.
        sense: Intervals of the "-" strand as their reverse complement; then all are cut out and
            tokenized alone. Else all are read on the "+" strand, in the genome's context.
        split_by: "random" (80, 10 and 10 %), "locus" (intervals that overlap stay together),
            "chromosome", or "column": the table's column `split` says train, validation or test.
        seed: Of the split.

    Raises:
        InputError: If the inputs cannot be used.
    """
    rows, classes = labelled_rows(table, label_column)
    has_intervals = "start" in rows
    if has_intervals != (corpus is not None) or has_intervals == (tokenizer is not None):
        needs = "intervals: --corpus, or --genome and --tokenizer" if has_intervals else "sequences: --tokenizer"
        raise InputError(f"{table} holds {needs} must be given, and nothing else.")
    if not has_intervals and (sense or split_by in ("locus", "chromosome")):
        raise InputError(f"{table} holds sequences: strand, locus and chromosome are not known.")
    if sense and not rows.attrs["has_strands"]:
        raise InputError(f"{table} has rows without a strand, + or -: sense cannot turn them.")
    opened = None if corpus is None else TokenizedGenome.open(corpus)
    encoder = encoder_named(tokenizer) if opened is None else opened.encoder  # type: ignore[arg-type]
    config = configuration_name(encoder.name, "sense" if sense else "", split_by, SPLITS_BY)
    choices = {"label_column": label_column, "sense": sense, "split_by": split_by, "seed": seed}
    table = Path(table)
    return Plan(
        builder_class=Classification, dataset=re.sub(r"\W+", "_", table.name.split(".")[0]).lower(),
        config=config, version=VERSION, card=CARD,
        vocabulary_sha256=encoder.vocabulary_sha256,
        settings={
            "table": str(table), "corpus": None if corpus is None else str(corpus),
            "tokenizer": None if tokenizer is None else str(tokenizer), **choices,
        },
        inputs={
            "corpus": None if opened is None else opened.facts, "vocabulary": encoder.vocabulary_sha256,
            "class_names": classes, "files": [table.name], "files_sha256": sha256_of_files([table]), **choices,
        },
    )


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
