"""Where the records of a plain FASTA file lie: an index made from its bytes, or one that fits them.

An index is a claim about a file, and the file may be another one by now. So an index, whoever made it, must
tile the file: each record follows a line `>name`, and where it ends the next one begins, or the file ends.
Within a record, line ends are looked at where the bases are read (`reference`).
"""

import mmap
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple, NoReturn

import numpy as np
from numpy.typing import NDArray

from grover_hf.errors import InputError

_BOM = b"\xef\xbb\xbf"
_LINE_ENDS = b"\r\n"
_CHUNK = 1 << 20


class FastaRecord(NamedTuple):
    """A record, as a line of a `.fai` file has it."""

    name: str
    size: int
    """Bases."""
    offset: int
    """Where its first base stands in the file, in bytes."""
    line_bases: int
    line_bytes: int
    """Of a whole line, with its end."""

    @property
    def is_one_line(self) -> bool:
        """Whether all bases stand in one line."""
        return self.size <= self.line_bases

    @property
    def end(self) -> int:
        """Where its last base ends in the file, in bytes; the end of its line does not count."""
        if not self.size:
            return self.offset
        n_full, rest = divmod(self.size - 1, self.line_bases)
        return self.offset + n_full * self.line_bytes + rest + 1


def mapped(path: Path) -> mmap.mmap:
    """Return a file that is not empty, mapped into memory; it is closed when nobody refers to it."""
    with open(path, "rb") as file:
        return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)


def read_index(path: Path) -> list[FastaRecord] | None:
    """Return the records of a `.fai` file, or None if it is not one."""
    try:
        # Not `splitlines`: a name may have letters that end a line there, and for nobody else.
        lines = path.read_text(encoding="utf-8").removesuffix("\n").split("\n")
        rows = [line.split("\t") for line in lines]
        records = [FastaRecord(name, *map(int, numbers)) for name, *numbers in rows]
    except (ValueError, TypeError, OSError):
        return None
    return records if records and all(map(_is_possible, records)) else None


def _is_possible(record: FastaRecord) -> bool:
    if min(record.size, record.offset) < 0:
        return False
    # A record of one line may be said to have no line end: the file may end there.
    n_ends = record.line_bytes - record.line_bases
    return not record.size or (record.line_bases > 0 and n_ends in ((0, 1, 2) if record.is_one_line else (1, 2)))


def index_text(records: Sequence[FastaRecord]) -> str:
    """Return records as the text of a `.fai` file."""
    return "".join("\t".join(map(str, record)) + "\n" for record in records)


def index_tiles(records: Sequence[FastaRecord], data: mmap.mmap) -> bool:
    """Say whether records lie in a file as an index claims, each once, with no byte between them in none.

    Args:
        records: Of the index.
        data: The FASTA file.
    """
    if len({record.name for record in records}) < len(records):
        return False
    position = _first_header(data)
    for record in sorted(records, key=lambda record: record.offset):
        header = data[position : record.offset]
        if not header.startswith(b">") or header.find(b"\n") != len(header) - 1 or b"\r" in header[:-2]:
            return False
        if not record.name or _name_in(header) != record.name.encode() or record.end > len(data):
            return False
        if record.size and data[record.end - 1] in _LINE_ENDS:
            return False
        position = _past_line_ends(data, record.end)
    return position == len(data)


def make_index(data: mmap.mmap, path: Path) -> list[FastaRecord]:
    """Return the records of a FASTA file.

    Args:
        data: The file.
        path: What to call it in errors.

    Raises:
        InputError: If a byte lies in no record, lines of a record differ in length, a record has no name
            or that of another one, or lines end with carriage returns alone.
    """
    header = _first_header(data)
    if data[header : header + 1] != b">":
        what = "it has no line" if header == len(data) else f"line {_line_of(data, header)} is another"
        raise InputError(f"{path} is not a FASTA file: it starts with a line '>name', and {what}.")
    records: list[FastaRecord] = []
    headers: dict[str, int] = {}
    while header < len(data):
        line_end = data.find(b"\n", header)
        line_end = len(data) if line_end < 0 else line_end
        name = _checked_name(data, header, line_end, path)
        if name in headers:
            raise InputError(
                f"{path}, line {_line_of(data, header)}: the record {name!r} is there already, in line "
                f"{_line_of(data, headers[name])}."
            )
        headers[name] = header
        following = data.find(b"\n>", line_end)
        end = len(data) if following < 0 else following + 1
        records.append(_record(data, path, name, min(line_end + 1, len(data)), end))
        header = end
    return records


