"""Embeddings of regions are those of the genome's own tokens, row by row, whatever stopped on the way."""

import json
import os
import shutil
from dataclasses import replace

import numpy as np
import pyarrow.parquet as pq
import pytest
from transformers import BertForMaskedLM

from grover_hf import DnaModel, Interval, TokenizedGenome
from grover_hf.errors import InputError
from grover_hf.inference.embeddings import parts
from grover_hf.inference.embeddings.folder import FACTS
from grover_hf.inference.embeddings.inputs import EmbeddingPlan
from grover_hf.inference.embeddings.writing import write_embeddings
from grover_hf.tokenization.export import save_tokenizer
from grover_hf.tokenization.kmer import KmerEncoder
from tests.tiny_models import random_dna, save, tiny_config, tiny_masked_model

N_REGIONS = 23


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("inputs")
    (folder / "g.fa").write_text(f">c\n{'N' * 50}{random_dna(3_000)}\n>d\n{random_dna(800, seed=2)}\n")
    rng = np.random.default_rng(0)
    rows = []
    for number in range(N_REGIONS):
        chrom = "cd"[number % 2]
        start = int(rng.integers(50, 600))
        rows.append((chrom, start, start + int(rng.integers(1, 190)), f"r{number}", "+-"[number % 2]))
    (folder / "r.bed").write_text("".join(f"{c}\t{s}\t{e}\t{n}\t0\t{d}\n" for c, s, e, n, d in rows))
    save(folder / "model", tiny_masked_model())
    return folder, rows


@pytest.fixture
def plan(inputs):
    folder, _ = inputs
    return EmbeddingPlan(
        regions=folder / "r.bed", genome=folder / "g.fa", model=str(folder / "model"), rows_a_part=5
    )


def vectors_of(output):
    # The folder as it is, which has the facts in it.
    table = pq.read_table(output)
    return table, np.array([row if row is not None else [np.nan] * 32 for row in table["embedding"].to_pylist()])


@pytest.mark.parametrize("options", [{}, {"pooling": "cls"}, {"layer": 1}])
def test_each_row_is_what_the_model_says_of_the_genomes_own_tokens(inputs, plan, tmp_path, options):
    folder, rows = inputs
    done = write_embeddings(replace(plan, **options), tmp_path / "out")
    assert (done.facts.finished, done.n_without, done.n_before) == (False, 0, 0)
    assert json.loads((tmp_path / "out" / FACTS).read_text())["finished"] is True
    table, vectors = vectors_of(tmp_path / "out")
    names = ("chrom", "start", "end", "name", "strand")
    assert [tuple(row[name] for name in names) for row in table.select(names).to_pylist()] == rows
    corpus = TokenizedGenome.cached(folder / "g.fa", folder / "model")
    dna = DnaModel.from_pretrained(folder / "model", device="cpu")
    lengths = table["n_tokens"].to_pylist()
    for vector, n_tokens, (chrom, start, end, *_) in zip(vectors, lengths, rows, strict=True):
        tokens = corpus.tokens_in(Interval(chrom, start, end))
        assert n_tokens == len(tokens.input_ids)
        # Alone, not in a batch. The tiny model's weights are 25 times BERT's, and amplify the last bits.
        np.testing.assert_allclose(vector, dna.embed([tokens], **options)[0], atol=2e-5)
    metadata = {key.decode(): value.decode() for key, value in table.schema.metadata.items()}
    assert metadata["grover.vocabulary_sha256"] == corpus.vocabulary_sha256
    assert metadata["grover.model_sha256"] == done.facts.model_sha256


def test_the_size_of_a_part_changes_no_vector(plan, tmp_path):
    write_embeddings(plan, tmp_path / "a")
    write_embeddings(replace(plan, rows_a_part=N_REGIONS), tmp_path / "b")
    np.testing.assert_allclose(vectors_of(tmp_path / "a")[1], vectors_of(tmp_path / "b")[1], atol=1e-6)
    assert len(list((tmp_path / "a").glob("part-*"))) == 5
    assert len(list((tmp_path / "b").glob("part-*"))) == 1


def test_a_run_killed_between_parts_goes_on_to_the_same_bytes(plan, tmp_path, monkeypatch):
    write_embeddings(plan, tmp_path / "straight")
    written = []

    def killed(*arguments, **options):
        written.append(1)
        if len(written) > 2:
            raise KeyboardInterrupt
        return write(*arguments, **options)

    write = pq.write_table
    monkeypatch.setattr(parts.pq, "write_table", killed)
    with pytest.raises(KeyboardInterrupt):
        write_embeddings(plan, tmp_path / "out")
    monkeypatch.undo()
    assert sorted(os.listdir(tmp_path / "out")) == [FACTS, "part-00000.parquet", "part-00001.parquet"]
    assert write_embeddings(plan, tmp_path / "out").n_before == 10
    for path in sorted((tmp_path / "straight").iterdir()):
        assert (tmp_path / "out" / path.name).read_bytes() == path.read_bytes()


