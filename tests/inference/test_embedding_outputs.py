"""Embeddings as h5ad, of bins, loose sequences and single tokens, in shards, in memory."""

import os
import signal
import subprocess
import sys
from dataclasses import replace

import anndata
import h5py
import numpy as np
import polars
import pyarrow.parquet as pq
import pytest

from grover_hf import DnaModel, Interval, TokenizedGenome, embed_regions
from grover_hf._internals.gathering import whole_shards
from grover_hf._internals.shards import Shard, shard_folder
from grover_hf.corpus.bins import genome_bins
from grover_hf.errors import InputError
from grover_hf.inference.embeddings.inputs import EmbeddingPlan
from grover_hf.inference.embeddings.static import static_embeddings
from grover_hf.inference.embeddings.writing import join_shards, write_embeddings
from grover_hf.tokenization.special_tokens import MAX_TOKENS
from tests.tiny_models import random_dna, save, tiny_masked_model

N_REGIONS = 24


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
    """A genome of three contigs, 24 regions of which one is in N, and a model."""
    folder = tmp_path_factory.mktemp("inputs")
    contigs = {
        "c": "N" * 50 + random_dna(3_000), "d": random_dna(800, seed=2) + "NNN" + random_dna(90), "n": "N" * 9,
    }
    (folder / "g.fa").write_text("".join(f">{name}\n{sequence}\n" for name, sequence in contigs.items()))
    rng = np.random.default_rng(0)
    starts, sizes = rng.integers(50, 600, N_REGIONS).tolist(), rng.integers(1, 190, N_REGIONS).tolist()
    places = [(n, start, start + size) for n, (start, size) in enumerate(zip(starts, sizes, strict=True))]
    rows = [f"{'cd'[n % 2]}\t{start}\t{end}\tr{n}\t0\t{'+-'[n % 2]}" for n, start, end in places]
    rows[7] = "c\t3\t40\tinN\t0\t+"
    (folder / "r.bed").write_text("\n".join(rows) + "\n")
    save(folder / "model", tiny_masked_model())
    return folder


@pytest.fixture
def plan(inputs):
    return EmbeddingPlan(
        regions=inputs / "r.bed", genome=inputs / "g.fa", model=str(inputs / "model"), rows_a_part=5,
        allow_empty=True,
    )


@pytest.fixture(scope="module")
def dna(inputs):
    return DnaModel.from_pretrained(inputs / "model", device="cpu")


@pytest.fixture(scope="module")
def corpus(inputs):
    return TokenizedGenome.cached(inputs / "g.fa", inputs / "model")


def tree(path):
    if path.is_file():
        return path.read_bytes()
    return {file.name: file.read_bytes() for file in path.iterdir()}


def test_h5ad_has_the_rows_and_vectors_of_parquet(plan, tmp_path):
    write_embeddings(plan, tmp_path / "out")
    done = write_embeddings(plan, tmp_path / "out.h5ad", file_format="h5ad")
    # The column of vectors, and the files of parts, are those that others read.
    table = polars.read_parquet(tmp_path / "out" / "*.parquet")
    data = anndata.read_h5ad(tmp_path / "out.h5ad")
    assert data.X.dtype == np.float32
    assert data.shape == (N_REGIONS, 32)
    assert data.obs_names.tolist() == [str(number) for number in range(N_REGIONS)]
    for name in ("chrom", "start", "end", "strand", "name", "n_tokens"):
        assert data.obs[name].tolist() == table[name].to_list()
    for row, vector in zip(data.X, table["embedding"].to_list(), strict=True):
        np.testing.assert_array_equal(row, np.array(vector, np.float32))
    assert np.isnan(data.X).any(1).tolist() == [number == 7 for number in range(N_REGIONS)]
    assert data.uns["grover"] == done.facts.provenance
    assert {"model_sha256", "vocabulary_sha256", "genome_sha256", "layer", "pooling", "dtype", "version"} <= set(
        data.uns["grover"]
    )
    assert sorted(os.listdir(tmp_path)) == ["out", "out.h5ad"]


