"""Readers that are slow and plain: what the package must say of a file, or that it must be refused."""

import csv
import io
import re
import zlib

from tests.fuzz.fuzzing import Malformed

NUCLEOTIDES = b"ACGTNRYSWKMBDHV"
STRANDS = {"+": "+", "-": "-", ".": "+", "*": "+", "": "+"}
LARGEST = 2**53


def fasta(data: bytes) -> dict[str, str]:
    """Return the upper-case letters of each record."""
    data = data.removeprefix(b"\xef\xbb\xbf").lstrip(b"\r\n")
    if not data.startswith(b">"):
        raise Malformed("no header")
    records = {}
    for text in re.split(rb"\n(?=>)", data):
        header, _, body = text.partition(b"\n")
        header = header.removesuffix(b"\r")
        if b"\r" in header:
            raise Malformed("a carriage return in a header")
        words = header[1:].split()
        if not words or header[1:2].isspace():
            raise Malformed("no name")
        try:
            name = words[0].decode()
        except UnicodeDecodeError as error:
            raise Malformed("a name that is not text") from error
        if name in records:
            raise Malformed("two records of one name")
        records[name] = _bases(body.rstrip(b"\r\n").split(b"\n"))
    return records


def _bases(lines: list[bytes]) -> str:
    ends = [line.endswith(b"\r") for line in lines[:-1]]
    if len(set(ends)) > 1:
        raise Malformed("two kinds of line ends in a record")
    lines = [line.removesuffix(b"\r") for line in lines]
    if len({len(line) for line in lines[:-1]}) > 1 or len(lines[-1]) > len(lines[0]):
        raise Malformed("ragged lines")
    if len(lines) > 1 and not all(lines):
        raise Malformed("an empty line")
    bases = b"".join(lines).upper()
    if odd := set(bases) - set(NUCLEOTIDES):
        raise Malformed(f"letters {odd}")
    return bases.decode()


def gzip(data: bytes) -> bytes:
    """Return what a gzip file holds; what follows its last member is passed over."""
    out, is_bgzip, end_of_bgzip = b"", data[3:4] == b"\4" and data[12:14] == b"BC", False
    while True:
        member = zlib.decompressobj(31)
        try:
            inflated = member.decompress(data)
        except zlib.error as error:
            raise Malformed(f"gzip: {error}") from error
        if not member.eof:
            raise Malformed("gzip that is cut short")
        out, end_of_bgzip = out + inflated, not inflated
        data = member.unused_data.lstrip(b"\0")
        if not data.startswith(b"\x1f\x8b"):
            break
    if is_bgzip and not end_of_bgzip:
        raise Malformed("bgzip without its last block")
    return out


def text(data: bytes) -> list[str]:
    """Return the lines that are not blank."""
    try:
        whole = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise Malformed("not text") from error
    if "\0" in whole or "\ufeff" in whole:
        raise Malformed("a zero byte, or a byte order mark that is not the file's")
    lines = whole.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    return [line for line in lines if line.strip()]


def bed(data: bytes) -> tuple[list[tuple], bool]:
    """Return chrom, start, end, strand of each row, and whether each number is written plainly."""
    lines = [line for line in text(data) if not re.match(r"#|track$|track |browser$|browser ", line)]
    rows = [[field.strip() for field in line.split("\t")] for line in lines]
    if not rows or len({len(row) for row in rows}) > 1 or len(rows[0]) < 3:
        raise Malformed("no rows, or not as many fields in each")
    return intervals([(row[0], row[1], row[2], row[5] if len(row) > 5 else "") for row in rows])


def intervals(rows: list[tuple[str, str, str, str]], first: int = 0) -> tuple[list[tuple], bool]:
    """Return intervals from their fields, and whether each number is written plainly."""
    found, plain = [], True
    for chrom, *numbers, strand in rows:
        plain &= all(re.fullmatch(r"[+-]?[0-9]+", number) for number in numbers)
        start, end = map(whole_number, numbers)
        if strand not in STRANDS or not chrom or not 0 <= start - first < end:
            raise Malformed(f"no interval: {chrom} {start} {end} {strand}")
        found.append((chrom, start - first, end, STRANDS[strand]))
    return found, plain


