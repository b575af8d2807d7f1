"""Files of variants keep everything, byte for byte, and get scores beside it."""

import gzip

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pysam
import pytest

from grover_hf import InputError, ReferenceGenome
from grover_hf.variants.alleles import checked_alleles
from grover_hf.variants.files import read_variants, require_replaceable, require_writable_form, write_variants

GENOME = "ACGTACGTACGTACGTACGT"
HEADER = """##fileformat=VCFv4.2
##FILTER=<ID=PASS,Description="All filters passed">
##INFO=<ID=AF,Number=A,Type=Float,Description="Allele frequency, as the caller wrote it">
##INFO=<ID=DB,Number=0,Type=Flag,Description="in dbSNP">
##FORMAT=<ID=GT,Number=1,Type=String,Description="Genotype">
##contig=<ID=c,length=20>
#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\ts1\ts2
"""
ROWS = [
    "c\t5\trs1\tA\tC\t50.10\tPASS\tAF=0.10;DB\tGT\t0/1\t./.",
    "c\t2\t.\tC\tG,T,*\t.\t.\t.\tGT\t1/2\t0/3",
    "c\t1\tsv\tA\t<DEL>\t.\tq10\tAF=1e-3\tGT\t0/1\t0/0",
]


@pytest.fixture
def vcf(tmp_path):
    path = tmp_path / "v.vcf"
    path.write_text(HEADER + "".join(row + "\n" for row in ROWS))
    return path


@pytest.fixture
def genome(write_fasta):
    return ReferenceGenome(write_fasta(f">c\n{GENOME}\n"))


LLR = np.array([-1.25, 0.5, np.nan, np.nan, np.nan])
SCORES = {"llr": LLR, "abs_llr": np.abs(LLR)}
DESCRIPTIONS = {"llr": "log ratio", "abs_llr": "absolute"}


def written(path, genome, output):
    file = read_variants(path)
    require_writable_form(file, list(SCORES), output)
    alleles = checked_alleles(file.records, genome)
    write_variants(file, alleles, SCORES, DESCRIPTIONS, {"model": "m<1>\n", "scores": "llr,abs_llr"}, output)
    return file


def test_a_vcf_keeps_order_and_all_fields_and_gets_scores(vcf, genome, tmp_path):
    written(vcf, genome, tmp_path / "o.vcf")
    lines = (tmp_path / "o.vcf").read_text().splitlines()
    body = [line.split("\t") for line in lines if not line.startswith("#")]
    for fields, row in zip(body, ROWS, strict=True):
        before = row.split("\t")
        assert fields[:7] + fields[8:] == before[:7] + before[8:]
    assert [fields[7] for fields in body] == [
        "AF=0.10;DB;llr=-1.25;abs_llr=1.25", "llr=0.5,.,.;abs_llr=0.5,.,.", "AF=1e-3",
    ]
    assert lines[:6] == HEADER.splitlines()[:6]
    assert '##INFO=<ID=llr,Number=A,Type=Float,Description="log ratio">' in lines
    assert "##grover_hf_model=m 1  " in lines


@pytest.mark.parametrize("name", ["o.vcf", "o.vcf.gz"])
def test_pysam_reads_what_was_written(vcf, genome, tmp_path, name):
    written(vcf, genome, tmp_path / name)
    with pysam.VariantFile(str(tmp_path / name)) as found:
        records = list(found)
        assert [(one.pos, one.ref, one.alts) for one in records] == [
            (5, "A", ("C",)), (2, "C", ("G", "T", "*")), (1, "A", ("<DEL>",))
        ]
        assert records[0].info["llr"] == (-1.25,)
        assert records[1].info["llr"] == (0.5, None, None)
        assert "llr" not in records[2].info
        assert records[1].samples["s1"]["GT"] == (1, 2)
    if name.endswith(".gz"):
        # Whole bgzip, which tabix takes.
        assert (tmp_path / name).read_bytes().endswith(bytes.fromhex("1b0003000000000000000000"))


