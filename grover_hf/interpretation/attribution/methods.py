"""The ways to look at a region, each with what its values are called: gradients, attention, mutagenesis."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from grover_hf.corpus.strand_tokens import StrandTokens
from grover_hf.errors import InputError
from grover_hf.genome import ReferenceGenome
from grover_hf.genome.letters import BASES
from grover_hf.inference.base_marginals import MaskGrid
from grover_hf.inference.dna_model import DnaModel
from grover_hf.interpretation.attribution.attention import (
    CAUTION,
    attention_weights,
    compute_attention_eagerly,
    received_attention,
)
from grover_hf.interpretation.attribution.background import BACKGROUNDS, background_of
from grover_hf.interpretation.attribution.classes import class_labels, class_log_odds, class_number
from grover_hf.interpretation.attribution.gradients import integrated_gradients, require_captum
from grover_hf.interpretation.attribution.mutagenesis import (
    expected_bases,
    information,
    loss_of_replacement,
    substituted_bases,
)
from grover_hf.interpretation.attribution.one_window import one_window
from grover_hf.interpretation.attribution.regions import (
    Attribution,
    Region,
    letters_of,
    spread_to_bases,
    sum_over_bases,
    tokens_of,
)
from grover_hf.tokenization.encoding import Encoder
from grover_hf.tracks.values import LikelihoodTracks

PROBABILITY, LOG_ODDS = "p", "log_odds"
"""Columns by base: p_A, p_C, ...; log_odds_A, ..."""


@dataclass(frozen=True)
class Opened:
    """What every method needs."""

    dna: DnaModel
    encoder: Encoder
    genome: ReferenceGenome


class Method(Protocol):
    """Says something of a region."""

    is_of_tokens: bool
    """Whether a base's value is its share of its token's; else bases have values of their own."""
    statement: str
    """What the values are, for the figures."""
    axis: str
    """The unit of the values, for the figures."""

    def of_region(self, region: Region) -> Attribution: ...


class Gradients:
    """Integrated gradients of a class.

    Args:
        opened: A fine-tuned classifier.
        label: The class; None for the most probable one of each region.
        n_steps: Points of the path.
    """

    is_of_tokens = True
    axis = "nats a base"

    def __init__(self, opened: Opened, *, label: str | None, n_steps: int) -> None:
        require_captum()
        if n_steps < 1:
            raise InputError(f"steps is {n_steps}; integrated gradients take one step or more.")
        self._opened, self._n_steps = opened, n_steps
        self._labels = class_labels(opened.dna)
        self._number = None if label is None else class_number(self._labels, label)
        self.statement = (
            f"integrated gradients from [MASK] in {n_steps} steps; the bases of a token share its value evenly"
        )

    def of_region(self, region: Region) -> Attribution:
        dna, encoder, genome = self._opened.dna, self._opened.encoder, self._opened.genome
        tokens = tokens_of(region, genome, encoder)
        window = one_window(dna, tokens, region.shown)
        number = self._number
        if number is None:
            number = int(class_log_odds(dna, [tokens], self._labels)[0].argmax())
        found = integrated_gradients(dna, window, number, n_steps=self._n_steps)
        positions, values = spread_to_bases(tokens, found.values)
        summary: dict[str, float | str] = {
            "class": self._labels[number], "log_odds": found.score, "log_odds_of_masks": found.baseline,
            "delta": found.delta, "is_complete": found.is_complete,
        }
        return Attribution(
            tokens, found.values, positions, letters_of(tokens, encoder.tokens), values, summary=summary
        )


class Attention:
    """Attention that tokens receive.

    Args:
        opened: Any model with attention.
        layer: From 1, or back from -1.
        rollout: Instead of one layer, all of them multiplied.
    """

    is_of_tokens = True
    axis = "share a base"

    def __init__(self, opened: Opened, *, layer: int, rollout: bool) -> None:
        compute_attention_eagerly(opened.dna)
        self._opened, self._layer = opened, None if rollout else layer
        n_layers = opened.dna.model.config.num_hidden_layers
        number = layer if layer > 0 else n_layers + 1 + layer
        where = "rollout over all layers" if rollout else f"layer {number} of {n_layers}"
        self.statement = (
            f"attention received from the region's tokens, mean over heads, {where}; the bases of a token share "
            f"it evenly; {CAUTION}"
        )

    def of_region(self, region: Region) -> Attribution:
        dna, encoder, genome = self._opened.dna, self._opened.encoder, self._opened.genome
        tokens = tokens_of(region, genome, encoder)
        window = one_window(dna, tokens, region.shown)
        received = received_attention(attention_weights(dna, window, layer=self._layer), window.own)
        positions, values = spread_to_bases(tokens, received.values)
        return Attribution(
            tokens, received.values, positions, letters_of(tokens, encoder.tokens), values,
            summary={"special": received.special},
        )


class _Strands:
    """The tokens of both strands of a chromosome, of the last one that was asked for."""

    def __init__(self, opened: Opened) -> None:
        self._opened = opened
        self._found: dict[tuple[str, str], StrandTokens] = {}

    def of(self, chrom: str, strand: str) -> StrandTokens:
        if any(name != chrom for name, _ in self._found):
            self._found = {}
        if (chrom, strand) not in self._found:
            found = StrandTokens.of(self._opened.genome, chrom, self._opened.encoder, strand)
            self._found[chrom, strand] = found
        return self._found[chrom, strand]


class ExpectedBases:
    """What a masked language model expects at each base.

    Args:
        opened: A masked language model.
        background: One of `BACKGROUNDS`.
    """

    is_of_tokens = False
    axis = "bits"

    def __init__(self, opened: Opened, *, background: str) -> None:
        self._opened, self._strands = opened, _Strands(opened)
        self._tracks = LikelihoodTracks(opened.dna, opened.encoder, MaskGrid.for_model(opened.dna))
        self._background = background
        behind = BACKGROUNDS[background]
        self.statement = f"bases expected where their token is masked, mean of both strands; background: {behind}"

    def of_region(self, region: Region) -> Attribution:
        interval = region.interval
        tokens = tokens_of(region, self._opened.genome, self._opened.encoder)
        strands = {name: self._strands.of(interval.chrom, name) for name in "+-"}
        found = expected_bases(self._tracks, strands, interval)
        background = background_of(self._background, self._opened.encoder, strands, interval)
        bits = information(found.probabilities, background)
        positions = _positions(region)
        letters = self._opened.genome.fetch(interval).upper()
        of_tokens = {"probability": _of_tokens(tokens.starts, positions, found.token_probability)}
        return Attribution(
            tokens, sum_over_bases(tokens, positions, bits), positions, letters, bits,
            by_base={PROBABILITY: found.probabilities}, of_tokens=of_tokens,
            summary={"mean_bits": _mean(bits), "mean_surprisal": _mean(found.surprisal)},
        )


class Substitutions:
    """What a class loses when a base is replaced.

    Args:
        opened: A fine-tuned classifier.
        label: The class; None for the most probable one of each region.
    """

    is_of_tokens = False
    axis = "nats"

    def __init__(self, opened: Opened, *, label: str | None) -> None:
        self._opened, self._strands = opened, _Strands(opened)
        self._labels = class_labels(opened.dna)
        self._number = None if label is None else class_number(self._labels, label)
        self.statement = "log-odds lost when a base is replaced, mean of its three substitutions, tokenized anew"

    def of_region(self, region: Region) -> Attribution:
        interval, opened = region.interval, self._opened
        tokens = tokens_of(region, opened.genome, opened.encoder)
        strand = self._strands.of(interval.chrom, interval.strand)
        start, end = np.sort(strand.position(np.array([interval.start, interval.end - 1]))).tolist()
        found = substituted_bases(opened.dna, opened.encoder, strand, start, end + 1, self._labels)
        number = int(found.log_odds.argmax()) if self._number is None else self._number
        differences = found.differences[:, :, number]
        values, positions = loss_of_replacement(differences), _positions(region)
        return Attribution(
            tokens, sum_over_bases(tokens, positions, values), positions, opened.genome.fetch(interval).upper(),
            values, by_base={LOG_ODDS: differences},
            summary={"class": self._labels[number], "log_odds": float(found.log_odds[number])},
        )


def letter_heights(attribution: Attribution) -> NDArray[np.float64]:
    """Return how high A, C, G, T are drawn at each base, shape (n_bases, 4); 0 where there is no value.

    Where a base has probabilities, they share its value; else it is all of the letter's that is there.
    """
    values = np.nan_to_num(attribution.base_values)[:, None]
    if PROBABILITY in attribution.by_base:
        return values * np.nan_to_num(attribution.by_base[PROBABILITY])
    letters = np.array(list(attribution.letters))[:, None]
    heights: NDArray[np.float64] = np.where(letters == np.array(list(BASES)), values, 0.0)
    return heights


def _positions(region: Region) -> NDArray[np.int64]:
    forward = np.arange(region.interval.start, region.interval.end)
    return forward if region.interval.strand == "+" else forward[::-1]


def _of_tokens(
    starts: NDArray[np.int64], positions: NDArray[np.int64], values: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the value of a base of each token, one that has a row, shape (n_tokens,)."""
    by_position = dict(zip(positions.tolist(), values.tolist(), strict=True))
    low, high = int(positions.min()), int(positions.max())
    return np.array([by_position[min(max(start, low), high)] for start in starts.tolist()])


def _mean(values: NDArray[np.float64]) -> float:
    known = values[np.isfinite(values)]
    return float(known.mean()) if known.size else float("nan")