def whole_number(field: str) -> int:
    try:
        number = float(field)
        if number % 1 or not abs(number) <= LARGEST:
            raise Malformed(f"{field!r} is no whole number")
        return int(number)
    except (ValueError, OverflowError) as error:
        raise Malformed(f"{field!r} is no number") from error


def table(data: bytes, separator: str) -> list[dict[str, str]]:
    """Return the rows of a table with a header."""
    lines = text(data)
    n_comments = next((i for i, line in enumerate(lines) if line[0] != "#"), len(lines))
    body = [line for line in lines if line[0] != "#"]
    last = lines[n_comments - 1] if n_comments else ""
    if body and separator in last and last.count(separator) == body[0].count(separator):
        body.insert(0, last.lstrip("# "))
    if separator == "\t":
        rows = [line.split("\t") for line in body]
    else:
        try:
            rows = [next(csv.reader(io.StringIO(line), strict=True, skipinitialspace=True)) for line in body]
        except (csv.Error, StopIteration) as error:
            raise Malformed(f"quotes: {error}") from error
    rows = [[field.strip() for field in row] for row in rows]
    if len(rows) < 2 or len({len(row) for row in rows}) > 1 or len(set(rows[0])) < len(rows[0]):
        raise Malformed("no rows, not as many fields in each, or two columns of one name")
    return [dict(zip(rows[0], row, strict=True)) for row in rows[1:]]


def vcf(data: bytes) -> tuple[list[tuple], bool]:
    """Return chromosome, position, reference and alternatives of each record; and if all numbers are plain."""
    lines = text(data)
    n_header = next((number for number, line in enumerate(lines) if not line.startswith("#")), len(lines))
    header, body = lines[:n_header], lines[n_header:]
    columns = "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO"
    if not header or not header[0].startswith("##fileformat=VCF") or not header[-1].startswith(columns):
        raise Malformed("the header is not that of a VCF")
    rows, plain = [], True
    for line in body:
        fields = line.split("\t")
        if len(fields) != len(header[-1].split("\t")):
            raise Malformed("another number of columns")
        position = whole_number(fields[1])
        if position < 0:
            raise Malformed("a position below 0")
        plain &= bool(re.fullmatch("[0-9]{1,15}", fields[1]))
        rows.append((fields[0], position, fields[3], fields[4]))
    return rows, plain


def sga(data: bytes) -> list[tuple[str, int, str, str]]:
    """Return chrom, tss, strand, name of EPD's SGA files of human start sites."""
    lines = [line for line in text(data) if not re.match(r"#|track$|track |browser$|browser ", line)]
    rows = [[field.strip() for field in line.split("\t")] for line in lines]
    if not rows or len({len(row) for row in rows}) > 1 or len(rows[0]) < 6:
        raise Malformed("no rows, or not as many fields in each")
    found = []
    for accession, _, position, strand, _, name, *_ in rows:
        number = re.fullmatch(r"NC_(0000(?:0[1-9]|1\d|2[0-4])|012920)(\..*)?", accession)
        if not number or strand not in "+-" or not strand or not 1 <= whole_number(position) <= LARGEST:
            raise Malformed(f"no start site: {accession} {position} {strand}")
        last = {"000023": "X", "000024": "Y", "012920": "M"}.get(number[1]) or str(int(number[1]))
        found.append((f"chr{last}", whole_number(position) - 1, strand, name))
    return found


def merges(data: bytes) -> list[tuple[str, str]]:
    """Return the merges of a file over A, C, G, T, whatever its first line claims."""
    try:
        first, *lines, last = data.decode("ascii").replace("\r\n", "\n").replace("\r", "\n").split("\n")
    except (UnicodeDecodeError, ValueError) as error:
        raise Malformed("not plain text, or no line") from error
    if not first.startswith("#version") or last:
        raise Malformed("no first line, or the last one is not whole")
    known, found = set("ACGT"), []
    for line in lines:
        left, _, right = line.partition(" ")
        if left not in known or right not in known or left + right in known:
            raise Malformed(f"no merge: {line!r}")
        known.add(left + right)
        found.append((left, right))
    return found
