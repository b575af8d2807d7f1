"""Pretraining windows of a tokenized genome, as rows of coordinates and token ids."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from dataset_builders.build import Plan
from grover_hf.corpus.splits import BLOCK_BP, Places, block_split, in_test
from grover_hf.corpus.tokenized_genome import TokenizedGenome
from grover_hf.corpus.windows import MIN_TOKENS, pretraining_windows
from grover_hf.errors import InputError

NAME = "genome_windows"
CARD = Path(__file__).parent / "README.md"
VERSION = "1.1.0"
SPLITS_BY = ("window", "block")

FEATURES = datasets.Features(
    {
        "chrom": datasets.Value("string"),
        "start": datasets.Value("int64"),
        "end": datasets.Value("int64"),
        "input_ids": datasets.List(datasets.Value("uint16")),
    }
)
_ROWS_A_TABLE = 10_000
"""Also the most windows of a table: their token offsets must fit 32 bits."""


@dataclass
class GenomeWindowsConfig(datasets.BuilderConfig):
    """What to cut: a tokenized genome, how often, the seed, and what goes whole to train or test."""

    corpus: str = ""
    tilings: int = 1
    seed: int = 0
    split_by: str = "window"
    block_bp: int = BLOCK_BP
    facts: dict[str, Any] = field(default_factory=dict, compare=False, repr=False)
    """Filled while the rows are made: what the card says of them."""


class GenomeWindows(datasets.ArrowBasedBuilder):
    """Windows cut one after another from each segment of a tokenized genome."""

    BUILDER_CONFIG_CLASS = GenomeWindowsConfig
    config: GenomeWindowsConfig

    def _info(self) -> datasets.DatasetInfo:
        return datasets.DatasetInfo(features=FEATURES)

    def _split_generators(self, dl_manager: object) -> list[datasets.SplitGenerator]:
        if self.config.tilings < 1:
            raise InputError(f"{self.config.tilings} tilings were asked for; 1 or more are possible.")
        corpus = TokenizedGenome.open(self.config.corpus)
        windows = _all_windows(corpus, self.config.tilings, self.config.seed)
        split = self._split_of(corpus, windows)
        if not ((split == 0).any() and (split == 1).any()):
            blocks = f" by blocks of {self.config.block_bp:,} bp" if self.config.split_by == "block" else ""
            raise InputError(
                f"{self.config.corpus} gives {len(windows)} windows, too few for a train and a test split{blocks}."
            )
        n_tokens = (windows[:, 3] - windows[:, 2])[split >= 0]
        self.config.facts |= {
            "corpus": corpus.facts,
            "n_short": int((n_tokens < MIN_TOKENS).sum()),
            "mean_tokens": float(n_tokens.mean()),
            "n_given": len(windows),
            "dropped": {"across a border between train and test": int((split < 0).sum())},
        }
        return [
            datasets.SplitGenerator(name=name, gen_kwargs={"corpus": corpus, "windows": windows[split == number]})
            for number, name in enumerate((datasets.Split.TRAIN, datasets.Split.TEST))
        ]

    def _split_of(self, corpus: TokenizedGenome, windows: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return 0 for train, 1 for test, -1 for neither, shape (n,)."""
        seed = self.config.seed
        if self.config.split_by == "block":
            parts = np.array_split(windows, -(-len(windows) // _ROWS_A_TABLE))
            starts, ends = np.concatenate([_positions(corpus, part) for part in parts]).T
            chroms = np.array(corpus.chromosomes, object)[corpus.segments[windows[:, 1], 0]]
            return block_split(Places(chroms, starts, ends), block_bp=self.config.block_bp, seed=seed)
        # The first token of a window is its name: it does not depend on how windows are ordered.
        return in_test(windows[:, 0], windows[:, 2], seed=seed).astype(np.int64)

    def _generate_tables(
        self, corpus: TokenizedGenome, windows: NDArray[np.int64]
    ) -> Iterator[tuple[int, pa.Table]]:
        for first in range(0, len(windows), _ROWS_A_TABLE):
            yield first, _table(corpus, windows[first : first + _ROWS_A_TABLE])


def plan(
    corpus: str | Path, *, tilings: int = 1, seed: int = 0, split_by: str = "window", block_bp: int | None = None
) -> Plan:
    """Plan to cut a tokenized genome into pretraining windows; tokenizer and split name the configuration.

    Args:
        corpus: A folder made by `grover tokenize`.
        tilings: How often the genome is cut, each time with another seed.
        seed: Of the window lengths and of the split.
        split_by: "window", as in the paper; or "block": whole blocks of the genome are train or test, so
            that no test sequence is seen in training, however many tilings there are.
        block_bp: Bases of a block; None for a megabase.

    Raises:
        InputError: If the corpus cannot be used, or an option.
    """
    if split_by not in SPLITS_BY:
        raise InputError(f"split_by is {split_by!r}; it is {' or '.join(SPLITS_BY)}.")
    if block_bp is not None and split_by != "block":
        raise InputError("block_bp is of the split by block; say split_by block too.")
    opened = TokenizedGenome.open(corpus)
    by_block = {"block_bp": block_bp or BLOCK_BP} if split_by == "block" else {}
    settings = {"tilings": tilings, "seed": seed, "split_by": split_by, **by_block}
    return Plan(
        builder_class=GenomeWindows, dataset=NAME, version=VERSION, card=CARD,
        config=opened.encoder.name + (".by-block" if by_block else ""),
        vocabulary_sha256=opened.vocabulary_sha256,
        settings={"corpus": str(corpus), **settings},
        inputs={"corpus": opened.facts, **settings},
    )


def _all_windows(corpus: TokenizedGenome, tilings: int, seed: int) -> NDArray[np.int64]:
    """Return tiling, segment, first token and token after the last of each window, (n, 4)."""
    cut = []
    for tiling in range(tilings):
        for segment in range(len(corpus.segments)):
            rng = np.random.default_rng([seed, tiling, segment])
            windows = pretraining_windows(len(corpus.segment_ids(segment)), rng=rng)
            windows += corpus.segments[segment, 3]
            cut.append(np.insert(windows, [0, 0], [tiling, segment], axis=1))
    return np.concatenate(cut)


def _table(corpus: TokenizedGenome, windows: NDArray[np.int64]) -> pa.Table:
    firsts, lasts = windows[:, 2], windows[:, 3]
    offsets = np.concatenate([[0], np.cumsum(lasts - firsts)])
    input_ids = np.concatenate([corpus.input_ids[a:b] for a, b in zip(firsts, lasts, strict=True)])
    starts, ends = _positions(corpus, windows).T
    columns = [
        pa.array(corpus.chromosomes).take(pa.array(corpus.segments[windows[:, 1], 0])),
        pa.array(starts),
        pa.array(ends),
        pa.ListArray.from_arrays(pa.array(offsets.astype(np.int32)), pa.array(input_ids)),
    ]
    return pa.Table.from_arrays(columns, names=list(FEATURES))


def _positions(corpus: TokenizedGenome, windows: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return start and end of each window in its chromosome, (n, 2)."""
    # Rows of one segment and tiling stand together, in ascending order.
    changes = np.flatnonzero(np.any(np.diff(windows[:, :2], axis=0), axis=1)) + 1
    runs = np.split(windows, changes)
    positions = [corpus.starts_of(int(run[0, 1]), run[:, 2:].reshape(-1)).reshape(-1, 2) for run in runs]
    return np.concatenate(positions)