def test_h5ad_is_replaced_when_asked_to_alone_and_files_of_others_never(plan, tmp_path):
    out = tmp_path / "out.h5ad"
    write_embeddings(plan, out, file_format="h5ad")
    before = out.read_bytes()
    with pytest.raises(InputError, match="is there already"):
        write_embeddings(plan, out, file_format="h5ad")
    write_embeddings(replace(plan, layer=0), out, file_format="h5ad", overwrite=True)
    assert out.read_bytes() != before
    for content in (lambda: out.write_text("mine"), lambda: h5py.File(out, "w").close()):
        out.unlink()
        content()
        with pytest.raises(InputError, match="it holds no embeddings of this command"):
            write_embeddings(plan, out, file_format="h5ad", overwrite=True)
    with pytest.raises(InputError, match="with --format h5ad it must end in .h5ad"):
        write_embeddings(plan, tmp_path / "x.h5", file_format="h5ad")


def test_parts_that_a_kill_left_beside_h5ad_go(plan, tmp_path):
    out = tmp_path / "out.h5ad"
    write_embeddings(plan, out, file_format="h5ad")
    write_embeddings(plan, tmp_path / "out.h5ad.parts")
    with pytest.raises(InputError, match="is there already"):
        write_embeddings(plan, out, file_format="h5ad")
    assert os.listdir(tmp_path) == ["out.h5ad"]


@pytest.mark.parametrize("file_format", ["parquet", "h5ad"])
@pytest.mark.parametrize(("count", "pooling"), [(1, "mean"), (3, "token"), (7, "mean")])
def test_joined_shards_are_the_output_of_one_job(plan, tmp_path, file_format, count, pooling):
    plan, suffix = replace(plan, pooling=pooling), {"parquet": "", "h5ad": ".h5ad"}[file_format]
    whole, out = tmp_path / f"whole{suffix}", tmp_path / f"out{suffix}"
    write_embeddings(plan, whole, file_format=file_format)
    for number in range(count):
        write_embeddings(plan, out, file_format=file_format, shard=Shard(number, count))
    shards = whole_shards(shard_folder(out))
    assert shards.n_rows == N_REGIONS
    # Five parts: of seven shards two are empty.
    assert len(shards.paths) == min(count, 5)
    join_shards(shards, out, overwrite=False)
    assert tree(out) == tree(whole)
    with pytest.raises(InputError, match="is there already"):
        join_shards(shards, out, overwrite=False)
    join_shards(shards, out, overwrite=True)


KILLED = """
import sys, time
from pathlib import Path
import pyarrow.parquet as pq
from grover_hf._internals.shards import Shard
from grover_hf.inference.embeddings import parts
from grover_hf.inference.embeddings.inputs import EmbeddingPlan
from grover_hf.inference.embeddings.writing import write_embeddings
folder, out = map(Path, sys.argv[1:])
write_table = pq.write_table
def stuck(table, path):
    write_table(table, path)
    print("written", flush=True)
    if "00003" in str(path):
        time.sleep(60)
pq.write_table = stuck
plan = EmbeddingPlan(regions=folder / "r.bed", genome=folder / "g.fa", model=str(folder / "model"), rows_a_part=5,
                     allow_empty=True)
write_embeddings(plan, out, shard=Shard(1, 2))
"""


@pytest.mark.slow
def test_a_killed_shard_goes_on_from_its_parts_and_the_other_is_left(inputs, plan, tmp_path):
    out = tmp_path / "out"
    write_embeddings(plan, tmp_path / "whole")
    write_embeddings(plan, out, shard=Shard(0, 2))
    words = [sys.executable, "-c", KILLED, inputs, out]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == process.stdout.readline() == "written\n"
        os.kill(process.pid, signal.SIGKILL)
    with pytest.raises(InputError, match="lacks the shards 1/2"):
        whole_shards(shard_folder(out))
    kept = shard_folder(out) / "part-1-of-2.embeddings" / "part-00002.parquet"
    before = kept.stat().st_mtime_ns
    assert write_embeddings(plan, out, shard=Shard(1, 2)).was_whole is False
    assert write_embeddings(plan, out, shard=Shard(0, 2)).was_whole is True
    assert kept.stat().st_mtime_ns == before
    join_shards(whole_shards(shard_folder(out)), out, overwrite=False)
    assert tree(out) == tree(tmp_path / "whole")


def test_shards_of_another_model_genome_or_option_are_refused_by_name(inputs, plan, tmp_path):
    write_embeddings(plan, tmp_path / "out", shard=Shard(0, 2))
    (tmp_path / "g.fa").write_text((inputs / "g.fa").read_text().replace(">n", ">other"))
    other = tiny_masked_model()
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path)
        other.get_input_embeddings().weight.data[0] += 1
        save(tmp_path / "model", other)
    for changes, message in (
        ({"genome": tmp_path / "g.fa"}, "another genome"), ({"model": str(tmp_path / "model")}, "another model"),
        ({"layer": 1}, r"another --layer \(1 here, -1 there\)"), ({"pooling": "cls"}, "another --pooling"),
    ):
        with pytest.raises(InputError, match=message):
            write_embeddings(replace(plan, **changes), tmp_path / "out", shard=Shard(1, 2))


