import gzip

import pytest

from grover_hf.errors import InputError
from grover_hf.genome.annotations import read_bed, read_fimo, read_intervals, read_table
from tests.fuzz.mutations import bgzip


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
        ("chr1\t5\t4\n", r"line 1: chr1:5-4 is not an interval"),
        ("chr1\t-5\t4\n", "chr1:-5-4 is not an interval"),
        ("chr1\t5\t5\nchr1\t7\t7\n", "line 1, and 1 more: an interval of no base. Do its positions"),
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


@pytest.mark.parametrize(
    ("given", "read"),
    [("-", "-"), ("- ", "-"), (" -", "-"), ("+", "+"), (".", "+"), ("*", "+"), ("", "+"), (" . ", "+")],
)
def test_fields_lose_the_white_space_around_them_and_strands_are_read(write, given, read):
    for text, name in (
        (f"chr1 \t1\t 5\ta\t0\t{given}\n", "x.bed"),
        (f"chrom, start, end, name, score, strand\nchr1, 1, 5, a, 0, {given}\n", "x.csv"),
        (f"chrom\tstart\tend\tname\tscore\tstrand\nchr1\t1 \t5\ta\t0\t{given}\n", "x.tsv"),
    ):
        path = write(text, name)
        table = read_bed(path) if name == "x.bed" else read_intervals(path)
        assert columns(table, "chrom", "start", "end", "strand") == [("chr1", 1, 5, read)]
        assert table.attrs["has_strands"] == (given.strip() in ("+", "-"))


@pytest.mark.parametrize("strand", ["-1", "1", "minus", "plus", "reverse", "?", "+-", "\u2212"])
def test_what_is_no_strand_is_refused_with_its_line(write, strand):
    for text, name in (
        (f"#x\nchr1\t1\t5\ta\t0\t+\nchr1\t1\t5\ta\t0\t{strand}\n", "x.bed"),
        (f"chrom,start,end,strand\nchr1,1,5,+\nchr1,1,5,{strand}\n", "x.csv"),
    ):
        path = write(text, name)
        with pytest.raises(InputError, match="line 3: the strand is"):
            read_bed(path) if name == "x.bed" else read_intervals(path)


@pytest.mark.parametrize(("name", "width"), [("chrom", "width"), ("chr", "length")])
def test_a_column_of_widths_says_from_where_any_table_counts(write, name, width):
    header = f"{name}\tstart\tend\t{width}\tlabel\n"
    assert columns(read_intervals(write(header + "1\t51\t90\t40\ta\n", "t.tsv")), "start", "end") == [(50, 90)]
    assert columns(read_intervals(write(header + "1\t50\t90\t40\ta\n", "t.tsv")), "start", "end") == [(50, 90)]
    # It may be of something else.
    assert columns(read_intervals(write(header + "1\t50\t90\tx\ta\n", "t.tsv")), "start", "end") == [(50, 90)]


def test_tables_with_gtfs_name_of_a_chromosome_say_from_where_they_count(write):
    with pytest.raises(InputError, match="seqnames or seqname, .*no column width shows it"):
        read_intervals(write("seqname\tstart\tend\n1\t51\t90\n", "t.tsv"))


def test_a_bgzip_table_cut_at_the_end_of_a_block_is_refused_and_bytes_after_gzip_are_passed_over(tmp_path):
    packed = bgzip(b"chr1\t1\t5\n" * 50, 100)
    (tmp_path / "x.bed.gz").write_bytes(packed)
    assert len(read_bed(tmp_path / "x.bed.gz")) == 50
    (tmp_path / "x.bed.gz").write_bytes(packed[:-28])
    with pytest.raises(InputError, match="is not a whole bgzip file"):
        read_bed(tmp_path / "x.bed.gz")
    (tmp_path / "x.bed.gz").write_bytes(gzip.compress(b"chr1\t1\t5\n") + b"\r\n")
    assert len(read_bed(tmp_path / "x.bed.gz")) == 1


def test_a_zero_byte_is_no_text(write):
    # Some versions of pandas end a field there.
    with pytest.raises(InputError, match="t.tsv cannot be read as text: it has a zero byte in line 2"):
        read_intervals(write("chrom\tstart\tend\n\x00wser\t5\t9\n", "t.tsv"))


def test_a_byte_order_mark_of_a_file_joined_to_another_is_no_text(write):
    assert len(read_intervals(write("\ufeffchrom\tstart\tend\nchr1\t5\t9\n", "t.tsv"))) == 1
    with pytest.raises(InputError, match="t.tsv cannot be read as text: it has a byte order mark.* in line 3"):
        read_intervals(write("chrom\tstart\tend\nchr1\t5\t9\n\ufeffchr1\t5\t9\n", "t.tsv"))


