import logging

import numpy as np
import pandas as pd
import pytest
from datasets import load_dataset

from dataset_builders.build import prepare
from dataset_builders.nucleotide_transformer import builder
from dataset_builders.nucleotide_transformer.builder import plan
from grover_hf.corpus.facts import read_facts
from grover_hf.errors import InputError
from grover_hf.tokenization.kmer import KmerEncoder


def records(n, seed, n_classes=2):
    rng = np.random.default_rng(seed)
    return [(f"r{i}", "".join(rng.choice(list("ACGT"), 60)), i % n_classes) for i in range(n)]


def write_fasta(folder, split, rows):
    folder.mkdir(parents=True, exist_ok=True)
    text = "".join(f">{name}|{label}\n{s[:40]}\n{s[40:]}\n" for name, s, label in rows)
    (folder / f"{split}.fna").write_text(text)


@pytest.fixture
def source(tmp_path, monkeypatch):
    train = records(400, 0)
    train[7] = ("again", train[3][1], train[3][2])
    test = records(40, 1)
    for i in range(15):
        test[20 + i] = ("leak", train[20 + i][1], train[20 + i][2])
    write_fasta(tmp_path / "source" / "enhancers", "train", train)
    write_fasta(tmp_path / "source" / "enhancers", "test", test)
    monkeypatch.setitem(builder.N_ROWS, "enhancers", (400, 40))
    return tmp_path / "source"


def test_rows_are_those_of_the_files_with_a_twentieth_of_train_for_validation(source, tmp_path):
    folder = prepare(plan(source, "enhancers", tokenizer="kmer-4"), tmp_path / "out")
    splits = load_dataset(str(folder))
    assert {name: len(split) for name, split in splits.items()}["test"] == 40
    assert len(splits["train"]) + len(splits["validation"]) == 400
    assert 5 <= len(splits["validation"]) <= 40
    row = splits["test"][3]
    assert (row["name"], row["sequence"], row["label"]) == ("r3|1", records(40, 1)[3][1], 1)
    assert row["input_ids"] == KmerEncoder(4).encode(row["sequence"]).tolist()
    assert splits["train"].features["label"].names == ["no enhancer", "enhancer"]
    facts = read_facts(folder, "kmer-4")
    assert facts.details["as_published"]
    in_train = set(splits["train"]["sequence"])
    assert facts.details["test_rows_in_train"] == sum(s in in_train for s in splits["test"]["sequence"]) > 10
    # A sequence that occurs twice is on one side.
    both = set(splits["train"]["sequence"]) & set(splits["validation"]["sequence"])
    assert not both


def test_parquet_with_all_tasks_gives_the_same_rows(source, tmp_path):
    fasta = load_dataset(str(prepare(plan(source, "enhancers"), tmp_path / "fasta")))
    folder = tmp_path / "parquet" / "enhancers"
    folder.mkdir(parents=True)
    for split in ("train", "test"):
        text = (source / "enhancers" / f"{split}.fna").read_text().split(">")[1:]
        rows = [(r.split("\n")[0], "".join(r.split("\n")[1:])) for r in text]
        frame = pd.DataFrame(rows, columns=["name", "sequence"])
        frame["label"] = frame["name"].str[-1].astype(int)
        frame["task"] = "enhancers"
        other = frame.head(5).assign(task="H3")
        pd.concat([other, frame]).to_parquet(folder / f"{split}.parquet")
    parquet = load_dataset(str(prepare(plan(tmp_path / "parquet", "enhancers"), tmp_path / "out")))
    assert all(list(parquet[name]) == list(fasta[name]) for name in fasta)


def test_other_numbers_of_rows_than_published_are_said(source, tmp_path, caplog, golden_card):
    write_fasta(source / "enhancers", "test", records(30, 1))
    with caplog.at_level(logging.WARNING):
        folder = prepare(plan(source, "enhancers"), tmp_path / "out")
    assert "has 400 rows in train and 30 in test" in caplog.text
    assert "| as many as in the release that the paper used | no |" in (folder / "README.md").read_text()
    golden_card(folder, "nucleotide_transformer")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (">x\nACGT\n", "does not end in .LABEL"), (">x|5\nACGT\n", r"labels \[5\]; 0 to 1 are known"),
        (">x|0\nACZT\n", "test.fna, row 1 has 'Z' at position 2"), ("ACGT\n", "is not a FASTA file"),
    ],
)
def test_damaged_files_are_refused(source, tmp_path, text, message):
    (source / "enhancers" / "test.fna").write_text(text)
    with pytest.raises(InputError, match=message):
        prepare(plan(source, "enhancers"), tmp_path / "out")


@pytest.mark.parametrize("content", [b"", b"version https://git-lfs.github.com/spec/v1\noid sha256:ab\nsize 9\n"])
def test_parquet_that_is_none_is_refused(source, tmp_path, content):
    (source / "enhancers" / "test.fna").unlink()
    (source / "enhancers" / "test.parquet").write_bytes(content)
    with pytest.raises(InputError, match="test.parquet is not a Parquet file"):
        prepare(plan(source, "enhancers"), tmp_path / "out")


def test_parquet_whose_pages_are_damaged_is_named(source, tmp_path):
    path = source / "enhancers" / "test.parquet"
    (source / "enhancers" / "test.fna").unlink()
    rows = pd.DataFrame(records(40, 1), columns=["name", "sequence", "label"])
    rows.to_parquet(path, compression="zstd")
    data = bytearray(path.read_bytes())
    data[200:600] = bytes(400)
    path.write_bytes(data)
    with pytest.raises(InputError, match="test.parquet is not a Parquet file"):
        prepare(plan(source, "enhancers"), tmp_path / "out")


def test_parquet_with_labels_that_are_no_integers_and_fasta_that_is_no_text_are_refused(source, tmp_path):
    (source / "enhancers" / "test.fna").write_bytes(b">x\xe9|0\nACGT\n")
    with pytest.raises(InputError, match="test.fna cannot be read as text"):
        prepare(plan(source, "enhancers"), tmp_path / "out")
    (source / "enhancers" / "test.fna").unlink()
    rows = pd.DataFrame({"name": [1], "sequence": ["ACGT"], "label": [[0]], "task": ["enhancers"]})
    rows.to_parquet(source / "enhancers" / "test.parquet")
    with pytest.raises(InputError, match="labels are integers"):
        prepare(plan(source, "enhancers"), tmp_path / "out")


def test_unknown_tasks_and_missing_files_are_named(source):
    with pytest.raises(InputError, match="no human task 'H3'; it has promoter_all"):
        plan(source, "H3")
    with pytest.raises(InputError, match="nor a file that ends in .fasta, .fa, .parquet"):
        plan(source, "promoter_all")
