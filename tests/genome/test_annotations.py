import gzip

import pandas as pd
import pytest

from grover_hf.errors import InputError
from grover_hf.genome.annotations import lift_over, read_bed, read_fimo, read_intervals, read_promoters


@pytest.fixture
def write(tmp_path):
    def make(text, name="file.bed"):
        path = tmp_path / name
        if name.endswith(".gz"):
            path.write_bytes(gzip.compress(text.encode()))
        else:
            path.write_text(text)
        return path

    return make


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
        ("chrom\tstart\tend\nchr1\t1\t2\n", "start is 'start', no integer. BED has no header"),
        ("chr1\t5\t4\n", r"row 1 .*: chr1:5-4 is not an interval"),
        ("chr1\t-5\t4\n", "chr1:-5-4 is not an interval"),
        ("chr1\t5\t5\nchr1\t7\t7\n", "has 2 intervals of no base. Do its positions count from 1"),
        ("chr1\t5\n", "2 columns; BED has chrom, start and end"),
        ("chr1\t5\t6\nchr1\t5\n", "has 2 columns, the first line 3"),
        ("chr1\t5.5\t6\n", "start is '5.5', no integer"),
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


# NOC2L and KLHL17 of EPDnew human 006 (hg38), in each of EPD's forms.
FORMS = {
    "one.bed": "chr1\t959255\t959256\tNOC2L_1\t1\t-\nchr1\t960632\t960633\tKLHL17_1\t1\t+\n",
    "epd.bed": (
        "chr1\t959245\t959305\tNOC2L_1\t900\t-\t959245\t959256\n"
        "chr1\t960583\t960643\tKLHL17_1\t900\t+\t960632\t960643\n"
    ),
    "epd.sga": "NC_000001.11\tTSS\t959256\t-\t1\tNOC2L_1\nNC_000001.11\tTSS\t960633\t+\t1\tKLHL17_1\n",
    "epd.fps": (
        "FP   NOC2L_1             :+S  EU:NC_000001.11      1-    959256 ; 11100.\n"
        "FP   KLHL17_1            :+S  EU:NC_000001.11      1+    960633 ; 11101.\n"
    ),
}


@pytest.mark.parametrize("name", FORMS)
def test_all_forms_of_epd_give_the_same_start_sites(write, name):
    assert columns(read_promoters(write(FORMS[name], name)), "chrom", "tss", "strand", "name") == [
        ("chr1", 959255, "-", "NOC2L_1"), ("chr1", 960632, "+", "KLHL17_1"),
    ]


def test_intervals_that_are_no_start_sites_are_refused(write):
    with pytest.raises(InputError, match="its intervals have 300 to 300 bp. A start site is an interval of 1 bp"):
        read_promoters(write("chr1\t100\t400\tx\t0\t+\n"))
    with pytest.raises(InputError, match="not an FP line of EPD"):
        read_promoters(write("FP nonsense\n"))


def test_refseq_accessions_of_x_y_and_m_are_named(write):
    lines = [f"NC_0000{n}.11\tTSS\t5\t+\t1\tx\n" for n in ("22", "23", "24")] + ["NC_012920.1\tTSS\t5\t+\t1\tx\n"]
    assert read_promoters(write("".join(lines), "x.sga"))["chrom"].tolist() == ["chr22", "chrX", "chrY", "chrM"]


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


CHAIN = """chain 1000 chrA 200 + 0 100 chrB 300 + 50 150 1
100

chain 900 chrA 200 + 150 200 chrC 60 - 5 55 2
50

chain 800 chrA 200 + 90 100 chrD 99 + 0 10 3
10
"""


def test_lift_over_moves_turns_and_counts(write):
    sites = pd.DataFrame({"chrom": "chrA", "tss": [10, 120, 160, 95], "strand": ["+", "+", "+", "-"], "name": "x"})
    lifted, lost = lift_over(sites, write(CHAIN, "x.chain"))
    # A minus-strand target counts from its end: 60 - 1 - (5 + 10).
    assert columns(lifted, "chrom", "tss", "strand") == [("chrB", 60, "+"), ("chrC", 44, "-")]
    assert lost == {
        "lift-over: no place in the other assembly": 1, "lift-over: several places in the other assembly": 1,
    }


def test_what_is_no_chain_is_refused(write, tmp_path):
    sites = pd.DataFrame({"chrom": ["a"], "tss": [1], "strand": ["+"], "name": ["x"]})
    with pytest.raises(InputError, match="is not a chain file"):
        lift_over(sites, write("chain what\n", "bad.chain"))
    with pytest.raises(InputError, match="no file"):
        lift_over(sites, tmp_path / "none.chain")


def test_a_hash_in_a_field_stays_and_one_before_the_header_is_taken_away(write):
    text = "# made by hand\n#chrom\tstart\tend\tlabel\nc\t1\t5\tT#1\n#c\t2\t6\tno\nc\t3\t7\tNA\n"
    table = read_intervals(write(text, "t.tsv"))
    assert columns(table, "chrom", "start", "label") == [("c", 1, "T#1"), ("c", 3, "NA")]


def test_a_table_without_rows_is_refused(write):
    with pytest.raises(InputError, match="no row below a header"):
        read_intervals(write("chrom\tstart\tend\n", "t.tsv"))


@pytest.mark.parametrize("text", ["chr1\t5\t6\n", "chr1\t5\t6\tx\t1\t.\n", "NC_000001.11\tTSS\t9\t0\t1\tx\n"])
def test_start_sites_without_a_strand_are_refused(write, text):
    with pytest.raises(InputError, match="1 start sites have no strand"):
        read_promoters(write(text))


def test_a_p_value_that_is_no_number_is_refused(write):
    header = "sequence_name\tstart\tstop\tstrand\tp-value\n"
    with pytest.raises(InputError, match="p-value 'nope' is not a number"):
        read_fimo(write(header + "c\t1\t5\t+\tnope\n", "fimo.tsv"))
