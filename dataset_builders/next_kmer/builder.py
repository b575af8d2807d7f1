"""Next-k-mer prediction: 50 bases in, the k that follow as one of 4^k classes."""

import itertools
import logging
from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dataset_builders.task import OPENED, Task, configuration_name, opened_encoder
from dataset_builders.task_builder import RowBuilder
from dataset_builders.task_rows import alone, interval_features
from grover_hf._internals.counter_rng import keyed_bits
from grover_hf.corpus.next_kmer import CONTEXT_BP, PIECE_BP, next_kmer_pieces
from grover_hf.corpus.splits import SPLITS, random_split, row_keys
from grover_hf.errors import InputError, shorten
from grover_hf.genome.acgt import sequence_of
from grover_hf.genome.letters import BASES
from grover_hf.genome.reference import ReferenceGenome
from grover_hf.tokenization.encoding import Encoder
from grover_hf.tokenization.kmer import KmerEncoder

logger = logging.getLogger(__name__)

KS = (2, 3, 4, 5, 6)
CHROMOSOMES = ("chr21",)
"""Where the paper's pieces are from."""
N_ROWS = 500_000
SHARES = (0.72, 0.08, 0.2)
"""Methods: 80 % train, 20 % test; ours: a tenth of train for validation."""


class NextKmer(RowBuilder["NextKmerTask"]):
    """The first 50 bases of 56-bp pieces of a chromosome, tokenized alone, and what follows."""

    def _info(self) -> datasets.DatasetInfo:
        kmers = ["".join(kmer) for kmer in itertools.product(BASES, repeat=self.task.k)]
        return datasets.DatasetInfo(features=interval_features(kmers))

    def _split_generators(self, dl_manager: object) -> list[datasets.SplitGenerator]:
        task, genome = self.task, self.task.opened
        self._codes = {chrom: genome.codes(chrom) for chrom in genome.chromosomes}
        pieces = []
        n_with_n = 0
        for chrom, codes in self._codes.items():
            starts, n_left_out = next_kmer_pieces(codes)
            n_with_n += n_left_out
            pieces.append(pd.DataFrame({"chrom": chrom, "start": starts, "end": starts + CONTEXT_BP}))
        rows = pd.concat(pieces, ignore_index=True)
        n_pieces = len(rows)
        if n_pieces > task.n_rows:
            keys = row_keys(rows["chrom"], rows["start"].to_numpy())
            drawn = keyed_bits(task.seed, 1, keys)
            rows = rows.iloc[np.sort(np.argpartition(drawn, task.n_rows)[: task.n_rows])]
        elif n_pieces < task.n_rows:
            logger.warning(
                "%s: %s pieces of %d bp without N in %s; fewer than %s, all are used.", genome.path,
                f"{n_pieces:,}", PIECE_BP, ", ".join(genome.chromosomes), f"{task.n_rows:,}",
            )
        keys = row_keys(rows["chrom"], rows["start"].to_numpy())
        split = random_split(keys, seed=task.seed, shares=SHARES)
        self.config.facts |= {"n_pieces": n_pieces, "n_pieces_with_n": n_with_n, "n_rows": len(rows)}
        if set(split.tolist()) != {0, 1, 2}:
            raise InputError(f"{genome.path} gives {n_pieces} pieces, too few for train, validation and test.")
        return [
            datasets.SplitGenerator(name=name, gen_kwargs={"rows": rows[split == number]})
            for number, name in enumerate(SPLITS)
        ]

    def columns(self, rows: pd.DataFrame) -> dict[str, Any]:
        task, encoder = self.task, self.task.encoder
        skipped = CONTEXT_BP % encoder.k if task.right_aligned and isinstance(encoder, KmerEncoder) else 0
        pieces = self._pieces(rows)
        labels = pieces[:, CONTEXT_BP : CONTEXT_BP + task.k] @ 4 ** np.arange(task.k - 1, -1, -1)
        letters = sequence_of(pieces[:, skipped:CONTEXT_BP].ravel())
        size = CONTEXT_BP - skipped
        sequences = [letters[i : i + size] for i in range(0, len(letters), size)]
        given = rows.assign(start=rows["start"] + skipped, strand="+", label=labels)
        return alone(encoder, given, sequences)

    def _pieces(self, rows: pd.DataFrame) -> NDArray[np.uint8]:
        """Return the base codes of the pieces, shape (n, 56)."""
        positions = rows["start"].to_numpy()[:, None] + np.arange(PIECE_BP)
        pieces = np.empty(positions.shape, np.uint8)
        for chrom, codes in self._codes.items():
            here = (rows["chrom"] == chrom).to_numpy()
            pieces[here] = codes[positions[here]]
        return pieces


@dataclass(frozen=True)
class NextKmerTask(Task):
    """Next-k-mer prediction."""

    builder_class = NextKmer

    genome: ReferenceGenome | str | Path = field(metadata=OPENED)
    """A genome, or a FASTA file."""
    tokenizer: Encoder | str | Path = field(metadata=OPENED)
    """A tokenizer, "kmer-K", a tokenizer folder or a merges file."""
    _: KW_ONLY
    k: int = 6
    """Length of what is to be predicted, 2 to 6."""
    chromosomes: Sequence[str] | None = field(default=None, metadata=OPENED)
    """Chromosomes of a FASTA file that the pieces are from; None for the paper's, chromosome 21."""
    n_rows: int = N_ROWS
    """Pieces to draw; all, with a warning, if there are fewer."""
    right_aligned: bool = False
    """For a k-mer tokenizer, drop the first 50 mod K bases, so that no tail shorter than a token stands right
    before what is to be predicted."""
    seed: int = 0
    """Seed of the draw and of the split."""

    def __post_init__(self) -> None:
        if self.k not in KS:
            raise InputError(f"k is {self.k}; next-k-mer prediction has k from {KS[0]} to {KS[-1]}.")
        if self.right_aligned and not isinstance(self.encoder, KmerEncoder):
            raise InputError(f"right-aligned is for k-mer tokenizers; {self.encoder.name} leaves no tail.")
        if isinstance(self.genome, ReferenceGenome) and self.chromosomes is not None:
            raise InputError("A genome that is open has its chromosomes already; name them when it is opened.")

    @cached_property
    def opened(self) -> ReferenceGenome:
        """The genome."""
        if isinstance(self.genome, ReferenceGenome):
            return self.genome
        if self.chromosomes is None:
            names = ReferenceGenome(self.genome).chromosomes
            if missing := [name for name in CHROMOSOMES if name not in names]:
                raise InputError(
                    f"{self.genome} has no {missing[0]}, which the paper takes; it has {shorten(names)}. Name "
                    "those to take: --chromosomes."
                )
        return ReferenceGenome(self.genome, self.chromosomes or CHROMOSOMES)

    @cached_property
    def encoder(self) -> Encoder:
        """The tokenizer."""
        return opened_encoder(self.tokenizer)

    @property
    def dataset(self) -> str:
        return f"next_{self.k}mer"

    @property
    def config(self) -> str:
        return configuration_name(self.encoder.name, "right-aligned" if self.right_aligned else "")

    @property
    def vocabulary_sha256(self) -> str:
        return self.encoder.vocabulary_sha256

    @property
    def inputs(self) -> dict[str, Any]:
        choices = self.choices
        return {
            "genome": {"name": self.opened.path.name, "sha256": self.opened.sha256()},
            "chromosomes": self.opened.chromosomes, "tokenizer": self.encoder.name,
            "vocabulary": self.encoder.vocabulary_sha256, "n_asked": choices.pop("n_rows"), **choices,
        }


plan = NextKmerTask