def test_other_embeddings_and_finished_ones_are_replaced_when_asked_to_alone(plan, tmp_path):
    write_embeddings(plan, tmp_path / "out")
    with pytest.raises(InputError, match="is there already, finished"):
        write_embeddings(plan, tmp_path / "out")
    other = replace(plan, layer=0)
    with pytest.raises(InputError, match="other options; name another --output, or say --overwrite"):
        write_embeddings(other, tmp_path / "out")
    before = vectors_of(tmp_path / "out")[1]
    write_embeddings(replace(other, rows_a_part=10), tmp_path / "out", overwrite=True)
    assert len(list((tmp_path / "out").glob("part-*"))) == 3
    assert not np.allclose(vectors_of(tmp_path / "out")[1], before)
    (tmp_path / "out" / "mine.txt").write_text("mine")
    for folder in (tmp_path / "out", tmp_path):
        with pytest.raises(InputError, match="which this command did not make|this command did not make it"):
            write_embeddings(plan, folder, overwrite=True)
    assert (tmp_path / "out" / "mine.txt").exists()


def test_regions_in_n_are_an_error_or_nan_and_shift_no_other(inputs, plan, tmp_path):
    lines = (inputs[0] / "r.bed").read_text().splitlines()
    (tmp_path / "r.bed").write_text("\n".join([*lines[:7], "c\t3\t40\tinN\t0\t+", *lines[7:]]) + "\n")
    with_n = replace(plan, regions=tmp_path / "r.bed")
    with pytest.raises(InputError, match="c:3-40 has no token: it lies in N, .* as 1 of 24 regions do"):
        write_embeddings(with_n, tmp_path / "out")
    assert not (tmp_path / "out").exists()
    assert write_embeddings(replace(with_n, allow_empty=True), tmp_path / "out").n_without == 1
    write_embeddings(plan, tmp_path / "without")
    table, vectors = vectors_of(tmp_path / "out")
    assert np.isnan(vectors).any(1).nonzero()[0].tolist() == [7]
    assert np.isnan(vectors[7]).all()
    assert table["n_tokens"][7].as_py() == 0
    np.testing.assert_allclose(np.delete(vectors, 7, 0), vectors_of(tmp_path / "without")[1], atol=1e-6)


def test_what_cannot_be_embedded_is_refused(plan, tmp_path):
    (tmp_path / "odd.bed").write_text("c\t60\t90\nx\t1\t2\n")
    for changes, message in (
        ({"regions": tmp_path / "odd.bed"}, "x:1-2 is not in .*: there is no x"),
        ({"model": "nowhere"}, "The model nowhere cannot be opened. There is no such folder"),
        ({"rows_a_part": 0}, "rows_a_part is 0"),
        ({"layer": 7}, "layer is 7; this model has 0 to 2"),
    ):
        with pytest.raises(InputError, match=message):
            write_embeddings(replace(plan, **changes), tmp_path / "out")
        assert not (tmp_path / "out").exists()


def test_a_wrong_option_loses_nothing_that_was_there(plan, tmp_path):
    write_embeddings(plan, tmp_path / "out")
    before = {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()}
    for changes in ({"layer": 9}, {"pooling": "max"}):
        with pytest.raises(InputError):
            write_embeddings(replace(plan, **changes), tmp_path / "out", overwrite=True)
    (tmp_path / "out" / "part-of-my-own.parquet").write_bytes(b"mine")
    with pytest.raises(InputError, match="part-of-my-own.parquet, which this command did not make"):
        write_embeddings(replace(plan, layer=0), tmp_path / "out", overwrite=True)
    (tmp_path / "out" / "part-of-my-own.parquet").unlink()
    assert {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()} == before


def test_a_damaged_model_is_one_line(inputs, plan, tmp_path):
    shutil.copytree(inputs[0] / "model", tmp_path / "model")
    weights = tmp_path / "model" / "model.safetensors"
    for damage in (lambda: weights.write_bytes(weights.read_bytes()[:200]),
                   lambda: (tmp_path / "model" / "tokenizer.json").write_text("{}"),
                   lambda: (tmp_path / "model" / "tokenizer_config.json").unlink()):
        damage()
        with pytest.raises(InputError, match="model cannot be opened"):
            write_embeddings(replace(plan, model=str(tmp_path / "model")), tmp_path / "out")


def test_names_that_are_missing_are_empty(inputs, plan, tmp_path):
    (tmp_path / "named.tsv").write_text("chrom\tstart\tend\tname\nc\t60\t90\ta\nc\t100\t140\t\n")
    write_embeddings(replace(plan, regions=tmp_path / "named.tsv"), tmp_path / "out")
    assert vectors_of(tmp_path / "out")[0]["name"].to_pylist() == ["a", ""]


def test_a_model_of_kmers_is_embedded_too(inputs, plan, tmp_path):
    encoder = KmerEncoder(3)
    BertForMaskedLM(tiny_config(vocab_size=len(encoder.tokens))).save_pretrained(tmp_path / "model")
    save_tokenizer(encoder, tmp_path / "tokenizer")
    for path in (tmp_path / "tokenizer").iterdir():
        path.rename(tmp_path / "model" / path.name)
    done = write_embeddings(replace(plan, model=str(tmp_path / "model"), allow_empty=True), tmp_path / "out")
    assert done.facts.vocabulary_sha256 == encoder.vocabulary_sha256
