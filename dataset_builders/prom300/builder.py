"""Prom300: promoters against the same promoters with shuffled tokens."""

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
from dataset_builders.prom300.negatives import shuffled_order
from dataset_builders.promoters import initiator_share, promoters_of
from dataset_builders.task_rows import (
    arrow_table,
    configuration_name,
    count_classes,
    in_slices,
    interval_features,
    row_columns,
    sequences_of,
    spelled_sequences,
    split_generators,
    split_of,
    tokenized_alone,
    tokens_alone,
    tokens_in_context,
    usable_rows,
)
from grover_hf._internals.files import sha256_of_files
from grover_hf.corpus.splits import row_keys
from grover_hf.corpus.tokenized_genome import TokenizedGenome, TokensOfEach
from grover_hf.errors import InputError
from grover_hf.tokenization.encoding import Encoder
from grover_hf.tokenization.export import encoder_named
from grover_hf.tokenization.kmer import KmerEncoder

NAME = "prom300"
CARD = Path(__file__).parent / "README.md"
VERSION = "1.0.0"
CLASSES = ("shuffled", "promoter")
UPSTREAM_BP, DOWNSTREAM_BP = 249, 50
"""TSS -249 to +50, both included: 300 bp (Methods, "Prom300")."""
SPLITS_BY = ("random", "promoter", "chromosome")


@dataclass
class Prom300Config(datasets.BuilderConfig):
    """What to build; see `plan`."""

    corpus: str = ""
    promoters: str = ""
    chain: str | None = None
    sense: bool = False
    retokenized: bool = False
    shuffle_unit: str | None = None
    split_by: str = "random"
    seed: int = 0
    facts: dict[str, Any] = field(default_factory=dict, compare=False, repr=False)


class Prom300(datasets.ArrowBasedBuilder):
    """A promoter and its shuffled copy, for every promoter that the genome holds."""

    BUILDER_CONFIG_CLASS = Prom300Config
    config: Prom300Config

    def _info(self) -> datasets.DatasetInfo:
        return datasets.DatasetInfo(features=interval_features(CLASSES, shuffled=datasets.Value("bool")))

    def _split_generators(self, dl_manager: object) -> list[datasets.SplitGenerator]:
        config = self.config
        self._corpus = TokenizedGenome.open(config.corpus)
        dropped: dict[str, int] = {}
        promoters = promoters_of(config.promoters, config.chain, dropped)
        upstream = np.where(promoters["strand"] == "+", UPSTREAM_BP, DOWNSTREAM_BP)
        start = promoters["tss"] - upstream
        promoters = pd.DataFrame(
            {
                "chrom": promoters["chrom"], "start": start, "end": start + UPSTREAM_BP + DOWNSTREAM_BP + 1,
                "strand": promoters["strand"], "tss": promoters["tss"],
            }
        )
        n_given = len(promoters) + sum(dropped.values())
        promoters = usable_rows(self._corpus, promoters, dropped, source=config.promoters, sense=config.sense)
        initiators = initiator_share(self._corpus, promoters, config.promoters)
        # A promoter and its copy stand together.
        rows = promoters.iloc[np.repeat(np.arange(len(promoters)), 2)].reset_index(drop=True)
        rows["label"] = np.tile([0, 1], len(promoters))
        rows["shuffled"] = rows["label"] == 0
        keys = row_keys(rows["chrom"], rows["start"].to_numpy(), rows["strand"], rows["label"].to_numpy())
        split = split_of(rows, keys, by=config.split_by, seed=config.seed)
        config.facts |= {
            "n_given": n_given, "dropped": dropped, "initiator_share": initiators,
            "classes": count_classes(rows, split, CLASSES),
        }
        return split_generators(rows, split, CLASSES)

    def _generate_tables(self, rows: pd.DataFrame) -> Iterator[tuple[int, pa.Table]]:
        encoder = self._corpus.encoder
        unit = None if self.config.shuffle_unit is None else encoder_named(self.config.shuffle_unit)
        for first, some in in_slices(rows):
            if self.config.sense:
                tokens = tokens_alone(encoder, some, sequences_of(self._corpus, some, sense=True))
            else:
                tokens = tokens_in_context(self._corpus, some)
            if unit is None:
                tokens = self._with_shuffled_tokens(tokens, some)
            columns = row_columns(some, tokens, spelled_sequences(encoder, tokens))
            if unit is not None:
                columns["sequence"] = self._with_shuffled_units(columns["sequence"], some, unit)
            if unit is not None or self.config.retokenized:
                # Those that were not shuffled keep their tokens: they begin and end where tokens do.
                columns["input_ids"] = tokenized_alone(encoder, columns["sequence"])
            yield first, arrow_table(columns, self.info.features)

    def _with_shuffled_tokens(self, tokens: TokensOfEach, rows: pd.DataFrame) -> TokensOfEach:
        shuffled = np.flatnonzero(rows["shuffled"])
        first, last = tokens.offsets[shuffled], tokens.offsets[shuffled + 1]
        offsets = np.concatenate([[0], np.cumsum(last - first)])
        order = shuffled_order(offsets, _keys(rows.iloc[shuffled]), seed=self.config.seed)
        # Where the tokens of the shuffled rows stand among all.
        at = np.arange(offsets[-1]) + np.repeat(first - offsets[:-1], last - first)
        input_ids = tokens.input_ids.copy()
        input_ids[at] = tokens.input_ids[at[order]]
        return tokens._replace(input_ids=input_ids)

    def _with_shuffled_units(self, sequences: pa.Array, rows: pd.DataFrame, unit: Encoder) -> list[str]:
        made: list[str] = sequences.to_pylist()
        keys = _keys(rows)
        for i in np.flatnonzero(rows["shuffled"]):
            _, starts, ends = unit.encode_with_offsets(made[i])
            order = shuffled_order(np.array([0, len(starts)]), keys[i : i + 1], seed=self.config.seed)
            made[i] = "".join(made[i][starts[j] : ends[j]] for j in order)
        return made


