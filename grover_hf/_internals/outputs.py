"""What may be written where: nothing of others is replaced, one process writes at a time, left-overs go."""

import contextlib
import fcntl
import fnmatch
import glob
import hashlib
import os
import shutil
import tempfile
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path

from grover_hf._internals.files import LEFT_OVER, cache_dir
from grover_hf.errors import InputError

_OF_THREADS: dict[str, threading.Lock] = {}
"""By the name of the lock file."""


def require_writable(
    path: Path, *, overwrite: bool, marker: str | None = None, contents: Iterable[str] = (), begins: str = "",
    inputs: Iterable[str | Path] = (),
) -> None:
    """Raise `InputError` if writing `path` would destroy something that must stay.

    Args:
        path: A file or folder to be written.
        overwrite: Whether it may be replaced if it is there and not empty.
        marker: Name of a file that a folder of the kind that will be written has. Folders without it are never
            replaced. None if a file will be written.
        contents: Patterns of all else that such a folder has. One with something else in it is never replaced.
            What a folder in it has is looked at where a pattern begins with its name and a slash.
        begins: How a file of the kind that will be written begins. Other files are never replaced.
        inputs: What is read: `path` may not be one of them, nor a folder around one.
    """
    require_not_an_input(path, inputs)
    if not path.exists() or (marker and path.is_dir() and not names_in(path)):
        return
    if path.is_dir() != (marker is not None):
        raise InputError(f"{path} is a {'folder' if path.is_dir() else 'file'}; name another --output.")
    if not overwrite:
        raise InputError(f"{path} is there already; name another --output, or say --overwrite.")
    if marker is None:
        _require_beginning(path, begins)
        return
    names = names_in(path)
    if marker not in names:
        raise InputError(
            f"{path} is not replaced: it has no {marker}, so this command did not make it. Name another "
            "--output, or remove it yourself."
        )
    known = [marker, *contents]
    inner = {pattern.partition("/")[0] for pattern in known if "/" in pattern}
    for folder in (folder for folder in inner if (path / folder).is_dir()):
        names += [f"{folder}/{name}" for name in names_in(path / folder)]
    if strange := [name for name in names if not any(fnmatch.fnmatchcase(name, pattern) for pattern in known)]:
        raise InputError(
            f"{path} is not replaced: it has {strange[0]}, which this command did not make. Name another "
            "--output, or remove it yourself."
        )


def names_in(folder: Path) -> list[str]:
    """Return what is in a folder, but for what was left there of something of ours that was being written."""
    return sorted(path.name for path in folder.iterdir() if not LEFT_OVER.fullmatch(path.name))


def _require_beginning(path: Path, begins: str) -> None:
    with open(path, "rb") as file:
        if file.read(len(begins)) != begins.encode():
            raise InputError(
                f"{path} is not replaced: it does not begin with {begins!r}, so this command did not make it. "
                "Name another --output, or remove it yourself."
            )


@contextlib.contextmanager
def only_writer(path: Path, *, wait: bool = False) -> Iterator[None]:
    """Be the only process that writes a file or folder; what earlier ones left of it when killed is removed.

    Args:
        path: The file or folder.
        wait: Whether to wait for another process that is writing it.

    Raises:
        InputError: If another process of this machine, or another thread of this one, is writing it, and `wait`
            is False.
    """
    path = Path(path).resolve()
    name = hashlib.sha256(os.fsencode(path)).hexdigest()[:16]
    locks = cache_dir() / "locks"
    locks.mkdir(parents=True, exist_ok=True)
    busy = InputError(f"Another process is writing {path}; wait, or name another --output.")
    # The lock of the file is one of the process: it keeps no thread out.
    of_threads = _OF_THREADS.setdefault(name, threading.Lock())
    if not of_threads.acquire(blocking=wait):
        raise busy
    try:
        yield from _with_lock(locks / f"{name}.lock", path, busy, wait=wait)
    finally:
        of_threads.release()


def _with_lock(lock: Path, path: Path, busy: InputError, *, wait: bool) -> Iterator[None]:
    # The system gives the lock back when the process ends, however it does.
    with open(lock, "w") as file:
        try:
            # Not `flock`: processes that load data, which outlive a killed parent by seconds, would hold that too.
            fcntl.lockf(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except (BlockingIOError, PermissionError):
            raise busy from None
        remove_left_overs(path)
        yield


def remove_left_overs(path: Path) -> None:
    """Remove what a killed process left beside `path`; an old folder that had no successor yet is put back."""
    for left in sorted(path.parent.glob(f".{glob.escape(path.name)}.*")):
        match = LEFT_OVER.fullmatch(left.name)
        if match is None or match[1] != path.name:
            continue
        if match[2] == "old" and not path.exists():
            os.replace(left, path)
        elif left.is_dir():
            shutil.rmtree(left, ignore_errors=True)
        else:
            left.unlink(missing_ok=True)


def remove_left_overs_in(folder: Path) -> None:
    """Remove what killed processes left in a folder, as `remove_left_overs` does; nobody may be writing there."""
    matches = [LEFT_OVER.fullmatch(path.name) for path in folder.glob(".*")]
    for name in {match[1] for match in matches if match}:
        remove_left_overs(folder / name)


@contextlib.contextmanager
def scratch_folder(parent: Path) -> Iterator[Path]:
    """Yield an empty folder in `parent`, removed when the block ends; those of killed processes go now."""
    parent.mkdir(parents=True, exist_ok=True)
    for lock in parent.glob("scratch-*/lock"):
        with open(lock, "w") as file, contextlib.suppress(BlockingIOError):
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(lock.parent, ignore_errors=True)
    folder = Path(tempfile.mkdtemp(prefix="scratch-", dir=parent))
    try:
        with open(folder / "lock", "w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            (folder / "content").mkdir()
            yield folder / "content"
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def require_not_an_input(path: Path, inputs: Iterable[str | Path]) -> None:
    """Raise `InputError` if `path`, which is to be written, is one of the inputs or a folder around one."""
    place = path.resolve()
    for given in map(Path, inputs):
        if place == given.resolve() or place in given.resolve().parents:
            raise InputError(f"--output {path} is, or holds, the input {given}; name another --output.")
