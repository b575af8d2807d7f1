"""Scores of single-base variants from base marginals, and of what fits the borders of the reference's token."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from grover_hf.corpus.strand_tokens import StrandTokens
from grover_hf.genome.acgt import base_codes
from grover_hf.inference.base_marginals import MARGINALS, MaskedTokens, VocabularyLetters
from grover_hf.tokenization.encoding import Encoder
from grover_hf.variants.alleles import Placed
from grover_hf.variants.predictors import Predictor

TOKEN = "token"


class MarginalScorer:
    """Scores alleles of one strand by log p(alternative) - log p(reference), in nats.

    Args:
        encoder: The vocabulary.
    """

    def __init__(self, encoder: Encoder) -> None:
        self._letters = VocabularyLetters(encoder)
        self._tokens = encoder.tokens
        self._ids = {token: number for number, token in enumerate(encoder.tokens)}

    def scores(
        self, predictor: Predictor, strand: StrandTokens, placed: Placed
    ) -> Mapping[str, NDArray[np.float64]]:
        """Return the scores of each allele, by name, each (n,); NaN where it has none.

        `all`, `left`, `both`: of single-base variants, the marginals of `inference.base_marginals`. `token`: of
        variants within one token whose alternative is a token too, log P of the two tokens.

        Args:
            predictor: Who says how likely tokens are.
            strand: The tokens of a chromosome.
            placed: The alleles on it.
        """
        starts, refs, alts = placed
        scores = {name: np.full(len(starts), np.nan) for name in (*MARGINALS, TOKEN)}
        tokens = strand.token_over(starts)
        alternatives = self._alternative_tokens(strand, tokens, placed)
        is_snv = np.array([len(ref) == len(alt) == 1 for ref, alt in zip(refs, alts, strict=True)], bool)
        wanted = np.flatnonzero((tokens >= 0) & (is_snv | (alternatives >= 0)))
        if not wanted.size:
            return scores
        ref_codes, alt_codes = (base_codes("".join(s[:1] or "N" for s in texts)) for texts in (refs, alts))
        by_token = wanted[np.argsort(tokens[wanted], kind="stable")]
        for masked in predictor(strand, np.unique(tokens[wanted])):
            numbers = np.sort(masked.tokens)
            found = masked.probabilities[np.argsort(masked.tokens)]
            low, high = (np.searchsorted(tokens[by_token], numbers[[0, -1]] + [0, 1]))
            # Passes interleave: of the alleles between the first and last token, some are of others.
            alleles = by_token[low:high]
            alleles = alleles[np.isin(tokens[alleles], numbers)]
            at = alleles[alternatives[alleles] >= 0]
            rows = np.searchsorted(numbers, tokens[at])
            scores[TOKEN][at] = _log_ratio(
                MaskedTokens(numbers[rows], found[rows]), alternatives[at], strand.input_ids[tokens[at]]
            )
            marginals = self._letters.marginals(strand, masked)
            order = np.argsort(marginals.positions)
            snvs = alleles[is_snv[alleles]]
            rows = order[np.searchsorted(marginals.positions[order], starts[snvs])]
            with np.errstate(divide="ignore"):
                logs = np.log(marginals.probabilities[rows])
            of_alt = np.take_along_axis(logs, alt_codes[snvs, None, None].astype(int), 2)[:, :, 0]
            of_ref = np.take_along_axis(logs, ref_codes[snvs, None, None].astype(int), 2)[:, :, 0]
            # Where no token spells the alternative.
            llr = np.where(np.isfinite(of_alt), of_alt - of_ref, np.nan)
            for number, name in enumerate(MARGINALS):
                scores[name][snvs] = llr[:, number]
        return scores

    def _alternative_tokens(
        self, strand: StrandTokens, tokens: NDArray[np.int64], placed: Placed
    ) -> NDArray[np.int64]:
        """Return the id of what a token spells with each allele, shape (n,); -1 where that is none."""
        found = np.full(len(tokens), -1)
        for row, (token, ref, alt) in enumerate(zip(tokens.tolist(), placed.refs, placed.alts, strict=True)):
            if token < 0 or len(ref) != len(alt):
                continue
            spelled = self._tokens[strand.input_ids[token]]
            offset = int(placed.starts[row]) - int(strand.starts[token])
            if offset + len(ref) <= len(spelled):
                found[row] = self._ids.get(spelled[:offset] + alt + spelled[offset + len(alt) :], -1)
        return found


def _log_ratio(
    masked: MaskedTokens, alts: NDArray[np.integer], refs: NDArray[np.integer]
) -> NDArray[np.float64]:
    """Return log P(alt) - log P(ref) in the place of each token, shape (n,); NaN where one is 0."""
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.log(masked.of_ids(alts)) - np.log(masked.of_ids(refs))
    return np.where(np.isfinite(ratio), ratio, np.nan)
