"""Next-k-mer prediction: 50 bases in, the k that follow as one of 4^k classes."""

import itertools
import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from dataset_builders.build import Plan
from dataset_builders.task_rows import alone, arrow_table, in_slices, interval_features
from grover_hf._internals.counter_rng import keyed_bits
from grover_hf.corpus.next_kmer import CONTEXT_BP
from grover_hf.corpus.splits import SPLITS, random_split, row_keys
from grover_hf.errors import InputError
from grover_hf.genome.acgt import NOT_ACGT, sequence_of
from grover_hf.genome.letters import BASES
from grover_hf.genome.reference import ReferenceGenome
from grover_hf.tokenization.export import encoder_named
from grover_hf.tokenization.kmer import KmerEncoder

logger = logging.getLogger(__name__)

CARD = Path(__file__).parent / "README.md"
VERSION = "1.0.0"
KS = (2, 3, 4, 5, 6)
PIECE_BP = 56
"""Methods: "we keep the first 56 nucleotides", 50 of them the sample."""
N_ROWS = 500_000
SHARES = (0.72, 0.08, 0.2)
"""Methods: 80 % train, 20 % test; ours: a tenth of train for validation."""


@dataclass
class NextKmerConfig(datasets.BuilderConfig):
    """What to build; see `plan`."""

    genome: str = ""
    tokenizer: str = ""
    k: int = 6
    chromosomes: tuple[str, ...] = ()
    n_rows: int = N_ROWS
    right_aligned: bool = False
    seed: int = 0
    facts: dict[str, Any] = field(default_factory=dict, compare=False, repr=False)


class NextKmer(datasets.ArrowBasedBuilder):
    """The first 50 bases of 56-bp pieces of a chromosome, tokenized alone, and what follows."""

    BUILDER_CONFIG_CLASS = NextKmerConfig
    config: NextKmerConfig

    def _info(self) -> datasets.DatasetInfo:
        kmers = ["".join(kmer) for kmer in itertools.product(BASES, repeat=self.config.k)]
        return datasets.DatasetInfo(features=interval_features(kmers))

    def _split_generators(self, dl_manager: object) -> list[datasets.SplitGenerator]:
        config = self.config
        self._encoder = encoder_named(config.tokenizer)
        self._codes = {}
        pieces = []
        n_with_n = 0
        genome = ReferenceGenome(config.genome, config.chromosomes)
        for chrom in genome.chromosomes:
            codes = self._codes[chrom] = genome.codes(chrom)
            starts = np.arange(0, codes.size - PIECE_BP + 1, PIECE_BP)
            known = (codes[: starts.size * PIECE_BP].reshape(-1, PIECE_BP) < NOT_ACGT).all(1)
            n_with_n += int((~known).sum())
            starts = starts[known]
            pieces.append(pd.DataFrame({"chrom": chrom, "start": starts, "end": starts + CONTEXT_BP}))
        rows = pd.concat(pieces, ignore_index=True)
        n_pieces = len(rows)
        if n_pieces > config.n_rows:
            keys = row_keys(rows["chrom"], rows["start"].to_numpy())
            drawn = keyed_bits(config.seed, 1, keys)
            rows = rows.iloc[np.sort(np.argpartition(drawn, config.n_rows)[: config.n_rows])]
        elif n_pieces < config.n_rows:
            logger.warning(
                "%s: %s pieces of %d bp without N in %s; fewer than %s, all are used.", config.genome,
                f"{n_pieces:,}", PIECE_BP, ", ".join(genome.chromosomes), f"{config.n_rows:,}",
            )
        keys = row_keys(rows["chrom"], rows["start"].to_numpy())
        split = random_split(keys, seed=config.seed, shares=SHARES)
        config.facts |= {"n_pieces": n_pieces, "n_pieces_with_n": n_with_n, "n_rows": len(rows)}
        if set(split.tolist()) != {0, 1, 2}:
            raise InputError(f"{config.genome} gives {n_pieces} pieces, too few for train, validation and test.")
        return [
            datasets.SplitGenerator(name=name, gen_kwargs={"rows": rows[split == number]})
            for number, name in enumerate(SPLITS)
        ]

    def _generate_tables(self, rows: pd.DataFrame) -> Iterator[tuple[int, pa.Table]]:
        encoder = self._encoder
        skipped = CONTEXT_BP % encoder.k if self.config.right_aligned and isinstance(encoder, KmerEncoder) else 0
        weights = 4 ** np.arange(self.config.k - 1, -1, -1)
        for first, some in in_slices(rows):
            pieces = self._pieces(some)
            labels = pieces[:, CONTEXT_BP : CONTEXT_BP + self.config.k] @ weights
            given = some.assign(start=some["start"] + skipped, strand="+", label=labels)
            letters = sequence_of(pieces[:, skipped:CONTEXT_BP].ravel())
            size = CONTEXT_BP - skipped
            sequences = [letters[i : i + size] for i in range(0, len(letters), size)]
            yield first, arrow_table(alone(self._encoder, given, sequences), self.info.features)

    def _pieces(self, rows: pd.DataFrame) -> NDArray[np.uint8]:
        """Return the base codes of the pieces, shape (n, 56)."""
        at = rows["start"].to_numpy()[:, None] + np.arange(PIECE_BP)
        pieces = np.empty(at.shape, np.uint8)
        for chrom, codes in self._codes.items():
            here = (rows["chrom"] == chrom).to_numpy()
            pieces[here] = codes[at[here]]
        return pieces


def plan(
    genome: str | Path, tokenizer: str | Path, *, k: int = 6, chromosomes: Sequence[str] = ("chr21",),
    n_rows: int = N_ROWS, right_aligned: bool = False, seed: int = 0,
) -> Plan:
    """Plan next-k-mer prediction.

    Args:
        genome: A FASTA file.
        tokenizer: "kmer-K", or a tokenizer folder or merges file.
        k: Length of what is to be predicted, 2 to 6.
        chromosomes: Where the pieces are from; the paper's is chromosome 21.
        n_rows: Pieces to draw; all, with a warning, if there are fewer.
        right_aligned: For a k-mer tokenizer, drop the first 50 mod K bases, so that no tail shorter
            than a token stands right before what is to be predicted.
        seed: Of the draw and of the split.

    Raises:
        InputError: If the inputs cannot be used.
    """
    if k not in KS:
        raise InputError(f"k is {k}; next-k-mer prediction has k from {KS[0]} to {KS[-1]}.")
    encoder = encoder_named(tokenizer)
    if right_aligned and not isinstance(encoder, KmerEncoder):
        raise InputError(f"right-aligned is for k-mer tokenizers; {encoder.name} leaves no tail.")
    choices = {"k": k, "n_rows": n_rows, "right_aligned": right_aligned, "seed": seed}
    opened = ReferenceGenome(genome, chromosomes)
    config = encoder.name + (".right-aligned" if right_aligned else "")
    return Plan(
        builder_class=NextKmer, dataset=f"next_{k}mer", config=config, version=VERSION, card=CARD,
        vocabulary_sha256=encoder.vocabulary_sha256,
        settings={
            "genome": str(genome), "tokenizer": str(tokenizer), "chromosomes": tuple(chromosomes), **choices,
        },
        inputs={
            "genome": {"name": opened.path.name, "sha256": opened.sha256()}, "chromosomes": opened.chromosomes,
            "tokenizer": encoder.name, "vocabulary": encoder.vocabulary_sha256,
            "n_asked": n_rows, **{name: value for name, value in choices.items() if name != "n_rows"},
        },
    )