def test_each_token_is_a_row_with_its_own_coordinates(inputs, plan, dna, corpus, tmp_path):
    write_embeddings(replace(plan, pooling="token", layer=1), tmp_path / "out")
    table = pq.read_table(tmp_path / "out").to_pandas()
    lines = [line.split("\t") for line in (inputs / "r.bed").read_text().splitlines()]
    assert sorted(set(table["region"])) == [number for number in range(N_REGIONS) if number != 7]
    for number, rows in table.groupby("region"):
        chrom, start, end, name, _, strand = lines[number]
        tokens = corpus.tokens_in(Interval(chrom, int(start), int(end)))
        assert rows["input_id"].tolist() == tokens.input_ids.tolist()
        assert rows["start"].tolist() == tokens.starts.tolist()
        assert rows["end"].tolist() == tokens.ends.tolist()
        assert set(zip(rows["chrom"], rows["name"], rows["strand"], strict=True)) == {(chrom, name, strand)}
        [expected] = dna.embed_tokens([tokens], layer=1)
        np.testing.assert_allclose(np.stack(rows["embedding"]), expected.vectors, atol=2e-5)


def test_bins_are_all_tokens_of_a_genome_510_at_a_time(inputs, plan, dna, corpus, tmp_path):
    bins = genome_bins(corpus)
    ids = []
    for segment in range(len(corpus.segments)):
        some = corpus.segment_ids(segment)
        ids += [some[first : first + MAX_TOKENS].tolist() for first in range(0, len(some), MAX_TOKENS)]
    found = [corpus.tokens_in(Interval(*row)) for row in bins[["chrom", "start", "end"]].itertuples(index=False)]
    assert [one.input_ids.tolist() for one in found] == ids
    assert not any(one.partial_start or one.partial_end for one in found)
    write_embeddings(replace(plan, regions=None, bins=True), tmp_path / "out")
    table = pq.read_table(tmp_path / "out").to_pandas()
    assert table[["chrom", "start", "end"]].values.tolist() == bins[["chrom", "start", "end"]].values.tolist()
    np.testing.assert_allclose(np.stack(table["embedding"]), dna.embed(found), atol=2e-5)
    chosen = replace(plan, regions=None, bins=True, chromosomes=["d"], genome=corpus.path)
    assert write_embeddings(chosen, tmp_path / "d").facts.n_regions == sum(bins["chrom"] == "d")


def test_records_of_a_fasta_file_are_rows_under_their_names(plan, dna, tmp_path):
    sequences = {"one": random_dna(300, seed=5), "long": random_dna(4_000, seed=6), "in_n": "NNN"}
    (tmp_path / "s.fa").write_text("".join(f">{name} and more\n{text}\n" for name, text in sequences.items()))
    loose = replace(plan, regions=tmp_path / "s.fa", genome=None)
    write_embeddings(loose, tmp_path / "out")
    table = pq.read_table(tmp_path / "out").to_pandas()
    assert table["name"].tolist() == table["chrom"].tolist() == list(sequences)
    assert table["end"].tolist() == [300, 4_000, 3]
    vectors = dna.embed([sequences["one"], sequences["long"]])
    np.testing.assert_allclose(np.stack(table["embedding"][:2]), vectors, atol=2e-5)
    with pytest.raises(InputError, match="allN|in_n:0-3 has no token"):
        write_embeddings(replace(loose, allow_empty=False), tmp_path / "x")
    with pytest.raises(InputError, match="r.bed is not a FASTA file.* Regions need --genome"):
        write_embeddings(replace(plan, genome=None), tmp_path / "x")


