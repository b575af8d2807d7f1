"""Values along a genome, base by base, from what a model says of its tokens.

    marginal_A, _C, _G, _T   probability of each base where its token is masked (`inference.base_marginals`, over
                             all tokens); the four add up to 1
    surprisal                -log2 of that of the genome's own base, in bits
    token_probability        probability of the whole token over the base, where it is masked
    class_LABEL              probability of a class of a fine-tuned classifier, of `window_bp` around the middle of
                             each step of `step_bp`
    component_1, ...         first principal components of the token vectors of the last layer, spread to bases

All but classes and components are the mean of both strands, which are tokenized apart, or one of them. Where a
strand has no token there is no value.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from grover_hf.corpus.strand_tokens import StrandTokens
from grover_hf.errors import InputError
from grover_hf.genome import Interval
from grover_hf.genome.letters import BASES
from grover_hf.inference.base_marginals import (
    ALL,
    MARGINALS,
    MaskGrid,
    VocabularyLetters,
    masked_token_probabilities,
)
from grover_hf.inference.dna_model import DnaModel
from grover_hf.inference.genome_models import class_key
from grover_hf.inference.strand_windows import strand_windows
from grover_hf.tokenization.encoding import Encoder
from grover_hf.tracks.files import MARGINAL_NAMES

SURPRISAL, TOKEN_PROBABILITY = "surprisal", "token_probability"
_ALL = MARGINALS.index(ALL)
_WINDOWS_AT_ONCE = 64
Values = Mapping[str, NDArray[np.float32]]


class LikelihoodTracks:
    """Marginals, surprisal and token probability.

    Args:
        dna: A masked language model.
        encoder: Its vocabulary.
        grid: Which tokens are masked together.
    """

    names = (*MARGINAL_NAMES, SURPRISAL, TOKEN_PROBABILITY)

    def __init__(self, dna: DnaModel, encoder: Encoder, grid: MaskGrid) -> None:
        self._dna = dna
        self._grid = grid
        self._letters = VocabularyLetters(encoder)

    def of_strand(self, strand: StrandTokens, interval: Interval) -> Values:
        """Return the values of an interval's bases by one strand, each (n_bases,), NaN where there is none."""
        found = {name: np.full(len(interval), np.nan, np.float32) for name in self.names}
        for masked in masked_token_probabilities(self._dna, strand, tokens_over(strand, interval), self._grid):
            marginals = self._letters.marginals(strand, masked)
            places = strand.position(marginals.positions) - interval.start
            inside = (places >= 0) & (places < len(interval))
            places = places[inside]
            of_base = marginals.probabilities[inside, _ALL]
            own = strand.codes[marginals.positions[inside]].astype(np.int64)
            # Bases of the reverse strand are the complements, in the opposite order: A, C, G, T is T, G, C, A.
            columns = of_base if strand.strand == "+" else of_base[:, ::-1]
            for name, column in zip(MARGINAL_NAMES, columns.T, strict=True):
                found[name][places] = column
            found[SURPRISAL][places] = -np.log2(of_base[np.arange(len(own)), own])
            true = strand.input_ids[masked.tokens]
            lengths = strand.token_lengths[true]
            p_token = masked.of_ids(true)
            found[TOKEN_PROBABILITY][places] = np.repeat(p_token, lengths)[inside]
        return found