def test_packed_and_windows_files_read_alike(vcf, tmp_path):
    (tmp_path / "v.vcf.gz").write_bytes(gzip.compress(vcf.read_bytes()))
    (tmp_path / "plain.vcf.gz").write_bytes(vcf.read_bytes())
    (tmp_path / "dos.vcf").write_bytes(vcf.read_bytes().replace(b"\n", b"\r\n"))
    for name in ("v.vcf.gz", "plain.vcf.gz", "dos.vcf"):
        found = read_variants(tmp_path / name)
        assert found.lines == tuple(ROWS)
        assert found.records.positions.tolist() == [5, 2, 1]


def test_a_vcf_becomes_a_table_with_a_row_an_allele(vcf, genome, tmp_path):
    written(vcf, genome, tmp_path / "o.parquet")
    table = pq.read_table(tmp_path / "o.parquet")
    assert table.column_names == ["chrom", "pos", "id", "ref", "alt", "variant_kind", "llr", "abs_llr"]
    assert table["alt"].to_pylist() == ["C", "G", "T", "*", "<DEL>"]
    assert table["llr"].to_pylist() == [-1.25, 0.5, None, None, None]
    assert table.schema.metadata[b"grover.model"] == b"m<1>\n"
    written(vcf, genome, tmp_path / "o.tsv")
    found = pd.read_csv(tmp_path / "o.tsv", sep="\t")
    assert found["variant_kind"].tolist() == ["SNV", "SNV", "SNV", "star allele", "symbolic allele"]
    assert found["pos"].tolist() == [5, 2, 2, 2, 1]


@pytest.mark.parametrize("name", ["t.tsv", "t.csv", "t.parquet"])
def test_tables_keep_their_columns(genome, tmp_path, name):
    table = pd.DataFrame({
        "gene": ["x", "y"], "chrom": ["c", "c"], "pos": [5, 2], "ref": ["A", "C"], "alt": ["C", "G"],
        "label": [1, 0],
    })
    path = tmp_path / name
    if name.endswith("parquet"):
        table.to_parquet(path)
    else:
        table.to_csv(path, sep="," if name.endswith("csv") else "\t", index=False)
    file = read_variants(path)
    alleles = checked_alleles(file.records, genome)
    scores = {"llr": np.array([1.5, np.nan])}
    write_variants(file, alleles, scores, {"llr": ""}, {}, tmp_path / "o.tsv")
    found = pd.read_csv(tmp_path / "o.tsv", sep="\t")
    assert found.columns.tolist() == [*table.columns, "variant_kind", "llr"]
    assert found[table.columns.tolist()].astype(str).equals(table.astype(str))
    assert found["llr"].tolist()[0] == 1.5
    assert np.isnan(found["llr"].tolist()[1])
    with pytest.raises(InputError, match="is a table; name a .parquet or .tsv"):
        require_writable_form(file, ["llr"], tmp_path / "o.vcf")


@pytest.mark.parametrize(("text", "message"), [
    ("c\t1\t.\tA\tC\t.\t.\t.\n", "its first line is not ##fileformat=VCF"),
    ("##fileformat=VCFv4.2\nc\t1\t.\tA\tC\t.\t.\t.\n", "does not end with the line #CHROM"),
    (HEADER + "c\t1\t.\tA\tC\t.\t.\t.\n", "line 8 has 8 columns, where the header has 11"),
    (HEADER + "c\tx\t.\tA\tC\t.\t.\t.\tGT\t0/1\t0/1\n", "line 8: the position is 'x'"),
])
def test_a_damaged_vcf_is_refused_with_its_line(tmp_path, text, message):
    (tmp_path / "v.vcf").write_text(text)
    with pytest.raises(InputError, match=message):
        read_variants(tmp_path / "v.vcf")


