import numpy as np
import pytest
from sklearn.ensemble import RandomForestClassifier
from sklearn.feature_extraction.text import TfidfVectorizer

from grover_hf.baselines.documents import documents_of
from grover_hf.baselines.tfidf_forest import fit_tfidf_forest
from grover_hf.errors import InputError


def rows(n, seed):
    """Class 1 is richer in GC: frequencies tell."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 2, n)
    p = {0: [0.3, 0.2, 0.2, 0.3], 1: [0.22, 0.28, 0.28, 0.22]}
    return ["".join(rng.choice(list("ACGT"), 100, p=p[label])) for label in labels], labels


def test_kmers_are_non_overlapping_unless_a_stride_is_given(simulated_merges, tmp_path):
    assert documents_of(["ACGTACGTA"], "kmer-4", None) == ["ACGT ACGT"]
    assert documents_of(["ACGTAC"], "kmer-4", 1) == ["ACGT CGTA GTAC"]
    simulated_merges.write(tmp_path / "m.txt")
    (document,) = documents_of(["ACGTTTTTGGGCATTACAGG"], str(tmp_path / "m.txt"), None)
    assert document.replace(" ", "") == "ACGTTTTTGGGCATTACAGG"
    with pytest.raises(InputError, match="--stride is for k-mers"):
        documents_of(["ACGT"], str(tmp_path / "m.txt"), 1)


def test_the_forest_is_the_one_that_scikit_learn_fits_at_once():
    (train, labels), (validation, validation_labels) = rows(300, 0), rows(100, 1)
    documents, other = documents_of(train, "kmer-3", None), documents_of(validation, "kmer-3", None)
    fitted = fit_tfidf_forest(documents, labels, other, validation_labels, trees=(10, 20, 40), seed=3)
    assert fitted.validation_mcc[fitted.n_trees] == max(fitted.validation_mcc.values())
    vectorizer = TfidfVectorizer()
    at_once = RandomForestClassifier(n_estimators=fitted.n_trees, random_state=3)
    at_once.fit(vectorizer.fit_transform(documents), labels)
    np.testing.assert_allclose(fitted.probabilities(other), at_once.predict_proba(vectorizer.transform(other)))
    assert fitted.validation_mcc[fitted.n_trees] > 0.3
