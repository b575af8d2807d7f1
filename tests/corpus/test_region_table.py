"""Tokens of many regions in a file are those of the tokenized genome, in the order of the regions."""

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from grover_hf._internals.gathering import whole_shards
from grover_hf._internals.shards import Shard, shard_folder
from grover_hf.corpus import region_table
from grover_hf.corpus.region import tokenize_region
from grover_hf.corpus.region_table import join_shards, tokenize_regions
from grover_hf.corpus.tokenized_genome import TokenizedGenome
from grover_hf.errors import InputError
from grover_hf.genome import Interval, ReferenceGenome
from grover_hf.tokenization.bpe_encoding import GenomeEncoder
from grover_hf.tokenization.export import save_tokenizer

SUFFIXES = (".parquet", ".tsv", ".bed")


@pytest.fixture(scope="module")
def inputs(simulated_fasta, simulated_merges, tmp_path_factory):
    """A genome that begins with N, a tokenizer, a corpus and 60 regions."""
    folder = tmp_path_factory.mktemp("regions")
    header, *lines = simulated_fasta.read_text().split("\n")
    (folder / "g.fa").write_text("\n".join([header, "N" * len(lines[0]), *lines]))
    encoder = GenomeEncoder(simulated_merges)
    save_tokenizer(encoder, folder / "tokenizer")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GROVER_CACHE", str(folder / "cache"))
        genome = ReferenceGenome(folder / "g.fa")
        corpus = TokenizedGenome.build(genome, encoder, folder / "corpus")
    rng = np.random.default_rng(0)
    [chrom, *_] = genome.sizes
    places = [*rng.integers(0, genome.sizes[chrom] - 500, 59).tolist(), 3]
    rows = [(chrom, at, at + int(rng.integers(1, 400)) if at > 3 else 9, f"r{at}", "+-"[at % 2]) for at in places]
    (folder / "r.bed").write_text("".join(f"{c}\t{s}\t{e}\t{n}\t0\t{d}\n" for c, s, e, n, d in rows))
    return folder, corpus, rows


@pytest.fixture
def write(inputs, tmp_path):
    folder = inputs[0]

    def run(suffix, regions=folder / "r.bed", **options):
        output = tmp_path / f"out{suffix}"
        return output, tokenize_regions(regions, folder / "g.fa", folder / "tokenizer", output, **options)

    return run


@pytest.mark.parametrize("inside", [False, True])
def test_every_format_has_the_genomes_own_tokens_in_the_order_of_the_file(inputs, write, inside):
    _, corpus, rows = inputs
    expected = [corpus.tokens_in(Interval(c, s, e), inside=inside) for c, s, e, _, _ in rows]
    for suffix in SUFFIXES:
        path, written = write(suffix, inside=inside)
        assert written.n_regions == len(rows)
        assert written.n_tokens == sum(len(tokens.input_ids) for tokens in expected)
        assert written.n_without == sum(not len(tokens.input_ids) for tokens in expected) > 0
        if suffix == ".parquet":
            table = pq.read_table(path)
            found = table.to_pylist()
            assert table.schema.metadata[b"grover.vocabulary_sha256"].decode() == corpus.vocabulary_sha256
            names = ("chrom", "start", "end", "name", "strand")
            assert [tuple(row[name] for name in names) for row in found] == rows
            for row, tokens in zip(found, expected, strict=True):
                for name in ("input_ids", "starts", "ends"):
                    assert row[name] == getattr(tokens, name).tolist()
                assert (row["partial_start"], row["partial_end"]) == (tokens.partial_start, tokens.partial_end)
        elif suffix == ".tsv":
            _, *lines = path.read_text().splitlines()
            for line, tokens in zip(lines, expected, strict=True):
                *_, starts, _, spelled = line.split("\t")
                assert line.split("\t")[5] == "+"
                assert starts == ",".join(map(str, tokens.starts.tolist()))
                assert spelled == " ".join(corpus.encoder.tokens[i] for i in tokens.input_ids)
        else:
            _, *lines = path.read_text().splitlines()
            some = [(row, tokens) for row, tokens in zip(rows, expected, strict=True) if len(tokens.input_ids)]
            for line, (row, tokens) in zip(lines, some, strict=True):
                fields = line.split("\t")
                assert len(fields) == 12
                sizes, starts = ([int(x) for x in fields[i].split(",")] for i in (10, 11))
                # The rules of BED12: the first block begins with the line, the last one ends with it.
                assert int(fields[9]) == len(sizes) == len(starts)
                assert starts[0] == 0
                assert starts[-1] + sizes[-1] == int(fields[2]) - int(fields[1])
                assert [int(fields[1]) + start for start in starts] == tokens.starts.tolist()
                assert fields[3] == row[3]


