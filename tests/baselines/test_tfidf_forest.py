import numpy as np
import pytest
from sklearn.ensemble import RandomForestClassifier
from sklearn.feature_extraction.text import TfidfVectorizer

from grover_hf.baselines.documents import documents_of
from grover_hf.baselines.tfidf_forest import tfidf_forest
from grover_hf.errors import InputError
from grover_hf.tokenization.bpe_encoding import GenomeEncoder
from grover_hf.tokenization.kmer import KmerEncoder


def rows(n, seed):
    """Class 1 is richer in GC: frequencies tell."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 2, n)
    p = {0: [0.3, 0.2, 0.2, 0.3], 1: [0.22, 0.28, 0.28, 0.22]}
    return ["".join(rng.choice(list("ACGT"), 100, p=p[label])) for label in labels], labels


def test_kmers_are_non_overlapping_unless_a_stride_is_given(simulated_merges):
    assert documents_of(["ACGTACGTA"], KmerEncoder(4), None) == ["ACGT ACGT"]
    assert documents_of(["ACGTAC"], KmerEncoder(4), 1) == ["ACGT CGTA GTAC"]
    bpe = GenomeEncoder(simulated_merges)
    (document,) = documents_of(["ACGTTTTTGGGCATTACAGG"], bpe, None)
    assert document.replace(" ", "") == "ACGTTTTTGGGCATTACAGG"
    with pytest.raises(InputError, match="--stride is for k-mers"):
        documents_of(["ACGT"], bpe, 1)


def test_the_forest_is_the_one_that_scikit_learn_fits_at_once():
    (train, labels), (validation, validation_labels) = rows(300, 0), rows(100, 1)
    documents, other = (documents_of(some, KmerEncoder(3), None) for some in (train, validation))
    # 100 kB hold one tree at a time: the trees are grown in many steps.
    fitted = tfidf_forest(
        (documents, labels), (other, validation_labels), other, trees=(10, 20, 40), seed=3, memory_bytes=100_000
    )
    assert fitted.validation_mcc[fitted.n_trees] == max(fitted.validation_mcc.values())
    vectorizer = TfidfVectorizer()
    at_once = RandomForestClassifier(n_estimators=fitted.n_trees, random_state=3)
    at_once.fit(vectorizer.fit_transform(documents), labels)
    expected = at_once.predict_proba(vectorizer.transform(other))
    np.testing.assert_allclose(fitted.probabilities, expected, atol=1e-6)
    assert fitted.n_train_rows == 300
    assert fitted.validation_mcc[fitted.n_trees] > 0.3


def test_rows_are_drawn_where_one_tree_would_not_fit():
    (train, labels), (validation, other) = rows(300, 0), rows(50, 1)
    documents = documents_of(train, KmerEncoder(3), None), documents_of(validation, KmerEncoder(3), None)
    fitted = tfidf_forest(
        (documents[0], labels), (documents[1], other), documents[1], trees=(10,), seed=0, memory_bytes=16_000
    )
    assert fitted.n_train_rows == 100
    assert fitted.probabilities.shape == (50, 2)
    np.testing.assert_allclose(fitted.probabilities.sum(1), 1, atol=1e-6)
