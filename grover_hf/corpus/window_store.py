"""`WindowStore`: the windows of a dataset as slices of one memory-mapped array of token ids.

A dataset is published as Parquet, which has to be read whole and in order. To train on, each of its splits
becomes a file of the cache, once:

    64 bytes      format, number of windows, number of tokens, and the SHA-256 of what it was made from
    tokens        uint16, window after window, and 0 to 3 more for the sake of alignment
    borders       int64, where each window begins, and the end
    soft mask     a bit a token, where the rows say which tokens are soft-masked (`grover_hf.corpus.soft_mask`)

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
from grover_hf.corpus.soft_mask import BitWriter, n_bytes
from grover_hf.errors import InputError

_MAGIC = b"windows2"
_HEADER = np.dtype(
    [("magic", "S8"), ("n_windows", "<i8"), ("n_tokens", "<i8"), ("n_mask_bytes", "<i8"), ("source", "V32")]
)
SOFT_MASKED = "soft_masked"
"""The column that says which tokens are soft-masked; rows of genomes without lower case have none."""
_ROWS_AT_ONCE = 10_000


@dataclass(frozen=True, eq=False)
class WindowStore:
    """The windows of a split; `open_windows` makes it. What workers get of it is its path alone."""

    path: Path
    input_ids: NDArray[np.uint16]
    """Token ids of all windows, one after another, shape (n_tokens,), memory-mapped."""
    borders: NDArray[np.int64]
    """Where in `input_ids` each window begins, and the end, shape (n_windows + 1,), memory-mapped."""
    soft_mask: NDArray[np.uint8] | None
    """A bit for each of `input_ids`, memory-mapped; None where the rows do not say which are soft-masked."""

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
    return path.stat().st_size == _mask_at(header[0]) + int(header[0]["n_mask_bytes"])


def _mapped(path: Path) -> WindowStore:
    header = np.fromfile(path, _HEADER, 1)[0]
    n_tokens = int(header["n_tokens"])
    input_ids = np.memmap(path, "<u2", "r", _HEADER.itemsize, (n_tokens,))
    borders = np.memmap(path, "<i8", "r", _borders_at(n_tokens), (int(header["n_windows"]) + 1,))
    soft_mask = None
    if header["n_mask_bytes"]:
        soft_mask = np.memmap(path, np.uint8, "r", _mask_at(header)).view(np.ndarray)
    return WindowStore(path, input_ids.view(np.ndarray), borders.view(np.ndarray), soft_mask)


def _write(file: BinaryIO, shards: Sequence[Path], source: bytes) -> None:
    file.write(bytes(_HEADER.itemsize))
    lengths = [np.zeros(1, np.int64)]
    for column in _columns(shards, "input_ids", pa.list_(pa.uint16())):
        file.write(column.flatten().to_numpy())
        lengths.append(column.value_lengths().to_numpy())
    borders = np.cumsum(np.concatenate(lengths, dtype=np.int64))
    file.write(bytes(_borders_at(borders[-1]) - file.tell()))
    file.write(borders.data)
    n_mask_bytes = _write_soft_mask(file, shards, int(borders[-1]))
    file.seek(0)
    file.write(np.array([(_MAGIC, len(borders) - 1, borders[-1], n_mask_bytes, source)], _HEADER).data)


def _write_soft_mask(file: BinaryIO, shards: Sequence[Path], n_tokens: int) -> int:
    """Write the bits that say which tokens are soft-masked, if the rows do; return how many bytes they are."""
    if not all(SOFT_MASKED in pq.read_schema(path).names for path in shards):
        return 0
    bits = BitWriter(file)
    for column in _columns(shards, SOFT_MASKED, pa.list_(pa.bool_())):
        bits.add(column.flatten().to_numpy(zero_copy_only=False))
    bits.finish()
    if bits.n_values != n_tokens:
        raise InputError(f"{shards[0].parent} has {n_tokens} tokens, and {bits.n_values} values of {SOFT_MASKED}.")
    return n_bytes(n_tokens)


def _columns(shards: Sequence[Path], name: str, kind: pa.DataType) -> Iterator[pa.ListArray]:
    """Yield a column of lists, some rows at a time."""
    for path in shards:
        parquet = pq.ParquetFile(path)
        if not parquet.schema_arrow.field(name).type.equals(kind):
            raise InputError(f"{path} has no token ids to train on; `grover build genome-windows` makes windows.")
        for group in range(parquet.num_row_groups):
            for rows in parquet.iter_batches(_ROWS_AT_ONCE, [group], [name]):
                yield rows.column(0)


def _mask_at(header: np.void) -> int:
    """Return where in a file the soft mask begins: behind the borders."""
    return _borders_at(int(header["n_tokens"])) + 8 * (int(header["n_windows"]) + 1)


def _borders_at(n_tokens: int) -> int:
    """Return where in a file the borders begin."""
    return _HEADER.itemsize + int(n_tokens + 3) // 4 * 8
