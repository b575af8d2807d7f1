"""`WindowStore`: the windows of a dataset as slices of one memory-mapped array of token ids.

A dataset is published as Parquet, which has to be read whole and in order. To train on, each of its splits
becomes a file of the cache, once:

    64 bytes      format, number of windows, number of tokens, and the SHA-256 of what it was made from
    tokens        uint16, window after window, and 0 to 3 more for the sake of alignment
    borders       int64, where each window begins, and the end

All numbers are little-endian.
"""

import hashlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from grover_hf._internals.files import atomic_write, cache_dir
from grover_hf.corpus.facts import DatasetFacts, split_files
from grover_hf.errors import InputError

_MAGIC = b"windows1"
_HEADER = np.dtype(
    [("magic", "S8"), ("n_windows", "<i8"), ("n_tokens", "<i8"), ("unused", "V8"), ("source", "V32")]
)
_ROWS_AT_ONCE = 10_000


@dataclass(frozen=True, eq=False)
class WindowStore:
    """The windows of a split; `open_windows` makes it. What workers get of it is its path alone."""

    path: Path
    input_ids: NDArray[np.uint16]
    """Token ids of all windows, one after another, shape (n_tokens,), memory-mapped."""
    borders: NDArray[np.int64]
    """Where in `input_ids` each window begins, and the end, shape (n_windows + 1,), memory-mapped."""

    def __len__(self) -> int:
        return len(self.borders) - 1

    def __reduce__(self) -> tuple[Any, ...]:
        return _mapped, (self.path,)

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Length of each window in tokens, shape (n_windows,)."""
        return np.diff(self.borders)


def open_windows(folder: str | Path, facts: DatasetFacts) -> dict[str, WindowStore]:
    """Return the splits of a configuration, from the cache if they are there, else put there first.

    Memory: 8 bytes a window, and some 10,000 windows.

    Args:
        folder: Folder of the dataset.
        facts: Those of the configuration, from `grover_hf.corpus.facts.choose_config`, which looks whether
            the files are whole.

    Raises:
        InputError: If the rows have no token ids.
    """
    return {split: _opened(paths, split, facts.sha256) for split, paths in split_files(folder, facts).items()}


def _opened(shards: Sequence[Path], split: str, sha256: str) -> WindowStore:
    source = hashlib.sha256(f"{sha256} {split}".encode()).digest()
    path = cache_dir() / "windows" / f"{sha256[:16]}-{split}.windows"
    if not _is_of(path, source):
        with atomic_write(path) as beside, open(beside, "wb") as file:
            _write(file, shards, source)
            # The file may have its name before its content is on the disk.
            file.flush()
            os.fsync(file.fileno())
    return _mapped(path)


def _is_of(path: Path, source: bytes) -> bool:
    """Return whether a file is whole and was made from `source`."""
    try:
        header = np.fromfile(path, _HEADER, 1)
    except FileNotFoundError:
        return False
    if not header.size or header["magic"][0] != _MAGIC or header["source"][0].tobytes() != source:
        return False
    return path.stat().st_size == _borders_at(int(header["n_tokens"][0])) + 8 * (int(header["n_windows"][0]) + 1)


def _mapped(path: Path) -> WindowStore:
    header = np.fromfile(path, _HEADER, 1)[0]
    n_tokens = int(header["n_tokens"])
    input_ids = np.memmap(path, "<u2", "r", _HEADER.itemsize, (n_tokens,))
    borders = np.memmap(path, "<i8", "r", _borders_at(n_tokens), (int(header["n_windows"]) + 1,))
    return WindowStore(path, input_ids.view(np.ndarray), borders.view(np.ndarray))


def _write(file: BinaryIO, shards: Sequence[Path], source: bytes) -> None:
    file.write(bytes(_HEADER.itemsize))
    lengths = [np.zeros(1, np.int64)]
    for column in _columns(shards):
        file.write(column.flatten().to_numpy())
        lengths.append(column.value_lengths().to_numpy())
    borders = np.cumsum(np.concatenate(lengths, dtype=np.int64))
    file.write(bytes(_borders_at(borders[-1]) - file.tell()))
    file.write(borders.data)
    file.seek(0)
    file.write(np.array([(_MAGIC, len(borders) - 1, borders[-1], b"", source)], _HEADER).data)


def _columns(shards: Sequence[Path]) -> Iterator[pa.ListArray]:
    """Yield the ids of some rows at a time."""
    for path in shards:
        parquet = pq.ParquetFile(path)
        if not parquet.schema_arrow.field("input_ids").type.equals(pa.list_(pa.uint16())):
            raise InputError(f"{path} has no token ids to train on; `grover build genome-windows` makes windows.")
        for group in range(parquet.num_row_groups):
            for rows in parquet.iter_batches(_ROWS_AT_ONCE, [group], ["input_ids"]):
                yield rows.column(0)


def _borders_at(n_tokens: int) -> int:
    """Return where in a file the borders begin."""
    return _HEADER.itemsize + int(n_tokens + 3) // 4 * 8
