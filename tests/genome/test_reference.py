import gzip
import os
import re
import struct
import zlib

import numpy as np
import pytest

from grover_hf._internals.files import cache_dir
from grover_hf.errors import InputError
from grover_hf.genome import Interval, ReferenceGenome

TEXT = ">chr1 first\nACGTACGTAC\nGTNNNNacgt\nAC\n>chrX\nTTTTTTTTTT\nGG\n>extra\nNNNN\n"
CHR1 = "ACGTACGTACGTNNNNACGTAC"


def letters(genome, chrom):
    return "".join("ACGTN"[code] for code in genome.codes(chrom))


def bgzip(data: bytes) -> bytes:
    """Blocks as `bgzip` writes them: gzip members with a BC field, and an empty one at the end."""
    out = b""
    for block in (data[:20], data[20:], b""):
        packed = zlib.compressobj(6, zlib.DEFLATED, -15)
        body = packed.compress(block) + packed.flush()
        size = struct.pack("<H", len(body) + 25)
        head = b"\x1f\x8b\x08\x04" + b"\0" * 5 + b"\xff\x06\0BC\x02\0" + size
        out += head + body + struct.pack("<II", zlib.crc32(block), len(block))
    return out


@pytest.mark.parametrize("packed", [lambda data: data, gzip.compress, bgzip], ids=["plain", "gzip", "bgzip"])
def test_reads_the_same_from_plain_gzip_and_bgzip(tmp_path, packed):
    path = tmp_path / "genome.fa"
    path.write_bytes(packed(TEXT.encode()))
    genome = ReferenceGenome(path)
    assert genome.sizes == {"chr1": 22, "chrX": 12, "extra": 4}
    assert letters(genome, "chr1") == CHR1
    assert letters(genome, "extra") == "NNNN"


def test_writes_nothing_beside_the_users_file(tmp_path, write_fasta):
    ReferenceGenome(write_fasta(TEXT)).codes("chr1")
    (tmp_path / "packed.fa.gz").write_bytes(gzip.compress(TEXT.encode()))
    ReferenceGenome(tmp_path / "packed.fa.gz").codes("chr1")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["genome.fa", "packed.fa.gz"]


@pytest.mark.parametrize(
    "text",
    [TEXT.replace("\n", "\r\n"), TEXT.rstrip("\n"), ">chr1\n" + CHR1 + "\n>chrX\nTTTTTTTTTTGG\n>extra\nNNNN\n"],
    ids=["CRLF", "no last newline", "one line a record"],
)
def test_line_ends_and_lengths_do_not_matter(write_fasta, text):
    genome = ReferenceGenome(write_fasta(text))
    assert letters(genome, "chr1") == CHR1
    assert letters(genome, "chrX") == "TTTTTTTTTTGG"
    assert genome.sha256() == ReferenceGenome(write_fasta(TEXT, "other.fa")).sha256()


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
@pytest.mark.parametrize("end", ["", "\n"])
@pytest.mark.parametrize("last", ["A", "ACG", "ACGT"])
def test_even_lines_with_a_shorter_last_one_pass(write_fasta, newline, end, last):
    text = f">a\nACGT\nACGT\n{last}\n>b\nACGT\n{last}{end}".replace("\n", newline)
    genome = ReferenceGenome(write_fasta(text))
    assert [letters(genome, chrom) for chrom in "ab"] == ["ACGTACGT" + last, "ACGT" + last]


def test_a_longer_last_line_is_refused_whatever_its_length(write_fasta):
    for length in range(5, 40):
        for rest in ("", ">b\nACGT\n"):
            with pytest.raises(InputError, match="lines differ"):
                ReferenceGenome(write_fasta(f">a\nACGT\nACGT\n{'ACGTT' * 8}"[: 13 + length] + "\n" + rest))


def test_a_record_without_bases_is_an_empty_chromosome(write_fasta):
    genome = ReferenceGenome(write_fasta(">a\n>b\nACGT\n"))
    assert genome.sizes == {"a": 0, "b": 4}
    assert genome.codes("a").size == 0
    assert genome.segments("b").tolist() == [[0, 4]]


def test_codes_agree_with_fetch_across_read_blocks(simulated_fasta, monkeypatch):
    monkeypatch.setattr("grover_hf.genome.reference._BLOCK_BYTES", 1000)
    genome = ReferenceGenome(simulated_fasta)
    for chrom, size in genome.sizes.items():
        assert letters(genome, chrom) == genome.fetch(Interval(chrom, 0, size))


