"""Embeddings as an h5ad file: regions (or tokens) as obs, vectors as X, provenance in uns."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from grover_hf._internals.outputs import require_writable
from grover_hf.errors import InputError
from grover_hf.inference.embeddings.folder import EmbeddingFacts

SUFFIX = ".h5ad"
_ROWS_AT_ONCE = 50_000


def require_h5ad(output: Path, *, overwrite: bool) -> None:
    """Raise `InputError` if an h5ad file cannot be written, or would replace what is none of ours."""
    try:
        import anndata  # noqa: F401
        import h5py
    except ImportError:
        raise InputError("h5ad files need anndata: pip install 'grover-hf[formats]'") from None
    if output.suffix != SUFFIX:
        raise InputError(f"{output} ends in {output.suffix!r}; with --format h5ad it must end in {SUFFIX}.")
    require_writable(output, overwrite=overwrite)
    if not output.exists():
        return
    try:
        with h5py.File(output) as file:
            is_ours = "uns/grover" in file
    except OSError:
        is_ours = False
    if not is_ours:
        raise InputError(
            f"{output} is not replaced: it holds no embeddings of this command. Name another --output, or remove "
            "it yourself."
        )


def write_h5ad(parts: Sequence[Path], facts: EmbeddingFacts, path: Path) -> None:
    """Write Parquet parts of embeddings as one h5ad file.

    X is float32, shape (n, H), NaN where there is no token; it is written some rows at a time. obs has all
    other columns, under the row's number. `uns["grover"]` has the provenance.
    """
    import h5py
    from anndata.io import write_elem

    names = [name for name in pq.read_schema(parts[0]).names if name != "embedding"]
    obs = _obs(pa.concat_tables([pq.read_table(part, columns=names) for part in parts]))
    var = pd.DataFrame(index=_labels("dimension_", facts.dimensions))
    elements = {"obs": obs, "var": var, "uns": {"grover": facts.provenance}}
    elements |= {name: {} for name in ("layers", "obsm", "obsp", "varm", "varp")}
    with h5py.File(path, "w") as file:
        file.attrs.update({"encoding-type": "anndata", "encoding-version": "0.1.0"})
        for name, element in elements.items():
            write_elem(file, name, element)
        vectors = file.create_dataset("X", (len(obs), facts.dimensions), np.float32)
        vectors.attrs.update({"encoding-type": "array", "encoding-version": "0.2.0"})
        first = 0
        for part in parts:
            with pq.ParquetFile(part) as rows:
                for batch in rows.iter_batches(_ROWS_AT_ONCE, columns=["embedding"]):
                    some = batch.column(0).flatten().to_numpy().reshape(len(batch), facts.dimensions)
                    vectors[first : first + len(batch)] = some
                    first += len(batch)


def _obs(table: pa.Table) -> pd.DataFrame:
    """Return all but the vectors; text as Python's, since anndata 0.12 does not write that of pandas 3."""
    obs = table.to_pandas()
    obs = obs.astype({name: object for name in obs if pd.api.types.is_string_dtype(obs[name])})
    for name in ("chrom", "strand"):
        obs[name] = pd.Categorical(obs[name], categories=pd.Index(sorted(set(obs[name])), dtype=object))
    if "n_tokens" in obs:
        obs["n_tokens"] = obs["n_tokens"].astype("Int64" if obs["n_tokens"].isna().any() else "int64")
    obs.index = _labels("", len(obs))
    return obs


def _labels(prefix: str, count: int) -> pd.Index:
    return pd.Index([f"{prefix}{number}" for number in range(count)], dtype=object)
