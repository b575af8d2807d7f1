"""`grover interpret tokens` and `word2vec`, from windows to files; what they write agrees."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from grover_hf.cli import app
from grover_hf.errors import InputError
from grover_hf.interpretation.token_vectors.analysis import TokensPlan, analyse_tokens
from grover_hf.interpretation.token_vectors.components import components_of
from grover_hf.interpretation.token_vectors.report import interpret_tokens
from grover_hf.interpretation.token_vectors.summary import paper_table, summary_of
from grover_hf.interpretation.token_vectors.word2vec import (
    ARRAYS,
    FACTS,
    Word2VecPlan,
    read_word2vec,
    train_word2vec,
    write_word2vec,
)
from grover_hf.probing.features import mean_vectors
from grover_hf.tokenization.kmer import KmerEncoder
from tests.interpretation.small_windows import ENCODER, random_windows, write_windows
from tests.tiny_models import save, tiny_masked_model

pytest.importorskip("gensim")


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
    """A model, windows of its vocabulary, Word2Vec of their tokens. The id 5 does not occur."""
    folder = tmp_path_factory.mktemp("inputs")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GROVER_CACHE", str(folder / "cache"))
        windows = write_windows(
            folder / "windows", train=random_windows(60, first_id=6), test=random_windows(40, first_id=6, seed=1)
        )
        model = save(folder / "model", tiny_masked_model())
        plan = Word2VecPlan(windows=windows, tokenizer=model, vector_size=16, epochs=2)
        write_word2vec(plan, folder / "word2vec")
    return {"model": str(model), "windows": windows, "word2vec": folder / "word2vec"}


def plan_of(inputs, **changes):
    # Eleven types are too few for a loess, and UMAP takes seconds to compile.
    return TokensPlan(**{**inputs, "fewest": 10, "correction": "linear", "umap": False, **changes})


@pytest.fixture(scope="module")
def summary(inputs):
    return summarised(inputs)


def summarised(inputs, **changes):
    plan = plan_of(inputs, **changes)
    return summary_of(plan, analyse_tokens(plan))


@pytest.mark.slow    # two dozen figures
def test_all_files_are_written_and_agree(inputs, summary, tmp_path):
    folder = tmp_path / "out"
    done = CliRunner().invoke(app, [
        "interpret", "tokens", "--model", inputs["model"], "--windows", str(inputs["windows"]), "--fewest", "10",
        "--word2vec", str(inputs["word2vec"]), "--correction", "linear", "--no-umap", "--output", str(folder),
    ])
    assert done.exception is None
    assert "MEV, word2vec" in done.output
    assert "11 types, 40 test windows of sim.fa; 1 never occur" in done.output
    assert json.loads((folder / "summary.json").read_text())["mev"] == pytest.approx(summary.mev)
    table = pq.read_table(folder / "vectors.parquet").to_pandas()
    for (kind, layer), rows in table.groupby(["kind", "layer"], dropna=False):
        name = kind if pd.isna(layer) else f"{kind}_layer_{layer:.0f}"
        assert components_of(np.stack(rows["embedding"])).mev == pytest.approx(summary.mev[name], rel=1e-4)
        assert [ENCODER.tokens[number] for number in rows["id"]] == rows["token"].tolist()
    pca = pd.read_csv(folder / "pca.csv")
    correlations = pd.read_csv(folder / "correlations.csv")
    for one in summary.vectors:
        same = [(t["kind"] == one.kind) & (t["layer"].isna() if one.layer is None else t["layer"] == one.layer)
                for t in (pca, correlations)]
        assert same[0].sum() == one.n_types
        assert sorted(pca[same[0]]["leaf"]) == list(range(one.n_types))
        first = correlations[same[1] & (correlations["component"] == 1) & (correlations["less_gc"] == "none")]
        assert first["rho"].abs().max() == pytest.approx(abs(one.best_properties[0].rho), abs=1e-4)
    similarity = pd.read_csv(folder / "self_similarity.csv")
    np.testing.assert_allclose(similarity.filter(like="layer_").mean(), summary.self_similarity, atol=1e-5)
    pictures = {path.stem for path in folder.glob("*.png")}
    assert pictures == {path.stem for path in folder.glob("*.svg")}
    assert {"mev", "pca-word2vec", "components-contextual_mean_layer_2", "self-similarity",
            "correlations-static", "correlations-static-less-gc-linear"} <= pictures


def test_types_that_never_occur_or_rarely_are_left_out_and_counted(summary, inputs):
    assert (summary.n_never, summary.n_rare, summary.n_types) == (1, 0, 11)
    found = summarised(inputs, fewest=30)
    assert found.n_rare > 0
    assert found.n_never + found.n_rare + found.n_types == 12


def test_the_table_has_the_paper_s_numbers_beside_those_found(summary):
    rows = {quantity: (paper, ours) for quantity, paper, ours in paper_table(summary)}
    word2vec = next(one for one in summary.vectors if one.kind == "word2vec")
    ours = f"{100 * word2vec.mev:.0f} % (at random {100 * word2vec.mev_at_random:.1f} %)"
    assert rows["MEV, word2vec"] == ("15 %", ours)
    assert rows["MEV, static"][0] == "3.5 %"
    assert rows["static: length"][0] == "PC4 0.39, PC6 0.43"
    assert rows["word2vec: AG content"][0] == "PC2 0.75"
    best = next(line for line in summary.vectors[0].best_components if line.property == "GC content")
    assert rows["static: GC content"] == ("PC2 -0.96", f"PC{best.component} {best.rho:+.2f}")


def test_self_similarity_may_be_less_that_of_any_two_tokens(summary, inputs):
    found = summarised(inputs, less_anisotropy=True)
    np.testing.assert_allclose(found.anisotropy, summary.anisotropy)
    expected = np.array(summary.self_similarity) - summary.anisotropy
    np.testing.assert_allclose(found.self_similarity, expected, atol=1e-9)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"windows": None}, "Name a tokenized genome with --corpus"),
        ({"fewest": 10**6}, "0 token types occur 1000000 times or more"),
        ({"most_contexts": 1}, "most_contexts is 1; the least is 2"),
        ({"layer": 9}, "layer is 9"),
        ({"correction": "loess"}, "A loess on the GC content of 11 token types cannot be fitted"),
        ({"word2vec": Path("nowhere")}, "nowhere has no word2vec.json"),
    ],
)
def test_what_cannot_be_done_is_refused_before_anything_is_written(inputs, tmp_path, changes, message):


    with pytest.raises(InputError, match=message):
        interpret_tokens(plan_of(inputs, **changes), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_only_what_the_command_made_is_replaced(inputs, tmp_path):
    plan = plan_of(inputs)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("keep")
    with pytest.raises(InputError, match="it has no summary.json"):
        interpret_tokens(plan, tmp_path / "mine", overwrite=True)
    assert (tmp_path / "mine" / "notes.txt").read_text() == "keep"


def test_the_command_says_what_word2vec_was_trained_on(inputs, tmp_path):
    made = CliRunner().invoke(app, [
        "interpret", "word2vec", str(inputs["windows"]), "--tokenizer", inputs["model"], "--vector-size", "4",
        "--epochs", "1", "--output", str(tmp_path / "word2vec"),
    ])
    assert "11 types, 4 dimensions, from 60 of 60 train windows" in made.output


def test_one_seed_gives_the_same_word2vec_to_the_byte_and_another_does_not(inputs, tmp_path):
    plan = {"windows": inputs["windows"], "tokenizer": inputs["model"], "vector_size": 8, "epochs": 1}
    for name, seed in (("one", 0), ("same", 0), ("other", 1)):
        write_word2vec(Word2VecPlan(**plan, seed=seed), tmp_path / name)
    for name in (ARRAYS, FACTS):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "same" / name).read_bytes()
    assert (tmp_path / "one" / ARRAYS).read_bytes() != (tmp_path / "other" / ARRAYS).read_bytes()


def test_word2vec_is_read_as_it_was_written_and_has_no_pickle(inputs):
    folder = inputs["word2vec"]
    assert sorted(path.name for path in folder.iterdir()) == [ARRAYS, FACTS]
    read = read_word2vec(folder, ENCODER)
    made = train_word2vec(
        Word2VecPlan(windows=inputs["windows"], tokenizer=inputs["model"], vector_size=16, epochs=2)
    )
    np.testing.assert_array_equal(read.vectors.vectors, made.vectors.vectors)
    assert read.facts == made.facts
    assert read.facts.tokens == list(ENCODER.tokens[6:])
    train = np.concatenate(random_windows(60, first_id=6))
    np.testing.assert_array_equal(read.vectors.counts, np.bincount(train, minlength=17)[6:])


def test_tokens_that_stand_in_the_same_places_have_like_vectors(inputs, tmp_path):
    # 9 and 10 stand between 11 and 12; 13 and 14 between 15 and 16.
    rng = np.random.default_rng(0)
    pieces = [np.array([11, rng.integers(9, 11), 12]) if rng.random() < 0.5 else
              np.array([15, rng.integers(13, 15), 16]) for _ in range(4_000)]
    windows = [np.repeat(np.stack(pieces[i : i + 4]), 3, axis=0).reshape(-1) for i in range(0, 4_000, 4)]
    folder = write_windows(tmp_path / "windows", train=windows)
    table = train_word2vec(
        Word2VecPlan(windows=folder, tokenizer=inputs["model"], vector_size=16, window=1, epochs=10)
    ).table(17)
    units = table / np.linalg.norm(table, axis=1, keepdims=True)
    assert units[9] @ units[10] > units[9] @ units[13] + 0.2
    assert units[13] @ units[14] > units[13] @ units[9] + 0.2


def test_word2vec_of_another_vocabulary_or_damaged_is_refused(inputs, tmp_path):
    with pytest.raises(InputError, match="has vocabulary"):
        read_word2vec(inputs["word2vec"], KmerEncoder(3))
    (tmp_path / FACTS).write_bytes((inputs["word2vec"] / FACTS).read_bytes())
    (tmp_path / ARRAYS).write_bytes((inputs["word2vec"] / ARRAYS).read_bytes()[:-8])
    with pytest.raises(InputError, match="cannot be read"):
        read_word2vec(tmp_path, ENCODER)
    with pytest.raises(InputError, match="vector_size is 0"):
        train_word2vec(Word2VecPlan(windows=inputs["windows"], tokenizer=inputs["model"], vector_size=0))


def test_the_mean_vector_of_a_row_is_that_of_its_tokens_that_have_one():
    table = np.array([[np.nan, np.nan], [1, 3], [5, 7]], np.float32)
    rows = [np.array([1, 2]), np.array([0, 2, 2]), np.array([0])]
    np.testing.assert_allclose(mean_vectors(table, rows), [[3, 5], [5, 7], [0, 0]])