@pytest.mark.parametrize("block_bytes", [100, 1_000, 1 << 22])
def test_codes_and_case_are_those_of_each_letter_across_read_blocks(simulated_fasta, monkeypatch, block_bytes):
    monkeypatch.setattr("grover_hf.genome.reference._BLOCK_BYTES", block_bytes)
    genome = ReferenceGenome(simulated_fasta)
    texts = simulated_fasta.read_text().split(">")[1:]
    for chrom, text in zip(genome.chromosomes, texts, strict=True):
        sequence = "".join(text.splitlines()[1:])
        codes, runs = genome.codes_and_case(chrom)
        np.testing.assert_array_equal(codes, genome.codes(chrom))
        expected = [match.span() for match in re.finditer("[a-z]+", sequence)]
        assert runs.tolist() == [list(span) for span in expected]


def test_minus_interval_is_the_reverse_complement(write_fasta):
    genome = ReferenceGenome(write_fasta(TEXT))
    assert genome.fetch(Interval("chrX", 8, 12)) == "TTGG"
    assert genome.fetch(Interval("chrX", 8, 12, "-")) == "CCAA"
    assert genome.fetch(Interval("chrX", 3, 3)) == ""


def test_segments_end_at_n_and_keep_soft_masked_bases(write_fasta):
    genome = ReferenceGenome(write_fasta(TEXT))
    assert genome.segments("chr1").tolist() == [[0, 12], [16, 22]]
    assert genome.segments("extra").tolist() == []
    assert genome.soft_masked("chr1").tolist() == [[16, 20]]
    assert genome.soft_masked("chrX").tolist() == []


def test_other_iupac_codes_end_segments_and_are_reported_once(write_fasta, caplog):
    genome = ReferenceGenome(write_fasta(">a\nACRYACGT\n>b\nACGTKACG\n"))
    assert genome.segments("a").tolist() == [[0, 2], [4, 8]]
    assert genome.segments("b").tolist() == [[0, 4], [5, 8]]
    assert [record.getMessage() for record in caplog.records if "2 ambiguous bases" in record.getMessage()]
    assert len(caplog.records) == 1


def test_primary_chromosomes_are_those_of_the_paper(write_fasta):
    text = "".join(f">{name}\nACGT\n" for name in ("chr2", "chrM", "chr10", "chrX", "chr1_random", "chrY"))
    assert ReferenceGenome(write_fasta(text), "primary").chromosomes == ["chr2", "chr10", "chrX", "chrY"]
    assert ReferenceGenome(write_fasta(text), ["chrM"]).chromosomes == ["chrM"]


def test_an_index_beside_the_file_is_used_if_it_fits_and_left_as_it_is(write_fasta, tmp_path):
    path = write_fasta(">a\nACGT\n")
    index = tmp_path / "genome.fa.fai"
    index.write_text("a\t4\t3\t4\t5\n")
    os.utime(index, (0, 0))
    assert ReferenceGenome(path).sizes == {"a": 4}
    assert not list((cache_dir() / "fasta").glob("*.fai"))
    index.write_text("renamed\t4\t3\t4\t5\n")
    assert ReferenceGenome(path).chromosomes == ["a"]
    assert index.read_text().startswith("renamed")


@pytest.mark.parametrize(
    "read", [lambda genome: genome.codes("a"), lambda genome: genome.fetch(Interval("a", 0, 4))]
)
def test_a_file_that_changed_after_opening_is_an_error(write_fasta, tmp_path, read):
    path = write_fasta(">a\n" + "ACGT\n" * 100)
    for change in (
        lambda: path.write_bytes(b">a\nACGT\n"),
        lambda: path.write_bytes(b">a\n" + b"TTTT\n" * 100),
        lambda: os.replace(write_fasta(">a\n" + "CCCC\n" * 100, "older.fa"), path),
    ):
        genome = ReferenceGenome(path)
        assert len(read(genome)) > 0
        change()
        with pytest.raises(InputError, match="was changed since it was opened"):
            read(genome)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty"),
        ("ACGT\n", "starts with a line '>name', and line 1 is another"),
        (">a\nACGT\nAC\nACGT\n", "record a, line 3: its lines differ"),
        (">a\nACGT\n>a\nACGT\n", "line 3: the record 'a' is there already, in line 1"),
        (">a\nACGT\nACGTACG\n", "record a, line .: its lines differ"),
        (">a\nACGT\nACGTACG\n>b\nACGT\n", "record a, line .: its lines differ"),
        (">a\nACGT\nACGTACGTA\n>b\nACGT\n", "record a, line .: its lines differ"),
        (">b\nACGT\n>a\nACGT\nACGTACGTA", "record a, line .: its lines differ"),
    ],
)
def test_what_is_no_fasta_says_why(write_fasta, text, message):
    path = write_fasta(text)
    with pytest.raises(InputError, match=message) as error:
        ReferenceGenome(path)
    assert str(path) in str(error.value)


@pytest.mark.parametrize("letter", ["U", "-", "*", "e", "1"])
def test_a_letter_outside_iupac_is_named_with_record_and_line(write_fasta, letter):
    genome = ReferenceGenome(write_fasta(f">first\nACGTAC\n>second\nACGTAC\nNNAC{letter}T\n"))
    with pytest.raises(InputError, match=re.escape(f"record second, line 5: {letter!r}")):
        genome.codes("second")


