"""Rows by the million are those that the reader line by line gives, and its errors are those of a file read so."""

import gzip

import pytest

from grover_hf.errors import InputError
from grover_hf.genome import bulk_rows
from grover_hf.genome.annotations import read_bed
from grover_hf.genome.bulk_rows import BED_ROWS, read_bulk_bed

PLAIN = "track name=x\n# made\nchr1\t5\t9\ta\t0\t+\nchr2\t0\t7\tb\t0\t-\n#chr3\nchr1\t1\t2\ta\t0\t.\n"


def rows_of(table):
    columns = [table[name].astype(object) for name in ("chrom", "start", "end", "name", "strand")]
    return list(zip(*columns, strict=True))


def write(folder, text, name="rows.bed"):
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def test_rows_are_those_of_the_file_and_a_strand_that_is_not_known_is_a_dot(tmp_path):
    found = rows_of(read_bulk_bed(write(tmp_path, PLAIN)))
    assert found == [("chr1", 5, 9, "a", "+"), ("chr2", 0, 7, "b", "-"), ("chr1", 1, 2, "a", ".")]


def test_what_a_file_lacks_is_not_known(tmp_path):
    assert rows_of(read_bulk_bed(write(tmp_path, "chr1\t5\t9\n"))) == [("chr1", 5, 9, "", ".")]


@pytest.mark.parametrize("text", [PLAIN, PLAIN.replace("\n", "\r\n"), PLAIN.rstrip("\n"), "\n" + PLAIN])
def test_a_plain_file_needs_no_reading_line_by_line(tmp_path, monkeypatch, text):
    expected = rows_of(read_bulk_bed(write(tmp_path, PLAIN)))
    monkeypatch.setattr(bulk_rows, "_line_by_line", lambda *_: pytest.fail("read line by line"))
    assert rows_of(read_bulk_bed(write(tmp_path, text))) == expected
    packed = write(tmp_path, gzip.compress(text.encode()), "rows.bed.gz")
    assert rows_of(read_bulk_bed(packed)) == expected


@pytest.mark.parametrize(
    "odd",
    [
        "chr1 \t5\t9\ta\t0\t+\n", "chr1\t5.0\t9\ta\t0\t+\n", "track\t5\t9\ta\t0\t+\n", "chr1\t5\t9\ta\t0\t \n",
        "#chr1\t5\t9\ta\t0\t+\nchr1\t5\t9\t0xff\t0\t*\n", "\ufeffchr1\t5\t9\ta\t0\t+\n",
    ],
)
def test_an_odd_file_is_read_as_the_slow_reader_reads_it(tmp_path, odd):
    path = write(tmp_path, odd)
    assert bulk_rows._in_bulk(path.read_bytes(), BED_ROWS) is None
    slow = [(row[0], row[1], row[2], row[3]) for row in rows_of(read_bed(path))]
    assert [row[:4] for row in rows_of(read_bulk_bed(path))] == slow


def test_rows_of_many_blocks_share_their_categories(tmp_path, monkeypatch):
    monkeypatch.setattr(bulk_rows, "_BLOCK_BYTES", 64)
    lines = [(f"chr{i % 7}", i, i + 1 + i % 3, f"name{i % 11}", "+-."[i % 3]) for i in range(500)]
    text = "".join(f"{chrom}\t{start}\t{end}\t{name}\t0\t{strand}\n" for chrom, start, end, name, strand in lines)
    assert bulk_rows._in_bulk(text.encode(), BED_ROWS) is not None
    assert rows_of(read_bulk_bed(write(tmp_path, text))) == lines


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("chr1\t5\t9\nchr1\tx\t9\n", "line 2: start is 'x', not an integer"),
        ("chr1\t5\t9\nchr1\t9\t5\n", "line 2: chr1:9-5 is not an interval"),
        ("chr1\t5\t9\nchr1\t-3\t5\n", "line 2: chr1:-3-5 is not an interval"),
        ("# a\nchr1\t5\t5\n", "line 2, and 0 more: an interval of no base"),
        ("chr1\t0x5\t9\n", "line 1: start is '0x5'"),
        ("chr1\t5\t9\nchr1\t5\n", "line 2: 'chr1 5' has 2 columns, the first line 3"),
        ("chr1\t5\t9\ta\t0\t?\n", "line 1: the strand is '[?]'"),
        ("\t5\t9\n", "line 1: :5-9 is not an interval"),
        ("chr1\t5\n", "line 1 has 2 columns; BED has chrom, start and end"),
        ("", "has no line with an interval"),
        ("# nothing\n", "has no line with an interval"),
        (b"chr1\t5\t9\xff\n", "cannot be read as text"),
        (b"chr1\t5\t9\nchr\0001\t5\t9\n", "a zero byte in line 2"),
        (gzip.compress(PLAIN.encode(), mtime=0)[:-9], "not a whole gzip file"),
        (f"chr1\t5\t{2**60}\n", "line 1: end is '1152921504606846976', not an integer"),
    ],
)
def test_what_is_no_bed_is_refused_with_its_line(tmp_path, text, message):
    path = write(tmp_path, text)
    with pytest.raises(InputError, match=message) as caught:
        read_bulk_bed(path)
    assert str(path) in str(caught.value)


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(InputError, match="There is no file .*none.bed"):
        read_bulk_bed(tmp_path / "none.bed")
