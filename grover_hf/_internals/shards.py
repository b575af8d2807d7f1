"""`--shard I/N`: one of N jobs writes its part of an output, whole, with a manifest; `gathering` joins the parts.

OUTPUT.shards/part-2-of-7.parquet          what shard 2/7 wrote: a file or a folder; none if it is empty
OUTPUT.shards/part-2-of-7.manifest.json    written last: what it was made of, which units it has, digests of files

A command divides its work into units, such as the row groups of its table or the contigs of its genome, that do
not depend on N. A shard has a run of them, and joined in order they are the bytes of the command with no
`--shard`. This is all that a command needs:

    runs = row_runs(len(table), 5_000)                  # each is a row group; so they are without --shard

    def write(path: Path, units: range) -> int:
        with atomic_write(path) as beside, pq.ParquetWriter(beside, schema) as writer:
            for number in units:
                writer.write_table(scored(table.iloc[runs[number]]), row_group_size=5_000)
        return sum(len(table.iloc[runs[number]]) for number in units)

    if shard is None:
        write(output, range(len(runs)))
    else:
        origin = Origin(
            kind="variant scores", suffix=".parquet", inputs={"variants": sha256_of_file(variants)},
            model=model_sha256, options={"strands": 2},
        )
        write_shard(output, shard, origin, costs=[1] * len(runs), write=write)

    def join_shards(shards: Gathered, output: Path, *, overwrite: bool) -> None:    # `cli.gather` names it
        require_writable(output, overwrite=overwrite, begins="PAR1", inputs=[shards.folder])
        with atomic_write(output) as beside:
            join_parquet(shards.paths, beside)
"""

import importlib.metadata
import json
import re
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from grover_hf._internals.files import atomic_write, sha256_of_file
from grover_hf._internals.outputs import names_in, only_writer
from grover_hf._internals.records import plain, read_json_object, record_of
from grover_hf.errors import InputError

SCHEMA = 1
MANIFEST = ".manifest.json"
PART = re.compile(r"part-([0-9]+)-of-([0-9]+)(\..+)")


def _code_version() -> str:
    return importlib.metadata.version("grover-hf")


@dataclass(frozen=True)
class Shard:
    """One of N jobs that make an output together; counted from 0."""

    number: int
    count: int

    @classmethod
    def parse(cls, text: str) -> "Shard":
        """Return the shard that the text I/N names.

        Raises:
            InputError: If it is anything else.

        Examples:
            >>> Shard.parse("2/7")
            Shard(number=2, count=7)
        """
        match = re.fullmatch(r"([0-9]{1,6})/([0-9]{1,6})", text)
        if match is None or int(match[1]) >= int(match[2]):
            raise InputError(f"--shard is {text!r}; it is I/N, with I from 0 to N - 1: 0/7, 1/7, ... 6/7.")
        return cls(int(match[1]), int(match[2]))

    def __str__(self) -> str:
        """Return it as the option takes it."""
        return f"{self.number}/{self.count}"

    @property
    def stem(self) -> str:
        """How its files begin."""
        return f"part-{self.number}-of-{self.count}"

    def share(self, costs: Sequence[int]) -> range:
        """Return the units of this shard: a run of all, such that shards have about the same cost.

        Each unit is in one shard, that in which the middle of its cost lies.

        Args:
            costs: Of each unit, above 0: 1 where they are alike, its bases for a contig.

        Examples:
            >>> [list(Shard(number, 3).share([5, 1, 1, 1, 1])) for number in range(3)]
            [[0], [1], [2, 3, 4]]
        """
        total, before, mine = sum(costs), 0, []
        for unit, cost in enumerate(costs):
            if (2 * before + cost) * self.count // (2 * total) == self.number:
                mine.append(unit)
            before += cost
        return range(mine[0], mine[-1] + 1) if mine else range(0)


def row_runs(n_rows: int, rows_a_run: int) -> list[slice]:
    """Return the runs of so many rows that a table is written in."""
    return [slice(first, min(first + rows_a_run, n_rows)) for first in range(0, n_rows, rows_a_run)]


@dataclass(frozen=True, kw_only=True)
class Origin:
    """What all shards of an output have in common. Shards that differ in any of it are not joined."""

    kind: str
    """Of output: "tokens of regions". `cli.gather` has the joiner of each kind."""
    suffix: str = ""
    """How the name of the output ends; empty for a folder."""
    inputs: dict[str, str]
    """SHA-256 of each input, by what it is: "regions", "genome"."""
    model: str | None = None
    """Commit or SHA-256 of its weights."""
    vocabulary_sha256: str | None = None
    options: dict[str, Any] = field(default_factory=dict)
    """All else that decides the bytes."""
    code_version: str = field(default_factory=_code_version)

    def difference(self, other: "Origin") -> str | None:
        """Return what the other one has another of, in words, or None."""
        mine, theirs = (_flat(plain(one)) for one in (self, other))
        names = [name for name in {**mine, **theirs} if mine.get(name) != theirs.get(name)]
        shown = [f"{name} ({_short(mine.get(name))} here, {_short(theirs.get(name))} there)" for name in names]
        return f"another {', another '.join(shown)}" if shown else None


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """What a shard holds. It is there only where the shard is whole."""

    schema: int = SCHEMA
    shard: str
    """I/N."""
    origin: Origin
    first_unit: int
    end_unit: int
    """Exclusive."""
    n_units: int
    """Of the whole output."""
    n_rows: int
    """Of this shard."""
    files: dict[str, str]
    """SHA-256 by path in the folder; none if the shard is empty."""


