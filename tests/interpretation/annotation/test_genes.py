"""Elements of genes, worked out by hand."""

import gzip

import numpy as np
import pytest

from grover_hf.errors import InputError
from grover_hf.interpretation.annotation.genes import gene_elements, read_genes
from grover_hf.interpretation.annotation.places import GenomeLine
from grover_hf.interpretation.annotation.segments import MINUS, PLUS, UNKNOWN

SIZES = {"chr1": 50_000, "chr2": 30_000}


def line_of(chrom, feature, start, end, strand, transcript):
    """A line of GTF, whose positions count from 1 and include the end, of a half-open interval from 0."""
    attributes = f'gene_id "g"; transcript_id "{transcript}"; tag "basic";'
    return f"{chrom}\tmade\t{feature}\t{start + 1}\t{end}\t.\t{strand}\t.\t{attributes}\n"


FORWARD = [
    ("chr1", "transcript", 20_000, 24_000, "+", "t1"),
    ("chr1", "exon", 20_000, 21_500, "+", "t1"),
    ("chr1", "exon", 22_000, 24_000, "+", "t1"),
    ("chr1", "CDS", 21_200, 21_500, "+", "t1"),
    ("chr1", "CDS", 22_000, 22_500, "+", "t1"),
    ("chr1", "stop_codon", 22_500, 22_503, "+", "t1"),
]
REVERSE = [(chrom, feature, 44_000 - end, 44_000 - start, "-", "t2") for chrom, feature, start, end, *_ in FORWARD]


def elements(folder, lines, name="genes.gtf"):
    (folder / name).write_text("".join(line_of(*one) for one in lines))
    line = GenomeLine(SIZES, genome="it")
    return gene_elements(line.kept(read_genes(folder / name), folder / name), line)


def places(segments):
    return list(zip(segments.starts.tolist(), segments.ends.tolist(), segments.strands.tolist(), strict=True))


def test_elements_of_a_gene_on_the_forward_strand(tmp_path):
    found = {name: places(one) for name, one in elements(tmp_path, FORWARD).items()}
    assert found == {
        "promoter": [(19_000, 21_001, PLUS)],
        # The first 1,001 bases of the exon are the promoter's.
        "5' UTR": [(21_001, 21_200, PLUS)],
        # The stop codon codes, though GTF leaves it out of the CDS.
        "3' UTR": [(22_503, 24_000, PLUS)],
        "exon": [(21_200, 21_500, PLUS), (22_000, 22_503, PLUS)],
        "intron": [(21_500, 22_000, PLUS)],
        "downstream": [(24_000, 34_000, PLUS)],
        "distal intergenic": [(0, 19_000, UNKNOWN), (34_000, 80_000, UNKNOWN)],
        "transcript": [(20_000, 24_000, PLUS)],
        "coding sequence": [(21_200, 21_500, PLUS), (22_000, 22_503, PLUS)],
    }


def test_elements_of_the_same_gene_on_the_reverse_strand_are_its_mirror_image(tmp_path):
    found = elements(tmp_path, REVERSE)
    assert places(found["promoter"]) == [(22_999, 25_000, MINUS)]
    assert places(found["5' UTR"]) == [(22_800, 22_999, MINUS)]
    assert places(found["3' UTR"]) == [(20_000, 21_497, MINUS)]
    assert places(found["downstream"]) == [(10_000, 20_000, MINUS)]
    assert places(found["transcript"]) == [(20_000, 24_000, MINUS)]


def test_each_base_has_one_element_and_the_first_in_order_takes_it(tmp_path):
    other = [("chr1", "exon", 21_300, 23_000, "-", "t3"), ("chr1", "exon", 15_000, 15_300, "-", "t3")]
    found = elements(tmp_path, FORWARD + other)
    shared = [one for name, one in found.items() if name not in ("transcript", "coding sequence")]
    covered = np.zeros(80_000, int)
    for one in shared:
        for start, end, _ in places(one):
            covered[start:end] += 1
    assert (covered == 1).all()
    # The start site of t3 is base 22,999: its promoter takes what was t1's, and is on both strands nowhere.
    assert places(found["promoter"]) == [(19_000, 21_001, PLUS), (21_999, 24_000, MINUS)]
    assert places(found["intron"]) == [(15_300, 19_000, MINUS)]
    assert (21_300, 21_500, PLUS | MINUS) in places(found["exon"])