def _checked_name(data: mmap.mmap, header: int, line_end: int, path: Path) -> str:
    line = data[header:line_end]
    if b"\r" in line[:-1]:
        _refuse_lone_return(path, _line_of(data, header))
    try:
        name = _name_in(line).decode()
    except UnicodeDecodeError as error:
        raise InputError(
            f"{path}, line {_line_of(data, header)}: the record's name is not text in UTF-8."
        ) from error
    if not name:
        raise InputError(f"{path}, line {_line_of(data, header)}: the record has no name.")
    return name


def _refuse_lone_return(path: Path, number: int) -> NoReturn:
    raise InputError(
        f"{path}, line {number}: it has a carriage return that ends no line, as files of old Macs do. Convert "
        "the line ends, with `tr '\\r' '\\n'` say."
    )


def _record(data: mmap.mmap, path: Path, name: str, offset: int, end: int) -> FastaRecord:
    """Return the record whose sequence stands in [offset, end), blank lines at its end included."""
    while end > offset and data[end - 1] in _LINE_ENDS:
        end -= 1
    if end == offset:
        return FastaRecord(name, 0, offset, 0, 0)
    first_end = data.find(b"\n", offset, end)
    if first_end < 0:
        if data.find(b"\r", offset, end) >= 0:
            _refuse_lone_return(path, _line_of(data, offset))
        first_end = end
    line_bytes = first_end + 1 - offset
    line_bases = line_bytes - 1 - (data[first_end - 1 : first_end] == b"\r")
    n_full, rest = divmod(end - offset, line_bytes)
    record = FastaRecord(name, n_full * line_bases + rest, offset, line_bases, line_bytes)
    if not (line_bases > 0 and 0 < rest <= line_bases and lines_fit(record, data)):
        number = _first_odd_line(data, offset, end, line_bases)
        raise InputError(
            f"{path}, record {name}, line {number}: its lines differ in length or in how they end, or hold white "
            f"space. Those of a record are alike, here of {line_bases} bases; the last one may be shorter."
        )
    return record


def lines_fit(record: FastaRecord, data: mmap.mmap) -> bool:
    """Say whether the lines of a record end where it says, and nowhere else, and hold no white space."""
    letters = np.frombuffer(data, np.uint8, record.end - record.offset, record.offset)
    n_full = letters.size // record.line_bytes if record.size else 0
    if not n_full:
        return not _n_between_bases(letters)
    lines = letters[: n_full * record.line_bytes].reshape(n_full, -1)
    ends = lines[:, record.line_bases :]
    expected = np.frombuffer(_LINE_ENDS[len(_LINE_ENDS) - ends.shape[1] :], np.uint8)
    return bool((ends == expected).all()) and _n_between_bases(letters) == ends.size


def _n_between_bases(letters: NDArray[np.uint8]) -> int:
    """Count line ends, white space, and the semicolons with which comments begin."""
    blocks = (letters[first : first + _CHUNK] for first in range(0, letters.size, _CHUNK))
    return sum(int(np.count_nonzero((block <= ord(" ")) | (block == ord(";")))) for block in blocks)


def _first_odd_line(data: mmap.mmap, offset: int, end: int, line_bases: int) -> int:
    lines = data[offset:end].split(b"\n")
    style = lines[0].endswith(b"\r")
    for i, line in enumerate(lines):
        bases = line.removesuffix(b"\r")
        is_last = i == len(lines) - 1
        if len(bases) > line_bases or not bases or min(bases) <= ord(" ") or b";" in bases:
            break
        if not is_last and (len(bases) < line_bases or line.endswith(b"\r") != style):
            # A line that is too short shows at the one after it.
            break
    return _line_of(data, offset) + i


def _first_header(data: mmap.mmap) -> int:
    return _past_line_ends(data, len(_BOM) if data[: len(_BOM)] == _BOM else 0)


def _past_line_ends(data: mmap.mmap, position: int) -> int:
    while position < len(data) and data[position] in _LINE_ENDS:
        position += 1
    return position


def _name_in(header: bytes) -> bytes:
    words = header[1:].split(None, 1)
    return words[0] if words and not header[1:2].isspace() else b""


def _line_of(data: mmap.mmap, position: int) -> int:
    """Return the number of the line at a position; lines count from 1. Slow: for errors alone."""
    chunks = (data[first : min(position, first + _CHUNK)] for first in range(0, position, _CHUNK))
    return sum(chunk.count(b"\n") for chunk in chunks) + 1
