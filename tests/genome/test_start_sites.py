import gzip

import pandas as pd
import pytest

from grover_hf.errors import InputError
from grover_hf.genome.start_sites import lift_over, names_in_chain, read_start_sites


def columns(table, *names):
    return [tuple(row) for row in table[list(names)].to_numpy().tolist()]


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
    assert columns(read_start_sites(write(FORMS[name], name)), "chrom", "tss", "strand", "name") == [
        ("chr1", 959255, "-", "NOC2L_1"), ("chr1", 960632, "+", "KLHL17_1"),
    ]


def test_intervals_that_are_no_start_sites_are_refused(write):
    with pytest.raises(InputError, match="its intervals have 300 to 300 bp. A start site is an interval of 1 bp"):
        read_start_sites(write("chr1\t100\t400\tx\t0\t+\n"))
    with pytest.raises(InputError, match="is not an FP line of EPD"):
        read_start_sites(write("FP nonsense\n"))


def test_refseq_accessions_of_x_y_and_m_are_named(write):
    lines = [f"NC_0000{n}.11\tTSS\t5\t+\t1\tx\n" for n in ("22", "23", "24")] + ["NC_012920.1\tTSS\t5\t+\t1\tx\n"]
    assert read_start_sites(write("".join(lines), "x.sga"))["chrom"].tolist() == ["chr22", "chrX", "chrY", "chrM"]


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


@pytest.mark.parametrize("text", ["chr1\t5\t6\n", "chr1\t5\t6\tx\t1\t.\n", "NC_000001.11\tTSS\t9\t0\t1\tx\n"])
def test_start_sites_without_a_strand_are_refused(write, text):
    with pytest.raises(InputError, match="1 start sites have no strand"):
        read_start_sites(write(text))


MOUSE = {
    "mouse.sga": "NC_000067.6\tTSS\t4785710\t-\t1\tM\n",
    "mouse.fps": "FP   Xkr4_1              :+S  EU:NC_000067.6       1-   4785710 ; 11100.\n",
    "fly.sga": "NT_033777.3\tTSS\t4785710\t-\t1\tM\n",
}


@pytest.mark.parametrize("name", MOUSE)
def test_accessions_that_are_not_human_are_an_error_unless_the_genome_has_them(write, name):
    path = write(MOUSE[name], name)
    with pytest.raises(InputError, match=r"names N[CT]_0.*, which is neither a chromosome of the genome nor"):
        read_start_sites(path)
    known = ["NC_000067.6", "NT_033777.3"]
    assert columns(read_start_sites(path, known), "tss", "strand") == [(4785709, "-")]
    assert read_start_sites(path, known)["chrom"].iloc[0] in known


def test_a_name_that_the_genome_has_stays(write):
    path = write(FORMS["epd.sga"], "epd.sga")
    assert set(read_start_sites(path, ["NC_000001.11"])["chrom"]) == {"NC_000001.11"}
    assert set(read_start_sites(path, ["chr1"])["chrom"]) == {"chr1"}


def test_a_thick_part_outside_its_interval_is_no_start_site(write):
    text = FORMS["epd.bed"].replace("960632\t960643", "970000\t970011")
    with pytest.raises(InputError, match="line 2: its thick part, at 970000, is outside the interval"):
        read_start_sites(write(text, "epd.bed"))


def test_a_chain_with_a_byte_order_mark_loses_no_site_and_says_from_which_names_it_leads(write):
    sites = pd.DataFrame({"chrom": ["chrA"], "tss": [10], "strand": ["+"], "name": ["x"]})
    path = write("\ufeff" + CHAIN, "x.chain")
    assert len(lift_over(sites, path)[0]) == 1
    assert "chrA" in names_in_chain(path)


def test_a_gzip_chain_is_read_whatever_its_name(tmp_path):
    sites = pd.DataFrame({"chrom": "chrA", "tss": [10], "strand": ["+"], "name": "x"})
    (tmp_path / "x.chain").write_bytes(gzip.compress(CHAIN.encode()))
    lifted, _ = lift_over(sites, tmp_path / "x.chain")
    assert columns(lifted, "chrom", "tss") == [("chrB", 60)]


@pytest.mark.parametrize("position", ["0", "99999999999999999999999"])
def test_a_position_that_cannot_be_is_refused(write, position):
    for name in ("epd.sga", "epd.fps"):
        text = FORMS[name].replace("960633", position)
        with pytest.raises(InputError, match="line 2"):
            read_start_sites(write(text, name))