def test_regions_that_the_genome_lacks_are_listed_and_shift_no_other(inputs, plan, tmp_path, caplog):
    lines = (inputs / "r.bed").read_text().splitlines()
    with_bad = [lines[0], "x\t1\t2\tno\t0\t+", *lines[1:9], "d\t5\t9999\tpast\t0\t+", *lines[9:]]
    (tmp_path / "r.bed").write_text("\n".join(with_bad) + "\n")
    bad = replace(plan, regions=tmp_path / "r.bed")
    with pytest.raises(InputError, match="x:1-2 is not in .*: there is no x. 2 of 26 regions are not"):
        write_embeddings(bad, tmp_path / "out")
    done = write_embeddings(replace(bad, skip_bad=True), tmp_path / "out")
    assert (done.n_outside, done.n_without) == (2, 1)
    assert "row 1: x:1-2, row 10: d:5-9999" in caplog.text
    write_embeddings(plan, tmp_path / "good")
    table, good = (pq.read_table(tmp_path / name).to_pandas() for name in ("out", "good"))
    assert table["name"].tolist() == [line.split("\t")[3] for line in with_bad]
    # NaN in N is told from NaN outside by the number of tokens.
    assert table["n_tokens"].isna().tolist() == [number in (1, 10) for number in range(26)]
    kept = table.drop([1, 10]).reset_index(drop=True)
    assert kept["n_tokens"].tolist() == good["n_tokens"].tolist()
    for ours, expected in zip(kept["embedding"], good["embedding"], strict=True):
        np.testing.assert_allclose(ours, expected, atol=1e-6)
    write_embeddings(replace(bad, skip_bad=True), tmp_path / "out.h5ad", file_format="h5ad")
    assert np.isnan(anndata.read_h5ad(tmp_path / "out.h5ad").X).any(1).nonzero()[0].tolist() == [1, 8, 10]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"bins": True}, "not both"), ({"regions": None}, "not both"),
        ({"regions": None, "genome": None, "bins": True}, "--bins needs --genome"),
        ({"chromosomes": ["c"]}, "--chromosomes is for --bins"),
    ],
)
def test_what_does_not_go_together_is_refused(plan, tmp_path, changes, message):
    with pytest.raises(InputError, match=message):
        write_embeddings(replace(plan, **changes), tmp_path / "out")


def test_embed_regions_returns_what_the_command_writes(inputs, plan, tmp_path):
    write_embeddings(plan, tmp_path / "out")
    table = pq.read_table(tmp_path / "out").to_pandas()
    found = embed_regions(inputs / "r.bed", inputs / "g.fa", inputs / "model", allow_empty=True)
    assert found.regions["name"].tolist() == table["name"].tolist()
    assert found.regions["n_tokens"].tolist() == table["n_tokens"].tolist()
    assert np.isnan(found.vectors[7]).all()
    kept = [number for number in range(N_REGIONS) if number != 7]
    np.testing.assert_allclose(found.vectors[kept], np.stack(table["embedding"][kept]), atol=1e-6)
    assert repr(found) == "RegionEmbeddings(24 regions, vectors of 32)"
    with pytest.raises(InputError, match="has no pooling 'token'"):
        embed_regions(inputs / "r.bed", inputs / "g.fa", inputs / "model", pooling="token")


@pytest.mark.parametrize("max_batch_tokens", [1, 200, 100_000])
def test_neither_the_batch_nor_the_order_moves_a_vector_by_1e_6(inputs, corpus, max_batch_tokens):
    model = tiny_masked_model()
    for parameter in model.parameters():
        # As large as BERT's: the tiny model's are 25 times that, and amplify the last bits.
        parameter.data /= 25 if parameter.ndim > 1 else 1
    tokenizer = DnaModel.from_pretrained(inputs / "model", device="cpu").tokenizer
    rng = np.random.default_rng(3)
    places = [(int(start), int(start) + int(size)) for start, size in
              zip(rng.integers(50, 600, 60), rng.integers(5, 2_400, 60), strict=True)]
    tokens = [corpus.tokens_in(Interval("c", start, end)) for start, end in places]
    alone = np.concatenate([DnaModel(model, tokenizer).embed([one]) for one in tokens])
    order = rng.permutation(len(tokens))
    mixed = DnaModel(model, tokenizer, max_batch_tokens=max_batch_tokens).embed([tokens[i] for i in order])
    np.testing.assert_allclose(mixed, alone[order], rtol=0, atol=1e-6)
    assert np.abs(alone).max() > 0.1


def test_static_embeddings_are_the_models_first_table(dna):
    static = static_embeddings(dna)
    token = static.tokens.index("A")
    assert token == dna.tokenizer.convert_tokens_to_ids("A")
    np.testing.assert_array_equal(static.vectors, dna.model.get_input_embeddings().weight.detach().numpy())
