"""Sums over contexts are those of a loop over all occurrences, and self-similarity that of all pairs."""

import itertools

import numpy as np
import pytest
from transformers import BertForMaskedLM

from grover_hf.errors import InputError
from grover_hf.inference.dna_model import DnaModel
from grover_hf.interpretation.token_vectors.contexts import mean_cosine, read_contexts
from grover_hf.interpretation.token_vectors.token_windows import (
    TokenWindows,
    dataset_windows,
    evenly_spaced_contexts,
    genome_bin_windows,
)
from grover_hf.interpretation.token_vectors.vectors import output_vectors, static_vectors
from grover_hf.probing.features import loose_tokens
from tests.interpretation.small_windows import ENCODER, random_windows, write_windows
from tests.tiny_models import tiny_config, tiny_masked_model, tiny_tokenizer


@pytest.fixture(scope="module")
def dna():
    return DnaModel(tiny_masked_model(), tiny_tokenizer())


def windows_of(rows):
    ids = np.concatenate(rows).astype(np.uint16)
    borders = np.concatenate([[0], np.cumsum([len(row) for row in rows])])
    counts = np.bincount(ids, minlength=len(ENCODER.tokens))
    return TokenWindows("made up", "made up", "0", ids, borders, len(rows), counts)


ROWS = random_windows(60)
"""Some are longer than the 14 tokens that the tiny model takes at once."""


@pytest.fixture(scope="module")
def sums(dna):
    return read_contexts(dna, windows_of(ROWS), most_contexts=20)


def vectors_by_type(dna, layer):
    """Return the vectors of all occurrences of each type, found one window at a time."""
    found = {}
    for row in ROWS:
        one, = dna.embed_tokens(loose_tokens(dna, [row]), layer=layer)
        for token, vector in zip(one.input_ids.tolist(), one.vectors, strict=True):
            found.setdefault(token, []).append(vector)
    return {token: np.array(vectors) for token, vectors in found.items()}


@pytest.mark.parametrize("layer", [0, 1, 2])
def test_a_contextual_mean_is_the_mean_of_all_occurrences(dna, sums, layer):
    every = np.ones(len(ENCODER.tokens), bool)
    means = sums.mean_vectors(layer, list(ENCODER.tokens), every)
    expected = vectors_by_type(dna, layer)
    assert means.ids.tolist() == sorted(expected)
    assert means.layer == layer
    for row, token in enumerate(means.ids.tolist()):
        np.testing.assert_allclose(means.vectors[row], expected[token].mean(0), atol=1e-5)
        assert means.counts[row] == len(expected[token])
        assert means.tokens[row] == ENCODER.tokens[token]


@pytest.mark.parametrize("layer", [0, 2])
def test_self_similarity_is_the_mean_cosine_of_all_pairs_of_up_to_so_many_contexts(dna, sums, layer):
    for token, vectors in vectors_by_type(dna, layer).items():
        chosen = vectors[np.linspace(0, len(vectors) - 1, min(20, len(vectors))).astype(int)]
        assert sums.n_contexts[token] == len(chosen) <= 20
        units = chosen / np.linalg.norm(chosen, axis=1, keepdims=True)
        pairs = [units[i] @ units[j] for i, j in itertools.combinations(range(len(units)), 2)]
        assert sums.self_similarity[layer, token] == pytest.approx(np.mean(pairs), abs=1e-5)
    assert max(map(len, vectors_by_type(dna, 0).values())) > 20


def test_anisotropy_is_the_mean_cosine_of_any_two_tokens(dna, sums):
    vectors = np.concatenate(list(vectors_by_type(dna, 1).values()))
    units = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    cosines = units @ units.T
    n = len(units)
    assert sums.anisotropy[1] == pytest.approx((cosines.sum() - n) / (n * (n - 1)), abs=1e-5)


def test_the_order_of_windows_and_the_size_of_batches_do_not_matter(dna, sums):
    order = np.random.default_rng(1).permutation(len(ROWS))
    small = DnaModel(dna.model, dna.tokenizer, max_batch_tokens=20)
    # All occurrences are contexts: which are chosen depends on the order.
    one = read_contexts(dna, windows_of(ROWS))
    other = read_contexts(small, windows_of([ROWS[row] for row in order]))
    for name in ("sums", "unit_sums", "all_unit_sum"):
        np.testing.assert_allclose(getattr(one, name), getattr(other, name), atol=1e-5)
    np.testing.assert_allclose(one.self_similarity, other.self_similarity, atol=1e-5)
    np.testing.assert_allclose(one.sums, sums.sums, atol=1e-9)


