"""Scores of alleles put into the genome's sequence, which is tokenized anew: of single bases and of indels.

Where an allele changes tokens a to b (the others stay), the span is those and `neighbours` more on each side.

    pll_per_base             the sum over the tokens of the span of log P(token | the window without it), divided
                             by the span's bases; with the alternative, less with the reference
    retokenization_per_base  the same difference with no variant in it: the reference's bases along the borders
                             that tokens have with the alternative, less along their own. 0 where borders stay;
                             missing where no tokens spell those bases, and for indels
    embedding_distance       Euclidean distance of the means of the span's vectors (float32, last layer)
    class_LABEL              probability of a class of a fine-tuned classifier, with the alternative less with the
                             reference, of the tokens over `classifier_bp` bases around the allele

Both windows begin with the same token and hold as many as the model takes.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from grover_hf.corpus.haplotypes import Retokenized, retokenized
from grover_hf.corpus.strand_tokens import StrandTokens
from grover_hf.corpus.token_lookup import IntervalTokens
from grover_hf.genome.acgt import base_codes, sequence_of
from grover_hf.inference.base_marginals import MaskGrid
from grover_hf.inference.dna_model import DnaModel
from grover_hf.inference.genome_models import class_key
from grover_hf.tokenization.encoding import Encoder
from grover_hf.variants.alleles import Placed

_INPUTS_AT_ONCE = 64


class Span(NamedTuple):
    """A window of tokens, and those in it that are compared."""

    input_ids: NDArray[np.uint16]
    first: int
    last: int


class AllelePair(NamedTuple):
    """An allele's window beside that of the reference."""

    ref: Span
    alt: Span
    ref_along_alt: Span | None
    """The reference's bases along the borders of the alternative; None where no tokens spell them."""
    same_borders: bool


