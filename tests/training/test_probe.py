"""A probe finds what is in embeddings and nothing that is not, beside its controls."""

from pathlib import Path

import numpy as np
import pytest
from datasets import Dataset

from grover_hf._internals.files import sha256_of_file
from grover_hf.analysis.results.table import gather
from grover_hf.baselines.report import BaselinePlan, score_baseline
from grover_hf.errors import InputError
from grover_hf.metrics.predictions import read_predictions
from grover_hf.metrics.report import ProbeReport, read_metrics
from grover_hf.probing.features import gc_features, kmer_features
from grover_hf.probing.linear import Part, few_rows, fit_and_predict
from tests.tiny_models import save, tiny_masked_model
from training.probe import FEW, ProbePlan, probe, summary

N_ROWS = {"train": 320, "validation": 80, "test": 160}


def write_task(folder, change=lambda rows: rows):
    """Write rows that have AACAAC, or TGGTTT, four times, by their class; they lie on eight blocks."""
    rng = np.random.default_rng(0)
    for number, (name, n_rows) in enumerate(N_ROWS.items()):
        labels = np.arange(n_rows) % 2
        sequences = []
        for label in labels:
            pieces = [*rng.choice([*"ACGT"], 30)]
            for place in rng.integers(0, 30, 4):
                pieces[place] = ("AACAAC", "TGGTTT")[label]
            sequences.append("".join(pieces))
        blocks = rng.integers(0, 8, n_rows)
        rows = {
            "chrom": ["chr1"] * n_rows, "start": (blocks * 1_000_000 + number).tolist(), "sequence": sequences,
            "label": labels.tolist(),
        }
        Dataset.from_dict(change(rows)).to_parquet(folder / f"{name}.parquet")
    return str(folder)


@pytest.fixture(scope="module")
def task(tmp_path_factory):
    return write_task(tmp_path_factory.mktemp("task"))


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return str(save(tmp_path_factory.mktemp("model") / "model", tiny_masked_model()))


@pytest.fixture
def planned(task, model, tmp_path):
    def make(**changes):
        fields = {"dataset": task, "model": model, "output": str(tmp_path / "out"), "draws": 2}
        return ProbePlan(**{**fields, **changes})

    return make


def test_a_probe_finds_classes_that_are_there_and_none_in_labels_drawn_at_random(planned, tmp_path, model):
    report = probe(planned())
    # The model's weights are random: its embeddings are a blurred count of tokens.
    assert report.metrics["mcc"] > 0.5
    assert report.controls["4-mers"].metrics["mcc"] > 0.9
    shuffled = write_task(
        tmp_path, lambda rows: rows | {"label": np.random.default_rng(1).permutation(rows["label"]).tolist()}
    )
    none = probe(planned(dataset=shuffled, output=str(tmp_path / "none")))
    for low, high in (none.ci95["mcc"], *(control.ci95["mcc"] for control in none.controls.values())):
        assert low < 0.1
        assert high > -0.1


