import numpy as np
import pytest
import torch

from grover_hf.errors import InputError
from grover_hf.metrics.columns import finite_numbers, require_equal_lengths, whole_numbers


@pytest.mark.parametrize(
    "values",
    [
        [1, 2.5], (1, 2.5), np.array([1, 2.5], np.float32), torch.tensor([1, 2.5]),
        torch.tensor([1, 2.5], dtype=torch.bfloat16), torch.tensor([1, 2.5], requires_grad=True),
        [torch.tensor(1), torch.tensor(2.5)],
    ],
)
def test_lists_arrays_and_tensors_become_numbers(values):
    numbers = finite_numbers("scores", values)
    assert numbers.dtype == np.float64
    assert numbers.tolist() == [1, 2.5]


@pytest.mark.parametrize(("n_dims", "shape"), [(1, (0,)), (2, (0, 0))])
def test_no_number_is_an_empty_array_of_as_many_dimensions(n_dims, shape):
    assert finite_numbers("scores", [], n_dims=n_dims).shape == shape


@pytest.mark.parametrize(
    ("values", "n_dims", "message"),
    [
        (None, 1, "scores is missing; give one number a row"),
        (["a"], 1, "scores must be one number a row"),
        ([[1, 2], [3]], 2, "scores must be one row of numbers"),
        ([[1, 2]], 1, r"scores has shape \(1, 2\); it must be one number a row"),
        ([1, 2], 2, r"scores has shape \(2,\); it must be one row of numbers"),
        ([1, float("nan"), float("inf")], 1, "scores has 2 of 3 rows .* the first is row 1: nan"),
        ([[1, 2], [3, float("-inf")]], 2, r"scores has 1 of 2 rows .* row 1: \[3.0, -inf\]"),
    ],
)
def test_what_cannot_be_scored_is_named(values, n_dims, message):
    with pytest.raises(InputError, match=message):
        finite_numbers("scores", values, n_dims=n_dims)


def test_whole_numbers_are_never_cut_down():
    assert whole_numbers("labels", [0, 1.0, -2]).tolist() == [0, 1, -2]
    assert whole_numbers("labels", [0.0]).dtype == np.int64
    with pytest.raises(InputError, match="labels has 0.5; it must be whole numbers"):
        whole_numbers("labels", [0, 0.5])


def test_columns_of_different_lengths_are_all_named():
    require_equal_lengths(labels=np.zeros(3), scores=np.zeros((3, 2)))
    with pytest.raises(InputError, match="There are 3 of labels, 2 of scores; each row needs one of each"):
        require_equal_lengths(labels=np.zeros(3), scores=np.zeros(2))
