"""TF-IDF of tokens and a random forest: the paper's control without any context (Methods, "TF-IDF")."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from joblib import Parallel, cpu_count, delayed
from numpy.typing import NDArray
from sklearn.ensemble import RandomForestClassifier
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.metrics import matthews_corrcoef

from grover_hf.errors import InputError

TREES = (100, 200, 500, 1_000, 2_000)
"""Numbers of trees to choose from; the paper says "between 100 and 2,000"."""
MEMORY_BYTES = 4 << 30
"""What the trees that are held at once may take, by default."""

_DENSE_COLUMNS = 1_024
"""With so few features a forest grows the same trees four times faster from dense rows."""

Rows = tuple[Sequence[str], NDArray[np.integer]]


@dataclass(frozen=True)
class TfidfForest:
    """What the baseline predicts for the test rows."""

    probabilities: NDArray[np.float64]
    """Probabilities of every class, shape (n_test, C)."""
    n_trees: int
    """Chosen on the validation rows."""
    validation_mcc: dict[int, float]
    """MCC on the validation rows, by number of trees."""
    n_train_rows: int
    """Fewer than there are where one tree would not fit into the memory."""


def tfidf_forest(
    train: Rows, validation: Rows, test_documents: Sequence[str], *, trees: Sequence[int] = TREES, seed: int,
    memory_bytes: int = MEMORY_BYTES,
) -> TfidfForest:
    """Fit scikit-learn's defaults, as the paper does; choose the number of trees on validation rows.

    The default pattern of `TfidfVectorizer` drops tokens of one letter and ignores case. One forest
    is grown with `warm_start`, a few trees at a time; each is used and dropped, since with 4,096
    classes one holds gigabytes. If several numbers of trees are equally good, the smallest is taken.

    Args:
        train: Documents, tokens with a space between, and their classes 0, 1, ...
        validation: As `train`; never trained on.
        test_documents: As those of `train`.
        trees: Numbers of trees to choose from, ascending.
        seed: Seed of the forest, and of the choice of rows where not all fit.
        memory_bytes: Bound on the trees held at once; the probabilities of the rows come on top.
            Where one tree on all rows would exceed it, as many rows are drawn as fit.

    Raises:
        InputError: If no document has a word that `TfidfVectorizer` takes.
    """
    documents, labels = train
    n_classes = int(max(labels.max(), validation[1].max())) + 1
    # A tree has up to two nodes a row, each with a share of every class and 64 bytes besides.
    bytes_a_row = 2 * (8 * n_classes + 64)
    n_rows = min(len(labels), memory_bytes // bytes_a_row)
    if n_rows < len(labels):
        chosen = np.sort(np.random.default_rng(seed).choice(len(labels), n_rows, replace=False))
        documents, labels = [documents[i] for i in chosen], labels[chosen]
    at_once = max(1, min(memory_bytes // (bytes_a_row * n_rows), trees[-1]))

    vectorizer = TfidfVectorizer()
    try:
        features = vectorizer.fit_transform(documents)
    except ValueError as error:
        raise InputError(
            f"TF-IDF has no words to count ({error}): scikit-learn's default, which the paper uses, drops tokens "
            "of one letter. Take longer tokens."
        ) from None
    others = [vectorizer.transform(validation[0]), vectorizer.transform(test_documents)]
    if features.shape[1] <= _DENSE_COLUMNS and 4 * features.shape[0] * features.shape[1] <= memory_bytes:
        features, *others = (part.toarray() for part in (features, *others))
    features, *others = (part.astype(np.float32) for part in (features, *others))
    sums = [np.zeros((other.shape[0], n_classes), np.float32) for other in others]
    forest = RandomForestClassifier(n_estimators=0, warm_start=True, random_state=seed, n_jobs=-1)
    validation_mcc: dict[int, float] = {}
    best = (-np.inf, 0, sums[1])
    for n_trees in trees:
        while (n_grown := forest.n_estimators) < n_trees:
            forest.set_params(n_estimators=min(n_trees, n_grown + at_once)).fit(features, labels)
            new = forest.estimators_[n_grown:]
            for other, total in zip(others, sums, strict=True):
                for shares in Parallel(cpu_count(), prefer="threads", return_as="generator_unordered")(
                    delayed(tree.predict_proba)(other) for tree in new
                ):
                    total[:, forest.classes_] += shares
            # warm_start counts the trees that are there; it does not look at them.
            forest.estimators_[n_grown:] = [None] * len(new)
        validation_mcc[n_trees] = float(matthews_corrcoef(validation[1], sums[0].argmax(1)))
        if validation_mcc[n_trees] > best[0]:
            best = (validation_mcc[n_trees], n_trees, sums[1] / n_trees)
    return TfidfForest(best[2].astype(np.float64), best[1], validation_mcc, n_rows)
