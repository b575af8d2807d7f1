import numpy as np
import pandas as pd
import pytest
from datasets import load_dataset

from dataset_builders.build import prepare
from dataset_builders.traitgym import builder
from dataset_builders.traitgym.builder import CONTROLS_EACH, plan
from grover_hf.corpus.facts import read_facts
from grover_hf.errors import InputError
from grover_hf.variants.scoring import ScorePlan, score_variants
from tests.tiny_models import save, tiny_masked_model

N_CAUSAL = 4


def made_up(sequence):
    """Return variants at every 40th base of a sequence, in the layout of the benchmark."""
    positions = np.arange(N_CAUSAL * (1 + CONTROLS_EACH)) * 40 + 41
    refs = [sequence[at - 1] for at in positions]
    return pd.DataFrame({
        "chrom": "1", "pos": positions, "ref": refs, "alt": ["ACGT"[("ACGT".index(ref) + 1) % 4] for ref in refs],
        "label": positions // 40 % (1 + CONTROLS_EACH) == 0, "match_group": [f"m{at // 400}" for at in positions],
        "consequence": "PLS", "tss_dist": 5,
    })


@pytest.fixture
def source(tmp_path, monkeypatch):
    monkeypatch.setitem(builder.N_CAUSAL, "mendelian_traits", N_CAUSAL)
    sequence = "".join(np.random.default_rng(0).choice(list("ACGT"), 2_000))
    (tmp_path / "genome.fa").write_text(f">chr1\n{sequence}\n")
    folder = tmp_path / "TraitGym" / "mendelian_traits_matched_9"
    folder.mkdir(parents=True)
    made_up(sequence).to_parquet(folder / "test.parquet", index=False)
    return tmp_path / "TraitGym"


def change(source, **columns):
    path = source / "mendelian_traits_matched_9" / "test.parquet"
    pd.read_parquet(path).assign(**columns).to_parquet(path, index=False)


def test_coordinates_labels_and_order_are_those_of_the_file_and_all_rows_are_for_the_test(
    source, tmp_path, golden_card
):
    folder = prepare(plan(source, "mendelian_traits"), tmp_path / "out")
    splits = load_dataset(str(folder))
    assert set(splits) == {"test"}
    rows = splits["test"]
    assert rows.features["label"].names == ["control", "putative causal"]
    given = pd.read_parquet(source / "mendelian_traits_matched_9" / "test.parquet")
    for name in ("chrom", "pos", "ref", "alt", "match_group", "consequence"):
        assert rows[name] == given[name].tolist()
    assert rows["label"] == given["label"].astype(int).tolist()
    details = read_facts(folder, "variants").details
    assert details["as_published"]
    assert details["classes"] == {"control": N_CAUSAL * CONTROLS_EACH, "putative causal": N_CAUSAL}
    golden_card(folder, "traitgym")


def test_its_parquet_file_is_scored_as_it_is_and_keeps_the_labels(source, tmp_path):
    folder = prepare(plan(source, "mendelian_traits"), tmp_path / "out")
    model = save(tmp_path / "model", tiny_masked_model())
    [variants] = (folder / "variants").glob("*.parquet")
    score_variants(
        ScorePlan(variants=variants, genome=tmp_path / "genome.fa", model=str(model), rename=True),
        tmp_path / "scored.parquet",
    )
    scored = pd.read_parquet(tmp_path / "scored.parquet")
    assert scored["label"].tolist() == load_dataset(str(folder), split="test")["label"]
    assert scored["llr"].notna().any()


def test_a_file_with_other_rows_than_the_published_ones_is_said_to_be(source, tmp_path, monkeypatch, caplog):
    monkeypatch.setitem(builder.N_CAUSAL, "mendelian_traits", N_CAUSAL + 1)
    folder = prepare(plan(source, "mendelian_traits"), tmp_path / "out")
    assert "has 40 rows, 4 of them causal; the published benchmark has 50 and 5" in caplog.text
    assert "| as many rows as the published benchmark | no |" in (folder / "README.md").read_text()


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"label": 2}, r"test.parquet, row 1: label is .*2.*, not true or false"),
        ({"label": None}, r"row 1: label is .*, not true or false"),
        ({"pos": 7, "ref": "A", "alt": "C"}, r"row 2 is a variant that is there already"),
        ({"pos": -1}, r"row 1: the position is '-1'"),
        ({"ref": None}, r"row 1: ref is None, not text"),
    ],
)
def test_rows_that_are_no_labelled_variants_are_named(source, tmp_path, columns, message):
    change(source, **columns)
    with pytest.raises(InputError, match=message):
        prepare(plan(source, "mendelian_traits"), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_missing_columns_files_and_subsets_are_named(source, tmp_path):
    path = source / "mendelian_traits_matched_9" / "test.parquet"
    pd.read_parquet(path).drop(columns="label").to_parquet(path)
    with pytest.raises(InputError, match="has no column label; it has chrom, pos"):
        prepare(plan(source, "mendelian_traits"), tmp_path / "out")
    with pytest.raises(InputError, match="There is no .*complex_traits_matched_9/test.parquet"):
        plan(source, "complex_traits")
    with pytest.raises(InputError, match="has no subset 'mendelian'; it has mendelian_traits"):
        plan(source, "mendelian")
