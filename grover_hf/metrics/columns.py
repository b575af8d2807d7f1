"""What a caller hands to an evaluation module, as arrays that can be scored.

`evaluate` itself cuts a label of 0.5 down to 0 without a word, and shows all rows where one is wrong.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from grover_hf.errors import InputError


def finite_numbers(name: str, values: Any, *, n_dims: int = 1) -> NDArray[np.float64]:
    """Return `values` as an array of `n_dims` dimensions, float64; (0, ...) if there is no number.

    Args:
        name: What the caller calls them, for the message.
        values: A list, an array or a tensor.
        n_dims: 1 for one number a row, 2 for a row of numbers.

    Raises:
        InputError: If they are not numbers, have another shape, or one is not finite.
    """
    wanted = "one number a row" if n_dims == 1 else "one row of numbers, equally many, a row of references"
    if values is None:
        raise InputError(f"{name} is missing; give {wanted}.")
    try:
        array = np.asarray(_without_tensors(values), np.float64)
    except (TypeError, ValueError) as error:
        raise InputError(f"{name} must be {wanted}: {error}") from None
    if not array.size:
        return array.reshape((0,) * n_dims)
    if array.ndim != n_dims:
        raise InputError(f"{name} has shape {array.shape}; it must be {wanted}.")
    bad = np.flatnonzero(~np.isfinite(array.reshape(len(array), -1)).all(1))
    if bad.size:
        raise InputError(
            f"{name} has {bad.size} of {len(array)} rows that are not finite numbers, the first is row "
            f"{bad[0]}: {array[bad[0]].tolist()}. Look for overflow or NaN in the model."
        )
    return array


def whole_numbers(name: str, values: Any) -> NDArray[np.int64]:
    """Return `values` as an array of one dimension, int64.

    Raises:
        InputError: As `finite_numbers`, or if one is not a whole number.
    """
    array = finite_numbers(name, values)
    cut = array[array != np.floor(array)]
    if cut.size:
        raise InputError(f"{name} has {cut[0]:g}; it must be whole numbers.")
    return array.astype(np.int64)


def require_equal_lengths(**columns: NDArray[Any]) -> None:
    """Raise `InputError` if the columns differ in their number of rows, naming each."""
    if len({len(column) for column in columns.values()}) > 1:
        counts = ", ".join(f"{len(column)} of {name}" for name, column in columns.items())
        raise InputError(f"There are {counts}; each row needs one of each.")


def _without_tensors(values: Any) -> Any:
    """Replace tensors by lists: numpy cannot read those that are on a GPU, bfloat16 or need gradients."""
    if hasattr(values, "detach"):
        return values.tolist()
    return [_without_tensors(value) for value in values] if isinstance(values, list | tuple) else values
