"""Pretraining windows of tokenized genomes, as rows of coordinates and token ids."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import KW_ONLY, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import datasets
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from dataset_builders.task import OPENED, CorpusTask, opened_corpus
from dataset_builders.task_builder import TaskBuilder
from grover_hf._internals.counter_rng import keyed_uniform
from grover_hf._internals.records import plain
from grover_hf.corpus.splits import Places, block_size, block_split, in_test
from grover_hf.corpus.tokenized_genome import TokenizedGenome
from grover_hf.corpus.window_store import SOFT_MASKED
from grover_hf.corpus.windows import MIN_TOKENS, pretraining_windows
from grover_hf.errors import InputError
from grover_hf.tokenization.identity import require_same_vocabulary

_COLUMNS = {
    "chrom": datasets.Value("string"),
    "start": datasets.Value("int64"),
    "end": datasets.Value("int64"),
    "input_ids": datasets.List(datasets.Value("uint16")),
}
_ROWS_A_TABLE = 10_000
"""Also the most windows of a table: their token offsets must fit 32 bits."""
_ACROSS, _BY_WEIGHT = "across a border between train and test", "train windows, by weight"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")
_DRAW = 1
"""Keeps the choice of windows by weight apart from that of test windows, which has the same seed."""


class _Part(NamedTuple):
    """Windows of one genome."""

    genome: str
    """Its name; "" for the only one."""
    windows: NDArray[np.int64]
    """Tiling, segment, first token and token after the last of each, (n, 4)."""


class _Windows(NamedTuple):
    """The windows of one genome, as those of `_Part`."""

    train: NDArray[np.int64]
    test: NDArray[np.int64]
    dropped: dict[str, int]
    """How many are neither, by reason."""


class GenomeWindows(TaskBuilder["GenomeWindowsTask"]):
    """Windows cut one after another from each segment of tokenized genomes."""

    def _info(self) -> datasets.DatasetInfo:
        return datasets.DatasetInfo(features=datasets.Features(self._columns))

    def _split_generators(self, dl_manager: object) -> list[datasets.SplitGenerator]:
        task = self.task
        of_genomes = {name: self._split_windows(name) for name in task.genomes}
        rows = np.concatenate([rows for windows in of_genomes.values() for rows in (windows.train, windows.test)])
        n_tokens = rows[:, 3] - rows[:, 2]
        lost = [windows.dropped for windows in of_genomes.values()]
        dropped = {reason: sum(of_one[reason] for of_one in lost) for reason in lost[0]}
        self.config.facts |= {
            "n_short": int((n_tokens < MIN_TOKENS).sum()),
            "mean_tokens": float(n_tokens.mean()),
            **self._soft_masked(),
            "n_given": n_tokens.size + sum(dropped.values()),
            "dropped": dropped,
        }
        if task.are_several:
            genomes = task.inputs["genomes"]
            for name, windows in of_genomes.items():
                genomes[name]["splits"] = {"train": len(windows.train), "test": len(windows.test)}
            self.config.facts["genomes"] = genomes
        splits = {
            datasets.Split.TRAIN: {name: windows.train for name, windows in of_genomes.items()},
            datasets.Split.TEST: {name: windows.test for name, windows in of_genomes.items()},
        }
        return [
            datasets.SplitGenerator(name=split, gen_kwargs={"parts": _by_tiling(windows, task.tilings)})
            for split, windows in splits.items()
        ]

    def _split_windows(self, name: str) -> _Windows:
        task, corpus = self.task, self.task.genomes[name]
        windows = _all_windows(corpus, task.tilings, task.seed)
        split = self._split_of(corpus, windows)
        train, test = windows[split == 0], windows[split == 1]
        drawn = _drawn(train, task.shares[name], task.seed)
        if not (len(drawn) and len(test)):
            blocks = f" by blocks of {task.size_of_block(corpus):,} bp" if task.split_by == "block" else ""
            raise InputError(
                f"{corpus.path} gives {len(windows)} windows, too few for a train and a test split{blocks}. "
                "Smaller blocks (--block-bp) are more; so are more bases."
            )
        lost = {_ACROSS: int((split < 0).sum())}
        if task.are_several:
            lost[_BY_WEIGHT] = len(train) - len(drawn)
        return _Windows(drawn, test, lost)

    def _split_of(self, corpus: TokenizedGenome, windows: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return 0 for train, 1 for test, -1 for neither, shape (n,)."""
        task = self.task
        if task.split_by == "block":
            parts = np.array_split(windows, -(-len(windows) // _ROWS_A_TABLE))
            starts, ends = np.concatenate([_positions(corpus, part) for part in parts]).T
            chroms = np.array(corpus.chromosomes, object)[corpus.segments[windows[:, 1], 0]]
            # Blocks are named by their chromosome alone: each genome is split as it is in a dataset of its own.
            return block_split(Places(chroms, starts, ends), block_bp=task.size_of_block(corpus), seed=task.seed)
        # The first token of a window is its name: it does not depend on how windows are ordered.
        return in_test(windows[:, 0], windows[:, 2], seed=task.seed).astype(np.int64)

    @property
    def _columns(self) -> dict[str, Any]:
        """The columns, and their types."""
        of_several = {"genome": datasets.Value("string")} if self.task.are_several else {}
        soft_masked = {SOFT_MASKED: datasets.List(datasets.Value("bool"))} if self._has_soft_mask else {}
        return of_several | _COLUMNS | soft_masked

    @property
    def _has_soft_mask(self) -> bool:
        return any(corpus.soft_mask is not None for corpus in self.task.genomes.values())

    def _soft_masked(self) -> dict[str, int]:
        n_tokens = sum(corpus.facts.n_soft_masked or 0 for corpus in self.task.genomes.values())
        return {"n_soft_masked": n_tokens} if self._has_soft_mask else {}

    def _generate_tables(self, parts: tuple[_Part, ...]) -> Iterator[tuple[int, pa.Table]]:
        n_before = 0
        for genome, windows in parts:
            for first in range(0, len(windows), _ROWS_A_TABLE):
                yield n_before + first, self._table(genome, windows[first : first + _ROWS_A_TABLE])
            n_before += len(windows)

    def _table(self, genome: str, windows: NDArray[np.int64]) -> pa.Table:
        corpus, firsts, lasts = self.task.genomes[genome], windows[:, 2], windows[:, 3]
        offsets = pa.array(np.concatenate([[0], np.cumsum(lasts - firsts)]).astype(np.int32))

        def lists(of_tokens: Any) -> pa.ListArray:
            pieces = [of_tokens(first, last) for first, last in zip(firsts, lasts, strict=True)]
            return pa.ListArray.from_arrays(offsets, pa.array(np.concatenate(pieces)))

        starts, ends = _positions(corpus, windows).T
        columns = {
            "genome": pa.array([genome] * len(windows)),
            "chrom": pa.array(corpus.chromosomes).take(pa.array(corpus.segments[windows[:, 1], 0])),
            "start": pa.array(starts),
            "end": pa.array(ends),
            "input_ids": lists(lambda first, last: corpus.input_ids[first:last]),
        }
        if self._has_soft_mask:
            # Nothing is lower case in some of several genomes.
            none = corpus.soft_mask is None
            columns[SOFT_MASKED] = lists(
                lambda first, last: np.zeros(last - first, np.bool_) if none else corpus.soft_masked(first, last)
            )
        return pa.table({name: columns[name] for name in self._columns})


@dataclass(frozen=True)
class GenomeWindowsTask(CorpusTask):
    """Tokenized genomes cut into pretraining windows."""

    builder_class = GenomeWindows
    version = "1.3.0"
    dataset = "genome_windows"
    splits_by = ("window", "block")
    """By window, as in the paper; by block: whole blocks of the genome are train or test, so that no test
    sequence is seen in training, however many tilings there are."""

    corpus: TokenizedGenome | str | Path | Mapping[str, TokenizedGenome | str | Path] = field(  # type: ignore[assignment]
        metadata=OPENED
    )
    """A tokenized genome, or a folder made by `grover tokenize`; or several, by name."""
    _: KW_ONLY
    split_by: str = "block"
    tilings: int = 1
    """How often the genome is cut, each time with another seed."""
    block_bp: int | None = None
    """Bases of a block; None for a megabase, or less where the genome has not fifty of these."""
    weights: Mapping[str, float] | None = None
    """Of several genomes, 1 where none is given: a genome's train windows are rows in the share that its weight is
    of the largest. Which of them is drawn once, by the seed. All test windows are rows."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.tilings < 1:
            raise InputError(f"{self.tilings} tilings were asked for; 1 or more are possible.")
        if self.block_bp is not None and self.split_by != "block":
            raise InputError("block_bp goes with the split by block; say split_by block too.")
        names = list(self.corpus) if isinstance(self.corpus, Mapping) else []
        if odd := [name for name in names if not _NAME.fullmatch(name)]:
            raise InputError(f"{odd[0]!r} is no name of a genome: it has letters, digits, - and _.")
        for name, weight in (self.weights or {}).items():
            if name not in names:
                known = ", ".join(names) or "one genome without a name"
                raise InputError(f"There is a weight for {name}, but no such genome; there is {known}.")
            if not 0 < weight < np.inf:
                raise InputError(f"The weight of {name} is {weight}; it is a number above 0.")

    @property
    def are_several(self) -> bool:
        """Whether genomes have names."""
        return isinstance(self.corpus, Mapping)

    @cached_property
    def genomes(self) -> dict[str, TokenizedGenome]:
        """The tokenized genomes, by name; the only one has the name "".

        Raises:
            InputError: If they have different vocabularies, or two are one.
        """
        if not isinstance(self.corpus, Mapping):
            return {"": opened_corpus(self.corpus)}
        genomes = {name: opened_corpus(corpus) for name, corpus in self.corpus.items()}
        (first, of_first), *others = genomes.items()
        seen = {of_first.facts.genome.sha256: first}
        for name, corpus in others:
            require_same_vocabulary(
                corpus.vocabulary_sha256, of_first.vocabulary_sha256, what=f"{name} ({corpus.path})",
                other=f"{first} ({of_first.path})",
            )
            if (known := seen.setdefault(corpus.facts.genome.sha256, name)) != name:
                raise InputError(f"{name} and {known} are the same genome: its windows would be there twice.")
        return genomes

    @cached_property
    def opened(self) -> TokenizedGenome:
        """The only tokenized genome, or the first."""
        return next(iter(self.genomes.values()))

    @property
    def shares(self) -> dict[str, float]:
        """Which share of its train windows are rows, by genome."""
        weights = {name: (self.weights or {}).get(name, 1.0) for name in self.genomes}
        return {name: weight / max(weights.values()) for name, weight in weights.items()}

    def size_of_block(self, corpus: TokenizedGenome) -> int:
        """Return the bases of a block of a genome."""
        return block_size(corpus.facts.n_bases) if self.block_bp is None else self.block_bp

    def require_whole(self) -> None:
        for corpus in self.genomes.values():
            corpus.require_whole()

    @property
    def variant(self) -> str:
        return "+".join(self.genomes) if self.are_several else ""

    @property
    def places(self) -> list[Path]:
        return [corpus.path for corpus in self.genomes.values()]

    @property
    def inputs(self) -> dict[str, Any]:
        if not self.are_several:
            return super().inputs
        return {"genomes": {name: self._inputs_of(name) for name in self.genomes}, **self.choices}

    def _inputs_of(self, name: str) -> dict[str, Any]:
        corpus = self.genomes[name]
        block_bp = {"block_bp": self.size_of_block(corpus)} if self.split_by == "block" else {}
        return {"corpus": plain(corpus.facts), "weight": float((self.weights or {}).get(name, 1.0)), **block_bp}

    @property
    def choices(self) -> dict[str, Any]:
        choices = {name: value for name, value in super().choices.items() if name not in ("block_bp", "weights")}
        of_one = self.split_by == "block" and not self.are_several
        return choices | ({"block_bp": self.size_of_block(self.opened)} if of_one else {})


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


def _by_tiling(of_genomes: Mapping[str, NDArray[np.int64]], tilings: int) -> tuple[_Part, ...]:
    """Return the windows of the first tiling of all genomes, then those of the next."""
    return tuple(
        _Part(name, windows[windows[:, 0] == tiling])
        for tiling in range(tilings)
        for name, windows in of_genomes.items()
    )


def _drawn(windows: NDArray[np.int64], share: float, seed: int) -> NDArray[np.int64]:
    """Return a share of windows, in their order; of a smaller share all are among those of a larger one."""
    lots = keyed_uniform(seed, windows[:, 0], windows[:, 2], _DRAW)
    return windows[np.sort(np.argsort(lots, kind="stable")[: round(share * len(windows))])]


def _positions(corpus: TokenizedGenome, windows: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return start and end of each window in its chromosome, (n, 2)."""
    # Rows of one segment and tiling stand together, in ascending order.
    changes = np.flatnonzero(np.any(np.diff(windows[:, :2], axis=0), axis=1)) + 1
    runs = np.split(windows, changes)
    positions = [corpus.starts_of(int(run[0, 1]), run[:, 2:].reshape(-1)).reshape(-1, 2) for run in runs]
    return np.concatenate(positions)