def _keys(rows: pd.DataFrame) -> NDArray[np.uint64]:
    """Return the key of each row's promoter."""
    return row_keys(rows["chrom"], rows["start"].to_numpy(), rows["strand"])


def plan(  # noqa: PLR0913 - the options of the verb, by keyword
    corpus: str | Path, promoters: str | Path, *, chain: str | Path | None = None, sense: bool = False,
    retokenized: bool = False, shuffle_unit: str | None = None, split_by: str = "random", seed: int = 0,
) -> Plan:
    """Plan Prom300 on a tokenized genome.

    Args:
        corpus: A folder made by `grover tokenize`; its tokenizer reads the sequences.
        promoters: Start sites: BED of 1 bp, or EPD's BED, SGA or FPS.
        chain: A chain file, if the promoters are of another assembly than the genome.
        sense: Promoters of the "-" strand as their reverse complement; then all sequences are cut
            out and tokenized alone. Else all are read on the "+" strand, in the genome's context.
        retokenized: Tokenize the shuffled sequences again, so that no pair of tokens betrays them.
        shuffle_unit: What is shuffled: "kmer-K", or a tokenizer folder or merges file; None for the
            tokens of the corpus.
        split_by: "random" (the paper's), "promoter" (promoters that overlap, and their shuffled
            copies, stay together), or "chromosome".
        seed: Of the shuffling and of the split.

    Raises:
        InputError: If the inputs cannot be used.
    """
    opened = TokenizedGenome.open(corpus)
    if shuffle_unit == opened.encoder.name:
        shuffle_unit = None
    unit = None if shuffle_unit is None else encoder_named(shuffle_unit)
    if unit is not None and unit.vocabulary_sha256 == opened.vocabulary_sha256:
        unit = shuffle_unit = None
    k = opened.encoder.k if isinstance(opened.encoder, KmerEncoder) else 1
    if sense and (n_bp := UPSTREAM_BP + DOWNSTREAM_BP + 1) % k:
        raise InputError(f"{k}-mers leave a tail of {n_bp} bp to no token; sense needs k that divides {n_bp}.")
    variant = [name for name, on in (("sense", sense), ("retokenized", retokenized)) if on]
    if unit is not None:
        variant.append(f"shuffled-{unit.name}")
    config = configuration_name(opened.encoder.name, "-".join(variant), split_by, SPLITS_BY)
    choices = {"sense": sense, "retokenized": retokenized, "split_by": split_by, "seed": seed}
    files = [Path(path) for path in (promoters, chain) if path is not None]
    return Plan(
        builder_class=Prom300, dataset=NAME, config=config, version=VERSION,
        card=CARD, vocabulary_sha256=opened.vocabulary_sha256,
        settings={
            "corpus": str(corpus), "promoters": str(promoters), "chain": None if chain is None else str(chain),
            "shuffle_unit": shuffle_unit, **choices,
        },
        inputs={
            "corpus": opened.facts, "files": [path.name for path in files], "files_sha256": sha256_of_files(files),
            "shuffle_unit": opened.encoder.name if unit is None else unit.name,
            "shuffle_unit_sha256": None if unit is None else unit.vocabulary_sha256, **choices,
        },
    )
