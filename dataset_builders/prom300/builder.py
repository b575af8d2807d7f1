"""Prom300: promoters against the same promoters with shuffled tokens."""

from dataclasses import KW_ONLY, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from dataset_builders.prom300.negatives import shuffled_order
from dataset_builders.promoters import PromoterTask, initiator_share
from dataset_builders.task import OPENED, opened_encoder
from dataset_builders.task_builder import RowBuilder
from dataset_builders.task_rows import (
    interval_features,
    row_columns,
    sequences_of,
    spelled_sequences,
    split_of,
    tokenized_alone,
    tokens_alone,
    tokens_in_context,
    usable_rows,
)
from grover_hf.corpus.splits import row_keys
from grover_hf.corpus.token_lookup import TokensOfEach
from grover_hf.errors import InputError
from grover_hf.tokenization.encoding import Encoder
from grover_hf.tokenization.kmer import KmerEncoder

CLASSES = ("shuffled", "promoter")
UPSTREAM_BP, DOWNSTREAM_BP = 249, 50
"""TSS -249 to +50, both included: 300 bp (Methods, "Prom300")."""


class Prom300(RowBuilder["Prom300Task"]):
    """A promoter and its shuffled copy, for every promoter that the genome holds."""

    def _info(self) -> datasets.DatasetInfo:
        return datasets.DatasetInfo(features=interval_features(CLASSES, shuffled=datasets.Value("bool")))

    def _split_generators(self, dl_manager: object) -> list[datasets.SplitGenerator]:
        task, corpus = self.task, self.task.opened
        dropped: dict[str, int] = {}
        promoters = task.start_sites(dropped)
        n_given = len(promoters) + sum(dropped.values())
        start = promoters["tss"] - np.where(promoters["strand"] == "+", UPSTREAM_BP, DOWNSTREAM_BP)
        promoters = promoters[["chrom", "strand", "tss"]].assign(
            start=start, end=start + UPSTREAM_BP + DOWNSTREAM_BP + 1
        )
        promoters = usable_rows(corpus, promoters, dropped, source=str(task.promoters), sense=task.sense)
        initiators = initiator_share(corpus, promoters, str(task.promoters))
        # A promoter and its copy stand together.
        rows = promoters.iloc[np.repeat(np.arange(len(promoters)), 2)].reset_index(drop=True)
        rows["label"] = np.tile([0, 1], len(promoters))
        rows["shuffled"] = rows["label"] == 0
        keys = row_keys(rows["chrom"], rows["start"].to_numpy(), rows["strand"], rows["label"].to_numpy())
        split = split_of(rows, keys, by=task.split_by, seed=task.seed)
        return self.labelled_splits(
            rows, split, CLASSES, n_given=n_given, dropped=dropped, initiator_share=initiators
        )

    def columns(self, rows: pd.DataFrame) -> dict[str, Any]:
        """Return the columns of rows, shuffled where they are to be."""
        corpus, unit = self.task.opened, self.task.unit
        if self.task.sense:
            tokens = tokens_alone(corpus.encoder, rows, sequences_of(corpus, rows, sense=True))
        else:
            tokens = tokens_in_context(corpus, rows)
        if unit is None:
            tokens = self._with_shuffled_tokens(tokens, rows)
        columns = row_columns(rows, tokens, spelled_sequences(corpus.encoder, tokens))
        if unit is not None:
            columns["sequence"] = self._with_shuffled_units(columns["sequence"], rows, unit)
        if unit is not None or self.task.retokenized:
            # Those that were not shuffled keep their tokens: they begin and end where tokens do.
            columns["input_ids"] = tokenized_alone(corpus.encoder, columns["sequence"])
        return columns

    def _with_shuffled_tokens(self, tokens: TokensOfEach, rows: pd.DataFrame) -> TokensOfEach:
        shuffled = np.flatnonzero(rows["shuffled"])
        first, last = tokens.offsets[shuffled], tokens.offsets[shuffled + 1]
        offsets = np.concatenate([[0], np.cumsum(last - first)])
        order = shuffled_order(offsets, _keys(rows.iloc[shuffled]), seed=self.task.seed)
        # Where the tokens of the shuffled rows stand among all.
        positions = np.arange(offsets[-1]) + np.repeat(first - offsets[:-1], last - first)
        input_ids = tokens.input_ids.copy()
        input_ids[positions] = tokens.input_ids[positions[order]]
        return tokens._replace(input_ids=input_ids)

    def _with_shuffled_units(self, sequences: pa.Array, rows: pd.DataFrame, unit: Encoder) -> list[str]:
        made: list[str] = sequences.to_pylist()
        keys = _keys(rows)
        for i in np.flatnonzero(rows["shuffled"]):
            _, starts, ends = unit.encode_with_offsets(made[i])
            order = shuffled_order(np.array([0, len(starts)]), keys[i : i + 1], seed=self.task.seed)
            made[i] = "".join(made[i][starts[j] : ends[j]] for j in order)
        return made


def _keys(rows: pd.DataFrame) -> NDArray[np.uint64]:
    """Return the key of each row's promoter."""
    return row_keys(rows["chrom"], rows["start"].to_numpy(), rows["strand"])


@dataclass(frozen=True)
class Prom300Task(PromoterTask):
    """Prom300 on a tokenized genome, whose tokenizer reads the sequences."""

    builder_class = Prom300
    dataset = "prom300"

    _: KW_ONLY
    sense: bool = False
    """Promoters of the "-" strand as their reverse complement; then all sequences are cut out and tokenized
    alone. Else all are read on the "+" strand, in the genome's context."""
    retokenized: bool = False
    """Tokenize the shuffled sequences again, so that no pair of tokens betrays them."""
    shuffle_unit: Encoder | str | Path | None = field(default=None, metadata=OPENED)
    """What is shuffled: "kmer-K", or a tokenizer, its folder or merges file; None for the tokens of the corpus."""

    def __post_init__(self) -> None:
        super().__post_init__()
        encoder = self.opened.encoder
        k = encoder.k if isinstance(encoder, KmerEncoder) else 1
        if self.sense and (n_bp := UPSTREAM_BP + DOWNSTREAM_BP + 1) % k:
            raise InputError(f"{k}-mers leave a tail of {n_bp} bp to no token; sense needs k that divides {n_bp}.")

    @cached_property
    def unit(self) -> Encoder | None:
        """What is shuffled; None for the tokens of the corpus."""
        if self.shuffle_unit is None or self.shuffle_unit == self.opened.encoder.name:
            return None
        unit = opened_encoder(self.shuffle_unit)
        return None if unit.vocabulary_sha256 == self.opened.vocabulary_sha256 else unit

    @property
    def variant(self) -> str:
        parts = [name for name, on in (("sense", self.sense), ("retokenized", self.retokenized)) if on]
        return "-".join(parts if self.unit is None else [*parts, f"shuffled-{self.unit.name}"])

    @property
    def inputs(self) -> dict[str, Any]:
        unit = self.unit
        return {
            **super().inputs, "shuffle_unit": (unit or self.opened.encoder).name,
            "shuffle_unit_sha256": None if unit is None else unit.vocabulary_sha256,
        }


plan = Prom300Task
