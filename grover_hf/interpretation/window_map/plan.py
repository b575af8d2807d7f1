"""What a map of windows is made of, and what is said of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from grover_hf.corpus.splits import Places
from grover_hf.errors import InputError
from grover_hf.inference.embeddings.folder import EmbeddingFacts
from grover_hf.interpretation.window_map.inputs import PLACE, Annotation
from grover_hf.interpretation.window_map.layout import MIN_DIST, NEIGHBOURS
from grover_hf.interpretation.window_map.scores import NotJudged, WindowScore


@dataclass(frozen=True, kw_only=True)
class WindowMapPlan:
    """What to draw and to judge, and how."""

    embeddings: Path
    """A folder from `grover embed`, in Parquet, of bins or regions."""
    annotation: Path
    """A folder with `regions.parquet`, the annotation of the same windows."""
    genome: Path
    """The FASTA file of the windows: what their bases alone tell stands beside the model."""
    chromosomes: Sequence[str] | None = None
    """Those that the genome was tokenized with; as `ReferenceGenome` takes them."""
    random_weights: Path | None = None
    """A folder from `grover embed` of the same windows by a model with random weights."""
    windows: int = 20_000
    """How many are drawn and judged at most, evenly spaced."""
    neighbours: int = NEIGHBOURS
    min_dist: float = MIN_DIST
    """Of UMAP."""
    covered: float = 0.0
    """An annotation is present where it covers more than this share of a window."""
    kmers: Sequence[int] = (4,)
    """Letters of the words of TF-IDF; each costs a fit more."""
    folds: int = 5
    block_bp: int | None = None
    """Bases of the blocks that folds and intervals are made of; None for `corpus.splits.block_size`."""
    hide_outliers: bool = False
    """Leave points far from all others out of the pictures; they stay in the table and in the scores."""
    seed: int = 0
    """Of the layout, folds and bootstrap."""

    def require_sound(self) -> None:
        """Raise `InputError` if an option cannot be."""
        least = {"windows": 100, "neighbours": 2, "folds": 3, "block_bp": 1_000, "seed": 0}
        for name, value in least.items():
            if (given := getattr(self, name)) is not None and given < value:
                raise InputError(f"{name} is {given}; the least is {value}.")
        if not 0 <= self.covered < 1 or not 0 <= self.min_dist <= 1:
            raise InputError(f"covered is {self.covered}, min_dist {self.min_dist}: both are shares from 0 to 1.")
        if bad := [k for k in self.kmers if not 1 <= k <= 8]:
            raise InputError(f"{bad[0]}-mers are no words to count here; take 1 to 8 letters.")


@dataclass(frozen=True, kw_only=True)
class WindowMapReport:
    """What `scores.json` says."""

    embeddings: dict[str, str]
    """What they are of."""
    random_weights_sha256: str | None
    annotation_sha256: str
    genome_sha256: str
    n_windows: int
    """Drawn and judged."""
    of_windows: int
    """All that there are in the folder."""
    n_without_vector: int
    """Left out: they have no token."""
    n_hidden: int
    """Far from all others, and in no picture."""
    neighbours: int
    min_dist: float
    covered: float
    folds: int
    block_bp: int
    seed: int
    scores: list[WindowScore]
    not_judged: list[NotJudged]
    versions: dict[str, str]


@dataclass(frozen=True, eq=False)
class Windows:
    """The windows that are drawn and judged."""

    table: pd.DataFrame
    """`chrom, start, end`."""
    vectors: NDArray[np.float32]
    annotations: list[Annotation]
    kept: NDArray[np.bool_]
    """Which of those that were chosen have a vector."""
    facts: EmbeddingFacts

    @property
    def places(self) -> Places:
        """Where they lie."""
        return Places(*(self.table[name].to_numpy() for name in PLACE))
