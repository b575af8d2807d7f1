"""Files that may be gzip or bgzip: read or inflated whole, or refused if they were cut short."""

import io
import logging
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO, Protocol

from grover_hf.errors import InputError

logger = logging.getLogger(__name__)

GZIP_MAGIC = b"\x1f\x8b"
_END_OF_BGZIP = bytes.fromhex("1f8b08040000000000ff0600424302001b0003000000000000000000")
"""The empty block with which bgzip ends a file (SAM specification, 4.1.2)."""
_CHUNK = 1 << 20


class Bar(Protocol):
    """What shows how far the work is."""

    def update(self, n: float | None = 1) -> object: ...


def file_text(path: Path) -> str:
    """Return the text of a file, inflated if it is gzip, whatever its name, without a byte order mark.

    Raises:
        InputError: If it cannot be read, was cut short, is not text in UTF-8, or has a zero byte, where some
            readers stop, or a second byte order mark, which would become part of a field.
    """
    try:
        text = file_bytes(path).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"{path} cannot be read as text: {error}") from error
    for sign, what in (("\0", "a zero byte"), ("\ufeff", "a byte order mark, of a file joined to another,")):
        if sign in text:
            line = text.count("\n", 0, text.index(sign)) + 1
            raise InputError(f"{path} cannot be read as text: it has {what} in line {line}.")
    return text


def file_bytes(path: Path) -> bytes:
    """Return what a file holds, inflated if it is gzip, whatever its name.

    Raises:
        InputError: If it cannot be read, or was cut short.
    """
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        raise InputError(f"There is no file {path}.") from None
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}.") from error
    if not data.startswith(GZIP_MAGIC):
        return data
    out = io.BytesIO()
    _inflate(path, io.BytesIO(data), out, lambda _: None)
    return out.getvalue()


def inflate(path: Path, output: Path, bar: Bar) -> None:
    """Write what a gzip or bgzip file holds.

    Bytes after its last member that are not gzip are ignored with a warning, as gunzip does.

    Args:
        path: The compressed file.
        output: Where to write; replaced if it is there.
        bar: Told how many compressed bytes are done.

    Raises:
        InputError: If the file is damaged or cut short: for bgzip also at the end of a block.
    """
    with open(path, "rb") as packed, open(output, "wb") as out:
        _inflate(path, packed, out, bar.update)


def _inflate(path: Path, packed: BinaryIO, out: BinaryIO, update: Callable[[int], object]) -> None:
    is_bgzip = _is_bgzip(packed.read(18))
    packed.seek(0)
    end = 0
    waiting = packed.read(_CHUNK)
    while waiting := waiting or packed.read(_CHUNK):
        if end:
            # Zeros may fill a file up to a block of a tape.
            waiting = waiting.lstrip(b"\0")
            if len(waiting) == 1:
                waiting += packed.read(1)
            if waiting and not waiting.startswith(GZIP_MAGIC):
                logger.warning("%s: the bytes from %d on are not gzip; they are ignored.", path, end)
                break
        if waiting:
            waiting = _inflate_member(path, packed, waiting, out, update)
            end = packed.tell() - len(waiting)
    packed.seek(max(0, end - len(_END_OF_BGZIP)))
    if is_bgzip and packed.read(len(_END_OF_BGZIP)) != _END_OF_BGZIP:
        raise InputError(
            f"{path} is not a whole bgzip file: it has no block that marks its end; copy or download it again."
        )


def _inflate_member(
    path: Path, packed: BinaryIO, waiting: bytes, out: BinaryIO, update: Callable[[int], object]
) -> bytes:
    """Write the member that begins with the bytes in `waiting`; return those read beyond it."""
    member = zlib.decompressobj(wbits=31)
    while True:
        try:
            out.write(member.decompress(waiting))
        except zlib.error as error:
            raise _damaged(path, str(error)) from error
        update(len(waiting) - len(member.unused_data))
        if member.eof:
            return member.unused_data
        waiting = packed.read(_CHUNK)
        if not waiting:
            raise _damaged(path, "it was cut short")


def _damaged(path: Path, why: str) -> InputError:
    return InputError(f"{path} is not a whole gzip file ({why}); copy or download it again.")


def _is_bgzip(header: bytes) -> bool:
    return header[3:4] == b"\4" and header[12:14] == b"BC"