def test_what_is_written_is_what_is_said_and_stands_in_the_table(planned, tmp_path):
    report = probe(planned(random_weights=2))
    stored = read_metrics(tmp_path / "out", ProbeReport)
    assert stored == report
    predictions = read_predictions(tmp_path / "out")
    assert (predictions.predicted[0] == predictions.labels).mean() == pytest.approx(report.metrics["accuracy"])
    assert len(predictions.labels) == report.n_rows == N_ROWS["test"]
    [row] = gather([tmp_path])
    assert row.model == f"{report.model.name}, probe"
    assert row.mcc == report.metrics["mcc"]
    assert row.excludes_paper is None
    text = summary(report)
    assert f"{report.metrics['mcc']:.3f}" in text
    assert "random weights" in text
    assert [few.rows_a_class for few in report.few_rows] == [n for n in FEW if n <= N_ROWS["train"] // 2]


def test_word2vec_is_a_control_beside_the_others_and_a_row_of_the_table(planned, model, tmp_path):
    from grover_hf.interpretation.token_vectors.word2vec import Word2VecPlan, write_word2vec
    from tests.interpretation.small_windows import random_windows, write_windows

    pytest.importorskip("gensim")
    windows = write_windows(tmp_path / "windows", train=random_windows(60))
    write_word2vec(Word2VecPlan(windows=windows, tokenizer=Path(model), vector_size=16), tmp_path / "word2vec")
    report = probe(planned(word2vec=str(tmp_path / "word2vec")))
    # Vectors of windows drawn at random still tell tokens apart, and so classes with different tokens.
    assert report.controls["Word2Vec"].metrics["mcc"] > 0.5
    assert "mcc" in report.model_minus_control["Word2Vec"]
    assert report.word2vec_sha256 == sha256_of_file(tmp_path / "word2vec" / "vectors.safetensors")
    assert read_metrics(tmp_path / "out", ProbeReport) == report
    rows = {row.method: row for row in gather([tmp_path / "out"])}
    assert set(rows) == {f"{model}, probe", "Word2Vec, probe"}
    assert rows["Word2Vec, probe"].mcc == report.controls["Word2Vec"].metrics["mcc"]
    assert "Word2Vec" in summary(report)


def test_the_same_plan_gives_the_same_numbers(planned, tmp_path):
    first = probe(planned()).as_dict()
    again = probe(planned(output=str(tmp_path / "again"))).as_dict()
    for name in ("metrics", "ci95", "controls", "model_minus_control", "few_rows"):
        assert first[name] == again[name]


def test_folds_judge_every_row_once_and_share_no_block(planned, task, tmp_path):
    report = probe(planned(folds=4, draws=0))
    assert report.n_rows == sum(N_ROWS.values())
    assert report.few_rows == []
    assert report.metrics["mcc"] > 0.5
    from training.data.tasks import open_task
    from training.probe import _folds

    opened = open_task(task, None)
    starts = np.concatenate([np.array(opened.splits[name]["start"]) for name in N_ROWS])
    folds = _folds(planned(folds=4), opened)
    np.testing.assert_array_equal(np.sort(np.concatenate([fold.test for fold in folds])), np.arange(len(starts)))
    for fold in folds:
        parts = [set(starts[rows] // 1_000_000) for rows in fold]
        assert not parts[0] & parts[1] | parts[0] & parts[2] | parts[1] & parts[2]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"folds": 9}, "lies in 8 blocks of 1,000,000 bp; they make no 9 folds"),
        ({"folds": 2}, "folds is 2; the least is 3"),
        ({"folds": 0}, "folds is 0; the least is 3"),
        ({"seed": -1}, "seed is -1"),
        ({"pooling": "max"}, "There is no pooling 'max'"),
        ({"layer": 9}, "layer"),
        ({"model": "nowhere"}, "The model nowhere cannot be opened. There is no such folder"),
        ({"random_weights": 0}, "random_weights is 0"),
    ],
)
def test_what_cannot_be_probed_is_refused(planned, tmp_path, changes, message):
    with pytest.raises(InputError, match=message):
        probe(planned(**changes))
    assert not (tmp_path / "out").exists()


def test_rows_without_places_have_no_folds_and_many_classes_no_probe(planned, tmp_path):
    for name, change, message in (
        ("loose", lambda rows: {key: rows[key] for key in ("sequence", "label")}, "has no chrom"),
        ("many", lambda rows: rows | {"label": (np.arange(len(rows["label"])) % 20).tolist()}, "tells up to 16"),
        ("one", lambda rows: rows | {"start": [5] * len(rows["label"])}, "lies in 1 blocks"),
    ):
        (tmp_path / name).mkdir()
        with pytest.raises(InputError, match=message):
            probe(planned(dataset=write_task(tmp_path / name, change), folds=3))


def test_rows_with_n_and_rows_shorter_than_a_kmer_are_probed(planned, tmp_path):
    for name, change in (
        ("n", lambda rows: rows | {"sequence": ["N" + text[1:] for text in rows["sequence"]]}),
        ("short", lambda rows: rows | {"sequence": [("ACA", "GTT")[label] for label in rows["label"]]}),
    ):
        (tmp_path / name).mkdir()
        report = probe(planned(dataset=write_task(tmp_path / name, change), output=str(tmp_path / f"{name}-out")))
        assert ("4-mers" in report.controls) is (name == "n")
        assert report.metrics["mcc"] > 0.5


