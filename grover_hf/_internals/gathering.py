"""Shards that are all there and fit together; the joiners of tables and lines that several kinds share."""

import base64
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from grover_hf._internals.outputs import names_in
from grover_hf._internals.shards import MANIFEST, PART, Manifest, Origin, damage, read_manifest
from grover_hf.errors import InputError, shorten

_BYTES_AT_ONCE = 1 << 24


@dataclass(frozen=True)
class Gathered:
    """All shards of an output, checked, in order."""

    folder: Path
    manifests: list[Manifest]

    @property
    def origin(self) -> Origin:
        """What they were made of."""
        return self.manifests[0].origin

    @property
    def n_rows(self) -> int:
        """Of all shards."""
        return sum(manifest.n_rows for manifest in self.manifests)

    @property
    def paths(self) -> list[Path]:
        """The parts, files or folders, of the shards that are not empty, in order."""
        first_files = [next(iter(manifest.files)) for manifest in self.manifests if manifest.files]
        return [self.folder / Path(name).parts[0] for name in first_files]


class Joiner(Protocol):
    """Writes the output of a command with no --shard from its shards; each kind has one."""

    def __call__(self, shards: Gathered, output: Path, *, overwrite: bool) -> None: ...


def whole_shards(folder: Path) -> Gathered:
    """Return the shards of a folder.

    Raises:
        InputError: If one is missing, there twice, damaged, or of another origin than the first.
    """
    found = _manifests(folder)
    count = found[0][1].shard.partition("/")[2]
    for name, manifest in found:
        number, expected = PART.fullmatch(name), manifest.shard.split("/")
        if number is None or [number[1], number[2]] != expected:
            raise InputError(f"{folder / name} says that it is shard {manifest.shard}: a shard is there twice.")
        if expected[1] != count:
            raise InputError(f"{folder} has shards of {count} and of {expected[1]}; remove those of one of them.")
    by_number = {int(manifest.shard.split("/")[0]): manifest for _, manifest in found}
    if missing := [f"{number}/{count}" for number in range(int(count)) if number not in by_number]:
        raise InputError(f"{folder} lacks the shards {shorten(missing)}; run the command with --shard of each.")
    manifests = [by_number[number] for number in range(int(count))]
    next_unit = 0
    for manifest in manifests:
        shard = f"{folder}: shard {manifest.shard}"
        if difference := manifests[0].origin.difference(manifest.origin):
            raise InputError(f"{shard} is of {difference} than shard 0/{count}. Run it again with --overwrite.")
        if manifest.first_unit != manifest.end_unit:
            if manifest.first_unit != next_unit:
                raise InputError(f"{shard} does not begin where the one before it ends; run all of them again.")
            next_unit = manifest.end_unit
        if wrong := damage(folder, manifest):
            raise InputError(f"{shard}: {wrong}. Run the command with --shard {manifest.shard} again.")
    if any(manifest.n_units != next_unit for manifest in manifests):
        raise InputError(f"{folder}: its shards are not of one output; run all of them again.")
    return Gathered(folder, manifests)


def _manifests(folder: Path) -> list[tuple[str, Manifest]]:
    if not folder.is_dir():
        raise InputError(f"There is no folder {folder}. A command with --shard I/N makes OUTPUT.shards.")
    names = [name for name in names_in(folder) if name.endswith(MANIFEST)]
    if not names:
        raise InputError(f"{folder} has no whole shard: it has no part-I-of-N{MANIFEST}.")
    return [(name, read_manifest(folder / name)) for name in names]


def join_parquet(paths: Iterable[Path], output: Path, **options: Any) -> None:
    """Write the row groups of Parquet files into one, as one writer with these options would have written them."""
    import pyarrow as pa  # here: it takes a while, and not all that is joined is Parquet
    import pyarrow.parquet as pq

    paths = list(paths)
    # `read_schema` has other names for the items of lists than were written, which would be other bytes.
    written = pq.read_metadata(paths[0]).metadata[b"ARROW:schema"]
    schema = pa.ipc.read_schema(pa.py_buffer(base64.b64decode(written)))
    with pq.ParquetWriter(output, schema, **options) as writer:
        for path in paths:
            with pq.ParquetFile(path) as file:
                for number in range(file.num_row_groups):
                    group = file.read_row_group(number).combine_chunks().cast(schema)
                    writer.write_table(group, row_group_size=max(1, len(group)))


def join_lines(paths: Iterable[Path], output: Path, *, n_header_lines: int) -> None:
    """Write text files one after another, with the header lines, which all begin with, once."""
    with open(output, "wb") as out:
        for number, path in enumerate(paths):
            with open(path, "rb") as file:
                header = [file.readline() for _ in range(n_header_lines)]
                if not number:
                    out.writelines(header)
                while block := file.read(_BYTES_AT_ONCE):
                    out.write(block)
