"""`summary.json` of `grover interpret tokens`, and the table that stands beside the paper's."""

import importlib.metadata
from dataclasses import dataclass
from typing import Any

import pandas as pd

from grover_hf.interpretation.token_vectors import paper
from grover_hf.interpretation.token_vectors.analysis import TokenAnalysis, TokensPlan, VectorAnalysis
from grover_hf.interpretation.token_vectors.components import LINKAGE, components_of, mev_at_random
from grover_hf.interpretation.token_vectors.correlations import best_component, best_property, uncorrelated
from grover_hf.model import identity_of_model

_COMPONENTS_SAID = 6
"""That the paper says something of."""


@dataclass(frozen=True, kw_only=True)
class Correlated:
    """A component and a property that go together."""

    component: int
    variance_share: float
    property: str
    less_gc: str
    n: int
    rho: float
    q: float


@dataclass(frozen=True, kw_only=True)
class VectorsSummary:
    """What vectors of one kind come to."""

    kind: str
    layer: int | None
    n_types: int
    dimensions: int
    mev: float
    """Share of variance of the first component."""
    mev_at_random: float
    """Of as many vectors of as many dimensions, drawn at random."""
    variance_shares: list[float]
    best_properties: list[Correlated]
    """Of the first six components."""
    best_components: list[Correlated]
    """Of each property, as it is."""
    best_components_less_gc: list[Correlated]
    """Of each property, less GC content."""


@dataclass(frozen=True, kw_only=True)
class TokensSummary:
    """The content of `summary.json`."""

    model: str
    model_revision: str | None
    model_sha256: str | None
    source: str
    source_sha256: str
    n_windows: int
    of_windows: int
    n_tokens: int
    fewest: int
    n_types: int
    """That are looked at."""
    n_never: int
    """Types that do not occur at all, and are left out."""
    n_rare: int
    """Types that occur fewer than `fewest` times, and are left out."""
    n_without_context: int
    """Types that are looked at, and do not occur in the windows: they have no contextual mean."""
    mev: dict[str, float]
    """By kind, and of contextual means by layer."""
    vectors: list[VectorsSummary]
    most_contexts: int
    n_with_most_contexts: int
    """Types with so many contexts."""
    n_without_self_similarity: int
    """Types with fewer than two contexts."""
    less_anisotropy: bool
    self_similarity: list[float]
    """Mean over types, by layer."""
    anisotropy: list[float]
    """Mean cosine of any two tokens of the windows, by layer."""
    correction: str
    """Regression on GC content."""
    q: str
    linkage: str
    uncorrelated: list[str]
    """Properties that do not vary, or are known of too few types."""
    seed: int
    version: str


def summary_of(plan: TokensPlan, found: TokenAnalysis) -> TokensSummary:
    """Return what the analysis comes to."""
    identity = identity_of_model(plan.model, plan.revision)
    static, *_ = found.analysed
    means = [vectors for vectors in found.every if vectors.kind == "contextual_mean"]
    n_types = len(static.vectors.ids)
    return TokensSummary(
        model=plan.model, model_revision=identity["revision"], model_sha256=identity["sha256"],
        source=found.windows.source, source_sha256=found.windows.sha256, n_windows=len(found.windows),
        of_windows=found.windows.n_available, n_tokens=len(found.windows.input_ids), fewest=plan.fewest,
        n_types=n_types, n_never=found.n_never, n_rare=found.n_rare,
        n_without_context=n_types - len(means[0].ids),
        mev={vectors.name: components_of(vectors.vectors).mev for vectors in found.every},
        vectors=[_of_vectors(one) for one in found.analysed],
        most_contexts=plan.most_contexts,
        n_with_most_contexts=int((found.contexts.n_contexts[found.similar] == plan.most_contexts).sum()),
        n_without_self_similarity=n_types - len(found.similar),
        less_anisotropy=plan.less_anisotropy,
        self_similarity=found.similarity.mean(1).tolist(), anisotropy=found.contexts.anisotropy.tolist(),
        correction=plan.correction,
        q="Benjamini-Hochberg over all components and properties of one kind of vectors and one less_gc",
        linkage=f"{LINKAGE}, Euclidean", uncorrelated=uncorrelated(static.properties.table), seed=plan.seed,
        version=importlib.metadata.version("grover-hf"),
    )


def paper_table(summary: TokensSummary) -> list[tuple[str, str, str]]:
    """Return rows of quantity, the paper's value, ours: of a property, the component that it goes best with."""
    rows = []
    for name, mev in summary.mev.items():
        number = paper.MEV_WORD2VEC if name == "word2vec" else paper.MEV_MODEL
        # The paper's are of its table or its last layer; other layers it does not look at.
        analysed = [one for one in summary.vectors if (one.kind, one.layer) == _kind_and_layer(name)]
        beside = number.text() if analysed and analysed[0].kind != "output" else ""
        by_chance = f" (at random {100 * analysed[0].mev_at_random:.1f} %)" if analysed else ""
        rows.append((f"MEV, {name}", beside, number.text_of(mev) + by_chance))
    for one in summary.vectors:
        said = paper.WORD2VEC if one.kind == "word2vec" else paper.MODEL
        name = one.kind if one.layer is None else f"{one.kind}_layer_{one.layer}"
        for property_name in dict.fromkeys(correlation.property for correlation in said):
            of_paper = [c for c in said if c.property == property_name]
            ours = [line for line in one.best_components if line.property == property_name]
            texts = [f"PC{c.component} {c.rho.text()}" for c in of_paper if one.kind != "output"]
            found = f"PC{ours[0].component} {ours[0].rho:+.2f}" if ours else "does not vary"
            rows.append((f"{name}: {property_name}", ", ".join(texts), found))
    layers = ", ".join(f"{value:.2f}" for value in summary.self_similarity)
    by_chance = ", ".join(f"{value:.2f}" for value in summary.anisotropy)
    rows.append(("self-similarity, mean over types, layers from 0", "Fig. 5a, no numbers", layers))
    rows.append(("any two tokens, the same layers", "", by_chance))
    return rows


def _kind_and_layer(name: str) -> tuple[str, int | None]:
    kind, _, layer = name.partition("_layer_")
    return kind, int(layer) if layer else None


def _of_vectors(one: VectorAnalysis) -> VectorsSummary:
    table, of = one.correlations, one.vectors
    n_said = min(_COMPONENTS_SAID, len(one.components.variance_shares))
    names = table["property"].unique()
    corrected = table[table["less_gc"] != "none"]
    best_less_gc = [
        best_component(corrected, name, less_gc=corrected["less_gc"].iloc[0])
        for name in corrected["property"].unique()
    ]
    return VectorsSummary(
        kind=of.kind, layer=of.layer, n_types=len(of.ids), dimensions=of.vectors.shape[1], mev=one.components.mev,
        mev_at_random=mev_at_random(*of.vectors.shape),
        variance_shares=one.components.variance_shares.tolist(),
        best_properties=[_line(best_property(table, number + 1)) for number in range(n_said)],
        best_components=[_line(best_component(table, name)) for name in names],
        best_components_less_gc=[_line(line) for line in best_less_gc],
    )


def _line(line: "pd.Series[Any]") -> Correlated:
    return Correlated(
        component=int(line["component"]), variance_share=float(line["variance_share"]),
        property=str(line["property"]), less_gc=str(line["less_gc"]), n=int(line["n"]), rho=float(line["rho"]),
        q=float(line["q"]),
    )