@pytest.mark.parametrize(("text", "message"), [
    ("chrom\tpos\tref\n1\t2\tA\n", "has no column alt"),
    ("chrom\tpos\tref\talt\nc\t2\tC\tA,T\n", "row 1: alt is 'A,T'; a row has one"),
    ("chrom\tpos\tref\talt\nc\t2.5\tC\tA\n", "row 1: the position is '2.5'"),
])
def test_a_table_that_is_none_of_variants_is_refused(tmp_path, text, message):
    (tmp_path / "v.tsv").write_text(text)
    with pytest.raises(InputError, match=message):
        read_variants(tmp_path / "v.tsv")


def test_scores_are_not_put_beside_others_of_the_same_name(vcf, genome, tmp_path):
    written(vcf, genome, tmp_path / "o.vcf")
    with pytest.raises(InputError, match="has llr already"):
        written(tmp_path / "o.vcf", genome, tmp_path / "again.vcf")
    with pytest.raises(InputError, match="must end in"):
        written(vcf, genome, tmp_path / "o.bcf")


def test_a_vcf_without_records_stays_one(tmp_path, genome):
    (tmp_path / "v.vcf").write_text(HEADER)
    file = read_variants(tmp_path / "v.vcf")
    assert file.lines == ()
    assert len(file.records.chroms) == 0


def test_quotes_and_columns_of_a_table_stay_and_ours_are_not_put_over_them(genome, tmp_path):
    table = pd.DataFrame({"chrom": "c", "pos": [5, 2], "ref": ["A", "C"], "alt": ["C", "G"]})
    table["note"] = ['5" UTR', "a,b"]
    lines = ["\t".join(map(str, row)) for row in [table.columns, *table.to_numpy()]]
    (tmp_path / "t.tsv").write_text("\n".join(lines))
    file = read_variants(tmp_path / "t.tsv")
    scores = {"llr": np.array([1.5, np.nan])}
    write_variants(file, checked_alleles(file.records, genome), scores, {"llr": ""}, {}, tmp_path / "o.tsv")
    assert (tmp_path / "o.tsv").read_text().splitlines()[1:] == [f"{lines[1]}\tSNV\t1.5", f"{lines[2]}\tSNV\t"]
    table.assign(variant_kind=1).to_parquet(tmp_path / "t.parquet")
    with pytest.raises(InputError, match="has variant_kind already"):
        require_writable_form(read_variants(tmp_path / "t.parquet"), ["llr"], tmp_path / "o.parquet")


def test_an_index_that_pandas_noted_is_a_column(genome, tmp_path):
    table = pd.DataFrame({"chrom": "c", "pos": [5, 2, 1], "ref": ["A", "C", "A"], "alt": ["C", "G", "T"]})
    table[table["pos"] != 2].to_parquet(tmp_path / "t.parquet")
    file = read_variants(tmp_path / "t.parquet")
    scores = {"llr": np.array([1.5, np.nan])}
    write_variants(file, checked_alleles(file.records, genome), scores, {"llr": ""}, {}, tmp_path / "o.parquet")
    assert pq.read_table(tmp_path / "o.parquet")["pos"].to_pylist() == [5, 1]


@pytest.mark.parametrize("name", ["o.vcf", "o.vcf.gz", "o.parquet", "o.tsv"])
def test_only_scores_of_ours_are_ever_replaced(vcf, genome, tmp_path, name):
    output = tmp_path / name
    require_replaceable(output, overwrite=False)
    written(vcf, genome, output)
    with pytest.raises(InputError, match="is there already"):
        require_replaceable(output, overwrite=False)
    require_replaceable(output, overwrite=True)
    others = {
        "o.vcf": vcf.read_bytes(), "o.vcf.gz": gzip.compress(vcf.read_bytes()), "o.tsv": b"chrom\tpos\n",
        "o.parquet": b"PAR1",
    }
    for content in (others[name], b"", b"\x1f\x8b\x08damaged"):
        output.write_bytes(content)
        with pytest.raises(InputError, match="this command did not make it"):
            require_replaceable(output, overwrite=True)
        assert output.read_bytes() == content
