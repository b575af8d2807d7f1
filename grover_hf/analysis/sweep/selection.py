"""Which cycle of byte-pair encoding: from accuracies of next-k-mer prediction to a number (the paper's Fig. 2a).

The paper says: "we use a loess fit with a 95% confidence interval" (Methods, "Next-k-mer prediction"), and "with
minor differences, the different k-mer models perform most accurately within 400-800 cycles, so we picked
cycle 600" (Results, "Selecting an optimal vocabulary with next-k-mer prediction"). It does not say what "most
accurately" takes in. We say: the cycles about the maximum of a curve where the curve is not below the band's
lower end at the maximum; and we pick the middle of the cycles on which most k agree.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from grover_hf.errors import InputError

FEWEST_CYCLE_COUNTS = 5
"""A local fit of degree 2 over three quarters of fewer points has nothing left to be wrong by."""
_GRID = 200


@dataclass(frozen=True)
class Curve:
    """A loess fit over cycles, with its 95 % confidence band; all of shape (n,)."""

    cycles: NDArray[np.int64]
    """Ascending, evenly spaced in their logarithm."""
    accuracy: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]


@dataclass(frozen=True)
class Choice:
    """The cycle that was chosen, and why."""

    cycle: int
    """The trained count of cycles that is nearest to the middle of `region`."""
    region: tuple[int, int]
    """First and last of the cycles on which most k agree."""
    n_agreeing: int
    """How many k have `region` in their own."""
    best_regions: dict[int, tuple[int, int]]
    """By k, the cycles that its curve does not tell from its maximum."""
    is_whole_scan: bool
    """Nothing was told apart: `region` is all that was scanned."""
    at_the_edge: bool
    """`region` reaches an end of what was scanned, and may go on beyond it."""


def require_loess() -> None:
    """Raise `InputError` at the start of a long job if its curve could not be fitted."""
    try:
        import skmisc.loess  # noqa: F401
    except ImportError:
        raise InputError("The loess curve needs scikit-misc: pip install 'grover-hf[analysis]'") from None


def accuracy_curve(cycles: ArrayLike, accuracy: ArrayLike) -> Curve:
    """Fit accuracy over the logarithm of cycles by loess, with the settings of R (and of ggplot2).

    Span 0.75, degree 2, the band from Student's t. The paper does not say on which scale it fits; between
    100 and 5,000 cycles a step means what it multiplies.

    Args:
        cycles: Cycles of each fine-tuning, shape (n,).
        accuracy: Accuracy of each, shape (n,). Fine-tunings of one pretraining count as independent, so that the
            band holds what seeds of fine-tuning and the curve's shape leave open, and not another pretraining.

    Raises:
        InputError: If scikit-misc is missing, or there are too few points for a curve and its band.
    """
    require_loess()
    from skmisc.loess import loess

    counts, y = np.asarray(cycles, np.float64), np.asarray(accuracy, np.float64)
    n_counts = len(np.unique(counts))
    if n_counts < FEWEST_CYCLE_COUNTS:
        raise InputError(f"There are {n_counts} counts of cycles; a curve needs {FEWEST_CYCLE_COUNTS} or more.")
    grid = np.unique(np.round(np.geomspace(counts.min(), counts.max(), _GRID))).astype(np.int64)
    try:
        fitted = loess(np.log(counts), y, span=0.75, degree=2)
        fitted.fit()
        predicted = fitted.predict(np.log(grid), stderror=True)
        band = predicted.confidence(0.05)
    except ValueError as error:
        raise InputError(
            f"{len(y)} fine-tunings at {n_counts} counts of cycles are too few for a curve; more seeds, or more "
            f"counts, are needed ({error.args[0].decode() if isinstance(error.args[0], bytes) else error})."
        ) from None
    return Curve(grid, np.array(predicted.values), np.array(band.lower), np.array(band.upper))


def best_region(curve: Curve) -> tuple[int, int]:
    """Return the first and last cycle about the maximum that the curve does not tell from it."""
    top = int(np.argmax(curve.accuracy))
    below = np.flatnonzero(curve.accuracy < curve.low[top])
    first = below[below < top].max(initial=-1) + 1
    last = below[below > top].min(initial=len(curve.cycles)) - 1
    return int(curve.cycles[first]), int(curve.cycles[last])


def chosen_cycle(curves: Mapping[int, Curve], trained: Sequence[int]) -> Choice:
    """Choose the middle of the cycles that lie in the best regions of most k.

    400 to 800 for every k gives 600, as in the paper. Where the middle was not trained, the nearest count of
    cycles that was is taken, the smaller of two.

    Args:
        curves: By k, over the same cycles.
        trained: Counts of cycles that there are models of.

    Raises:
        ValueError: If the curves are over different cycles, or there is none.
    """
    grids = [curve.cycles for curve in curves.values()]
    if not grids or any(not np.array_equal(grid, grids[0]) for grid in grids):
        raise ValueError("The curves must be over the same cycles, one or more of them.")
    grid = grids[0]
    regions = {k: best_region(curve) for k, curve in curves.items()}
    agreeing = sum(((grid >= low) & (grid <= high)).astype(int) for low, high in regions.values())
    first, last = _longest_run(agreeing == np.max(agreeing))
    low, high = int(grid[first]), int(grid[last])
    middle = (low + high) / 2
    cycle = min(sorted(trained), key=lambda n: abs(n - middle))
    whole = (low, high) == (grid[0], grid[-1])
    at_the_edge = low == grid[0] or high == grid[-1]
    return Choice(cycle, (low, high), int(np.max(agreeing)), regions, bool(whole), bool(at_the_edge))


def _longest_run(flags: NDArray[np.bool_]) -> tuple[int, int]:
    """Return the first and last index of the longest run of flags that are set; of equal ones the first."""
    borders = np.flatnonzero(np.diff(np.concatenate([[False], flags, [False]]).astype(np.int8)))
    runs = borders.reshape(-1, 2)
    first, end = runs[np.argmax(runs[:, 1] - runs[:, 0])]
    return int(first), int(end) - 1
