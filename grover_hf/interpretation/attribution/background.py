"""What one expects of a base before a model has said anything: the background of its information in bits.

`tokens` is there because token borders are information: 96 % of the types of a byte-pair vocabulary may begin with
A or T, and then the first base of a masked token is A or T whatever a model has learnt.
"""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from grover_hf.corpus.strand_tokens import StrandTokens
from grover_hf.errors import InputError
from grover_hf.genome import Interval
from grover_hf.genome.acgt import base_codes
from grover_hf.genome.letters import BASES
from grover_hf.tokenization.encoding import Encoder
from grover_hf.tokenization.special_tokens import N_SPECIAL

BACKGROUNDS = {
    "uniform": "1/4 each", "chromosome": "the chromosome's shares of bases",
    "tokens": "the chromosome's token frequencies, at the same place in the token",
}
"""By name, how it is called in figures."""
_N_BASES = len(BASES)


def background_of(
    name: str, encoder: Encoder, strands: Mapping[str, StrandTokens], interval: Interval
) -> NDArray[np.float64]:
    """Return what is expected of A, C, G, T at each base of a region, on its strand, in the order of reading.

    Args:
        name: One of `BACKGROUNDS`.
        encoder: The vocabulary.
        strands: Both strands of the chromosome, by "+" and "-".
        interval: The region, with its strand.

    Returns:
        Shape (n_bases, 4); NaN where "tokens" finds no token: in N.

    Raises:
        InputError: If there is no such background, or a chromosome lacks two of the bases.
    """
    if name not in BACKGROUNDS:
        raise InputError(f"There is no background {name!r}; there are {', '.join(BACKGROUNDS)}.")
    if name == "uniform":
        return np.full((len(interval), _N_BASES), 1 / _N_BASES)
    if name == "chromosome":
        return np.tile(strand_symmetric_shares(strands["+"]), (len(interval), 1))
    by_strand = [_by_tokens(strand, encoder, interval) for strand in strands.values()]
    found: NDArray[np.float64] = np.mean(by_strand, 0)
    return found if interval.strand == "+" else found[::-1, ::-1]


def strand_symmetric_shares(strand: StrandTokens) -> NDArray[np.float64]:
    """Return the shares of A, C, G, T on both strands of a chromosome, shape (4,).

    Raises:
        InputError: If one of them does not occur.
    """
    counts = np.bincount(strand.codes[strand.codes < _N_BASES], minlength=_N_BASES).astype(np.float64)
    counts += counts[::-1]
    if (counts == 0).any():
        raise InputError(f"{strand.chrom} lacks A and T, or C and G: take another background.")
    shares: NDArray[np.float64] = counts / counts.sum()
    return shares


def shares_by_offset(strand: StrandTokens, encoder: Encoder) -> NDArray[np.float64]:
    """Return the shares of A, C, G, T at each place within tokens, shape (longest token, 4).

    Those of place o are of all tokens of the strand that are longer than o, each type counted once more than it
    occurs, so that what a token spells is never impossible.
    """
    counts = np.bincount(strand.input_ids, minlength=len(encoder.tokens)) + 1
    shares = np.zeros((int(encoder.token_lengths.max()), _N_BASES))
    for token in range(N_SPECIAL, len(encoder.tokens)):
        codes = base_codes(encoder.tokens[token])
        shares[np.arange(codes.size), codes] += counts[token]
    shares /= shares.sum(1, keepdims=True)
    return shares


def _by_tokens(strand: StrandTokens, encoder: Encoder, interval: Interval) -> NDArray[np.float64]:
    """Return the shares at the bases of a region by one strand, on the forward strand and in its order."""
    places = strand.position(np.arange(interval.start, interval.end))
    tokens = strand.token_over(places)
    offsets = places - strand.starts[tokens].astype(np.int64)
    held = tokens >= 0
    shares = np.full((len(places), _N_BASES), np.nan)
    shares[held] = shares_by_offset(strand, encoder)[offsets[held]]
    return shares if strand.strand == "+" else shares[:, ::-1]