def test_vectors_that_are_alike_have_self_similarity_1_and_random_ones_about_0():
    alike = np.full((50, 768), 768**-0.5)
    assert mean_cosine(alike.sum(0), np.int64(50)) == pytest.approx(1)
    random = np.random.default_rng(0).normal(size=(500, 768))
    random /= np.linalg.norm(random, axis=1, keepdims=True)
    assert abs(mean_cosine(random.sum(0), np.int64(500))) < 0.001


def test_a_type_with_fewer_than_two_contexts_has_no_self_similarity(dna):
    found = read_contexts(dna, windows_of([np.array([5, 6, 6]), np.array([6, 7, 7])]))
    assert np.isnan(found.self_similarity[:, [5, 8]]).all()
    assert np.isfinite(found.self_similarity[:, [6, 7]]).all()
    shown = found.mean_vectors(-1, list(ENCODER.tokens), np.ones(len(ENCODER.tokens), bool))
    assert shown.ids.tolist() == [5, 6, 7]


def test_contexts_are_the_first_the_last_and_evenly_between():
    ids = np.array([9] * 11 + [8] + [7] * 3, np.uint16)
    chosen = evenly_spaced_contexts(ids, 3)
    assert np.flatnonzero(chosen[:11]).tolist() == [0, 5, 10]
    assert chosen[11:].all()


def test_tables_are_rows_of_the_types_that_are_looked_at(dna):
    counts = np.arange(len(ENCODER.tokens))
    is_shown = counts > 7
    static = static_vectors(dna, counts, is_shown)
    weights = dna.model.get_input_embeddings().weight.detach().numpy()
    np.testing.assert_array_equal(static.vectors, weights[is_shown])
    assert static.counts.tolist() == static.ids.tolist() == list(range(8, 17))
    assert output_vectors(dna, counts, is_shown) is None
    untied = DnaModel(BertForMaskedLM(tiny_config(tie_word_embeddings=False)), tiny_tokenizer())
    output = output_vectors(untied, counts, is_shown)
    np.testing.assert_array_equal(output.vectors, untied.model.cls.predictions.decoder.weight.detach()[is_shown])
    assert not np.allclose(output.vectors, static_vectors(untied, counts, is_shown).vectors)


def test_windows_are_those_of_the_test_split_and_counts_those_of_all(tmp_path):
    train, test = random_windows(5), random_windows(9, seed=1)
    folder = write_windows(tmp_path / "windows", train=train, test=test)
    found = dataset_windows(folder, None, ENCODER, 3)
    assert [row.tolist() for row in found.rows(0, 3)] == [test[row].tolist() for row in (0, 4, 8)]
    assert (len(found), found.n_available) == (3, 9)
    assert found.source == "3 test windows of sim.fa"
    np.testing.assert_array_equal(found.counts, np.bincount(np.concatenate([*train, *test]), minlength=17))


def test_windows_without_a_test_split_and_of_another_vocabulary_are_refused(tmp_path):
    folder = write_windows(tmp_path / "windows", train=random_windows(5))
    with pytest.raises(InputError, match="has no test windows; it has train"):
        dataset_windows(folder, None, ENCODER, 3)
    from grover_hf.tokenization.kmer import KmerEncoder

    with pytest.raises(InputError, match="has vocabulary"):
        dataset_windows(folder, None, KmerEncoder(3), 3)


def test_bins_are_runs_of_510_tokens_and_the_rest_of_each_segment(write_fasta, tmp_path):
    from grover_hf.corpus.tokenized_genome import TokenizedGenome
    from grover_hf.genome import ReferenceGenome
    from grover_hf.tokenization.kmer import KmerEncoder

    fasta = write_fasta(f">one\n{'ACGTTGCA' * 200}NN{'ACC' * 9}\n")
    corpus = TokenizedGenome.build(ReferenceGenome(fasta), KmerEncoder(3), tmp_path / "corpus")
    found = genome_bin_windows(corpus, 10)
    assert np.diff(found.borders).tolist() == [510, 23, 9]
    assert found.counts.sum() == 542
    assert found.counts[KmerEncoder(3).tokens.index("ACC")] == 9
