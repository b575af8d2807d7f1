"""An index tiles its file or is not believed; the oracle is a parser that splits text into lines."""

import gzip
import os
import random

import numpy as np
import pytest

from grover_hf.errors import InputError
from grover_hf.genome import Interval, ReferenceGenome
from grover_hf.genome.fasta_index import index_text, index_tiles, make_index, mapped, read_index
from tests.genome.test_reference import bgzip


def parsed(data: bytes) -> dict[str, str] | None:
    """The records of a FASTA file by the plain rules, upper case; None if it is not one."""
    text = data.removeprefix(b"\xef\xbb\xbf").decode("latin-1").lstrip("\r\n")
    if not text.startswith(">"):
        return None
    records = {}
    for block in text.split("\n>"):
        header, _, body = block.removeprefix(">").partition("\n")
        name = header.split()[0] if header and not header[0].isspace() else ""
        try:
            name = name.encode("latin-1").decode()
        except UnicodeDecodeError:
            return None
        if not name or name in records or "\r" in header[:-1]:
            return None
        lines = body.rstrip("\r\n").split("\n") if body.rstrip("\r\n") else []
        ends = {line.endswith("\r") for line in lines[:-1]}
        lines = [line.removesuffix("\r") for line in lines[:-1]] + lines[-1:]
        lengths = {len(line) for line in lines[:-1]}
        if len(ends) > 1 or len(lengths) > 1 or (lengths and not 0 < len(lines[-1]) <= max(lengths)):
            return None
        sequence = "".join(lines).upper()
        if set(sequence) - set("ACGTNRYSWKMBDHV"):
            return None
        records[name] = sequence
    return records


def read(path) -> dict[str, str] | None:
    """The records as the package reads them, by both ways; N for all that is not A, C, G, T."""
    try:
        genome = ReferenceGenome(path)
        # The first fetch of a record is of its last base, which a line that ends elsewhere would shift.
        last = {name: genome.fetch(Interval(name, max(0, size - 1), size)) for name, size in genome.sizes.items()}
        fetched = {name: genome.fetch(Interval(name, 0, size)) for name, size in genome.sizes.items()}
        assert all(fetched[name].endswith(base) for name, base in last.items())
        for name, sequence in fetched.items():
            codes = "".join("ACGTN"[code] for code in genome.codes(name))
            assert codes == "".join(letter if letter in "ACGT" else "N" for letter in sequence)
        return fetched
    except InputError as error:
        return None if str(path) in str(error) else {"a message without the file": str(error)}


def made(rng: random.Random) -> bytes:
    """A FASTA file of a few short records, with now and then what people's files have."""
    newline = rng.choice(["\n", "\n", "\r\n"])
    text = rng.choice(["", "", "", "\ufeff", newline])
    for number in range(rng.randint(1, 3)):
        width = rng.randint(1, 6)
        bases = "".join(rng.choice("ACGTacgtN") for _ in range(rng.randint(0, 20)))
        lines = [bases[i : i + width] for i in range(0, len(bases), width)]
        description = rng.choice(["", " text", "\ttab"])
        text += newline.join([f">r{number}{description}", *lines])
        text += newline * rng.choice([1, 1, 1, 2, 3])
    return (text if rng.random() < 0.7 else text.rstrip("\r\n")).encode()


def mutated(data: bytes, rng: random.Random) -> bytes:
    for _ in range(rng.randint(0, 2)):
        at = rng.randint(0, len(data))
        kind = rng.randrange(4)
        if kind == 0:
            data = data[:at] + rng.choice([b"\n", b"\r", b"\r\n", b">", b"A", b"*", b"-", b"U", b" "]) + data[at:]
        elif kind == 1:
            data = data[:at] + data[at + 1 :]
        elif kind == 2:
            data = data[:at] + bytes([rng.choice(b"\n\r>AN*u ")]) + data[at + 1 :]
        else:
            data = data[:at]
    return data


@pytest.mark.parametrize("seed", range(4))
def test_a_file_is_read_as_a_plain_parser_reads_it_or_refused_with_it(tmp_path, seed):
    rng = random.Random(seed)
    n_read = n_refused = 0
    for number in range(250):
        data = mutated(made(rng), rng)
        if not data:
            continue
        path = tmp_path / f"{number}.fa"
        path.write_bytes(data)
        expected = parsed(data)
        assert read(path) == expected, data
        n_read += expected is not None
        n_refused += expected is None
    assert n_read > 50
    assert n_refused > 30


