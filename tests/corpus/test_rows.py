import shutil
from pathlib import Path

import pytest
from datasets import Dataset

from dataset_builders.build import prepare
from dataset_builders.classification.builder import plan
from grover_hf.baselines.report import BaselinePlan, score_baseline
from grover_hf.corpus.facts import choose_config, read_all_facts
from grover_hf.corpus.rows import load_rows, require_plain_name
from grover_hf.errors import InputError
from tests.tiny_models import random_dna
from training.data.tasks import open_task


def build(folder, n_rows):
    """A dataset of sequences, whose labels go by turns."""
    table = folder.parent / f"{n_rows}.tsv"
    lines = [f"{random_dna(40, i)}\t{'ab'[i % 2]}" for i in range(n_rows)]
    table.write_text("\n".join(["sequence\tlabel", *lines]) + "\n")
    return prepare(plan(table, tokenizer="kmer-3"), folder)


@pytest.fixture
def two(tmp_path):
    """Two datasets, one of which is in a folder whose name is a pattern for the other's."""
    many = build(tmp_path / "many", 190)
    (tmp_path / "sub").mkdir()
    shutil.move(many, tmp_path / "sub" / "ds[1]")
    return tmp_path / "sub" / "ds[1]", build(tmp_path / "sub" / "ds1", 150)


def test_a_folder_whose_name_is_a_pattern_is_read_itself(two, tmp_path):
    for folder, n_rows in zip(two, (190, 150), strict=True):
        _, facts = choose_config(folder, None)
        assert sum(facts.splits.values()) == n_rows
        assert load_rows(folder, facts).num_rows == facts.splits
        assert {name: rows.num_rows for name, rows in open_task(str(folder), None).splits.items()} == facts.splits
        report = score_baseline(BaselinePlan(dataset=folder, method="gc"), tmp_path / f"score{n_rows}")
        assert (report.n_rows, report.dataset.sha256) == (facts.splits["test"], facts.sha256)


@pytest.mark.parametrize("name", ["a[1]", "a*", "a?"])
def test_nothing_is_built_into_a_folder_whose_name_is_a_pattern(tmp_path, name):
    with pytest.raises(InputError, match="load_dataset takes that for a pattern"):
        build(tmp_path / name, 20)
    assert not (tmp_path / name).exists()


def test_another_number_of_rows_than_the_facts_say_is_an_error(tmp_path):
    folder = build(tmp_path / "ds", 60)
    _, facts = choose_config(folder, None)
    path = next((folder / facts.config).glob("*train*.parquet"))
    Dataset.from_parquet(str(path)).select(range(3)).to_parquet(path)
    with pytest.raises(InputError, match="has .*'train': 3.* rows, and its facts say"):
        load_rows(folder, facts)


def test_a_file_that_is_no_parquet_is_named(tmp_path):
    folder = build(tmp_path / "ds", 60)
    _, facts = choose_config(folder, None)
    path = next((folder / facts.config).glob("*train*.parquet"))
    path.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 3\n")
    with pytest.raises(InputError, match=f"{folder}.* cannot be read"):
        load_rows(folder, facts)


def test_what_a_killed_build_left_is_no_configuration(tmp_path):
    folder = build(tmp_path / "ds", 60)
    known = read_all_facts(folder)
    shutil.copytree(folder / next(iter(known)), folder / ".bpe-600.1234.part")
    assert read_all_facts(folder) == known


def test_nothing_is_built_into_a_folder_that_load_dataset_takes_for_an_address(tmp_path):
    with pytest.raises(InputError, match="takes a name with :: for an address"):
        require_plain_name(tmp_path / "a::b")


def test_a_dataset_not_made_here_in_a_folder_that_is_a_pattern_is_refused(tmp_path):
    folder = tmp_path / "x[1]"
    folder.mkdir()
    Dataset.from_dict({"sequence": ["ACGT"] * 4, "label": [0, 1] * 2}).to_parquet(folder / "train.parquet")
    with pytest.raises(InputError, match="load_dataset takes that for a pattern"):
        open_task(str(folder), None)


@pytest.mark.parametrize("split", ["validation", "test"])
def test_a_split_of_one_class_is_found_before_training(tmp_path, split):
    folder = Path(tmp_path / "rows")
    folder.mkdir()
    for name in ("train", "validation", "test"):
        labels = [1, 1] if name == split else [0, 1]
        Dataset.from_dict({"sequence": ["ACGT", "GGCC"], "label": labels}).to_parquet(folder / f"{name}.parquet")
    with pytest.raises(InputError, match=f"{split}: all rows have one class"):
        open_task(str(folder), None)