@dataclass(frozen=True)
class ShardWritten:
    """What `write_shard` left."""

    path: Path
    n_rows: int
    was_whole: bool
    """It was there before; nothing was done."""


def shard_folder(output: Path) -> Path:
    """Return where the shards of an output are: a folder beside it."""
    return output.with_name(f"{output.name}.shards")


def write_shard(
    output: Path, shard: Shard, origin: Origin, *, costs: Sequence[int], write: Callable[[Path, range], int],
    suffix: str | None = None, overwrite: bool = False,
) -> ShardWritten:
    """Write one shard and its manifest; one that is whole is left as it is.

    Args:
        output: What `grover gather` will write.
        shard: Which one.
        origin: What it is made of.
        costs: Of the units of the whole output; see `Shard.share`.
        write: Called with the path of the part, and the units to write there. It puts a file or a folder there,
            whole (`atomic_write`, `atomic_folder`), in the place of what is there, and returns how many rows it
            has. It is not called where there is nothing to write; but if there is no unit at all, shard 0 writes
            the output without rows.
        suffix: Of the part, if it is not that of the output.
        overwrite: Replace a shard of another origin.

    Raises:
        InputError: If the folder has shards of another origin or another N, or what is no shard.
    """
    folder = shard_folder(output)
    path = folder / f"{shard.stem}{origin.suffix if suffix is None else suffix}"
    with only_writer(path):
        if folder.exists():
            _require_alike(folder, shard, origin, overwrite=overwrite)
        manifest_path = folder / f"{shard.stem}{MANIFEST}"
        before = _whole(manifest_path, origin)
        if before is not None:
            return ShardWritten(path, before.n_rows, was_whole=True)
        if manifest_path.exists():
            manifest_path.unlink()
            _remove(path)
        units = shard.share(costs)
        is_written = bool(units) or (not costs and shard.number == 0)
        n_rows = write(path, units) if is_written else 0
        manifest = Manifest(
            shard=str(shard), origin=origin, first_unit=units.start, end_unit=units.stop, n_units=len(costs),
            n_rows=n_rows, files=_digests(folder, path) if is_written else {},
        )
        with atomic_write(manifest_path) as beside:
            beside.write_text(json.dumps(plain(manifest), indent=2) + "\n")
    return ShardWritten(path, n_rows, was_whole=False)


def read_manifest(path: Path) -> Manifest:
    """Read a manifest.

    Raises:
        InputError: If it is damaged, or not one of this version.
        FileNotFoundError: If there is none.
    """
    content = read_json_object(path)
    if content.get("schema") != SCHEMA:
        raise InputError(f"{path} has schema {content.get('schema')}; this version reads {SCHEMA}.")
    return record_of(Manifest, content, path)


def damage(folder: Path, manifest: Manifest) -> str | None:
    """Return what is wrong with the files of a manifest, in words, or None."""
    for name, sha256 in manifest.files.items():
        if not (folder / name).is_file():
            return f"{name} is missing"
        if sha256_of_file(folder / name) != sha256:
            return f"{name} is damaged or was changed"
    return None


def _whole(path: Path, origin: Origin) -> Manifest | None:
    try:
        manifest = read_manifest(path)
    except (FileNotFoundError, InputError):
        return None
    return manifest if manifest.origin == origin and damage(path.parent, manifest) is None else None


def _require_alike(folder: Path, shard: Shard, origin: Origin, *, overwrite: bool) -> None:
    names = names_in(folder) if folder.is_dir() else [folder.name]
    if strange := [name for name in names if not PART.fullmatch(name)]:
        raise InputError(f"{folder} is not a folder of shards: it has {strange[0]}. Name another --output.")
    if overwrite:
        return
    for name in names:
        match = PART.fullmatch(name)
        if match is None or match[3] != MANIFEST:
            continue
        if int(match[2]) != shard.count:
            raise InputError(
                f"{folder} has {name}, of {match[2]} shards; this is {shard}. Name another --output, or remove "
                "those that are there."
            )
        try:
            difference = origin.difference(read_manifest(folder / name).origin)
        except (FileNotFoundError, InputError):
            # Another job replaces it, or it is damaged: `grover gather` says so.
            continue
        if difference:
            raise InputError(
                f"{folder / name} is of {difference}. Name another --output, or say --overwrite for each shard."
            )


def _digests(folder: Path, path: Path) -> dict[str, str]:
    files = sorted(file for file in path.rglob("*") if file.is_file()) if path.is_dir() else [path]
    return {str(file.relative_to(folder)): sha256_of_file(file) for file in files}


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _flat(content: dict[str, Any]) -> dict[str, Any]:
    """Return the values by the words that an error names them with."""
    values: dict[str, Any] = {}
    for name, value in content.items():
        if name == "inputs":
            values |= value
        elif name == "options":
            values |= {f"--{option.replace('_', '-')}": one for option, one in value.items()}
        else:
            values[name.replace("_", " ")] = value
    return values


def _short(value: Any) -> str:
    text = "none" if value is None else str(value)
    return text if len(text) < 40 else f"{text[:12]}..."

