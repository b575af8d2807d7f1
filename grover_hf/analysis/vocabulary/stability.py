"""How much of a byte-pair vocabulary stays when its genome is drawn again, by block bootstrap.

The genome's segments are cut into blocks of 100 kb, say. As many blocks as there are, drawn with replacement,
make a resample of about the genome's size. A vocabulary is learnt from each. No token crosses the ends of a
block, just as no token of the genome crosses those of a segment.

Pair counts that lie close to each other decide early merges, and all later ones follow: two vocabularies of
equally good samples of one genome may have other tokens.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from grover_hf.analysis.vocabulary.paper import START_WITH_A_OR_T
from grover_hf.errors import InputError
from grover_hf.genome.acgt import acgt_segments, sequence_of
from grover_hf.genome.reference import ReferenceGenome
from grover_hf.tokenization.bpe_training import train_bpe
from grover_hf.tokenization.merges import MergeTable
from grover_hf.tokenization.special_tokens import N_SPECIAL

BLOCK_BP = 100_000
N_RESAMPLES = 20
_FEWEST_BLOCKS = 10
_N_RANKS = 6
_FIRST_MERGES = 10


@dataclass(frozen=True)
class Resample:
    """The vocabulary of a resample of a genome, compared with that of the genome."""

    merges: MergeTable
    n_bases: int
    shared: NDArray[np.int64]
    """How many types are among the first n merges of both, for n = 1, 2, ..., shape (n_cycles,)."""

    @property
    def n_equal_first(self) -> int:
        """How many merges are those of the genome, in its order, before one is not."""
        differ = np.flatnonzero(self.shared < np.arange(1, len(self.shared) + 1))
        return int(differ[0]) if differ.size else len(self.shared)


def blocks_of(genome: ReferenceGenome, block_bp: int = BLOCK_BP) -> list[bytes]:
    """Return the letters of the genome in blocks; the last one of a segment may be shorter.

    Raises:
        InputError: If `block_bp` is not positive, or there are fewer than 10 blocks.
    """
    if block_bp < 1:
        raise InputError(f"blocks have {block_bp} bp; 1 or more are possible.")
    blocks = []
    for chrom in genome.chromosomes:
        codes = genome.codes(chrom)
        for start, end in acgt_segments(codes).tolist():
            letters = sequence_of(codes[start:end]).encode()
            blocks += [letters[first : first + block_bp] for first in range(0, len(letters), block_bp)]
    if len(blocks) < _FEWEST_BLOCKS:
        raise InputError(
            f"{genome.path} has {len(blocks)} blocks of up to {block_bp:,} bp; {_FEWEST_BLOCKS} or more are "
            "needed to draw from. Take shorter blocks: --block-bp."
        )
    return blocks


def resampled(blocks: Sequence[bytes], rng: np.random.Generator) -> bytes:
    """Return as many blocks as there are, drawn with replacement, with N between."""
    return b"N".join(blocks[i] for i in rng.integers(0, len(blocks), len(blocks)))


def shared_by_rank(first: MergeTable, second: MergeTable) -> NDArray[np.int64]:
    """Return how many types are among the first n merges of both, for n = 1, 2, ..., shape (n_cycles,).

    Args:
        first: A table of n_cycles merges.
        second: Another of as many; the order does not matter.
    """
    ranks = {left + right: rank for rank, (left, right) in enumerate(second.merges)}
    both = [max(rank, ranks[token]) for rank, token in enumerate(map("".join, first.merges)) if token in ranks]
    return np.cumsum(np.bincount(both, minlength=len(first)))


def resamples_of(
    genome: ReferenceGenome, merges: MergeTable, *, n_resamples: int = N_RESAMPLES, block_bp: int = BLOCK_BP,
    seed: int = 0, n_threads: int = 2,
) -> Iterator[Resample]:
    """Learn a vocabulary from each resample, and compare it with `merges`.

    Args:
        genome: To draw from.
        merges: Merges of the genome, or any others to compare with; the resamples get as many cycles.
        n_resamples: How many.
        block_bp: Bases of a block.
        seed: A resample depends on it and on its own number alone.
        n_threads: Threads of each training.

    Raises:
        InputError: If the genome is too small for the blocks or for so many merges.
    """
    blocks = blocks_of(genome, block_bp)
    for number in range(n_resamples):
        letters = resampled(blocks, np.random.default_rng([seed, number]))
        learnt = train_bpe(letters, len(merges), n_threads=n_threads)
        if len(learnt) < len(merges):
            raise InputError(
                f"A resample of {genome.path} has {len(learnt)} merges, fewer than {len(merges)}: the genome is "
                "too small for so many cycles."
            )
        yield Resample(learnt, len(letters) - len(blocks) + 1, shared_by_rank(merges, learnt))


def first_base_share(merges: MergeTable) -> float:
    """Return the share of types, single bases included, that start with A or T."""
    types = merges.tokens[N_SPECIAL:]
    return sum(token[0] in "AT" for token in types) / len(types)


def compared_ranks(n_cycles: int) -> list[int]:
    """Return the ranks of the table: 100, 200, ..., 600 for 600 cycles."""
    return sorted({-(-n_cycles * sixth // _N_RANKS) for sixth in range(1, _N_RANKS + 1)})


def stability_columns(merges: MergeTable, resamples: Sequence[Resample]) -> dict[str, list[object]]:
    """Return the table, by column: a row for the genome, number 0, and one for each resample."""
    every = [Resample(merges, 0, shared_by_rank(merges, merges)), *resamples]
    columns: dict[str, list[object]] = {
        "resample": list(range(len(every))),
        "bases": ["", *(resample.n_bases for resample in resamples)],
    }
    for rank in compared_ranks(len(merges)):
        columns[f"shared_of_first_{rank}"] = [int(resample.shared[rank - 1]) for resample in every]
    columns["equal_first_merges"] = [resample.n_equal_first for resample in every]
    columns["start_with_a_or_t"] = [round(first_base_share(resample.merges), 4) for resample in every]
    columns["cg_is_a_type"] = ["yes" if "CG" in resample.merges.tokens else "no" for resample in every]
    columns["first_merges"] = [
        " ".join(map("".join, resample.merges.merges[:_FIRST_MERGES])) for resample in every
    ]
    return columns


def stability_summary(merges: MergeTable, resamples: Sequence[Resample]) -> list[tuple[str, ...]]:
    """Return quantity, the genome's own, and the lowest, median and highest of the resamples, line by line."""
    shares = {
        f"of the first {rank} types, shared": (1.0, [resample.shared[rank - 1] / rank for resample in resamples])
        for rank in compared_ranks(len(merges))
    }
    shares[f"types that start with A or T (paper {START_WITH_A_OR_T.text()})"] = (
        first_base_share(merges), [first_base_share(resample.merges) for resample in resamples]
    )
    lines = [
        (name, f"{own:.0%}", *(f"{value:.0%}" for value in np.quantile(values, [0, 0.5, 1])))
        for name, (own, values) in shares.items()
    ]
    equal = [resample.n_equal_first for resample in resamples]
    with_cg = sum("CG" in resample.merges.tokens for resample in resamples)
    quantiles = (f"{n:.0f}" for n in np.quantile(equal, [0, 0.5, 1]))
    lines.append(("merges equal from the first on", str(len(merges)), *quantiles))
    has_cg = "yes" if "CG" in merges.tokens else "no"
    return [*lines, ("CG is a type (paper: no)", has_cg, "", f"in {with_cg} of {len(resamples)}", "")]


@dataclass(frozen=True, eq=False)
class Stability:
    """How alike the vocabularies of resamples and of their genome are; shares are fractions."""

    shared: NDArray[np.float64]
    """Share of a resample's first n types that are among the genome's first n; shape (n_resamples, n_cycles)."""
    median_shared: NDArray[np.float64]
    """Over resamples, shape (n_cycles,)."""
    start_with_a_or_t: NDArray[np.float64]
    """By resample, the share of its types, shape (n_resamples,)."""
    own_start_with_a_or_t: float
    """The share of the genome's types."""


def stability_of(merges: MergeTable, resamples: Sequence[Resample]) -> Stability:
    """Return how alike the vocabularies of resamples are to `merges`, that of the genome."""
    shared = np.array([resample.shared for resample in resamples]) / np.arange(1, len(merges) + 1)
    starts = np.array([first_base_share(resample.merges) for resample in resamples])
    return Stability(shared, np.median(shared, axis=0), starts, first_base_share(merges))
