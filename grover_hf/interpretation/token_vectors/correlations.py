"""How principal components go with properties of tokens: Spearman's rho, raw and less GC content."""

from collections.abc import Hashable, Iterator
from typing import Literal, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import false_discovery_control, spearmanr

from grover_hf.analysis.sweep.selection import require_loess
from grover_hf.errors import InputError
from grover_hf.interpretation.token_vectors.components import Components
from grover_hf.interpretation.token_vectors.properties import GC

Correction = Literal["loess", "linear"]
_FEWEST_TYPES = 10
"""Fewer say nothing about a correlation, and fit no loess."""


class Adjusted(NamedTuple):
    """A property of types, and what was taken from it."""

    name: str
    less_gc: str
    """"none", "loess" or "linear"."""
    values: NDArray[np.float64]


def residuals(
    values: NDArray[np.floating], gc: NDArray[np.floating], correction: Correction
) -> NDArray[np.float64]:
    """Return what GC content does not say of a property, shape (n,).

    The paper says "linear regression" in one place (Fig. 4) and "residuals of a loess regression" in another
    (Methods, "Genome annotation"). The loess is that of R: span 0.75, degree 2.

    Args:
        values: Finite, shape (n,).
        gc: GC content, shape (n,).
        correction: Which regression.

    Raises:
        InputError: If scikit-misc is missing, or the loess cannot be fitted.
    """
    y, x = np.asarray(values, np.float64), np.asarray(gc, np.float64)
    if correction == "linear":
        return y - np.polynomial.Polynomial.fit(x, y, 1)(x)
    require_loess()
    from skmisc.loess import loess

    try:
        fitted = loess(x, y, span=0.75, degree=2)
        fitted.fit()
    except ValueError as error:
        raise InputError(
            f"A loess on the GC content of {len(y)} token types cannot be fitted ({_said(error)}): say "
            "--correction linear."
        ) from None
    return y - np.asarray(fitted.outputs.fitted_values, np.float64)


def correlations(
    components: Components, properties: pd.DataFrame, *, correction: Correction = "loess"
) -> pd.DataFrame:
    """Correlate each component with each property, as it is and less GC content.

    Less GC content, the residuals of the property are correlated with those of the component. With the component
    as it is, a property that is 0 for most types would seem to go with all that goes with GC content: its
    residuals are then the curve alone, and their ranks those of GC content. Properties without two values, or
    with fewer than ten types, are left out.

    Args:
        components: Of n types.
        properties: A row for each of them; `GC content` is one of its columns. NaN where one is not known.
        correction: The regression on GC content.

    Returns:
        `component` (from 1), `variance_share`, `property`, `less_gc` ("none", "loess" or "linear"), `n` types,
        Spearman's `rho`, `p`, and `q`: p by Benjamini and Hochberg among all of the same `less_gc`.
    """
    lines = []
    scores = {"none": components.scores, correction: components.scores}
    if _can_vary(gc := properties[GC].to_numpy(np.float64)):
        scores[correction] = np.column_stack([residuals(one, gc, correction) for one in components.scores.T])
    for name, less_gc, values in adjusted(properties, correction):
        is_known = np.isfinite(values)
        for number, share in enumerate(components.variance_shares):
            found = spearmanr(scores[less_gc][is_known, number], values[is_known])
            lines.append((number + 1, share, name, less_gc, int(is_known.sum()), found.statistic, found.pvalue))
    columns = ["component", "variance_share", "property", "less_gc", "n", "rho", "p"]
    table = pd.DataFrame(lines, columns=columns)
    table["q"] = table.groupby("less_gc")["p"].transform(lambda p: false_discovery_control(p, method="bh"))
    return table


def uncorrelated(properties: pd.DataFrame) -> list[str]:
    """Return the properties that `correlations` leaves out."""
    return [str(name) for name in properties if not _can_vary(properties[name].to_numpy(np.float64))]


def best_property(table: pd.DataFrame, component: int, *, less_gc: str = "none") -> pd.Series:
    """Return the line of the property that goes best with a component, by the size of rho."""
    lines = table[(table["component"] == component) & (table["less_gc"] == less_gc)]
    return lines.loc[lines["rho"].abs().idxmax()]


def best_component(table: pd.DataFrame, name: Hashable, *, less_gc: str = "none") -> pd.Series:
    """Return the line of the component that goes best with a property, by the size of rho."""
    lines = table[(table["property"] == name) & (table["less_gc"] == less_gc)]
    return lines.loc[lines["rho"].abs().idxmax()]


def adjusted(properties: pd.DataFrame, correction: Correction) -> Iterator[Adjusted]:
    """Yield each property that can be correlated, as it is and, but for GC content itself, less GC content.

    Raises:
        InputError: If a regression cannot be fitted.
    """
    gc = properties[GC].to_numpy(np.float64)
    for name in properties:
        values = properties[name].to_numpy(np.float64)
        if not _can_vary(values):
            continue
        yield Adjusted(str(name), "none", values)
        if name != GC and _can_vary(gc):
            is_known = np.isfinite(values)
            less = np.full(len(values), np.nan)
            less[is_known] = residuals(values[is_known], gc[is_known], correction)
            yield Adjusted(str(name), correction, less)


def _said(error: ValueError) -> str:
    return error.args[0].decode() if isinstance(error.args[0], bytes) else str(error)


def _can_vary(values: NDArray[np.float64]) -> bool:
    known = values[np.isfinite(values)]
    return len(known) >= _FEWEST_TYPES and bool(np.ptp(known) > 0)