@dataclass(frozen=True, eq=False)
class Components:
    """Principal components of token vectors."""

    mean: NDArray[np.float32]
    """Shape (H,)."""
    axes: NDArray[np.float32]
    """Shape (n_components, H)."""

    @property
    def names(self) -> tuple[str, ...]:
        """Of the tracks."""
        return tuple(f"component_{number}" for number in range(1, len(self.axes) + 1))

    @classmethod
    def of(cls, vectors: NDArray[np.float32], n_components: int) -> "Components":
        """Return the components of a sample of vectors, shape (n, H); the largest entry of each is positive.

        Raises:
            InputError: If there are more components than dimensions or vectors.
        """
        if n_components > min(vectors.shape):
            n_vectors, n_numbers = vectors.shape
            raise InputError(f"{n_components} components of {n_vectors} vectors of {n_numbers} numbers.")
        from sklearn.decomposition import PCA

        fitted = PCA(n_components, svd_solver="full").fit(vectors.astype(np.float64))
        axes = fitted.components_
        signs = np.sign(axes[np.arange(n_components), np.abs(axes).argmax(1)])
        return cls(fitted.mean_.astype(np.float32), (axes * signs[:, None]).astype(np.float32))

    def of_tokens(self, dna: DnaModel, strand: StrandTokens, interval: Interval) -> Values:
        """Return the values of the bases of an interval, each (n_bases,), NaN where no token is."""
        found = {name: np.full(len(interval), np.nan, np.float32) for name in self.names}
        tokens = tokens_over(strand, interval)
        if not tokens.size:
            return found
        values = (token_vectors(dna, strand, tokens) - self.mean) @ self.axes.T
        starts = strand.starts[tokens].astype(np.int64)
        lengths = strand.ends_of(tokens) - starts
        places = np.repeat(starts - np.cumsum(lengths) + lengths, lengths) + np.arange(int(lengths.sum()))
        places -= interval.start
        inside = (places >= 0) & (places < len(interval))
        for name, column in zip(self.names, values.T, strict=True):
            found[name][places[inside]] = np.repeat(column, lengths)[inside]
        return found


def token_vectors(dna: DnaModel, strand: StrandTokens, tokens: NDArray[np.int64]) -> NDArray[np.float32]:
    """Return the vectors of tokens, ascending, shape (n, H), each from the window in which it is most central."""
    windows = list(strand_windows(strand, tokens, dna.reader.rules.window_tokens))
    vectors = [np.empty((0, dna.model.config.hidden_size), np.float32)]
    for first in range(0, len(windows), _WINDOWS_AT_ONCE):
        some = windows[first : first + _WINDOWS_AT_ONCE]
        answers = dna.embed_tokens([strand.located(np.arange(window.start, window.end)) for window in some])
        for window, answer in zip(some, answers, strict=True):
            vectors.append(answer.vectors[window.tokens - window.start])
    return np.concatenate(vectors)


def class_values(
    classifier: DnaModel, strand: StrandTokens, interval: Interval, *, window_bp: int, step_bp: int
) -> Values:
    """Return the probability of each class along an interval, one a step, spread to its bases; each (n_bases,).

    Args:
        classifier: A fine-tuned classifier.
        strand: The tokens of the forward strand.
        interval: Its steps begin at multiples of `step_bp`.
        window_bp: Bases around the middle of a step whose tokens are read, as far as the segment goes.
        step_bp: From one value to the next.
    """
    labels = [str(label) for label in classifier.model.config.id2label.values()]
    found = {class_key(label): np.full(len(interval), np.nan, np.float32) for label in labels}
    firsts = range(interval.start - interval.start % step_bp, interval.end, step_bp)
    inputs, steps = [], []
    for first in firsts:
        # The last step of a chromosome may end before its middle.
        middle = min(first + step_bp // 2, strand.codes.size - 1)
        over = strand.token_over(np.array([middle]))[0]
        if over < 0:
            continue
        segment = strand.segments[strand.segment_of(np.array([over]))[0]]
        low, high = max(int(segment[0]), middle - window_bp // 2), min(int(segment[1]), middle + window_bp // 2)
        inputs.append(strand.located(strand.tokens_between(low, max(high, low + 1))))
        steps.append(first)
    for begin in range(0, len(inputs), _WINDOWS_AT_ONCE):
        for first, answers in zip(
            steps[begin : begin + _WINDOWS_AT_ONCE], classifier.classify(inputs[begin : begin + _WINDOWS_AT_ONCE]),
            strict=True,
        ):
            bases = slice(max(0, first - interval.start), min(len(interval), first + step_bp - interval.start))
            for answer in answers:
                values = found[class_key(answer['label'])]
                # N within a step has no value, as everywhere.
                known = strand.codes[interval.start + bases.start : interval.start + bases.stop] < len(BASES)
                values[bases] = np.where(known, np.float32(answer["score"]), np.nan)
    return found


def tokens_over(strand: StrandTokens, interval: Interval) -> NDArray[np.int64]:
    """Return the numbers of a strand's tokens that overlap an interval of the forward strand, ascending."""
    if strand.strand == "+":
        return strand.tokens_between(interval.start, interval.end)
    return strand.tokens_between(strand.codes.size - interval.end, strand.codes.size - interval.start)
