"""Pretraining windows of a tokenized genome, as rows of coordinates and token ids."""

from collections.abc import Iterator
from dataclasses import KW_ONLY, dataclass
from typing import Any

import datasets
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from dataset_builders.task import CorpusTask
from dataset_builders.task_builder import TaskBuilder
from grover_hf.corpus.splits import Places, block_size, block_split, in_test
from grover_hf.corpus.tokenized_genome import TokenizedGenome
from grover_hf.corpus.window_store import SOFT_MASKED
from grover_hf.corpus.windows import MIN_TOKENS, pretraining_windows
from grover_hf.errors import InputError

_COLUMNS = {
    "chrom": datasets.Value("string"),
    "start": datasets.Value("int64"),
    "end": datasets.Value("int64"),
    "input_ids": datasets.List(datasets.Value("uint16")),
}
_ROWS_A_TABLE = 10_000
"""Also the most windows of a table: their token offsets must fit 32 bits."""


class GenomeWindows(TaskBuilder["GenomeWindowsTask"]):
    """Windows cut one after another from each segment of a tokenized genome."""

    def _info(self) -> datasets.DatasetInfo:
        return datasets.DatasetInfo(features=datasets.Features(_columns(self.task.opened)))

    def _split_generators(self, dl_manager: object) -> list[datasets.SplitGenerator]:
        task, corpus = self.task, self.task.opened
        windows = _all_windows(corpus, task.tilings, task.seed)
        split = self._split_of(windows)
        if not ((split == 0).any() and (split == 1).any()):
            blocks = f" by blocks of {task.size_of_block:,} bp" if task.split_by == "block" else ""
            raise InputError(
                f"{corpus.path} gives {len(windows)} windows, too few for a train and a test split{blocks}. "
                "Smaller blocks (--block-bp) are more; so are more bases."
            )
        n_tokens = (windows[:, 3] - windows[:, 2])[split >= 0]
        self.config.facts |= {
            "n_short": int((n_tokens < MIN_TOKENS).sum()),
            "mean_tokens": float(n_tokens.mean()),
            **_soft_masked(corpus),
            "n_given": len(windows),
            "dropped": {"across a border between train and test": int((split < 0).sum())},
        }
        return [
            datasets.SplitGenerator(name=name, gen_kwargs={"windows": windows[split == number]})
            for number, name in enumerate((datasets.Split.TRAIN, datasets.Split.TEST))
        ]

    def _split_of(self, windows: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return 0 for train, 1 for test, -1 for neither, shape (n,)."""
        task, corpus = self.task, self.task.opened
        if task.split_by == "block":
            parts = np.array_split(windows, -(-len(windows) // _ROWS_A_TABLE))
            starts, ends = np.concatenate([_positions(corpus, part) for part in parts]).T
            chroms = np.array(corpus.chromosomes, object)[corpus.segments[windows[:, 1], 0]]
            return block_split(Places(chroms, starts, ends), block_bp=task.size_of_block, seed=task.seed)
        # The first token of a window is its name: it does not depend on how windows are ordered.
        return in_test(windows[:, 0], windows[:, 2], seed=task.seed).astype(np.int64)

    def _generate_tables(self, windows: NDArray[np.int64]) -> Iterator[tuple[int, pa.Table]]:
        for first in range(0, len(windows), _ROWS_A_TABLE):
            yield first, _table(self.task.opened, windows[first : first + _ROWS_A_TABLE])


@dataclass(frozen=True)
class GenomeWindowsTask(CorpusTask):
    """A tokenized genome cut into pretraining windows."""

    builder_class = GenomeWindows
    version = "1.3.0"
    dataset = "genome_windows"
    splits_by = ("window", "block")
    """By window, as in the paper; by block: whole blocks of the genome are train or test, so that no test
    sequence is seen in training, however many tilings there are."""

    _: KW_ONLY
    split_by: str = "block"
    tilings: int = 1
    """How often the genome is cut, each time with another seed."""
    block_bp: int | None = None
    """Bases of a block; None for a megabase, or less where the genome has not fifty of these."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.tilings < 1:
            raise InputError(f"{self.tilings} tilings were asked for; 1 or more are possible.")
        if self.block_bp is not None and self.split_by != "block":
            raise InputError("block_bp goes with the split by block; say split_by block too.")

    @property
    def size_of_block(self) -> int:
        """Bases of a block."""
        return block_size(self.opened.facts.n_bases) if self.block_bp is None else self.block_bp

    @property
    def choices(self) -> dict[str, Any]:
        choices = {name: value for name, value in super().choices.items() if name != "block_bp"}
        return choices | ({"block_bp": self.size_of_block} if self.split_by == "block" else {})


plan = GenomeWindowsTask


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


def _columns(corpus: TokenizedGenome) -> dict[str, Any]:
    """Return the columns, and their types."""
    if corpus.soft_mask is None:
        return _COLUMNS
    return _COLUMNS | {SOFT_MASKED: datasets.List(datasets.Value("bool"))}


def _soft_masked(corpus: TokenizedGenome) -> dict[str, int]:
    n_tokens = corpus.facts.n_soft_masked
    return {} if n_tokens is None else {"n_soft_masked": n_tokens}


def _table(corpus: TokenizedGenome, windows: NDArray[np.int64]) -> pa.Table:
    firsts, lasts = windows[:, 2], windows[:, 3]
    offsets = pa.array(np.concatenate([[0], np.cumsum(lasts - firsts)]).astype(np.int32))
    input_ids = np.concatenate([corpus.input_ids[a:b] for a, b in zip(firsts, lasts, strict=True)])
    starts, ends = _positions(corpus, windows).T
    columns = [
        pa.array(corpus.chromosomes).take(pa.array(corpus.segments[windows[:, 1], 0])),
        pa.array(starts),
        pa.array(ends),
        pa.ListArray.from_arrays(offsets, pa.array(input_ids)),
    ]
    if corpus.soft_mask is not None:
        soft_masked = np.concatenate([corpus.soft_masked(a, b) for a, b in zip(firsts, lasts, strict=True)])
        columns.append(pa.ListArray.from_arrays(offsets, pa.array(soft_masked)))
    return pa.Table.from_arrays(columns, names=list(_columns(corpus)))


def _positions(corpus: TokenizedGenome, windows: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return start and end of each window in its chromosome, (n, 2)."""
    # Rows of one segment and tiling stand together, in ascending order.
    changes = np.flatnonzero(np.any(np.diff(windows[:, :2], axis=0), axis=1)) + 1
    runs = np.split(windows, changes)
    positions = [corpus.starts_of(int(run[0, 1]), run[:, 2:].reshape(-1)).reshape(-1, 2) for run in runs]
    return np.concatenate(positions)
