"""Base marginals are sums over the vocabulary, and depend on the genome, the model and the grid alone."""

import numpy as np
import pytest

from grover_hf import DnaModel, GenomeEncoder, InputError, ReferenceGenome
from grover_hf.corpus.strand_tokens import StrandTokens
from grover_hf.corpus.token_lookup import IntervalTokens
from grover_hf.inference.base_marginals import MaskGrid, VocabularyLetters, masked_token_probabilities
from grover_hf.inference.genome_models import encoder_of
from tests.tiny_models import random_dna, save, tiny_masked_model


@pytest.fixture(scope="module")
def dna(tmp_path_factory):
    folder = tmp_path_factory.mktemp("model")
    save(folder / "model", tiny_masked_model())
    return DnaModel.from_pretrained(folder / "model", device="cpu")


@pytest.fixture(scope="module")
def encoder(dna):
    return encoder_of(dna, "the model")


@pytest.fixture(scope="module")
def genome(tmp_path_factory):
    path = tmp_path_factory.mktemp("genome") / "g.fa"
    path.write_text(f">c\n{random_dna(900)}NN{random_dna(60, seed=3)}\n")
    return ReferenceGenome(path)


@pytest.fixture(scope="module", params=["+", "-"])
def strand(request, genome, encoder):
    return StrandTokens.of(genome, "c", encoder, request.param)


def all_of(dna, strand, tokens, grid):
    parts = list(masked_token_probabilities(dna, strand, tokens, grid))
    numbers = np.concatenate([part.tokens for part in parts])
    order = np.argsort(numbers)
    return numbers[order], np.concatenate([part.probabilities for part in parts])[order]


def marginals_of(dna, encoder, strand, tokens, grid):
    letters = VocabularyLetters(encoder)
    parts = [letters.marginals(strand, part) for part in masked_token_probabilities(dna, strand, tokens, grid)]
    positions = np.concatenate([part.positions for part in parts])
    order = np.argsort(positions)
    return positions[order], np.concatenate([part.probabilities for part in parts])[order]


def by_definition(encoder, strand, token, p_tokens):
    """Sum over the vocabulary, token by token and letter by letter, as the module says."""
    start, end = int(strand.starts[token]), int(strand.ends_of(np.array([token]))[0])
    segment_end = int(strand.segments[strand.segment_of(np.array([token]))[0], 1])
    text = "".join("ACGT"[code] for code in strand.codes[start:segment_end])
    sums = np.zeros((end - start, 3, 4))
    for number, spelled in enumerate(encoder.tokens):
        if number < 5:
            continue
        for offset in range(min(len(spelled), end - start)):
            base = "ACGT".index(spelled[offset])
            sums[offset, 0, base] += p_tokens[number]
            if spelled[:offset] == text[:offset]:
                sums[offset, 1, base] += p_tokens[number]
            without = spelled[:offset] + text[offset] + spelled[offset + 1 :]
            if text.startswith(without):
                sums[offset, 2, base] += p_tokens[number]
    return sums / sums.sum(2, keepdims=True)


def test_marginals_are_the_sums_over_the_vocabulary_and_add_up_to_one(dna, encoder, strand):
    tokens = np.arange(0, len(strand.input_ids), 5)
    grid = MaskGrid.for_model(dna, apart=4)
    _, p_tokens = all_of(dna, strand, tokens, grid)
    positions, found = marginals_of(dna, encoder, strand, tokens, grid)
    expected = [by_definition(encoder, strand, token, row) for token, row in zip(tokens, p_tokens, strict=True)]
    np.testing.assert_allclose(found, np.concatenate(expected), atol=1e-12)
    np.testing.assert_allclose(found.sum(2), 1)
    bases = [np.arange(strand.starts[token], strand.ends_of(np.array([token]))[0]) for token in tokens]
    np.testing.assert_array_equal(positions, np.concatenate(bases))


def test_what_a_token_gets_does_not_depend_on_which_others_are_asked_for(dna, strand):
    grid = MaskGrid.for_model(dna, window_tokens=12, apart=6)
    everything = np.arange(len(strand.input_ids))
    _, together = all_of(dna, strand, everything, grid)
    for token in (0, 7, 19, len(everything) - 1):
        _, alone = all_of(dna, strand, np.array([token]), grid)
        np.testing.assert_allclose(alone[0], together[token], atol=1e-6)


def test_one_mask_a_window_is_what_the_model_says_of_that_token_masked(dna, encoder, strand):
    grid = MaskGrid.for_model(dna, window_tokens=14, apart=14)
    first, last = strand.first_tokens[:2].tolist()
    last = min(last, first + 14)
    window = np.arange(first, last)
    for token in (first, first + 4):
        ids = strand.input_ids[window].copy()
        ids[token - first] = dna.tokenizer.mask_token_id
        located = IntervalTokens(
            ids, strand.starts[window].astype(np.int64), strand.ends_of(window), partial_start=False,
            partial_end=False, vocabulary_sha256=encoder.vocabulary_sha256,
        )
        logits = dna.token_logits([located])[0].logits[token - first].astype(np.float64)
        expected = np.exp(logits - logits.max()) / np.exp(logits - logits.max()).sum()
        _, found = all_of(dna, strand, np.array([token]), grid)
        np.testing.assert_allclose(found[0], expected, atol=1e-5)


def test_masked_tokens_of_a_pass_are_so_far_apart_and_the_others_are_read(dna, strand, monkeypatch):
    seen = []
    plain = dna.mask_probabilities
    monkeypatch.setattr(dna, "mask_probabilities", lambda inputs: seen.extend(inputs) or plain(inputs))
    list(masked_token_probabilities(dna, strand, np.arange(len(strand.input_ids)), MaskGrid(12, 4)))
    for given in seen:
        masked = np.flatnonzero(given.input_ids == dna.tokenizer.mask_token_id)
        assert len(given.input_ids) <= 12
        assert (np.diff(masked) == 4).all()


@pytest.mark.parametrize(("options", "message"), [
    ({"window_tokens": 0}, "window_tokens is 0"), ({"window_tokens": 10**6}, "this model takes 1 to"),
    ({"apart": 0}, "apart is 0"),
])
def test_a_grid_that_cannot_be_is_refused(dna, options, message):
    with pytest.raises(InputError, match=message):
        MaskGrid.for_model(dna, **options)


def test_the_encoder_of_a_model_is_that_of_its_tokenizer(dna, encoder):
    assert isinstance(encoder, GenomeEncoder)
    text = random_dna(300, seed=9)
    assert dna.tokenizer(text, add_special_tokens=False)["input_ids"] == encoder.encode(text).tolist()
