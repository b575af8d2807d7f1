"""Baselines that need no model: the majority, GC content, the canonical-BPE rule, the nearest train row."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from grover_hf.genome.acgt import NOT_ACGT, base_codes
from grover_hf.keyed_random import keyed_bits
from grover_hf.tokenization.merges import MergeTable

NEAREST_K = 12
_MOST_KMERS = 50_000_000
_ROWS_AT_ONCE = 200


def majority(labels: NDArray[np.integer], n_test: int, n_classes: int) -> NDArray[np.float64]:
    """Return the shares of the classes in train as the probabilities of every test row, shape (n_test, C)."""
    shares = np.bincount(labels, minlength=n_classes) / len(labels)
    return np.tile(shares, (n_test, 1))


def gc_content(
    sequences: Sequence[str], labels: NDArray[np.integer], test_sequences: Sequence[str], n_classes: int
) -> NDArray[np.float64]:
    """Return what GC content alone tells, by logistic regression on it and its square, shape (n_test, C)."""
    # Shares vary by some hundredths: unscaled, the penalty would leave no slope.
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1_000))
    model.fit(_gc_features(sequences), labels)
    probabilities = np.zeros((len(test_sequences), n_classes))
    probabilities[:, model.classes_] = model.predict_proba(_gc_features(test_sequences))
    return probabilities


def has_mergeable_pair(merges: MergeTable, rows: Sequence[NDArray[np.integer]]) -> NDArray[np.bool_]:
    """Return whether two neighbours among a row's tokens are a merge, shape (n,).

    Canonical byte-pair encoding never leaves such a pair: one that stands in a row betrays that its
    tokens were moved. The test has no parameter.

    Args:
        merges: Of the vocabulary that the ids belong to.
        rows: Ids of each row, without special tokens.
    """
    ids = {token: i for i, token in enumerate(merges.tokens)}
    is_merge = np.zeros((merges.vocab_size, merges.vocab_size), np.bool_)
    for left, right in merges.merges:
        is_merge[ids[left], ids[right]] = True
    return np.array([bool(is_merge[row[:-1], row[1:]].any()) for row in rows], np.bool_)


def by_flag(
    flags: NDArray[np.bool_], labels: NDArray[np.integer], test_flags: NDArray[np.bool_], n_classes: int
) -> NDArray[np.float64]:
    """Return the shares of the classes among the train rows with the same flag, shape (n_test, C)."""
    probabilities = np.empty((len(test_flags), n_classes))
    for flag in (False, True):
        # A flag that no train row has tells nothing.
        alike = labels[flags == flag] if (flags == flag).any() else labels
        probabilities[test_flags == flag] = np.bincount(alike, minlength=n_classes) / len(alike)
    return probabilities


def nearest_train_row(
    sequences: Sequence[str], test_sequences: Sequence[str]
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return the most similar train row of each test row, and how similar it is, both of shape (n_test,).

    Similarity is the cosine between the sets of 12-mers, a 12-mer and its reverse complement being
    one. Where there are more than 50 million, those with small hashes stand for all (FracMinHash;
    Irber et al. 2022). 1 means the same 12-mers; a test row without any has similarity 0.
    """
    n_kmers = sum(map(len, sequences)) + sum(map(len, test_sequences))
    kept_share = min(1.0, _MOST_KMERS / max(1, n_kmers))
    train, test = (_kmer_sets(some, kept_share) for some in (sequences, test_sequences))
    nearest = np.zeros(test.shape[0], np.int64)
    similarity = np.zeros(test.shape[0])
    columns = train.T.tocsr()
    for first in range(0, test.shape[0], _ROWS_AT_ONCE):
        products = (test[first : first + _ROWS_AT_ONCE] @ columns).toarray()
        nearest[first : first + _ROWS_AT_ONCE] = products.argmax(1)
        similarity[first : first + _ROWS_AT_ONCE] = products.max(1)
    return nearest, similarity


def _gc_features(sequences: Sequence[str]) -> NDArray[np.float64]:
    share = np.array([(s.count("G") + s.count("C")) / max(1, len(s) - s.count("N")) for s in sequences])
    return np.stack([share, share**2], 1)


def _kmer_sets(sequences: Sequence[str], kept_share: float) -> sparse.csr_array:
    """Return which k-mers each sequence has, every row of length 1, shape (n, 4**12)."""
    indices, counts = [], []
    for sequence in sequences:
        found = np.unique(_canonical_kmers(base_codes(sequence)))
        if kept_share < 1:
            found = found[keyed_bits(0, found) < np.uint64(kept_share * 2**64)]
        indices.append(found)
        counts.append(len(found))
    values = np.repeat(1 / np.sqrt(np.maximum(counts, 1)), counts)
    offsets = np.concatenate([[0], np.cumsum(counts)])
    return sparse.csr_array((values, np.concatenate(indices), offsets), shape=(len(sequences), 4**NEAREST_K))


def _canonical_kmers(codes: NDArray[np.uint8]) -> NDArray[np.int64]:
    if codes.size < NEAREST_K:
        return np.empty(0, np.int64)
    windows = np.lib.stride_tricks.sliding_window_view(codes, NEAREST_K)
    windows = windows[(windows < NOT_ACGT).all(1)].astype(np.int64)
    weights = 4 ** np.arange(NEAREST_K - 1, -1, -1)
    kmers: NDArray[np.int64] = np.minimum(windows @ weights, (3 - windows) @ weights[::-1])
    return kmers
