"""The files of `grover interpret tokens`.

summary.json           what was looked at; MEV by kind, best correlations, self-similarity by layer
vectors.parquet        kind, layer, id, token, count, embedding (list of float32; kinds differ in size)
pca.csv                kind, layer, id, token, PC1, ..., PC20, umap_1, umap_2, leaf of the clustering
correlations.csv       kind, layer, component, variance_share, property, less_gc, n, rho, p, q
self_similarity.csv    id, token, n_contexts, layer_0, ...; types with fewer than two contexts are missing
NAME.png, NAME.svg     the figures
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from grover_hf._internals.files import atomic_folder
from grover_hf._internals.outputs import only_writer, require_writable
from grover_hf._internals.records import plain
from grover_hf.analysis.figure_style import save_figure
from grover_hf.interpretation.token_vectors import paper
from grover_hf.interpretation.token_vectors.analysis import (
    TokenAnalysis,
    TokensPlan,
    VectorAnalysis,
    analyse_tokens,
)
from grover_hf.interpretation.token_vectors.component_figures import (
    Scatter,
    correlation_figure,
    mev_figure,
    plane_figure,
    property_figure,
)
from grover_hf.interpretation.token_vectors.components import cluster_tree, mev_at_random, ranks_of_first
from grover_hf.interpretation.token_vectors.correlations import best_property
from grover_hf.interpretation.token_vectors.properties import FREQUENCY, GC, STRANDS
from grover_hf.interpretation.token_vectors.similarity_figure import Column, can_be_drawn, self_similarity_figure
from grover_hf.interpretation.token_vectors.summary import TokensSummary, summary_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MARKER = "summary.json"
CONTENTS = ("vectors.parquet", "*.csv", "*.png", "*.svg")
_PANELS = 6
"""Components that are drawn beside a property (Fig. 4i-n)."""


def interpret_tokens(plan: TokensPlan, output: Path, *, overwrite: bool = False) -> TokensSummary:
    """Write what the vectors of a model's token types encode; return what `summary.json` says.

    Raises:
        InputError: If a package is missing, a file or the model cannot be used, their vocabularies differ, or
            `output` may not be replaced.
    """
    require_writable(output, overwrite=overwrite, marker=MARKER, contents=CONTENTS, inputs=plan.inputs)
    with only_writer(output):
        found = analyse_tokens(plan)
        summary = summary_of(plan, found)
        with atomic_folder(output) as part:
            _write_vectors(found, summary, part / "vectors.parquet")
            _write_tables(found, part)
            for name, figure in figures(plan, found):
                for suffix in (".png", ".svg"):
                    save_figure(figure, part / f"{name}{suffix}")
            (part / MARKER).write_text(json.dumps(plain(summary), indent=2) + "\n")
    return summary


def figures(plan: TokensPlan, found: TokenAnalysis) -> Iterator[tuple[str, "Figure"]]:
    """Yield the figures by name."""
    genome = found.windows.genome
    ranks, colour_label = _colours(found)
    mev = {f"{_shown(one)}\n{len(one.vectors.ids):,} types": one.components.mev for one in found.analysed}
    numbers = {"word2vec": paper.MEV_WORD2VEC.value, "output": None}
    beside = {
        name: numbers.get(one.vectors.kind, paper.MEV_MODEL.value)
        for name, one in zip(mev, found.analysed, strict=True)
    }
    at_random = {
        name: mev_at_random(*one.vectors.vectors.shape) for name, one in zip(mev, found.analysed, strict=True)
    }
    said = {name: value for name, value in beside.items() if value is not None}
    yield "mev", mev_figure(mev, said, at_random, data=genome)
    for one in found.analysed:
        is_read = one.vectors.kind == "contextual_mean"
        name, title = one.vectors.name, f"{_shown(one)}\n{found.windows.source if is_read else genome}"
        shares = one.components.variance_shares
        colours = np.array([ranks.get(number, np.nan) for number in one.vectors.ids.tolist()])
        if len(shares) > 1:
            labels = (f"PC1, {100 * shares[0]:.1f} %", f"PC2, {100 * shares[1]:.1f} %")
            yield f"pca-{name}", plane_figure(
                one.components.scores[:, :2], colours, labels=labels, colour_label=colour_label, title=title
            )
        if one.umap is not None:
            yield f"umap-{name}", plane_figure(
                one.umap, colours, labels=("UMAP 1", "UMAP 2"), colour_label=colour_label, title=title
            )
        for less_gc in one.correlations["less_gc"].unique():
            suffix = "" if less_gc == "none" else f"-less-gc-{less_gc}"
            yield f"correlations-{name}{suffix}", _correlation_figure(one, less_gc, title)
        yield f"components-{name}", property_figure(
            _panels(one), colours, colour_label=colour_label, title=title
        )
    yield "self-similarity", _similarity_figure(plan, found, ranks, colour_label)


def _shown(one: VectorAnalysis) -> str:
    """Return what vectors are called in figures."""
    names = {"static": "input table", "output": "output table", "word2vec": "Word2Vec"}
    return names.get(one.vectors.kind, f"mean of contexts, layer {one.vectors.layer}")


def _colours(found: TokenAnalysis) -> tuple[dict[int, float], str]:
    """Return a value for each type that colours it in all figures, by id, and what it is."""
    for one in found.analysed:
        if one.vectors.kind == "word2vec":
            return ranks_of_first(one.vectors, one.components), "rank in PC1 of Word2Vec"
    gc = found.analysed[0].properties.own[GC]
    return {int(number): float(value) for number, value in gc.items()}, GC


def _correlation_figure(one: VectorAnalysis, less_gc: str, title: str) -> "Figure":
    table = one.correlations[one.correlations["less_gc"] == less_gc]
    # Of strands, their difference alone: each of the two mostly goes as their sum.
    names = [name for name in table["property"].unique() if not name.endswith((" +", " -"))]
    rho, q = (
        table.pivot(index="property", columns="component", values=value).loc[names].to_numpy()
        for value in ("rho", "q")
    )
    less = "" if less_gc == "none" else f"; properties less GC content ({less_gc})"
    title = f"{title}; n = {len(one.vectors.ids):,}{less}"
    return correlation_figure(rho, q, one.components.variance_shares, names, title=title)


def _panels(one: VectorAnalysis) -> list[Scatter]:
    panels = []
    for number in range(min(_PANELS, len(one.components.variance_shares))):
        line = best_property(one.correlations, number + 1)
        values = one.properties.table[line["property"]].to_numpy(np.float64)
        panels.append(Scatter(
            number + 1, float(line["variance_share"]), str(line["property"]), float(line["rho"]), values,
            one.components.scores[:, number],
        ))
    return panels


def _similarity_figure(
    plan: TokensPlan, found: TokenAnalysis, ranks: dict[int, float], colour_label: str
) -> "Figure":
    properties = found.analysed[0].properties
    own = properties.own.loc[found.similar]
    shares = properties.annotation.loc[found.similar]
    columns = {
        FREQUENCY: Column(own[FREQUENCY].to_numpy()), "length": Column(own["length"].to_numpy()),
        colour_label: Column(np.array([ranks.get(number, np.nan) for number in found.similar]), "viridis"),
    }
    for name, values in shares.items():
        if not str(name).endswith((" +", " -", STRANDS)) and can_be_drawn(values.to_numpy()):
            columns[str(name)] = Column(values.to_numpy(), "magma")
    less = ", less that of any two tokens" if plan.less_anisotropy else ""
    return self_similarity_figure(
        found.similarity, cluster_tree(found.similarity.T), columns,
        title=f"{len(found.similar):,} types,\n{found.windows.source}",
        label=f"self-similarity (mean cosine){less}",
    )


def _write_vectors(found: TokenAnalysis, summary: TokensSummary, path: Path) -> None:
    provenance = {
        "model": summary.model, "model_revision": summary.model_revision, "model_sha256": summary.model_sha256,
        "source": summary.source, "source_sha256": summary.source_sha256, "version": summary.version,
    }
    metadata = {f"grover.{name}": value for name, value in provenance.items() if value is not None}
    schema = pa.schema(
        [("kind", pa.string()), ("layer", pa.int64()), ("id", pa.int64()), ("token", pa.string()),
         ("count", pa.int64()), ("embedding", pa.list_(pa.float32()))],
        metadata=metadata,
    )
    with pq.ParquetWriter(path, schema) as writer:
        for one in found.every:
            n = len(one.ids)
            arrays = [
                pa.array([one.kind] * n), pa.array([one.layer] * n, pa.int64()), pa.array(one.ids),
                pa.array(one.tokens), pa.array(one.counts), _lists(one.vectors),
            ]
            writer.write_table(pa.table(arrays, schema=schema))


def _lists(vectors: NDArray[np.float32]) -> pa.ListArray:
    offsets = np.arange(len(vectors) + 1, dtype=np.int32) * vectors.shape[1]
    return pa.ListArray.from_arrays(pa.array(offsets), pa.array(vectors.reshape(-1)))


def _write_tables(found: TokenAnalysis, folder: Path) -> None:
    tables = {
        "pca": pd.concat([_component_table(one) for one in found.analysed]),
        "correlations": pd.concat([_named(one, one.correlations) for one in found.analysed]),
        "self_similarity": _similarity_table(found),
    }
    for name, table in tables.items():
        table.to_csv(folder / f"{name}.csv", index=False, float_format="%.6g")


def _component_table(one: VectorAnalysis) -> pd.DataFrame:
    scores = {f"PC{number}": values for number, values in enumerate(one.components.scores.T, 1)}
    leaves = np.argsort(one.cluster_order)
    places = {} if one.umap is None else {"umap_1": one.umap[:, 0], "umap_2": one.umap[:, 1]}
    return _named(one, pd.DataFrame({
        "id": one.vectors.ids, "token": one.vectors.tokens, **scores, **places, "leaf": leaves,
    }))


def _named(one: VectorAnalysis, table: pd.DataFrame) -> pd.DataFrame:
    layer = pd.array([one.vectors.layer] * len(table), dtype="Int64")
    names = pd.DataFrame({"kind": one.vectors.kind, "layer": layer})
    return pd.concat([names, table.reset_index(drop=True)], axis=1)


def _similarity_table(found: TokenAnalysis) -> pd.DataFrame:
    token_of = dict(zip(found.every[0].ids.tolist(), found.every[0].tokens, strict=True))
    layers = {f"layer_{number}": values for number, values in enumerate(found.similarity)}
    return pd.DataFrame({
        "id": found.similar, "token": [token_of[number] for number in found.similar],
        "n_contexts": found.contexts.n_contexts[found.similar], **layers,
    })