class HaplotypeScorer:
    """Scores alleles of one strand by what a model says with each in its place.

    Args:
        encoder: The vocabulary.
        grid: Tokens of a window, and how far apart those masked together are.
        neighbours: Tokens on each side of those that differ which are scored too.
    """

    def __init__(self, encoder: Encoder, grid: MaskGrid, neighbours: int) -> None:
        self._encoder = encoder
        self._grid = grid
        self._neighbours = neighbours
        self._ids = {token: number for number, token in enumerate(encoder.tokens)}

    def pairs(self, strand: StrandTokens, alleles: Placed) -> list[AllelePair | None]:
        """Return the windows of each allele; None where it cannot be put in its place."""
        return [self._pair(strand, *allele) for allele in _each(alleles)]

    def log_likelihoods(self, dna: DnaModel, pairs: Sequence[AllelePair | None]) -> dict[str, NDArray[np.float64]]:
        """Return `pll_per_base` and `retokenization_per_base`, each (n,); NaN where there is none."""
        spans = [span for pair in pairs if pair for span in (pair.ref, pair.alt, pair.ref_along_alt) if span]
        per_base = self._per_base(dna, spans)
        pll, retokenization = (np.full(len(pairs), np.nan) for _ in range(2))
        for row, pair in enumerate(pairs):
            if pair is None:
                continue
            of_ref = per_base[_key(pair.ref)]
            pll[row] = per_base[_key(pair.alt)] - of_ref
            if pair.same_borders:
                retokenization[row] = 0.0
            elif pair.ref_along_alt:
                retokenization[row] = per_base[_key(pair.ref_along_alt)] - of_ref
        return {"pll_per_base": pll, "retokenization_per_base": retokenization}

    def embedding_distances(self, dna: DnaModel, pairs: Sequence[AllelePair | None]) -> NDArray[np.float64]:
        """Return `embedding_distance`, shape (n,); NaN where there is none."""
        unique = {_key(span): span for pair in pairs if pair for span in (pair.ref, pair.alt)}
        keys, means = list(unique), {}
        for first in range(0, len(keys), _INPUTS_AT_ONCE):
            some = keys[first : first + _INPUTS_AT_ONCE]
            found = dna.embed_tokens([self._located(unique[key].input_ids) for key in some])
            for key, one in zip(some, found, strict=True):
                means[key] = one.vectors[unique[key].first : unique[key].last].mean(0, dtype=np.float64)
        return np.array([
            np.linalg.norm(means[_key(pair.alt)] - means[_key(pair.ref)]) if pair else np.nan for pair in pairs
        ])

    def class_differences(
        self, classifier: DnaModel, strand: StrandTokens, alleles: Placed, classifier_bp: int
    ) -> dict[str, NDArray[np.float64]]:
        """Return `class_LABEL` of each class, (n,); NaN where the allele cannot be put in its place."""
        labels = [str(label) for label in classifier.model.config.id2label.values()]
        scores = {class_key(label): np.full(len(alleles.starts), np.nan) for label in labels}
        rows, inputs = [], []
        for row, (start, ref, alt) in enumerate(_each(alleles)):
            changed = retokenized(strand, self._encoder, start, len(ref), base_codes(alt))
            if changed is None:
                continue
            rows.append(row)
            reach = max(0, classifier_bp - len(ref)) // 2
            first, last = _tokens_within(strand, changed, start - reach, start + len(ref) + reach)
            inputs.append(self._located(strand.input_ids[first:last]))
            inputs.append(self._located(_with(strand, first, last, changed)))
        for first in range(0, len(rows), _INPUTS_AT_ONCE // 2):
            some = rows[first : first + _INPUTS_AT_ONCE // 2]
            answers = classifier.classify(inputs[2 * first : 2 * (first + len(some))])
            p_classes = [{answer["label"]: answer["score"] for answer in of_one} for of_one in answers]
            for row, of_ref, of_alt in zip(some, p_classes[::2], p_classes[1::2], strict=True):
                for label in labels:
                    scores[class_key(label)][row] = of_alt[label] - of_ref[label]
        return scores

    def _pair(self, strand: StrandTokens, start: int, ref: str, alt: str) -> AllelePair | None:
        changed = retokenized(strand, self._encoder, start, len(ref), base_codes(alt))
        if changed is None:
            return None
        segment = strand.segment_of(np.array([min(changed.first, len(strand.input_ids) - 1)]))[0]
        t_first, t_last = strand.first_tokens[segment : segment + 2].tolist()
        first, last = max(t_first, changed.first - self._neighbours), min(t_last, changed.last + self._neighbours)
        more = len(changed.input_ids) - (changed.last - changed.first)
        room = self._grid.window_tokens - (last - first) - max(0, more)
        # With no neighbours, an insertion between two tokens leaves nothing of the reference to compare with.
        if room < 0 or last == first or last + more == first:
            return None
        window_first = max(t_first, first - room // 2)
        window_last = min(t_last, last + room - (first - window_first))
        window_first = max(t_first, first - (room - (window_last - last)))
        span = first - window_first, last - window_first
        own = Span(strand.input_ids[window_first:window_last], *span)
        other = Span(_with(strand, window_first, window_last, changed), span[0], span[1] + more)
        lengths = strand.token_lengths
        old_ids = strand.input_ids[changed.first : changed.last]
        same = np.array_equal(lengths[old_ids], lengths[changed.input_ids])
        along = None
        if len(ref) == len(alt) and not same and (ids := self._along(strand, changed)) is not None:
            spelled = changed._replace(input_ids=ids)
            along = other._replace(input_ids=_with(strand, window_first, window_last, spelled))
        return AllelePair(own, other, along, same and len(ref) == len(alt))

    def _along(self, strand: StrandTokens, changed: Retokenized) -> NDArray[np.uint16] | None:
        """Return the tokens that spell the strand's own bases along other borders; None if there are none."""
        place, ids = int(strand.starts[changed.first]), []
        for length in strand.token_lengths[changed.input_ids].tolist():
            ids.append(self._ids.get(sequence_of(strand.codes[place : place + length])))
            place += length
        return None if None in ids else np.array(ids, np.uint16)

    def _per_base(self, dna: DnaModel, spans: Sequence[Span]) -> dict[tuple[bytes, int, int], float]:
        """Return the log-likelihood of each span by base, in nats; equal ones are computed once."""
        unique = {_key(span): span for span in spans}
        totals = dict.fromkeys(unique, 0.0)
        passes = [
            (key, np.arange(first, span.last, self._grid.apart))
            for key, span in unique.items()
            for first in range(span.first, min(span.first + self._grid.apart, span.last))
        ]
        for first in range(0, len(passes), _INPUTS_AT_ONCE):
            some = passes[first : first + _INPUTS_AT_ONCE]
            inputs = []
            for key, columns in some:
                located = self._located(unique[key].input_ids)
                located.input_ids[columns] = dna.tokenizer.mask_token_id
                inputs.append(located)
            for (key, columns), found in zip(some, dna.mask_probabilities(inputs), strict=True):
                true = unique[key].input_ids[columns]
                totals[key] += float(np.log(found[np.arange(len(true)), true].astype(np.float64)).sum())
        return {key: total / self._n_bases(unique[key]) for key, total in totals.items()}

    def _n_bases(self, span: Span) -> int:
        compared = span.input_ids[span.first : span.last]
        return int(self._encoder.token_lengths[compared].sum(dtype=np.int64))

    def _located(self, input_ids: NDArray[np.uint16]) -> IntervalTokens:
        """Return tokens with the coordinates of the sequence that they spell, from 0 on; the ids are a copy."""
        ends = np.cumsum(self._encoder.token_lengths[input_ids].astype(np.int64))
        starts = np.concatenate([[0], ends[:-1]])
        return IntervalTokens(
            input_ids.copy(), starts, ends, partial_start=False, partial_end=False,
            vocabulary_sha256=self._encoder.vocabulary_sha256,
        )


def _each(alleles: Placed) -> Iterator[tuple[int, str, str]]:
    yield from zip(alleles.starts.tolist(), alleles.refs, alleles.alts, strict=True)


def _tokens_within(strand: StrandTokens, changed: Retokenized, start: int, end: int) -> tuple[int, int]:
    """Return the first and last token (exclusive) over a stretch, as far as its segment goes."""
    segment = int(strand.segment_of(np.array([changed.first]))[0])
    low, high = strand.segments[segment].tolist()
    # An insertion has no base of its own here.
    tokens = strand.tokens_between(max(low, start), max(min(high, end), start + 1))
    return min(int(tokens[0]), changed.first), max(int(tokens[-1]) + 1, changed.last)


def _with(strand: StrandTokens, first: int, last: int, changed: Retokenized) -> NDArray[np.uint16]:
    """Return the tokens from `first` to `last` with those in place that an allele makes."""
    ids = strand.input_ids
    return np.concatenate([ids[first : changed.first], changed.input_ids, ids[changed.last : last]])


def _key(span: Span) -> tuple[bytes, int, int]:
    return span.input_ids.tobytes(), span.first, span.last