def test_rows_across_a_border_of_blocks_are_fitted_in_no_fold(planned, tmp_path):
    from training.data.tasks import open_task
    from training.probe import _folds

    def across(rows):
        starts = np.array(rows["start"])
        starts[::5] = starts[::5] // 1_000_000 * 1_000_000 + 999_990
        return rows | {"start": starts.tolist(), "end": (starts + 50).tolist()}

    task = open_task(write_task(tmp_path, across), None)
    starts = np.concatenate([np.array(task.splits[name]["start"]) for name in N_ROWS])
    for fold in _folds(planned(folds=4), task):
        assert not (starts[np.concatenate([fold.train, fold.validation])] % 1_000_000 == 999_990).any()
        assert (starts[fold.test] % 1_000_000 == 999_990).any()


def test_results_of_another_command_are_not_replaced(planned, tmp_path, gc_scores):
    before = (gc_scores / "metrics.json").read_bytes()
    with pytest.raises(InputError, match="is a BaselineReport, which this command does not make"):
        probe(planned(output=str(gc_scores), overwrite=True))
    assert (gc_scores / "metrics.json").read_bytes() == before
    probe(planned())
    plan = BaselinePlan(dataset=tmp_path / "mine", method="gc")
    with pytest.raises(InputError, match="is a ProbeReport"):
        score_baseline(plan, tmp_path / "out", overwrite=True)
    probe(planned(overwrite=True))


@pytest.fixture
def gc_scores(tmp_path):
    from dataset_builders.build import prepare
    from dataset_builders.classification.builder import plan

    lines, rng = ["sequence\tlabel\tsplit"], np.random.default_rng(0)
    for i in range(60):
        split = ("train", "validation", "test")[i // 2 % 3]
        lines.append(f"{''.join(rng.choice([*'ACGT'], 30))}\t{'ab'[i % 2]}\t{split}")
    (tmp_path / "mine.tsv").write_text("\n".join(lines) + "\n")
    prepare(plan(tmp_path / "mine.tsv", tokenizer="kmer-3", split_by="column"), tmp_path / "mine")
    score_baseline(BaselinePlan(dataset=tmp_path / "mine", method="gc"), tmp_path / "gc")
    return tmp_path / "gc"


def test_few_rows_are_so_many_of_each_class_and_other_ones_in_each_draw():
    labels = np.array([0] * 30 + [1] * 10)
    draws = [set(rows.tolist()) for rows in few_rows(labels, 8, 3, seed=0)]
    assert [np.bincount(labels[list(rows)]).tolist() for rows in draws] == [[8, 8]] * 3
    assert draws[0] != draws[1]
    assert list(few_rows(labels, 11, 3, seed=0)) == []


def test_the_strength_is_that_with_the_smallest_loss_on_validation_rows_alone():
    rng = np.random.default_rng(0)
    features = rng.normal(size=(300, 40)).astype(np.float32)
    labels = (features[:, 0] + rng.normal(size=300) > 0).astype(np.int64)
    parts = [Part(features[i : i + 100], labels[i : i + 100]) for i in (0, 100)]
    said, strength = fit_and_predict(*parts, features[200:], 2)
    # One feature of forty tells anything: a strong penalty is best.
    assert strength <= 0.1
    np.testing.assert_allclose(said.sum(1), 1)
    # Validation rows that say the opposite change the choice, and never the classes that were fitted.
    turned, _ = fit_and_predict(parts[0], Part(parts[1].features, 1 - parts[1].labels), features[200:], 2)
    assert np.corrcoef(turned[:, 1], labels[200:])[0, 1] > 0.3


def test_controls_are_what_their_names_say():
    np.testing.assert_allclose(gc_features(["GCAT", "NNGC"]), [[0.5, 0.25], [1, 1]])
    made = kmer_features(["ACGTA"], ["ACGTA", "TTTTT"], 4).toarray()
    np.testing.assert_allclose(made, [[2**-0.5, 2**-0.5], [0, 0]], rtol=1e-6)
    assert kmer_features(["ACG"], ["ACGTA"], 4) is None


def test_ids_of_another_vocabulary_are_refused_unless_they_are_made_again(planned, tmp_path, gc_scores):
    with pytest.raises(InputError, match="has ids of vocabulary .* Say --retokenize"):
        probe(planned(dataset=str(tmp_path / "mine")))
    assert probe(planned(dataset=str(tmp_path / "mine"), retokenize=True)).dataset.retokenized is True
