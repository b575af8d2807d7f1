"""Checkpoints that are whole or torn, and never anything between.

A checkpoint is a folder `checkpoint-<step>`. Its manifest, written last, holds the SHA-256 of every other
file; one without a manifest that verifies is torn, and nothing goes on from it.

What is promised: a process that is killed at any moment, or a disk that is full, leaves the checkpoints
that were whole before. Files and folders are flushed to the disk before the manifest, and the manifest
before older checkpoints are removed; so after a power failure, too, one of them is whole - on disks that
do what fsync asks of them.
"""

import errno
import hashlib
import json
import os
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from transformers import TrainingArguments

from grover_hf._internals.files import atomic_write

MANIFEST = "manifest.json"
_SCHEMA = 1


def checkpoints_folder(args: TrainingArguments) -> Path:
    """Return the folder in which the Trainer writes its checkpoints."""
    return Path(args.output_dir)  # type: ignore[arg-type]  # None stands for a default, which they set themselves


def checkpoint_folder(args: TrainingArguments, step: int) -> Path:
    """Return the folder in which the Trainer writes the checkpoint of a step."""
    return checkpoints_folder(args) / f"checkpoint-{step}"


def seal(folder: Path, facts: dict[str, Any], *, needed: Iterable[str] = ()) -> None:
    """Make a checkpoint whole: write the digests of its files, and `facts` with them.

    Args:
        folder: `checkpoint-<step>`, whose files are all written.
        facts: What is known of the run and its progress, as JSON.
        needed: Names of files that other processes wrote.

    Raises:
        FileNotFoundError: If a file that is needed is not there.
    """
    digests = {str(path.relative_to(folder)): _sha256(path, flush=True) for path in _files(folder)}
    if missing := sorted(set(needed) - set(digests)):
        raise FileNotFoundError(errno.ENOENT, f"no {', '.join(missing)}: not all processes see this folder")
    for inner in [path for path in folder.rglob("*") if path.is_dir()] + [folder, folder.parent]:
        _flush_folder(inner)
    with atomic_write(folder / MANIFEST) as beside:
        with open(beside, "w") as file:
            file.write(json.dumps({"schema": _SCHEMA, **facts, "sha256": digests}, indent=2) + "\n")
            file.flush()
            os.fsync(file.fileno())
    _flush_folder(folder)


def read_manifest(folder: Path) -> dict[str, Any]:
    """Return the manifest of a checkpoint: the facts it was sealed with, `schema` and `sha256`."""
    return dict(json.loads((folder / MANIFEST).read_text()))


def is_whole(folder: Path) -> bool:
    """Return whether a checkpoint has a manifest, and all its files are as the manifest says."""
    try:
        manifest = read_manifest(folder)
        digests = {name: _sha256(folder / name) for name in manifest["sha256"]}
    except (OSError, ValueError, KeyError, TypeError):
        return False
    return (manifest.get("schema"), manifest["sha256"]) == (_SCHEMA, digests)


def is_sealed(folder: Path) -> bool:
    """Return whether a checkpoint was written to its end, whatever became of it."""
    return (folder / MANIFEST).exists()


def newest_whole(checkpoints: Path) -> tuple[Path | None, list[Path]]:
    """Return the newest whole checkpoint in a folder, and the torn ones that are newer."""
    torn: list[Path] = []
    for folder in reversed(_by_step(checkpoints)):
        if is_whole(folder):
            return folder, torn
        torn.append(folder)
    return None, torn


def remove_older(newest: Path, keep: int) -> None:
    """Remove checkpoints older than `newest`, which is whole, but for the last `keep` - 1 sealed ones.

    Args:
        newest: The checkpoint just sealed; it stays, and so do folders of later steps.
        keep: How many may stay, 1 or more.
    """
    older = [folder for folder in _by_step(newest.parent) if _step(folder) < _step(newest)]
    sealed = [folder for folder in older if is_sealed(folder)]
    stays = sealed[max(0, len(sealed) - (keep - 1)) :]
    for folder in older:
        if folder not in stays:
            # The manifest first: stopped halfway, this leaves a torn checkpoint and none that looks whole.
            (folder / MANIFEST).unlink(missing_ok=True)
            shutil.rmtree(folder)


def _by_step(checkpoints: Path) -> list[Path]:
    folders = [path for path in checkpoints.glob("checkpoint-*") if path.name.rpartition("-")[2].isdecimal()]
    return sorted(folders, key=_step)


def _step(folder: Path) -> int:
    return int(folder.name.rpartition("-")[2])


def _files(folder: Path) -> list[Path]:
    # Hidden ones are what a kill left of a manifest.
    return sorted(p for p in folder.rglob("*") if p.is_file() and p.name != MANIFEST and p.name[0] != ".")


def _sha256(path: Path, *, flush: bool = False) -> str:
    with open(path, "rb") as file:
        if flush:
            os.fsync(file.fileno())
        return hashlib.file_digest(file, "sha256").hexdigest()


def _flush_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
