"""What a score is on average where five bases are the same: composition and mutability, not constraint.

Background: all single-base variants of stretches of a genome, drawn by a seed. A class is five bases with the
variant in the middle and the alternative, and their reverse complement; there are 1,536.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from grover_hf._internals.counter_rng import keyed_uniform
from grover_hf.genome import ReferenceGenome
from grover_hf.genome.acgt import NOT_ACGT
from grover_hf.variants.alleles import Placed

BLOCK_BP = 1_500
_LEAST = 10
_BASES = np.array(list("ACGT"), object)
Score = Callable[[str, Placed], NDArray[np.float64]]


def background(genome: ReferenceGenome, score: Score, n_blocks: int, seed: int = 0) -> NDArray[np.float64]:
    """Return the mean score of each class, shape (4**5 * 4,); NaN for those met fewer than ten times.

    Args:
        genome: Where stretches of 1,500 bases are drawn from.
        score: Returns the scores of single-base variants of a chromosome, shape (n,).
        n_blocks: How many stretches.
        seed: Another seed draws others.
    """
    sizes = np.array(list(genome.sizes.values()))
    ends = np.cumsum(sizes)
    places = (keyed_uniform(seed, np.arange(n_blocks)) * ends[-1]).astype(np.int64)
    of_chrom = np.searchsorted(ends, places, side="right")
    sums, counts = np.zeros(4**6), np.zeros(4**6)
    for number in np.unique(of_chrom).tolist():
        chrom = genome.chromosomes[number]
        codes = genome.codes(chrom)
        starts = places[of_chrom == number] - (ends[number] - sizes[number])
        bases = np.unique(np.concatenate([np.arange(start, start + BLOCK_BP) for start in starts.tolist()]))
        bases = bases[bases < codes.size]
        bases = bases[codes[bases] != NOT_ACGT]
        alts = (codes[bases][:, None] + np.arange(1, 4)) % 4
        each = np.repeat(bases, 3)
        llr = score(chrom, Placed(each, _BASES[codes[each]].tolist(), _BASES[alts.ravel()].tolist()))
        classes = pentanucleotide_classes(codes, each, alts.ravel().astype(np.uint8))
        used = np.isfinite(llr) & (classes >= 0)
        np.add.at(sums, classes[used], llr[used])
        np.add.at(counts, classes[used], 1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(counts >= _LEAST, sums / counts, np.nan)


def pentanucleotide_classes(
    codes: NDArray[np.uint8], positions: NDArray[np.int64], alts: NDArray[np.uint8]
) -> NDArray[np.int64]:
    """Return the class of each single-base variant, shape (n,); -1 within two bases of an end or of N.

    Args:
        codes: Base codes of a chromosome.
        positions: Where the variants are, shape (n,).
        alts: Codes of the alternatives, shape (n,).
    """
    padded = np.concatenate([np.full(2, NOT_ACGT, np.uint8), codes, np.full(2, NOT_ACGT, np.uint8)])
    around = padded[positions[:, None] + np.arange(5)].astype(np.int64)
    known = (around != NOT_ACGT).all(1)
    weights = 4 ** np.arange(5, 0, -1)
    forward = around @ weights + alts
    reverse = (3 - around)[:, ::-1] @ weights + (3 - alts.astype(np.int64))
    return np.where(known, np.minimum(forward, reverse), -1)
