"""Folds share no block of the genome, and no row across a border is fitted."""

import numpy as np
import pytest

from grover_hf.corpus.splits import Places
from grover_hf.errors import InputError
from grover_hf.probing.folds import block_folds, blocks_of


@pytest.fixture
def rows():
    """300 intervals of 40 bp on two chromosomes, 20 blocks of 1,000 bp; some lie across a border."""
    rng = np.random.default_rng(0)
    starts = rng.integers(0, 10_000, 300)
    return Places(rng.choice(["chr1", "chr2"], 300), starts, starts + 40), rng.integers(0, 2, 300)


def folds_of(rows, **changes):
    return block_folds(*rows, **{"n_folds": 4, "seed": 0, "what": "mine", "block_bp": 1_000, **changes})


def test_every_row_is_judged_once_and_no_block_is_in_two_parts(rows):
    folds = folds_of(rows)
    np.testing.assert_array_equal(np.sort(np.concatenate([fold.test for fold in folds])), np.arange(300))
    blocks = blocks_of(rows[0], 1_000)
    for fold in folds:
        train, validation, test = (set(blocks[part]) for part in fold)
        assert train
        assert not train & validation | train & test | validation & test


def test_rows_across_a_border_are_judged_and_never_fitted(rows):
    starts = rows[0].starts
    across = np.flatnonzero(starts // 1_000 != (starts + 39) // 1_000)
    assert len(across) > 3
    for fold in folds_of(rows):
        assert not set(across) & set(np.concatenate([fold.train, fold.validation]))
        inside = np.setdiff1d(np.arange(300), across)
        assert set(inside) == set(np.concatenate(fold)) - set(across)


def test_another_seed_deals_out_the_blocks_anew(rows):
    first, again, other = (folds_of(rows, seed=seed)[0].test.tolist() for seed in (0, 0, 1))
    assert first == again != other


@pytest.mark.filterwarnings("ignore:The least populated class")
@pytest.mark.parametrize(
    ("labels", "changes", "message"),
    [
        (np.arange(300) % 200, {}, "mine has 2 rows of its largest class: too few for 4 folds"),
        (np.arange(300) % 2, {"block_bp": 10**6}, "mine lies in 2 blocks of 1,000,000 bp; they make no 4 folds"),
        (np.arange(300) == 7, {}, "mine lies in too few blocks: a fold of 4 has not all classes to fit"),
    ],
)
def test_rows_that_make_no_folds_are_refused(rows, labels, changes, message):
    with pytest.raises(InputError, match=message):
        folds_of((rows[0], labels.astype(np.int64)), **changes)
