"""Repeats are pooled as the paper does, from whichever file they come."""

import gzip

import pytest

from grover_hf.errors import InputError
from grover_hf.interpretation.annotation.repeats import read_repeats

REPEATS = [
    # start, bases, strand, repeat, class, family
    (100, 300, "+", "AluSx", "SINE", "Alu"),
    (500, 331, "-", "AluY", "SINE", "Alu"),
    (1_000, 200, "-", "MIR", "SINE?", "MIR"),
    (2_000, 6_000, "+", "L1PA2", "LINE", "L1"),
    (9_000, 5_699, "+", "L1PA3", "LINE", "L1"),
    (20_000, 1_001, "-", "MLT1", "LTR", "ERVL?"),
    (22_000, 1_000, "-", "MLT2", "LTR", "ERVL"),
    (30_000, 50, "+", "(CA)n", "Simple_repeat", "Simple_repeat"),
    (31_000, 60, "+", "tRNA-Ala", "tRNA", "tRNA"),
    (32_000, 70, "+", "X", "Unknown", "Unknown"),
]
POOLED = [
    (100, "SINE"), (500, "SINE"), (1_000, "SINE"), (2_000, "LINE"), (9_000, "LINE"), (20_000, "LTR"),
    (22_000, "LTR"), (30_000, "Simple_repeat"), (31_000, "other repeats"), (32_000, "other repeats"),
    (100, "Alu"), (500, "Alu"), (2_000, "L1"), (9_000, "L1"),
    (2_000, "L1 6 kb"), (100, "Alu 300 bp"), (20_000, "LTR > 1 kb"),
]


def as_class(repeat_class, family):
    return repeat_class if family == repeat_class else f"{repeat_class}/{family}"


def write_bed(folder):
    lines = [
        f"chr1\t{start}\t{start + bases}\t{name}|{as_class(kind, family)}\t0\t{strand}\n"
        for start, bases, strand, name, kind, family in REPEATS
    ]
    path = folder / "repeats.bed.gz"
    path.write_bytes(gzip.compress("".join(lines).encode()))
    return path


def write_rmsk(folder):
    lines = [
        f"585\t1504\t13\t4\t13\tchr1\t{start}\t{start + bases}\t-5\t{strand}\t{name}\t{kind}\t{family}"
        "\t1\t2\t0\t1\n"
        for start, bases, strand, name, kind, family in REPEATS
    ]
    path = folder / "rmsk.txt"
    path.write_text("".join(lines))
    return path


def write_out(folder):
    lines = [
        f"  1504   1.3  0.4  1.3  chr1  {start + 1}  {start + bases} (99) {strand.replace('-', 'C')}  {name}  "
        f"{as_class(kind, family)}   1  463   (0)      1\n"
        for start, bases, strand, name, kind, family in REPEATS
    ]
    path = folder / "genome.fa.out"
    path.write_text(
        "   SW   perc perc perc  query     position in query    matching   repeat      position in repeat\n"
        "score   div. del. ins.  sequence  begin end   (left)   repeat     class/family   begin end (left) ID\n\n"
        + "".join(lines)
    )
    return path


@pytest.mark.parametrize("write", [write_bed, write_rmsk, write_out])
def test_repeats_are_pooled_by_class_families_and_whole_ones_stand_beside(tmp_path, write):
    found = read_repeats(write(tmp_path))
    assert sorted(zip(found["start"], found["annotation"], strict=True)) == sorted(POOLED)
    row_of = {start: (start + bases, strand) for start, bases, strand, *_ in REPEATS}
    for start, end, strand in zip(found["start"], found["end"], found["strand"], strict=True):
        assert (end, strand) == row_of[start]
    assert set(found["chrom"]) == {"chr1"}


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.bed", "chr1\t1\t9\tE1\t0\t+\n", "has no class of RepeatMasker.*it has E1"),
        ("a.bed", "chr1\t1\t9\n", "has no class of RepeatMasker"),
        ("rmsk.txt", "chr1\t1\t9\n", "line 1 has 3 columns; rmsk.txt of UCSC has 17"),
        ("a.out", "   SW   perc\nscore div.\n\n", "has no repeat"),
        ("a.out", "score\n 15 1.3 0.4 1.3 chr1 x 9 (9) + AluY SINE/Alu 1 2 (0) 1\n", "line 2: start is 'x'"),
        ("a.out", "15 1.3 0.4\n", "line 1: '15 1.3 0.4' is not a line of RepeatMasker's .out"),
        ("a.out", "15 1.3 0.4 1.3 chr1 0 9 (9) + AluY SINE/Alu 1 2 (0) 1\n", "line 1: chr1:0-9 is not an"),
        ("repeats.gff", "", "name it .bed .*, .txt .* or .out"),
    ],
)
def test_what_holds_no_repeats_is_refused(tmp_path, name, text, message):
    (tmp_path / name).write_text(text)
    with pytest.raises(InputError, match=message):
        read_repeats(tmp_path / name)
