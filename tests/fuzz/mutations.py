"""Damage to files: what disks, editors, transfers and people do to them, drawn at random."""

import struct
import zlib
from random import Random

FRAGMENTS = (
    b"\n", b"\r", b"\r\n", b"\n\n", b"\t", b" ", b"  ", b",", b";", b">", b">x\n", b"#", b'"', b"'", b"\\", b"\0",
    b"\xff", b"\xef\xbb\xbf", "\u00a0".encode(), "\u2028".encode(), "\u0663".encode(), b"\x1c", b"\x85",
    b"-", b"*", b".", b"+", b"0", b"-1", b"1e3", b"1_0", b"0x10", b"nan", b"inf", b"9" * 25,
    b"N", b"n", b"U", b"NA", b"null",
    b"{", b"}", b"[", b"]", b":", b"true", b"track ",
)


def damaged(rng: Random, data: bytes, *, most: int = 3) -> bytes:
    """Return bytes with one to `most` changes."""
    for _ in range(rng.randint(1, most)):
        data = rng.choice(_CHANGES)(rng, data)
    return data


def maybe_damaged(rng: Random, data: bytes, share: float = 0.7) -> bytes:
    """Return bytes that in a share of the cases are damaged."""
    return damaged(rng, data) if rng.random() < share else data


def _span(rng: Random, data: bytes, longest: int) -> tuple[int, int]:
    start = rng.randint(0, len(data))
    return start, min(len(data), start + rng.randint(1, longest))


def _other_byte(rng: Random, data: bytes) -> bytes:
    start, end = _span(rng, data, 1)
    return data[:start] + rng.randbytes(end - start) + data[end:]


def _other_bit(rng: Random, data: bytes) -> bytes:
    start, end = _span(rng, data, 1)
    return data[:start] + bytes(byte ^ (1 << rng.randrange(8)) for byte in data[start:end]) + data[end:]


def _without(rng: Random, data: bytes) -> bytes:
    start, end = _span(rng, data, rng.choice([1, 1, 4, 40]))
    return data[:start] + data[end:]


def _with_fragment(rng: Random, data: bytes) -> bytes:
    start, end = _span(rng, data, 3)
    return data[:start] + rng.choice(FRAGMENTS) + data[rng.choice([start, end]):]


def _twice(rng: Random, data: bytes) -> bytes:
    start, end = _span(rng, data, 60)
    return data[:end] + data[start:]


def _cut(rng: Random, data: bytes) -> bytes:
    return data[: rng.randint(0, len(data))]


def _lines_changed(rng: Random, data: bytes) -> bytes:
    lines = data.splitlines(keepends=True)
    if not lines:
        return data
    i, j = rng.randrange(len(lines)), rng.randrange(len(lines))
    match rng.randrange(4):
        case 0:
            lines[i], lines[j] = lines[j], lines[i]
        case 1:
            lines.insert(j, lines[i])
        case 2:
            del lines[i]
        case _:
            lines[i] = lines[i].rstrip(b"\r\n") + rng.choice([b"", b" ", b"\t", b"\r"]) + b"\n"
    return b"".join(lines)


def _other_number(rng: Random, data: bytes) -> bytes:
    digits = [i for i, byte in enumerate(data) if 48 <= byte <= 57]
    if not digits:
        return data
    i = rng.choice(digits)
    return data[:i] + rng.choice([b"0", b"1", b"7", b"9", b"-1", b"1.5", b"99999999999"]) + data[i + 1 :]


_CHANGES = (
    _other_byte, _other_bit, _without, _with_fragment, _with_fragment, _twice, _cut, _lines_changed, _other_number,
)


def bgzip(data: bytes, block: int) -> bytes:
    """Return bytes as blocked gzip, with the block that marks its end."""
    out = b""
    for piece in [data[i : i + block] for i in range(0, len(data), block)] + [b""]:
        deflate = zlib.compressobj(1, zlib.DEFLATED, -15)
        body = deflate.compress(piece) + deflate.flush()
        head = b"\x1f\x8b\x08\x04\0\0\0\0\0\xff\x06\0BC\x02\0"
        out += head + struct.pack("<H", len(body) + 25) + body + struct.pack("<II", zlib.crc32(piece), len(piece))
    # As bgzip writes it, whatever this zlib makes of nothing.
    empty = bytes.fromhex("1f8b08040000000000ff0600424302001b0003000000000000000000")
    return out[: -(len(body) + 26)] + empty