def test_granges_tables_count_from_one_where_their_width_says_so(write, caplog):
    header = "seqnames\tstart\tend\twidth\tstrand\tlabel\n"
    closed = read_intervals(write(header + "chr1\t51\t90\t40\t+\ta\nchr1\t1\t1\t1\t*\tb\n", "t.tsv"))
    assert columns(closed, "chrom", "start", "end", "strand") == [("chr1", 50, 90, "+"), ("chr1", 0, 1, "+")]
    assert "count from 1" in caplog.text
    half_open = read_intervals(write(header + "chr1\t50\t90\t40\t+\ta\n", "t.tsv"))
    assert columns(half_open, "start", "end") == [(50, 90)]
    for text in (header + "chr1\t50\t90\t40\t+\ta\nchr1\t51\t90\t40\t+\ta\n",
                 "seqnames\tstart\tend\nchr1\t51\t90\n"):
        with pytest.raises(InputError, match="no column width shows it. Do they"):
            read_intervals(write(text, "t.tsv"))
    with pytest.raises(InputError, match="line 2: chr1:0-9 is not an interval: 1 <= start"):
        read_intervals(write(header + "chr1\t0\t9\t10\t+\ta\n", "t.tsv"))


def test_a_quote_in_a_table_with_tabs_is_a_letter_and_swallows_no_rows(write):
    text = 'chrom\tstart\tend\tname\nc\t1\t5\t"a\nc\t2\t6\tb\nc\t3\t7\t5\' end"\n'
    assert columns(read_intervals(write(text, "t.tsv")), "start", "name") == [(1, '"a'), (2, "b"), (3, '5\' end"')]
    assert len(read_bed(write("c\t1\t5\t\"a\nc\t2\t6\tb\n"))) == 2


def test_quotes_in_a_table_with_commas_are_read_line_by_line(write):
    text = 'chrom,start,end,name\nc,1,5,"a, b"\nc,2,6,"say ""x"""\n'
    assert columns(read_intervals(write(text, "t.csv")), "name") == [("a, b",), ('say "x"',)]
    with pytest.raises(InputError, match="line 2: its quotes are not closed"):
        read_intervals(write('chrom,start,end,name\nc,1,5,"a\nc,2,6,b\n', "t.csv"))


@pytest.mark.parametrize("separator", ["\t", ","])
def test_a_row_with_more_or_fewer_columns_is_refused(write, separator):
    for row in (["c", "1", "5", "a", "b"], ["c", "1", "5"]):
        lines = [["chrom", "start", "end", "name"], ["c", "1", "5", "a"], row]
        text = "\n".join(separator.join(line) for line in lines) + "\n"
        with pytest.raises(InputError, match=rf"line 3: .* has {len(row)} columns, .* 4"):
            read_intervals(write(text, "t.csv" if separator == "," else "t.tsv"))


def test_what_a_table_is_separated_by_is_seen_in_its_header_whatever_its_name(write):
    for name in ("t.csv", "t.CSV", "t.tsv", "t.txt"):
        for separator in "\t,":
            text = separator.join(["chrom", "start", "end"]) + "\n" + separator.join(["c", "1", "5"]) + "\n"
            assert columns(read_intervals(write(text, name)), "chrom", "start", "end") == [("c", 1, 5)]


def test_line_ends_a_byte_order_mark_and_gzip_without_its_name_do_not_matter(write, tmp_path):
    text = "chr1\t1\t5\nchr2\t2\t6\n"
    for data in (text.replace("\n", "\r\n"), text.replace("\n", "\r"), "\ufeff" + text, text + "\n \n"):
        for packed in (data.encode(), gzip.compress(data.encode())):
            (tmp_path / "x.bed").write_bytes(packed)
            assert columns(read_bed(tmp_path / "x.bed"), "chrom", "start") == [("chr1", 1), ("chr2", 2)]
    (tmp_path / "x.bed").write_bytes(gzip.compress(text.encode() * 100)[:-9])
    with pytest.raises(InputError, match=r"x.bed is not a whole gzip file"):
        read_bed(tmp_path / "x.bed")


@pytest.mark.parametrize("value", ["inf", "nan", "1e400", "0x5", "", "five", "1.5"])
def test_a_position_that_is_no_integer_names_its_line(write, value):
    with pytest.raises(InputError, match=r"line 2: end is .* not an integer"):
        read_bed(write(f"chr1\t1\t5\nchr1\t1\t{value}\n"))


def test_columns_that_mean_the_same_are_refused(write):
    with pytest.raises(InputError, match="has the column chrom more than once"):
        read_intervals(write("chrom\tchr\tstart\tend\nc\tc\t1\t5\n", "t.tsv"))


def test_contigs_called_track_are_rows_and_lines_of_a_browser_are_not(write):
    text = "track name=x\nbrowser position chr1\ntrack\nbrowser\ntrack1\t3\t9\ntrack\t4\t9\nbrowsers\t5\t9\n"
    assert read_bed(write(text))["start"].tolist() == [3, 4, 5]


def test_a_long_field_is_read_and_a_column_twice_is_refused(write):
    assert len(read_table(write(f"sequence,label\n{'ACGT' * 50_000},a\n", "t.csv"))["sequence"].iloc[0]) == 200_000
    with pytest.raises(InputError, match="has the column label more than once"):
        read_table(write("label,label\na,b\n", "t.csv"))


def test_a_position_that_no_genome_has_is_refused(write):
    with pytest.raises(InputError, match="line 1: end is '99999999999999999999', not an integer"):
        read_bed(write("c\t1\t99999999999999999999\n"))
