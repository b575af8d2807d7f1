"""What token types are: their letters, how often they occur, and where."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from grover_hf.errors import InputError

ANNOTATION_FILE = "tokens.parquet"
GC, FREQUENCY = "GC content", "log10 frequency"
STRANDS = " (+ less -)"
"""After the name of an annotation: its share on the forward strand less that on the other."""
_KEYS = ("id", "token", "n")
_PAIRS = {GC: "GC", "AG content": "AG", "AC content": "AC"}


@dataclass(frozen=True, eq=False)
class TokenProperties:
    """A row for each type, in the order of the ids, a column for each property."""

    own: pd.DataFrame
    """By id: what follows from the letters, and how often the type occurs."""
    annotation: pd.DataFrame
    """By id: the share of a type's occurrences in each annotation; without a column if none were given."""

    @property
    def table(self) -> pd.DataFrame:
        """All of them."""
        return pd.concat([self.own, self.annotation], axis=1)


def token_properties(
    tokens: Sequence[str], ids: NDArray[np.int64], counts: NDArray[np.int64], annotation: Path | None = None
) -> TokenProperties:
    """Return the properties of types: bases, shares of GC, AG and AC, log of frequency, shares in annotations.

    Of an annotation that has columns for both strands, "NAME +" and "NAME -", the difference of the two is added
    as "NAME (+ less -)".

    Args:
        tokens: Shape (n,).
        ids: Shape (n,).
        counts: How often each occurs, 1 or more, shape (n,).
        annotation: A folder with `tokens.parquet`, or that file: `id, token, n`, then a column of shares for each
            annotation. Types that it does not have are NaN.

    Raises:
        InputError: If the file cannot be used, or its tokens are others.

    Examples:
        >>> import numpy as np
        >>> from grover_hf.interpretation.token_vectors.properties import token_properties
        >>> found = token_properties(["GGA", "TA"], np.array([9, 12]), np.array([100, 1000]))
        >>> found.own.loc[9, ["length", "AG content", "log10 frequency"]].tolist()
        [3.0, 1.0, 2.0]
    """
    lengths = np.array([len(token) for token in tokens], np.float64)
    shares = {
        name: np.array([sum(map(token.count, letters)) for token in tokens]) / lengths
        for name, letters in _PAIRS.items()
    }
    index = pd.Index(ids, name="id")
    own = pd.DataFrame({"length": lengths, FREQUENCY: np.log10(counts), **shares}, index=index)
    found = pd.DataFrame(index=index)
    if annotation is not None:
        found = read_annotation(annotation, dict(zip(ids.tolist(), tokens, strict=True))).reindex(index)
        strands = [name.removesuffix(" +") for name in found if name.endswith(" +")]
        for name in strands:
            if f"{name} -" in found:
                found[name + STRANDS] = found[f"{name} +"] - found[f"{name} -"]
    return TokenProperties(own, found)


def read_annotation(path: Path, tokens: dict[int, str]) -> pd.DataFrame:
    """Return the share of each type's occurrences in each annotation, by id.

    Args:
        path: A folder with `tokens.parquet`, or that file.
        tokens: Those that are looked at, by id.

    Raises:
        InputError: If there is no such file, a column is missing or holds no shares, or an id is another token.
    """
    file = path / ANNOTATION_FILE if path.is_dir() else path
    try:
        table = pq.read_table(file).to_pandas()
    except (OSError, pa.ArrowInvalid) as error:
        raise InputError(
            f"The annotation of tokens {file} cannot be read ({error}); `grover interpret annotate` makes one."
        ) from None
    if missing := [name for name in _KEYS if name not in table]:
        raise InputError(f"{file} has no column {', '.join(missing)}; it needs {', '.join(_KEYS)}, then shares.")
    if table["id"].duplicated().any():
        raise InputError(f"{file} has the id {table.loc[table['id'].duplicated(), 'id'].iloc[0]} twice.")
    given = dict(zip(table["id"].tolist(), table["token"].tolist(), strict=True))
    if wrong := [number for number, token in tokens.items() if given.get(number, token) != token]:
        raise InputError(
            f"{file} says that the id {wrong[0]} is {given[wrong[0]]}; in the model it is {tokens[wrong[0]]}. "
            "The two are of different vocabularies."
        )
    shares = table.set_index("id").drop(columns=["token", "n"])
    for name, column in shares.items():
        if not pd.api.types.is_numeric_dtype(column) or not column.dropna().between(0, 1).all():
            raise InputError(f"{file}: the column {name} does not hold shares between 0 and 1.")
    return shares.astype(np.float64)
