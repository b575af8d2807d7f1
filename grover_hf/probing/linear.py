"""A linear classifier: logistic regression whose strength is chosen on validation rows."""

import warnings
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from grover_hf.probing.features import Features

STRENGTHS = (0.001, 0.01, 0.1, 1.0, 10.0)
"""Inverse strengths C of the penalty to choose from."""
_STEPS = 300


class Part(NamedTuple):
    """Rows of a split: features, and true classes, shape (n,)."""

    features: Features
    labels: NDArray[np.int64]


def fit_and_predict(
    train: Part, validation: Part, test: Features, n_classes: int
) -> tuple[NDArray[np.float64], float]:
    """Return the probabilities of test rows, shape (n_test, C), and the strength that was best on validation rows.

    Args:
        train: Rows to fit.
        validation: Rows on which the strength with the smallest log-loss is chosen; never fitted.
        test: Features of test rows.
        n_classes: Number of classes, C.
    """
    best: tuple[float, float, Any] | None = None
    for strength in STRENGTHS:
        fitted = _fitted(train, strength)
        said = _probabilities(fitted, validation.features, n_classes)
        loss = float(log_loss(validation.labels, said, labels=np.arange(n_classes)))
        if best is None or loss < best[0]:
            best = (loss, strength, fitted)
    assert best is not None
    return _probabilities(best[2], test, n_classes), best[1]


def few_rows(labels: NDArray[np.int64], per_class: int, draws: int, seed: int) -> Iterator[NDArray[np.int64]]:
    """Yield rows drawn at random, so many of each class; nothing where a class has fewer.

    Args:
        labels: Classes of train rows, shape (n,).
        per_class: Rows of each class.
        draws: How often.
        seed: Of the draws.
    """
    of_class = [np.flatnonzero(labels == label) for label in np.unique(labels)]
    if min(map(len, of_class)) < per_class:
        return
    for draw in range(draws):
        rng = np.random.default_rng([seed, per_class, draw])
        yield np.concatenate([rng.choice(rows, per_class, replace=False) for rows in of_class])


def predict_from_few(train: Part, rows: NDArray[np.int64], test: Features, n_classes: int) -> NDArray[np.float64]:
    """Return the probabilities of test rows by a fit to a few train rows, with C = 1; shape (n_test, C)."""
    return _probabilities(_fitted(Part(train.features[rows], train.labels[rows]), 1.0), test, n_classes)


def _fitted(train: Part, strength: float) -> Pipeline:
    # Words of TF-IDF are not centred: they would not be sparse any more.
    scale = StandardScaler(with_mean=not sparse.issparse(train.features))
    fitted = make_pipeline(scale, LogisticRegression(C=strength, max_iter=_STEPS))
    with warnings.catch_warnings():
        # A fit that stops early is one of a stronger penalty, and validation rows choose among penalties.
        warnings.simplefilter("ignore", ConvergenceWarning)
        return fitted.fit(train.features, train.labels)


def _probabilities(fitted: Pipeline, features: Features, n_classes: int) -> NDArray[np.float64]:
    probabilities = np.zeros((features.shape[0], n_classes))
    probabilities[:, fitted.classes_] = fitted.predict_proba(features)
    # Those of float32 do not quite sum to 1.
    probabilities /= probabilities.sum(1, keepdims=True)
    return probabilities
