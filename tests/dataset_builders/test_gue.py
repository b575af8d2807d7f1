import csv
import gzip

import numpy as np
import pytest
from datasets import load_dataset

from dataset_builders.build import prepare
from dataset_builders.gue import builder
from dataset_builders.gue.builder import plan
from grover_hf.corpus.facts import read_facts
from grover_hf.errors import InputError
from grover_hf.tokenization.bpe_encoding import GenomeEncoder
from grover_hf.tokenization.export import save_tokenizer

ROWS = (200, 60, 60)


def build_gue(*inputs_and_folder, overwrite=False, **options):
    *inputs, folder = inputs_and_folder
    return prepare(plan(*inputs, **options), folder, overwrite=overwrite)


@pytest.fixture
def source(tmp_path, monkeypatch):
    """Made-up CSV files in the layout of GUE; class 1 is richer in GC; a test row is in train too."""
    monkeypatch.setitem(builder.N_ROWS, "tf/0", ROWS)
    rng = np.random.default_rng(0)
    folder = tmp_path / "GUE" / "tf" / "0"
    folder.mkdir(parents=True)
    first = None
    for split, n in zip(("train", "dev", "test"), ROWS, strict=True):
        lines = ["sequence,label"]
        for i in range(n):
            p = [0.32, 0.18, 0.18, 0.32] if i % 2 else [0.2, 0.3, 0.3, 0.2]
            sequence = "".join(rng.choice(list("ACGT"), 101, p=p))
            first = first or sequence
            lines.append(f"{first if (split, i) == ('test', 0) else sequence},{int(not i % 2)}")
        text = "\n".join(lines) + "\n"
        if split == "dev":
            (folder / "dev.csv.gz").write_bytes(gzip.compress(text.encode()))
        else:
            (folder / f"{split}.csv").write_text(text)
    return tmp_path / "GUE"


def test_rows_splits_and_class_names_are_kept(source, tmp_path):
    splits = load_dataset(str(build_gue(source, "tf/0", tmp_path / "out")))
    assert {name: len(split) for name, split in splits.items()} == {"train": 200, "validation": 60, "test": 60}
    assert splits["train"].features["label"].names == ["unbound", "bound"]
    with open(source / "tf" / "0" / "test.csv") as file:
        expected = [(row["sequence"], int(row["label"])) for row in csv.DictReader(file)]
    assert list(zip(splits["test"]["sequence"], splits["test"]["label"], strict=True)) == expected


def test_a_tokenizer_adds_the_ids_of_the_sequence_alone(source, tmp_path, simulated_merges):
    encoder = GenomeEncoder(simulated_merges)
    save_tokenizer(encoder, tmp_path / "tokenizer")
    folder = build_gue(source, "tf/0", tmp_path / "out", tokenizer=tmp_path / "tokenizer")
    for row in load_dataset(str(folder), "bpe-600", split="validation"):
        assert row["input_ids"] == encoder.encode(row["sequence"]).tolist()
    assert read_facts(folder, "bpe-600").vocabulary_sha256 == encoder.vocabulary_sha256


def test_two_tasks_never_share_a_folder(source, tmp_path, monkeypatch):
    monkeypatch.setitem(builder.N_ROWS, "tf/1", ROWS)
    (source / "tf" / "0").rename(source / "tf" / "1")
    folder = build_gue(source, "tf/1", tmp_path / "out")
    (source / "tf" / "1").rename(source / "tf" / "0")
    with pytest.raises(InputError, match="holds gue_tf_1, not gue_tf_0"):
        build_gue(source, "tf/0", folder, overwrite=True)


def test_sequences_that_are_in_train_too_are_counted(source, tmp_path, golden_card):
    folder = build_gue(source, "tf/0", tmp_path / "out")
    assert read_facts(folder, "sequences").details["in_train"] == {"dev": 0, "test": 1}
    assert "| test rows whose sequence is in train too | 1 |" in (folder / "README.md").read_text()
    golden_card(folder, "gue")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda text: text.rsplit("\n", 2)[0] + "\n", r"\(200, 60, 59\) rows .* has \(200, 60, 60\)"),
        (lambda text: text.replace(",1\n", ",7\n", 1), "labels 0 to 7; 0 to 1 are known"),
        (lambda text: text.replace("A", "U", 1), "test.csv, row 2 has 'U' at position"),
        (lambda text: text.replace("sequence,label", "seq,label"), "is not a CSV with the columns"),
        (lambda text: text.replace(",1\n", ",\n", 1), r"test.csv, row \d+: it has no label"),
        (lambda text: text.replace(",1\n", ",yes\n", 1), "is not a CSV with the columns"),
    ],
)
def test_files_that_are_not_those_of_the_benchmark_are_refused(source, tmp_path, change, message):
    path = source / "tf" / "0" / "test.csv"
    path.write_text(change(path.read_text()))
    with pytest.raises(InputError, match=message):
        build_gue(source, "tf/0", tmp_path / "out")
    assert not (tmp_path / "out" / "sequences").exists()


def test_missing_files_and_unknown_subsets_are_named(source, tmp_path):
    with pytest.raises(InputError, match="There is no .*tf/1/train.csv"):
        build_gue(source, "tf/1", tmp_path / "out")
    with pytest.raises(InputError, match="GUE has no human task 'virus'"):
        build_gue(source, "virus", tmp_path / "out")
