"""`grover interpret tokens`: from a model and windows to the vectors of its token types and what is in them."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from grover_hf.analysis.figure_style import require_matplotlib
from grover_hf.analysis.sweep.selection import require_loess
from grover_hf.corpus.tokenized_genome import TokenizedGenome
from grover_hf.errors import InputError
from grover_hf.inference.dna_model import DnaModel
from grover_hf.inference.genome_models import encoder_of
from grover_hf.interpretation.token_vectors.components import (
    Components,
    cluster_order,
    components_of,
    require_umap,
    umap_of,
)
from grover_hf.interpretation.token_vectors.contexts import MOST_CONTEXTS, ContextSums, read_contexts
from grover_hf.interpretation.token_vectors.correlations import Correction, adjusted, correlations
from grover_hf.interpretation.token_vectors.properties import TokenProperties, token_properties
from grover_hf.interpretation.token_vectors.token_windows import (
    TokenWindows,
    dataset_windows,
    genome_bin_windows,
)
from grover_hf.interpretation.token_vectors.vectors import TokenVectors, output_vectors, static_vectors
from grover_hf.interpretation.token_vectors.word2vec import read_word2vec
from grover_hf.tokenization.encoding import Encoder


@dataclass(frozen=True, kw_only=True)
class TokensPlan:
    """What to look at, and how."""

    model: str
    """Folder of a model, or its name on the Hub."""
    windows: Path | None = None
    """A dataset of `grover build genome-windows`: contexts are those of its test split."""
    corpus: Path | None = None
    """A tokenized genome: frequencies are those in it; without `windows`, contexts are those of its bins."""
    config: str | None = None
    """Of the dataset."""
    revision: str | None = None
    """Of the model on the Hub."""
    word2vec: Path | None = None
    """A folder of `grover interpret word2vec`."""
    annotation: Path | None = None
    """A folder with `tokens.parquet`, or that file."""
    n_windows: int = 10_000
    """Windows that the model reads, evenly spaced."""
    most_contexts: int = MOST_CONTEXTS
    """Of a type, for self-similarity."""
    fewest: int = 100
    """Types that occur more rarely are left out: bases that stand alone only beside N have hardly a context."""
    layer: int = -1
    """Whose contextual means get components; -1 is what leaves the last."""
    correction: Correction = "loess"
    """Regression on GC content."""
    less_anisotropy: bool = False
    """Whether self-similarity is less the mean cosine of any two tokens in that layer."""
    umap: bool = True
    """Whether UMAP is made, which is the slowest part for a small model."""
    seed: int = 0
    """Of UMAP."""

    def require_sound(self) -> None:
        """Raise `InputError` if it asks for what cannot be."""
        if self.windows is None and self.corpus is None:
            raise InputError("Name a tokenized genome with --corpus, or a dataset of windows with --windows.")
        for name, least in (("n_windows", 1), ("most_contexts", 2), ("fewest", 1), ("seed", 0)):
            if getattr(self, name) < least:
                raise InputError(f"{name} is {getattr(self, name)}; the least is {least}.")

    @property
    def inputs(self) -> list[Path]:
        """The files that are read, and the model's folder."""
        given = (self.windows, self.corpus, self.word2vec, self.annotation)
        return [Path(self.model), *(path for path in given if path is not None)]


@dataclass(frozen=True, eq=False)
class VectorAnalysis:
    """Vectors of one kind, and what is in them."""

    vectors: TokenVectors
    components: Components
    umap: NDArray[np.float32] | None
    """Shape (n, 2); None where the plan wants none."""
    cluster_order: NDArray[np.int64]
    """Types in the order of the leaves of a hierarchical clustering, shape (n,)."""
    properties: TokenProperties
    correlations: pd.DataFrame
    """As `correlations.correlations` has them."""


@dataclass(frozen=True, eq=False)
class TokenAnalysis:
    """All that is said of a model's token types."""

    windows: TokenWindows
    every: list[TokenVectors]
    """Vectors of all kinds, and of contextual means those of all layers."""
    analysed: list[VectorAnalysis]
    """Those that have components: of contextual means, the layer of the plan."""
    contexts: ContextSums
    similarity: NDArray[np.float64]
    """Of the types in `similar`, shape (n_layers + 1, n)."""
    similar: list[int]
    """Ids of the types with two contexts or more."""
    n_never: int
    """Types that do not occur at all."""
    n_rare: int
    """Types that occur, and more rarely than the plan wants."""


