"""What a model says of every base that could stand in a place.

A masked language model: the probability of each base where its token is masked, the mean of both strands,
exactly what `grover tracks` writes. A base's value is the information in bits, the sum over bases of p log2(p /
q), where q is the background: how far what the model expects is from knowing nothing. It is of what is expected,
not of what is there.

A classifier: each base is replaced by the three others in turn, the genome is tokenized anew around it, and the
tokens over the region are classified. What is given is the log-odds of the class less those for the genome's own
base. A base's value is the mean of the three, with its sign changed: what the class loses when the base is
replaced.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from grover_hf.corpus.haplotypes import Retokenized, retokenized
from grover_hf.corpus.strand_tokens import StrandTokens
from grover_hf.corpus.token_lookup import IntervalTokens
from grover_hf.genome import Interval
from grover_hf.genome.letters import BASES
from grover_hf.inference.dna_model import DnaModel
from grover_hf.interpretation.attribution.classes import class_log_odds
from grover_hf.tokenization.encoding import Encoder
from grover_hf.tracks.files import MARGINAL_NAMES
from grover_hf.tracks.values import SURPRISAL, TOKEN_PROBABILITY, LikelihoodTracks

_INPUTS_AT_ONCE = 256
_N_BASES = len(BASES)


class BaseExpectation(NamedTuple):
    """What a masked language model expects at the bases of a region, in the order in which its strand is read."""

    probabilities: NDArray[np.float64]
    """Of A, C, G, T of the region's strand, shape (n_bases, 4); NaN in N."""
    surprisal: NDArray[np.float64]
    """-log2 of that of the genome's own base, the mean of both strands, shape (n_bases,)."""
    token_probability: NDArray[np.float64]
    """Of the token of the region's own strand over each base, where it is masked, shape (n_bases,)."""


def expected_bases(
    tracks: LikelihoodTracks, strands: dict[str, StrandTokens], interval: Interval
) -> BaseExpectation:
    """Return what a model expects at the bases of a region.

    Args:
        tracks: Of the model.
        strands: Both strands of the chromosome, by "+" and "-".
        interval: The region, with its strand.
    """
    of_strands = {name: tracks.of_strand(strand, interval) for name, strand in strands.items()}

    def mean(name: str) -> NDArray[np.float64]:
        found: NDArray[np.float64] = np.mean([values[name] for values in of_strands.values()], 0, dtype=np.float64)
        return found

    probabilities = np.stack([mean(name) for name in MARGINAL_NAMES], 1)
    surprisal = mean(SURPRISAL)
    own = of_strands[interval.strand][TOKEN_PROBABILITY].astype(np.float64)
    if interval.strand == "-":
        # Bases of the reverse strand are the complements: A, C, G, T is T, G, C, A.
        return BaseExpectation(probabilities[::-1, ::-1], surprisal[::-1], own[::-1])
    return BaseExpectation(probabilities, surprisal, own)


def information(probabilities: NDArray[np.float64], background: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the sum over bases of p log2(p / q), in bits, shape (n_bases,); NaN where p is.

    This is the relative entropy with which sequence logos are drawn (Schneider and Stephens 1990; with a
    background of 1/4 it is 2 less the entropy). There is no correction for small samples: p is a model's, not
    counted.

    Args:
        probabilities: Shape (n_bases, 4).
        background: q of A, C, G, T, 0 only where p is, shape (n_bases, 4) or (4,).
    """
    ratio = np.where(probabilities > 0, probabilities, 1.0) / np.where(probabilities > 0, background, 1.0)
    return np.where(np.isnan(probabilities).any(1), np.nan, (probabilities * np.log2(ratio)).sum(1))


class Substituted(NamedTuple):
    """What replacing the bases of a region does to the classes."""

    log_odds: NDArray[np.float64]
    """Of each class for the region as it is, in nats, shape (n_classes,)."""
    differences: NDArray[np.float64]
    """With A, C, G, T in the place of each base, less that; 0 for the base that is there; shape
    (n_bases, 4, n_classes), NaN in N."""


def substituted_bases(
    dna: DnaModel, encoder: Encoder, strand: StrandTokens, start: int, end: int, labels: list[str]
) -> Substituted:
    """Return what every substitution in a region does to the log-odds of a classifier's classes.

    Tokens over the region are read, those that the genome would have with the other base.

    Args:
        dna: A fine-tuned classifier.
        encoder: Its vocabulary.
        strand: The tokens of the strand.
        start: Where the region begins, on that strand.
        end: Where it ends.
        labels: The classes, by number.
    """
    inputs = [strand.located(strand.tokens_between(start, end))]
    rows = []
    for place in range(start, end):
        own = int(strand.codes[place])
        for base in range(_N_BASES) if own < _N_BASES else ():
            changed = None if base == own else retokenized(strand, encoder, place, 1, np.array([base], np.uint8))
            if changed is not None:
                rows.append((place - start, base))
                inputs.append(_with(strand, changed, start, end))
    found = np.concatenate([
        class_log_odds(dna, inputs[first : first + _INPUTS_AT_ONCE], labels)
        for first in range(0, len(inputs), _INPUTS_AT_ONCE)
    ])
    differences = np.full((end - start, _N_BASES, len(labels)), np.nan)
    known = np.flatnonzero(strand.codes[start:end] < _N_BASES)
    differences[known, strand.codes[start:end][known]] = 0.0
    places, bases = np.array(rows, np.int64).reshape(-1, 2).T
    differences[places, bases] = found[1:] - found[0]
    return Substituted(found[0], differences)


def loss_of_replacement(differences: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return what the class loses when a base is replaced, the mean over the three others, shape (n_bases,).

    Args:
        differences: Of one class, shape (n_bases, 4), 0 for the base that is there; NaN in N.
    """
    loss: NDArray[np.float64] = -differences.sum(1) / (_N_BASES - 1)
    return loss


def _with(strand: StrandTokens, changed: Retokenized, start: int, end: int) -> IntervalTokens:
    """Return the tokens over a stretch with those in place that a substitution makes."""
    around = strand.tokens_between(start, end)
    first, last = min(int(around[0]), changed.first), max(int(around[-1]) + 1, changed.last)
    ids = strand.input_ids
    input_ids = np.concatenate([ids[first : changed.first], changed.input_ids, ids[changed.last : last]])
    # A substitution moves no base.
    lengths = strand.token_lengths[input_ids].astype(np.int64)
    ends = int(strand.starts[first]) + np.cumsum(lengths)
    kept = (ends > start) & (ends - lengths < end)
    return IntervalTokens(
        input_ids[kept], (ends - lengths)[kept], ends[kept], partial_start=False, partial_end=False,
        vocabulary_sha256=strand.vocabulary_sha256,
    )