@pytest.mark.parametrize("inside", [False, True])
def test_tokens_of_the_strands_that_are_asked_for(inputs, write, inside):
    folder, corpus, rows = inputs
    genome = ReferenceGenome(folder / "g.fa")

    def expected(row, strand):
        interval = Interval(*row[:3])
        if strand == "+":
            return "+", corpus.tokens_in(interval, inside=inside)
        tokens = tokenize_region(genome, interval, corpus.encoder, strand="-")
        kept = (tokens.starts >= interval.start) & (tokens.ends <= interval.end) | (not inside)
        return "-", tokens._replace(input_ids=tokens.input_ids[kept], starts=tokens.starts[kept])

    asked = {"reverse": lambda own: "-", "both": lambda own: "+-", "own": lambda own: own}
    for strand, strands in asked.items():
        wanted = [expected(row, one) for row in rows for one in strands(row[4])]
        path, written = write(".parquet", inside=inside, strand=strand, overwrite=True)
        assert written.n_regions == len(rows)
        assert written.n_tokens == sum(len(tokens.input_ids) for _, tokens in wanted)
        # The one in N, and one of 1 bp that is dropped where tokens reach out of it.
        assert 1 <= written.n_without <= 3
        for row, (one, tokens) in zip(pq.read_table(path).to_pylist(), wanted, strict=True):
            assert row["token_strand"] == one
            assert row["input_ids"] == tokens.input_ids.tolist()
            assert row["starts"] == tokens.starts.tolist()


def test_blocks_of_the_reverse_strand_ascend_as_bed_wants_them(inputs, write):
    path, _ = write(".bed", strand="reverse")
    for line in path.read_text().splitlines()[1:]:
        fields = line.split("\t")
        sizes, starts = ([int(x) for x in fields[i].split(",")] for i in (10, 11))
        assert fields[5] == "-"
        assert starts[0] == 0
        assert all(start + size == after for start, size, after in zip(starts, sizes, starts[1:], strict=False))
        assert starts[-1] + sizes[-1] == int(fields[2]) - int(fields[1])


def test_parts_of_few_bases_give_the_same_file(write, monkeypatch):
    path, _ = write(".tsv")
    whole = path.read_bytes()
    monkeypatch.setattr(region_table, "_BASES_AT_ONCE", 500)
    assert write(".tsv", overwrite=True)[0].read_bytes() == whole


def test_a_table_with_a_header_is_read_as_well(inputs, write, tmp_path):
    rows = inputs[2]
    lines = ["chrom\tstart\tend", *(f"{c}\t{s}\t{e}" for c, s, e, _, _ in rows)]
    (tmp_path / "r.tsv").write_text("\n".join(lines) + "\n")
    assert write(".parquet", tmp_path / "r.tsv")[1].n_regions == len(rows)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("chr9\t1\t5", "names chr9; .* has sim1.*: none in common"),
        ("sim1\t1\t5\nchr9\t1\t5", "chr9:1-5 is not in .*: there is no chr9. 1 of 2 regions are not"),
        ("sim1\t1\t99999999", "sim1:1-99999999 is not in .*: sim1 has"),
        ("sim1\t5\t5", "an interval of no base"),
    ],
)
def test_regions_that_the_genome_does_not_have_are_named(write, tmp_path, line, message):
    (tmp_path / "odd.bed").write_text(line + "\n")
    with pytest.raises(InputError, match=message):
        write(".tsv", tmp_path / "odd.bed")
    assert not (tmp_path / "out.tsv").exists()


def test_other_files_are_not_replaced_and_other_endings_refused(write, tmp_path):
    for suffix in SUFFIXES:
        (tmp_path / f"out{suffix}").write_text("mine\n")
        with pytest.raises(InputError, match="is there already"):
            write(suffix)
        with pytest.raises(InputError, match="is not replaced: it does not begin with"):
            write(suffix, overwrite=True)
        (tmp_path / f"out{suffix}").unlink()
        write(suffix)
        write(suffix, overwrite=True)
    pd.DataFrame({"mine": [1, 2]}).to_parquet(tmp_path / "out.parquet")
    with pytest.raises(InputError, match="it holds no tokens of regions"):
        write(".parquet", overwrite=True)
    with pytest.raises(InputError, match="ends in '.csv'; it must end in .parquet, .tsv, .bed"):
        write(".csv")


@pytest.mark.parametrize("count", [1, 7, 100])
@pytest.mark.parametrize("suffix", SUFFIXES)
def test_joined_shards_are_the_file_of_one_job(inputs, write, tmp_path, monkeypatch, suffix, count):
    monkeypatch.setattr(region_table, "_AT_ONCE", 9)
    path, _ = write(suffix, inside=True)
    whole = path.read_bytes()
    path.unlink()
    for number in range(count):
        write(suffix, inside=True, shard=Shard(number, count))
    shards = whole_shards(shard_folder(path))
    assert shards.n_rows == len(inputs[2])
    join_shards(shards, path, overwrite=False)
    assert path.read_bytes() == whole
    with pytest.raises(InputError, match="is there already"):
        join_shards(shards, path, overwrite=False)


def test_shards_of_other_regions_or_options_are_refused_by_name(inputs, write, tmp_path):
    write(".tsv", shard=Shard(0, 2))
    with pytest.raises(InputError, match=r"another --inside \(True here, False there\)"):
        write(".tsv", shard=Shard(1, 2), inside=True)
    (tmp_path / "other.bed").write_text("sim1\t7000\t7100\n")
    with pytest.raises(InputError, match="another regions"):
        write(".tsv", tmp_path / "other.bed", shard=Shard(1, 2))