def analyse_tokens(plan: TokensPlan) -> TokenAnalysis:
    """Return what the vectors of a model's token types encode.

    Raises:
        InputError: If a package is missing, a file or the model cannot be used, or their vocabularies differ.
    """
    plan.require_sound()
    require_matplotlib()
    if plan.umap:
        require_umap()
    if plan.correction == "loess":
        require_loess()
    dna = DnaModel.opened(plan.model, plan.revision)
    dna.require_embedding(pooling="mean", layer=plan.layer)
    encoder = encoder_of(dna, plan.model)
    word2vec = None if plan.word2vec is None else read_word2vec(plan.word2vec, encoder)
    windows, counts = _opened(plan, encoder)
    spells_bases = dna.reader.spells_bases
    is_shown = spells_bases & (counts >= plan.fewest)
    if is_shown.sum() < 3:
        raise InputError(
            f"{is_shown.sum()} token types occur {plan.fewest} times or more in {windows.source}; that is too few."
        )
    # Before the model runs: a wrong file, or a curve that cannot be fitted, is an error at once.
    list(adjusted(_properties(plan, encoder, np.flatnonzero(is_shown), counts).table, plan.correction))
    contexts = read_contexts(dna, windows, most_contexts=plan.most_contexts)
    tables = [static_vectors(dna, counts, is_shown), output_vectors(dna, counts, is_shown)]
    tokens = list(encoder.tokens)
    means = [contexts.mean_vectors(layer, tokens, is_shown) for layer in range(len(contexts.sums))]
    others = [table for table in tables if table is not None]
    if word2vec is not None:
        others.append(_shown_of(word2vec.vectors, is_shown))
    enough = contexts.n_contexts > 1
    return TokenAnalysis(
        windows=windows, every=[*others, *means],
        analysed=[_analysed(plan, encoder, vectors, counts) for vectors in [*others, means[plan.layer]]],
        contexts=contexts, similarity=_similarity(plan, contexts)[:, is_shown & enough],
        similar=np.flatnonzero(is_shown & enough).tolist(),
        n_never=int((spells_bases & (counts == 0)).sum()),
        n_rare=int((spells_bases & (counts > 0) & ~is_shown).sum()),
    )


def _opened(plan: TokensPlan, encoder: Encoder) -> tuple[TokenWindows, NDArray[np.int64]]:
    """Return windows, and how often each type occurs: in the genome if there is one, else in all windows."""
    genome = None
    if plan.corpus is not None:
        genome = genome_bin_windows(
            TokenizedGenome.open(plan.corpus, encoder), plan.n_windows if plan.windows is None else 1
        )
    if plan.windows is not None:
        windows = dataset_windows(plan.windows, plan.config, encoder, plan.n_windows)
    else:
        assert genome is not None
        windows = genome
    return windows, (windows if genome is None else genome).counts


def _shown_of(vectors: TokenVectors, is_shown: NDArray[np.bool_]) -> TokenVectors:
    kept = np.flatnonzero(is_shown[vectors.ids])
    return TokenVectors(
        vectors.kind, vectors.layer, [vectors.tokens[row] for row in kept], vectors.ids[kept],
        vectors.counts[kept], vectors.vectors[kept],
    )


def _similarity(plan: TokensPlan, contexts: ContextSums) -> NDArray[np.float64]:
    baseline = contexts.anisotropy[:, None] if plan.less_anisotropy else 0.0
    return contexts.self_similarity - baseline


def _properties(
    plan: TokensPlan, encoder: Encoder, ids: NDArray[np.int64], counts: NDArray[np.int64]
) -> TokenProperties:
    return token_properties([encoder.tokens[i] for i in ids], ids, counts[ids], plan.annotation)


def _analysed(
    plan: TokensPlan, encoder: Encoder, vectors: TokenVectors, counts: NDArray[np.int64]
) -> VectorAnalysis:
    properties = _properties(plan, encoder, vectors.ids, counts)
    components = components_of(vectors.vectors)
    umap = umap_of(vectors.vectors, seed=plan.seed) if plan.umap else None
    return VectorAnalysis(
        vectors, components, umap, cluster_order(vectors.vectors), properties,
        correlations(components, properties.table, correction=plan.correction),
    )
