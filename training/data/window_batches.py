"""Batches of windows: which come together, in which order, by a seed, an epoch and a batch size alone."""

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray

from grover_hf.corpus.soft_mask import looked_up
from grover_hf.corpus.window_store import WindowStore
from grover_hf.masking import Windows

_BATCHES_SORTED_TOGETHER = 200
"""In batches of 64 of the paper's windows, 0.3 % of the positions are padding then; 1.2 % with 50."""


class WindowDataset(torch.utils.data.Dataset[Windows]):
    """Windows by key, a batch at once: key = epoch * number of windows + number of the window.

    The epoch is part of the key, so that masks follow from what the sampler asks for, and
    workers, ranks and a resumed run need no common state.

    Args:
        store: The windows of a split.
        rows: Which of them the dataset has, shape (n,); all if not given.
    """

    def __init__(self, store: WindowStore, rows: NDArray[np.int64] | None = None) -> None:
        self.store = store
        self._rows = rows

    def __len__(self) -> int:
        return len(self.store) if self._rows is None else len(self._rows)

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Length of each window in tokens, shape (n,)."""
        return self.store.lengths if self._rows is None else self.store.lengths[self._rows]

    def longest_window(self) -> NDArray[np.uint16]:
        """Return the token ids of the longest window, of the first one if several are as long."""
        windows = self[int(np.argmax(self.lengths))]
        return windows.input_ids[windows.starts[0] : windows.ends[0]]

    def soft_masked(self, examples: NDArray[np.integer], columns: NDArray[np.integer]) -> NDArray[np.bool_] | None:
        """Return which tokens of a padded batch are soft-masked, shape (n,); None if nobody knows.

        Args:
            examples: Number of each token's window in the dataset, shape (n,).
            columns: Its place in the row, behind [CLS], shape (n,).
        """
        if self.store.soft_mask is None:
            return None
        rows = examples if self._rows is None else self._rows[examples]
        return looked_up(self.store.soft_mask, self.store.borders[rows] + columns - 1)

    def __getitem__(self, key: int) -> Windows:
        return self.__getitems__([key])

    def __getitems__(self, keys: list[int]) -> Windows:
        """Return the windows of a batch; the DataLoader hands them to its collator as they are."""
        epochs, examples = np.divmod(np.array(keys), len(self))
        rows = examples if self._rows is None else self._rows[examples]
        borders = self.store.borders
        starts, ends = borders[rows], borders[rows + 1]
        return Windows(self.store.input_ids, starts, ends, epochs, examples, self.store.soft_mask)


class WholeBatches(torch.utils.data.Sampler[int]):
    """Keys of the windows of an epoch, batch after batch, in an order by (seed, epoch, batch size) alone.

    An epoch has every window once, but for a few that fill no batch: other ones in each epoch. A batch is that of
    all processes and accumulation steps together, which take its windows in turn: the layout does not change
    what is learnt from.

    With `group_by_length` the windows of a batch are about equally long: an epoch's windows are shuffled, those of
    two hundred batches at a time sorted by length and cut into batches, and all the batches shuffled.

    Args:
        lengths: Lengths of the windows in tokens, shape (n,).
        batch_size: Windows of a global batch, n or less.
        seed: Another seed gives another order.
        group_by_length: Whether windows of a batch are about equally long.
    """

    def __init__(
        self, lengths: NDArray[np.int64], batch_size: int, *, seed: int, group_by_length: bool
    ) -> None:
        self._lengths = lengths
        self._batch_size = batch_size
        self._seed = seed
        self._group_by_length = group_by_length
        self._epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Called before each epoch, also after a resume."""
        self._epoch = epoch

    def __len__(self) -> int:
        return len(self._lengths) // self._batch_size * self._batch_size

    def __iter__(self) -> Iterator[int]:
        batches = self._keys().reshape(-1, self._batch_size)
        return (key for batch in batches for key in batch.tolist())

    def batch_of_step(self, step: int) -> tuple[int, list[int]]:
        """Return the epoch, and the numbers of the windows, of a step of the current epoch.

        Args:
            step: Number of the step over all epochs; the first is 1.
        """
        first = (step - 1) * self._batch_size % len(self)
        keys = self._keys()[first : first + self._batch_size]
        return self._epoch, (keys % len(self._lengths)).tolist()

    def _keys(self) -> NDArray[np.int64]:
        rng = np.random.default_rng([self._seed, self._epoch])
        order = rng.permutation(len(self._lengths))[: len(self)]
        if self._group_by_length:
            together = np.arange(len(order)) // (_BATCHES_SORTED_TOGETHER * self._batch_size)
            order = order[np.lexsort((self._lengths[order], together))]
            order = rng.permutation(order.reshape(-1, self._batch_size)).reshape(-1)
        return self._epoch * len(self._lengths) + order