def test_missing_and_truncated_files_are_named(tmp_path):
    with pytest.raises(InputError, match="There is no file .*nowhere.fa"):
        ReferenceGenome(tmp_path / "nowhere.fa")
    cut = tmp_path / "cut.fa.gz"
    cut.write_bytes(gzip.compress(TEXT.encode() * 1000)[:-20])
    with pytest.raises(InputError, match="cut.fa.gz is not a whole gzip file"):
        ReferenceGenome(cut)
    with pytest.raises(InputError):
        ReferenceGenome(cut)


def test_a_plain_file_named_gz_is_refused(write_fasta):
    with pytest.raises(InputError, match=r"named like a compressed file but is not gzip"):
        ReferenceGenome(write_fasta(TEXT, "genome.fa.gz"))


def test_unknown_chromosome_and_interval_past_the_end_say_what_there_is(write_fasta):
    genome = ReferenceGenome(write_fasta(TEXT))
    with pytest.raises(InputError, match=r"no chromosome '1'; it has chr1, chrX, extra"):
        genome.fetch(Interval("1", 0, 1))
    with pytest.raises(InputError, match="ends past chrX, which has 12 bp"):
        genome.fetch(Interval("chrX", 0, 13))
    with pytest.raises(InputError, match="no chromosome 'chr7'"):
        ReferenceGenome(write_fasta(TEXT), ["chr7"])


def test_digest_follows_names_and_bases_alone(write_fasta):
    digest = ReferenceGenome(write_fasta(">a\nACGT\n")).sha256()
    assert ReferenceGenome(write_fasta(">a\nac\ngt\n", "b.fa")).sha256() == digest
    assert ReferenceGenome(write_fasta(">a\nACGA\n", "c.fa")).sha256() != digest
    assert ReferenceGenome(write_fasta(">b\nACGT\n", "d.fa")).sha256() != digest


@pytest.mark.real_data
def test_real_chromosomes_read_as_pyfaidx_reads_them(real_data):
    genome = ReferenceGenome(real_data / "genome" / "hg19.sparse.fa.gz")
    interval = Interval("chr20", 9_990_000, 11_100_000)
    codes = genome.codes("chr20")
    assert "".join("ACGTN"[c] for c in codes[interval.start : interval.end]) == genome.fetch(interval)
    n_acgt = sum(int(np.sum(genome.codes(chrom) < 4)) for chrom in genome.chromosomes)
    assert n_acgt == 17_023_817


PLANT = "".join(f">{name}\n{'ACGT' * n}\n" for name, n in (
    ("Chr1", 9), ("Chr2", 8), ("ChrC", 3), ("ChrM", 2), ("scaffold_1", 4), ("scaffold_2", 1), ("odd*name", 5),
))


@pytest.mark.parametrize(
    ("wanted", "names"),
    [
        ("Chr?", "Chr1 Chr2 ChrC ChrM"),
        (["Chr*", "!ChrC", "!ChrM"], "Chr1 Chr2"),
        (["!scaffold_*", "!odd*name"], "Chr1 Chr2 ChrC ChrM"),
        ("min=16", "Chr1 Chr2 scaffold_1 odd*name"),
        (["Chr*", "min=9"], "Chr1 Chr2 ChrC"),
        (["scaffold_1", "Chr2"], "Chr2 scaffold_1"),
        # What is a name is no pattern.
        ("odd*name", "odd*name"),
    ],
)
def test_chromosomes_are_chosen_by_names_patterns_and_lengths(write_fasta, wanted, names):
    assert ReferenceGenome(write_fasta(PLANT), wanted).chromosomes == names.split()


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        ("primary", r"longest are Chr1 \(36 bp\), Chr2 \(32 bp\).* such as 'Chr\*'; or min=N"),
        ("chr*", r"has no record that chr\* fits; it has Chr1"),
        (["!Chr9"], "Chr9"),
        (["min=1e5"], "min=1e5 has no whole number of bases; min=100000 leaves out what is shorter"),
        (["Chr*", "!C*"], r"has no record left of Chr\*, !C\*"),
        ("min=1000", "has no record left of min=1000"),
        (["all", "!*"], "has no record left"),
    ],
)
def test_chromosomes_that_leave_nothing_say_what_there_is(write_fasta, wanted, message):
    with pytest.raises(InputError, match=message):
        ReferenceGenome(write_fasta(PLANT), wanted)


def test_primary_is_refused_where_it_would_be_a_small_part_of_the_genome(write_fasta):
    yeast = "".join(f">chr{name}\n{'ACGT' * 50}\n" for name in ("I", "II", "III", "IV", "X", "XI"))
    with pytest.raises(InputError, match=r"no more than chrX of the chromosomes 1-22, X, Y; .* such as 'chr\*'"):
        ReferenceGenome(write_fasta(yeast), "primary")
