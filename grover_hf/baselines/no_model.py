"""Baselines that need no model: the majority, GC content, the canonical-BPE rule, the nearest train row."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from grover_hf._internals.counter_rng import keyed_bits
from grover_hf.genome.acgt import NOT_ACGT, base_codes
from grover_hf.tokenization.merges import MergeTable

NEAREST_K = 12
_MOST_GC_BINS = 50
_MOST_KMERS = 50_000_000
_ROWS_AT_ONCE = 200


def majority(labels: NDArray[np.integer], n_test: int, n_classes: int) -> NDArray[np.float32]:
    """Return the shares of the classes in train as the probabilities of every test row, shape (n_test, C)."""
    shares = np.bincount(labels, minlength=n_classes) / len(labels)
    return np.broadcast_to(shares.astype(np.float32), (n_test, n_classes))


def gc_content(
    sequences: Sequence[str], labels: NDArray[np.integer], test_sequences: Sequence[str], n_classes: int
) -> NDArray[np.float32]:
    """Return what GC content alone tells, shape (n_test, C).

    The train rows are put into up to 50 bins of about as many rows by their GC content; a test row
    gets the shares of the classes in its bin. No shape is assumed.
    """
    gc, test_gc = gc_shares(sequences), gc_shares(test_sequences)
    n_bins = min(_MOST_GC_BINS, max(1, int(np.sqrt(len(gc)))))
    # A train row is at each border, and one above the last: no bin is empty.
    borders = np.unique(np.quantile(gc, np.arange(1, n_bins) / n_bins, method="lower"))
    borders = borders[borders < gc.max()]
    n_rows = np.zeros((len(borders) + 1, n_classes), np.float32)
    np.add.at(n_rows, (np.searchsorted(borders, gc, side="left"), labels), 1)
    shares: NDArray[np.float32] = n_rows / n_rows.sum(1, keepdims=True)
    return np.take(shares, np.searchsorted(borders, test_gc, side="left"), axis=0)


def has_mergeable_pair(merges: MergeTable, rows: Sequence[NDArray[np.integer]]) -> NDArray[np.bool_]:
    """Return whether two neighbours among a row's tokens are a merge, shape (n,).

    Canonical byte-pair encoding never leaves such a pair: one that stands in a row betrays that its
    tokens were moved. The test has no parameter.

    Args:
        merges: Merges of the vocabulary that the ids belong to.
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
    train, test = (_kmer_sets(rows, kept_share) for rows in (sequences, test_sequences))
    nearest = np.zeros(test.shape[0], np.int64)
    similarity = np.zeros(test.shape[0])
    columns = train.T.tocsr()
    for first in range(0, test.shape[0], _ROWS_AT_ONCE):
        products = (test[first : first + _ROWS_AT_ONCE] @ columns).toarray()
        nearest[first : first + _ROWS_AT_ONCE] = products.argmax(1)
        similarity[first : first + _ROWS_AT_ONCE] = products.max(1)
    return nearest, similarity


def gc_shares(sequences: Sequence[str]) -> NDArray[np.float64]:
    """Return the share of G and C among the bases of each sequence that are known, shape (n,)."""
    return np.array([(s.count("G") + s.count("C")) / max(1, len(s) - s.count("N")) for s in sequences])


def _kmer_sets(sequences: Sequence[str], kept_share: float) -> sparse.csr_array:
    """Return which k-mers each sequence has, every row of length 1, shape (n, 4**12)."""
    indices, counts = [], []
    for sequence in sequences:
        kmers = np.unique(_canonical_kmers(base_codes(sequence)))
        if kept_share < 1:
            kmers = kmers[keyed_bits(0, kmers) < np.uint64(kept_share * 2**64)]
        indices.append(kmers)
        counts.append(len(kmers))
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
