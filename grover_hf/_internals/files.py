"""Where files go: the cache, and "write beside, then rename" for everything we write.

Nothing is ever written beside a user's file, and no reader ever sees half a file of ours.
"""

import contextlib
import hashlib
import os
import re
import secrets
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

from platformdirs import user_cache_dir

LEFT_OVER = re.compile(r"\.(.+)\.[0-9a-f]{8}\.(part|old)([._-].*)?")
"""What `_beside` names, and what `datasets` puts beside it."""


def cache_dir() -> Path:
    """Return the cache folder: `$GROVER_CACHE`, else `grover_hf` in the user's cache folder."""
    return Path(os.environ.get("GROVER_CACHE") or user_cache_dir("grover_hf"))


def file_key(path: Path) -> str:
    """Return a short key of a file's identity: absolute path, inode, size, and both times of change.

    A file put in the place of another has another inode, even if it is older; one that is written to and
    given its old time again has another time of change of the inode.
    """
    numbers = "".join(f"\0{number}" for number in file_state(path))
    # A name need not be text in UTF-8.
    return hashlib.sha256(os.fsencode(path.resolve()) + numbers.encode()).hexdigest()[:16]


def file_state(path: Path) -> tuple[int, ...]:
    """Return what changes when a file is written to, or another put in its place."""
    stat = os.stat(path)
    return stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns


def sha256_of_file(path: Path) -> str:
    """Return the SHA-256 of a file, as `sha256sum` prints it."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sha256_of_files(paths: Sequence[Path]) -> str:
    """Return the SHA-256 of the SHA-256 of files, in the order given."""
    digest = hashlib.sha256()
    for path in paths:
        with open(path, "rb") as file:
            digest.update(hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()


@contextlib.contextmanager
def atomic_write(path: Path) -> Iterator[Path]:
    """Yield a path beside `path`; when the block ends well it becomes `path`, else it is removed."""
    path = Path(path)
    beside = _beside(path, "part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield beside
        os.replace(beside, path)
    except OSError as error:
        raise _named(error, path) from error
    finally:
        with contextlib.suppress(OSError):
            beside.unlink(missing_ok=True)


@contextlib.contextmanager
def atomic_folder(path: Path) -> Iterator[Path]:
    """Yield an empty folder beside `path`; when the block ends well it takes the place of `path`.

    The caller has asked `require_writable` before: an existing folder is replaced. Two renames do that, and a kill
    between them leaves the old folder, whole, as `.NAME.*.old` beside.
    """
    path = Path(path).resolve()
    beside = _beside(path, "part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        beside.mkdir()
        yield beside
        if path.exists():
            old = _beside(path, "old")
            os.replace(path, old)
            try:
                os.replace(beside, path)
            except OSError:
                os.replace(old, path)
                raise
            shutil.rmtree(old)
        else:
            os.replace(beside, path)
    except OSError as error:
        raise _named(error, path) from error
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def discard_folder(folder: Path) -> None:
    """Remove a folder; a kill leaves it whole, or as what `outputs.remove_left_overs` removes."""
    beside = _beside(folder, "part")
    os.replace(folder, beside)
    shutil.rmtree(beside)


def _beside(path: Path, suffix: str) -> Path:
    # Drawn, and not the process's number: those of two machines that share a folder may have one number.
    return path.with_name(f".{path.name}.{secrets.token_hex(4)}.{suffix}")


def _named(error: OSError, path: Path) -> OSError:
    """Return the error with the name that the user knows in place of that of the part beside."""
    return type(error)(error.errno, f"{path} cannot be written: {error.strerror or error}")
