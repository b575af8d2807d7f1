import numpy as np
import pytest

from grover_hf.corpus.row_choice import evenly_spaced_rows, rows_of_first_tiling
from grover_hf.corpus.splits import Places


def test_rows_are_evenly_spaced_from_the_first_to_the_last():
    assert evenly_spaced_rows(9, 3).tolist() == [0, 4, 8]
    assert evenly_spaced_rows(9, 1).tolist() == [0]
    assert evenly_spaced_rows(0, 3).tolist() == []


@pytest.mark.parametrize(("n_rows", "n_chosen"), [(1_000, 7), (10, 9), (10, 10), (3, 10)])
def test_rows_are_all_different_and_as_many_as_there_can_be(n_rows, n_chosen):
    rows = evenly_spaced_rows(n_rows, n_chosen)
    assert len(set(rows.tolist())) == min(n_rows, n_chosen)
    assert (rows[0], rows[-1]) == (0, n_rows - 1)


@pytest.mark.parametrize(
    ("chroms", "starts", "n_first"),
    [
        (["b", "b", "a", "b", "b", "a"], [0, 9, 0, 0, 5, 0], 3),
        (["b", "b", "b"], [0, 9, 4], 2),
        (["b", "a"], [0, 0], 2),
        (["b"], [3], 1),
    ],
)
def test_a_tiling_ends_where_the_chromosomes_or_the_starts_begin_again(chroms, starts, n_first):
    starts = np.array(starts)
    assert rows_of_first_tiling(Places(chroms, starts, starts + 4)).tolist() == list(range(n_first))
