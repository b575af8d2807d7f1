"""TF-IDF of tokens and a random forest: the paper's control without any context (Methods, "TF-IDF")."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import RandomForestClassifier
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.metrics import matthews_corrcoef

TREES = (100, 200, 500, 1_000, 2_000)
"""Numbers of trees to choose from; the paper says "between 100 and 2,000"."""


@dataclass(frozen=True)
class TfidfForest:
    """A fitted baseline."""

    vectorizer: TfidfVectorizer
    forest: RandomForestClassifier
    validation_mcc: dict[int, float]
    """MCC on the validation rows, by number of trees."""

    @property
    def n_trees(self) -> int:
        """The number of trees that was chosen."""
        return len(self.forest.estimators_)

    def probabilities(self, documents: Sequence[str]) -> NDArray[np.float64]:
        """Return the probability of every class, shape (n, C)."""
        return np.asarray(self.forest.predict_proba(self.vectorizer.transform(documents)))


def fit_tfidf_forest(
    documents: Sequence[str], labels: NDArray[np.integer], validation_documents: Sequence[str],
    validation_labels: NDArray[np.integer], *, trees: Sequence[int] = TREES, seed: int,
) -> TfidfForest:
    """Fit scikit-learn's defaults, as the paper does; choose the number of trees on validation rows.

    The default pattern of `TfidfVectorizer` drops tokens of one letter and ignores case. One forest
    is grown step by step; of equally good numbers of trees the smallest is taken.

    Args:
        documents: Tokens with a space between, one document a sequence.
        labels: Classes 0, 1, ..., all of which occur, shape (n,).
        validation_documents: As `documents`; never trained on.
        validation_labels: As `labels`.
        trees: Numbers of trees to choose from, ascending.
        seed: Of the forest.
    """
    vectorizer = TfidfVectorizer()
    features = vectorizer.fit_transform(documents)
    validation = vectorizer.transform(validation_documents)
    forest = RandomForestClassifier(n_estimators=0, warm_start=True, n_jobs=-1, random_state=seed)
    validation_mcc = {}
    for n_trees in trees:
        forest.set_params(n_estimators=n_trees).fit(features, labels)
        validation_mcc[n_trees] = float(matthews_corrcoef(validation_labels, forest.predict(validation)))
    chosen = max(trees, key=lambda n: (validation_mcc[n], -n))
    forest.estimators_ = forest.estimators_[:chosen]
    forest.set_params(n_estimators=chosen)
    return TfidfForest(vectorizer, forest, validation_mcc)
