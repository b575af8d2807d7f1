import pytest

from grover_hf.errors import InputError
from grover_hf.genome.annotations import read_bed, read_fimo, read_intervals


def columns(table, *names):
    return [tuple(row) for row in table[list(names)].to_numpy().tolist()]


def test_bed_is_read_with_track_lines_and_without_a_strand(write):
    text = "track name=x\n#comment\nchr1\t5\t9\n\nchr2\t0\t1\n"
    for path in (write(text), write(text, "file.bed.gz")):
        found = columns(read_bed(path), "chrom", "start", "end", "strand")
        assert found == [("chr1", 5, 9, "+"), ("chr2", 0, 1, "+")]


def test_narrow_peak_with_a_dot_for_a_strand_is_plus(write):
    table = read_bed(write("chr1\t5\t9\t.\t617\t.\t4.6\t-1\t0.2\t98\n", "x.narrowPeak"))
    assert columns(table, "start", "end", "strand", "score") == [(5, 9, "+", "617")]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("chrom\tstart\tend\nchr1\t1\t2\n", "start is 'start', not an integer. BED has no header"),
        ("chr1\t5\t4\n", r"row 1 .*: chr1:5-4 is not an interval"),
        ("chr1\t-5\t4\n", "chr1:-5-4 is not an interval"),
        ("chr1\t5\t5\nchr1\t7\t7\n", "has 2 intervals of no base. Do its positions count from 1"),
        ("chr1\t5\n", "2 columns; BED has chrom, start and end"),
        ("chr1\t5\t6\nchr1\t5\n", "has 2 columns, the first line 3"),
        ("chr1\t5.5\t6\n", "start is '5.5', not an integer"),
        ("", "no line with an interval"),
    ],
)
def test_what_is_no_bed_says_why(write, text, message):
    with pytest.raises(InputError, match=message):
        read_bed(write(text))


def test_a_missing_and_a_binary_file_are_refused(tmp_path):
    with pytest.raises(InputError, match="no file"):
        read_bed(tmp_path / "none.bed")
    (tmp_path / "x.bed").write_bytes(b"\xff\xfe\x00\x01")
    with pytest.raises(InputError, match="cannot be read as text"):
        read_bed(tmp_path / "x.bed")


def test_fimo_counts_from_one_and_includes_the_end(write):
    header = "motif_id motif_alt_id sequence_name start stop strand score p-value q-value matched_sequence\n"
    header = header.replace(" ", "\t")
    path = write(header + "M\tC\tchr1\t11223\t11241\t-\t22.5\t9.9e-09\t\tTGG\n\n# FIMO\n", "fimo.tsv")
    assert columns(read_fimo(path), "chrom", "start", "end", "strand", "p_value") == [
        ("chr1", 11222, 11241, "-", 9.9e-09)
    ]
    with pytest.raises(InputError, match="lacks the columns p-value, sequence_name"):
        read_fimo(write("start\tstop\tstrand\n1\t2\t+\n", "bad.tsv"))


def test_tables_of_intervals_need_their_columns(write):
    table = read_intervals(write("chr,start,end,class\nchr1,5,9,a\n", "t.csv"))
    assert columns(table, "chrom", "start", "end", "class", "strand") == [("chr1", 5, 9, "a", "+")]
    with pytest.raises(InputError, match="lacks the columns end; its header is chrom, start"):
        read_intervals(write("chrom\tstart\nchr1\t5\n", "t.tsv"))


def test_a_hash_in_a_field_stays_and_one_before_the_header_is_taken_away(write):
    text = "# made by hand\n#chrom\tstart\tend\tlabel\nc\t1\t5\tT#1\n#c\t2\t6\tno\nc\t3\t7\tNA\n"
    table = read_intervals(write(text, "t.tsv"))
    assert columns(table, "chrom", "start", "label") == [("c", 1, "T#1"), ("c", 3, "NA")]


def test_a_table_without_rows_is_refused(write):
    with pytest.raises(InputError, match="no row below a header"):
        read_intervals(write("chrom\tstart\tend\n", "t.tsv"))


def test_a_p_value_that_is_no_number_is_refused(write):
    header = "sequence_name\tstart\tstop\tstrand\tp-value\n"
    with pytest.raises(InputError, match="p-value 'nope' is not a number"):
        read_fimo(write(header + "c\t1\t5\t+\tnope\n", "fimo.tsv"))