def test_a_transcript_without_exons_has_its_coding_parts_for_exons(tmp_path):
    found = elements(tmp_path, [("chr1", "CDS", 5_000, 8_000, "+", "b1")])
    assert places(found["exon"]) == [(6_001, 8_000, PLUS)]
    assert places(found["5' UTR"]) == []


def test_elements_end_with_their_chromosome(tmp_path):
    lines = [("chr1", "exon", 300, 900, "+", "a"), ("chr1", "exon", 49_000, 49_900, "+", "b")]
    found = elements(tmp_path, lines)
    assert places(found["promoter"]) == [(0, 1_301, PLUS), (48_000, 50_000, PLUS)]
    assert places(found["downstream"]) == [(1_301, 10_900, PLUS)]


def test_one_name_on_two_chromosomes_is_two_transcripts(tmp_path):
    lines = [("chr1", "exon", 20_000, 20_100, "+", "p"), ("chr2", "exon", 25_000, 25_100, "+", "p")]
    found = elements(tmp_path, lines)
    assert places(found["intron"]) == []
    assert places(found["transcript"]) == [(20_000, 20_100, PLUS), (75_000, 75_100, PLUS)]


def test_gff3_gives_what_gtf_does_an_exon_may_be_of_several_transcripts(tmp_path):
    expected = {name: places(one) for name, one in elements(tmp_path, FORWARD).items()}
    rows = [one for one in FORWARD if one[1] != "stop_codon"]
    rows[4] = ("chr1", "CDS", 22_000, 22_503, "+", "t1")
    lines = "".join(
        f"{chrom}\tx\t{feature}\t{start + 1}\t{end}\t.\t{strand}\t.\tID=i;Parent=t1{',t9' * (feature == 'exon')}\n"
        for chrom, feature, start, end, strand, _ in rows
    )
    text = f"##gff-version 3\n{lines}###\n##FASTA\n>chr1\nACGT\n"
    (tmp_path / "genes.gff3.gz").write_bytes(gzip.compress(text.encode()))
    line = GenomeLine(SIZES, genome="it")
    found = gene_elements(read_genes(tmp_path / "genes.gff3.gz"), line)
    assert {name: places(one) for name, one in found.items()} == expected


@pytest.mark.parametrize("strand", [".", "?"])
def test_exons_without_a_strand_are_left_out_and_counted(tmp_path, caplog, strand):
    found = elements(tmp_path, [*FORWARD, ("chr1", "exon", 40_000, 41_000, strand, "odd")])
    assert "1 exons and coding parts have no strand" in caplog.text
    assert places(found["transcript"]) == [(20_000, 24_000, PLUS)]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("chr1\tx\texon\t1\t9\t.\t+\t.\tgene_id \"g\";\n", "line 1: it has no transcript_id"),
        ("chr1\tx\tgene\t1\t9\t.\t+\t.\tgene_id \"g\";\n", "has no exon or CDS with a strand"),
        ("chr1\tx\texon\t9\t5\t.\t+\t.\ttranscript_id \"t\";\n", "line 1: chr1:9-5 is not an interval"),
        ("chr1\tx\texon\t0\t5\t.\t+\t.\ttranscript_id \"t\";\n", "line 1: chr1:0-5 is not an interval"),
        ("chr1\tx\texon\tone\t5\t.\t+\t.\ttranscript_id \"t\";\n", "line 1: start is 'one'"),
        ("chr1\tx\texon\t1\t5\t.\tx\t.\ttranscript_id \"t\";\n", "line 1: the strand is 'x'"),
        ("chr1\tx\texon\t1\t5\n", "line 1 has 5 columns; GTF and GFF3 have nine"),
        ("", "has no line with an interval"),
    ],
)
def test_what_is_no_gtf_is_refused_with_its_line(tmp_path, text, message):
    (tmp_path / "genes.gtf").write_text(text)
    with pytest.raises(InputError, match=message):
        read_genes(tmp_path / "genes.gtf")


def test_genes_are_not_guessed_from_another_kind_of_file(tmp_path):
    with pytest.raises(InputError, match=r"name it \.gtf, \.gff3 or \.gff"):
        read_genes(tmp_path / "genes.bed")
