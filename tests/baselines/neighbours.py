"""Windows as one array, and their neighbours counted by definition."""

import itertools
from collections import Counter

import numpy as np

V = 12


def flat(windows):
    ids = np.array(list(itertools.chain.from_iterable(windows)), np.uint16)
    return ids, np.concatenate([[0], np.cumsum([len(row) for row in windows])])


def tallied(windows):
    """The counts by definition."""
    singles, pairs, triples = Counter(), Counter(), Counter()
    for row in windows:
        singles.update(row)
        pairs.update(itertools.pairwise(row))
        triples.update(zip(row, row[1:], row[2:], strict=False))
    return singles, pairs, triples
