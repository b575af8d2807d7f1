"""Where files go: the cache, and "write beside, then rename" for everything we write.

Nothing is ever written beside a user's file, and no reader ever sees half a file of ours.
"""

import contextlib
import hashlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from platformdirs import user_cache_dir

from grover_hf.errors import InputError


def cache_dir() -> Path:
    """Return the cache folder: `$GROVER_CACHE`, else `grover_hf` in the user's cache folder."""
    return Path(os.environ.get("GROVER_CACHE") or user_cache_dir("grover_hf"))


def file_key(path: Path) -> str:
    """Return a short key of a file's identity: absolute path, size and time of change."""
    stat = path.stat()
    identity = f"{path.resolve()}\0{stat.st_size}\0{stat.st_mtime_ns}"
    return hashlib.sha256(identity.encode()).hexdigest()[:16]


def refuse_existing(path: Path, *, overwrite: bool) -> None:
    """Raise `InputError` if `path` exists (a folder: is not empty) and may not be replaced."""
    if overwrite or not path.exists():
        return
    if path.is_dir() and not any(path.iterdir()):
        return
    raise InputError(f"{path} is there already; name another --output, or say --overwrite.")


@contextlib.contextmanager
def written_whole(path: Path) -> Iterator[Path]:
    """Yield a path beside `path`; when the block ends well it becomes `path`, else it is removed."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        yield beside
        os.replace(beside, path)
    finally:
        beside.unlink(missing_ok=True)


@contextlib.contextmanager
def folder_written_whole(path: Path) -> Iterator[Path]:
    """Yield an empty folder beside `path`; when the block ends well it takes the place of `path`.

    The caller has asked `refuse_existing` before: an existing folder is replaced.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.{os.getpid()}.part")
    shutil.rmtree(beside, ignore_errors=True)
    beside.mkdir()
    try:
        yield beside
        if path.exists():
            old = path.with_name(f".{path.name}.{os.getpid()}.old")
            os.replace(path, old)
            os.replace(beside, path)
            shutil.rmtree(old)
        else:
            os.replace(beside, path)
    finally:
        shutil.rmtree(beside, ignore_errors=True)