@pytest.mark.parametrize("seed", range(3))
def test_whatever_index_lies_beside_a_file_it_is_read_as_without_one(tmp_path, seed):
    rng = random.Random(100 + seed)
    for number in range(120):
        data = made(rng)
        path = tmp_path / f"{number}.fa"
        path.write_bytes(data)
        try:
            own = index_text(make_index(mapped(path), path)).encode()
        except (InputError, ValueError):
            continue
        index = rng.choice([own, b"", own[: len(own) // 2], mutated(own, rng), index_of(made(rng), tmp_path),
                            own.split(b"\n")[0] + b"\n", b"\n".join(reversed(own.split(b"\n")))])
        (tmp_path / f"{number}.fa.fai").write_bytes(index)
        found = read(path)
        # Lines within a record may be other than a damaged index says: that is an error, never other bases.
        assert found in (parsed(data), None), (data, index)
        assert found is not None or index != own


def index_of(data, folder) -> bytes:
    path = folder / "another.fa"
    path.write_bytes(data)
    try:
        return index_text(make_index(mapped(path), path)).encode()
    except (InputError, ValueError):
        return b""


def test_the_cases_of_users(tmp_path):
    path = tmp_path / "r.fa"
    path.write_text(">chr1\nACGTACGTAA\nACGTT\nGGCCAAAAAC\n")
    (tmp_path / "r.fa.fai").write_text("chr1\t25\t6\t10\t11\n")
    for read_record in (lambda genome: genome.codes("chr1"), lambda genome: genome.fetch(Interval("chr1", 0, 25))):
        with pytest.raises(InputError, match="record chr1: its lines differ in length"):
            read_record(ReferenceGenome(path))
    with pytest.raises(InputError, match="its lines differ in length"):
        ReferenceGenome(path).fetch(Interval("chr1", 14, 15))
    two = tmp_path / "two.fa"
    two.write_text(">chr1\nACGT\n>chr2\nGGGG\n")
    (tmp_path / "two.fa.fai").write_text("chr1\t4\t6\t4\t5\n")
    assert ReferenceGenome(two).sizes == {"chr1": 4, "chr2": 4}


def test_an_index_by_hand_tiles_its_file_and_one_of_fewer_records_does_not(tmp_path):
    path = tmp_path / "g.fa"
    path.write_bytes(b">a first\nACGT\nAC\n\n>b\n>c\r\nACG\r\nA")
    data = mapped(path)
    records = make_index(data, path)
    assert index_text(records) == "a\t6\t9\t4\t5\nb\t0\t21\t0\t0\nc\t4\t25\t3\t5\n"
    assert index_tiles(records, data)
    assert index_tiles(records[::-1], data)
    for missing in range(3):
        assert not index_tiles(records[:missing] + records[missing + 1 :], data)


@pytest.mark.parametrize("line_ends", [b"\r", b"\r\r"])
def test_line_ends_of_old_macs_are_named(tmp_path, line_ends):
    path = tmp_path / "mac.fa"
    path.write_bytes(line_ends.join([b">chr1", b"ACGT", b"AC", b""]))
    with pytest.raises(InputError, match="line 1: it has a carriage return that ends no line"):
        ReferenceGenome(path)


def test_blank_lines_and_a_byte_order_mark_do_not_matter(tmp_path):
    path = tmp_path / "g.fa"
    path.write_bytes(b"\xef\xbb\xbf\n>chr1\nACGTACGTAA\n\n>chr2\nTTGGCCAATT\n\n\n")
    assert read(path) == {"chr1": "ACGTACGTAA", "chr2": "TTGGCCAATT"}


@pytest.mark.parametrize(
    "text",
    [
        ">c\nACGT\nACG\nT", ">c\nACGT\nACG\nACG\n", ">c\nACGT\n\nACGT\n", ">c\nCcTtTgG\nG\n*\n",
        ">c\nACGT\nAC\rG\n", ">c\nACGT\r\nACGT\nACGT\n", ">c\nAC GT\n", ">c\nACGT\n;comment\nACGT\n",
        "; comment\n>c\nACGT\n", "> c\nACGT\n",
    ],
)
def test_ragged_tails_and_stray_bytes_are_never_bases(tmp_path, text):
    path = tmp_path / "g.fa"
    path.write_bytes(text.encode())
    assert parsed(text.encode()) is None
    assert read(path) is None


def test_bytes_after_the_last_gzip_member_are_ignored_with_a_warning(tmp_path, caplog):
    path = tmp_path / "hs37d5.fa.gz"
    for tail in (b"\r\n", b"\0\0\0", b"\x1f", b"\0" * 600 + b"xyz"):
        path.write_bytes(gzip.compress(b">1 x\nACGT\n") + gzip.compress(b">2\nGG\n") + tail)
        caplog.clear()
        assert read(path) == {"1": "ACGT", "2": "GG"}
        assert ("are not gzip; they are ignored" in caplog.text) == bool(tail.strip(b"\0"))


def test_a_bgzip_file_cut_anywhere_is_refused(tmp_path):
    data = bgzip(b">1\n" + b"ACGT\n" * 20)
    path = tmp_path / "g.fa.gz"
    for n_kept in range(2, len(data)):
        path.write_bytes(data[:n_kept])
        with pytest.raises(InputError, match="is not a whole"):
            ReferenceGenome(path)


def test_a_bgzip_file_cut_at_the_end_of_a_block_is_refused(tmp_path):
    data = bgzip(b">1\nACGT\n>2\nACGTACGTACGTACGTACGT\n")
    path = tmp_path / "g.fa.gz"
    path.write_bytes(data[:-28])
    with pytest.raises(InputError, match="not a whole bgzip file: it has no block that marks its end"):
        ReferenceGenome(path)


def test_an_inflated_copy_or_an_index_in_the_cache_that_was_cut_short_is_made_again(tmp_path):
    from grover_hf._internals.files import cache_dir

    path = tmp_path / "g.fa.gz"
    path.write_bytes(gzip.compress(b">1\nACGT\n>2\nGGCC\n"))
    expected = read(path)
    for pattern in ("*.fa", "*.fai"):
        [cached] = (cache_dir() / "fasta").glob(pattern)
        for n_kept in (0, 5, 9):
            cached.write_bytes(cached.read_bytes()[:n_kept])
            assert read(path) == expected


def test_what_is_not_an_index_is_none(tmp_path):
    path = tmp_path / "x.fai"
    for numbers in ("", "4", "4 3 x 5", "-4 3 4 5", "40 3 4 4", "40 3 0 1", "4 3 4 9", "4 -3 4 5", "4 3 4 5 6"):
        path.write_text("\t".join(["a", *numbers.split()]) + "\n" if numbers else "")
        assert read_index(path) is None
    assert read_index(tmp_path / "nowhere.fai") is None


def test_many_records_are_opened_in_linear_time_and_names_chosen_among_them(tmp_path):
    n_records = 20_000
    path = tmp_path / "contigs.fa"
    path.write_text("".join(f">contig{i}\nACGTACGTAC\n" for i in range(n_records)))
    names = [f"contig{i}" for i in range(0, n_records, 2)]
    genome = ReferenceGenome(path, names)
    assert genome.chromosomes == names
    assert np.array_equal(genome.codes("contig4"), [0, 1, 2, 3, 0, 1, 2, 3, 0, 1])


@pytest.mark.parametrize(
    "text", [">a\nAC \nGT \nTT\n", ">a\nACGT\n  \n", ">a\nACGT\n;c12\nGGGG\n", ">a\nAC\tT\n", ">a\n ACGT\n"]
)
def test_white_space_and_comments_in_a_record_are_refused_when_it_is_opened(tmp_path, text):
    (tmp_path / "g.fa").write_text(text)
    with pytest.raises(InputError, match="record a, line .: its lines differ in length .* or hold white space"):
        ReferenceGenome(tmp_path / "g.fa")


def test_an_index_in_another_order_gives_the_files_order_and_digest(tmp_path):
    path = tmp_path / "g.fa"
    path.write_text(">a\nACGT\n>b\nGG\n")
    digest = ReferenceGenome(path).sha256()
    (tmp_path / "g.fa.fai").write_text("b\t2\t11\t2\t3\na\t4\t3\t4\t5\n")
    genome = ReferenceGenome(path)
    assert (genome.chromosomes, genome.sha256()) == (["a", "b"], digest)


def test_a_header_with_a_carriage_return_or_no_name_is_refused_with_an_index_too(tmp_path):
    for text, index in ((b">a\rACGT\nGG\n", "a\t2\t8\t2\t3\n"), (b">\nACGT\n", "\t4\t2\t4\t5\n")):
        (tmp_path / "g.fa").write_bytes(text)
        (tmp_path / "g.fa.fai").write_text(index)
        with pytest.raises(InputError):
            ReferenceGenome(tmp_path / "g.fa")


def test_lower_case_is_told_of_letters_alone(tmp_path):
    (tmp_path / "g.fa").write_text(">a\nAC--GTac\n")
    with pytest.raises(InputError, match="line 2: '-' is not a nucleotide letter"):
        ReferenceGenome(tmp_path / "g.fa").soft_masked("a")


def test_a_last_line_that_ends_otherwise_is_fetched_as_it_is_read(tmp_path):
    (tmp_path / "g.fa").write_bytes(b">a\nAC\r\nGT\n>b\nAC\n")
    genome = ReferenceGenome(tmp_path / "g.fa")
    assert genome.fetch(Interval("a", 2, 4)) == "GT"
    assert read(tmp_path / "g.fa") == {"a": "ACGT", "b": "AC"}


def test_an_empty_gzip_file_and_bytes_that_are_no_text_are_named(tmp_path):
    (tmp_path / "g.fa.gz").write_bytes(gzip.compress(b""))
    with pytest.raises(InputError, match="holds nothing"):
        ReferenceGenome(tmp_path / "g.fa.gz")
    (tmp_path / "g.fa").write_bytes(b">a\nAC\xffGT\n")
    with pytest.raises(InputError, match="record a"):
        ReferenceGenome(tmp_path / "g.fa").fetch(Interval("a", 0, 5))


def test_a_name_that_is_no_text_in_utf_8_is_no_matter(tmp_path):
    path = os.path.join(os.fsencode(tmp_path), b"n\xff.fa")
    with open(path, "wb") as file:
        file.write(b">a\nACGT\n")
    assert ReferenceGenome(os.fsdecode(path)).sizes == {"a": 4}
