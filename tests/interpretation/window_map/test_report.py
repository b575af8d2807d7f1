"""Annotation that is in the vectors is found, what is not is not, and the folder holds what is said."""

import dataclasses
import json

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from grover_hf.errors import InputError
from grover_hf.genome.reference import ReferenceGenome
from grover_hf.inference.embeddings.folder import PART, EmbeddingFacts, write_facts
from grover_hf.inference.embeddings.reading import read_embeddings
from grover_hf.interpretation.window_map import report as window_report
from grover_hf.interpretation.window_map import results as window_results
from grover_hf.interpretation.window_map.layout import umap_points
from grover_hf.interpretation.window_map.plan import WindowMapPlan
from grover_hf.interpretation.window_map.report import map_windows
from grover_hf.interpretation.window_map.results import summary
from grover_hf.probing.features import GC, MODEL, RANDOM
from tests.tiny_models import random_dna

N, BP = 600, 500
"""Windows, end to end on one chromosome: 60 blocks of 5,000 bp."""


@pytest.fixture(scope="module")
def genome(tmp_path_factory):
    path = tmp_path_factory.mktemp("genome") / "g.fa"
    path.write_text(f">chr1\n{random_dna(N * BP)}\n")
    return path


@pytest.fixture(scope="module")
def known():
    """Which windows have the annotation, and on which strand: 1, -1, 0 for both, NaN for none."""
    rng = np.random.default_rng(1)
    present = rng.random(N) < 0.5
    return present, np.where(present, rng.choice([1, -1, 1, -1, 0], N), np.nan)


def write_vectors(folder, vectors, genome, **changes):
    """Write vectors of all windows as `grover embed` does, in parts of 250; return the folder."""
    facts = EmbeddingFacts(
        model="mine", model_revision=None, model_sha256="1", vocabulary_sha256="v",
        genome_sha256=ReferenceGenome(genome).sha256(), source="bins of 510 tokens", regions_sha256=None,
        chromosomes=None, n_regions=N, dimensions=vectors.shape[1], layer=-1, pooling="mean", dtype="float32",
        rows_a_part=250, version="0", finished=True,
    )
    facts = dataclasses.replace(facts, **changes)
    folder.mkdir()
    starts = np.arange(N) * BP
    for number, first in enumerate(range(0, N, 250)):
        part = slice(first, first + 250)
        n_rows = len(starts[part])
        columns = {
            "chrom": ["chr1"] * n_rows, "start": starts[part], "end": starts[part] + BP, "strand": ["."] * n_rows,
            "name": [""] * n_rows, "n_tokens": [120] * n_rows,
            "embedding": pa.FixedSizeListArray.from_arrays(vectors[part].astype("f4").ravel(), vectors.shape[1]),
        }
        pq.write_table(pa.table(columns), folder / PART.format(number))
    write_facts(folder, facts)
    return folder


@pytest.fixture(scope="module")
def folders(tmp_path_factory, genome, known):
    """Vectors in which presence and strand stand beside noise, vectors of noise alone, and annotation."""
    folder, rng = tmp_path_factory.mktemp("folders"), np.random.default_rng(2)
    present, strand = known
    planted = rng.normal(size=(N, 6))
    planted[:, 2] += 4 * present
    planted[:, 4] += 3 * np.nan_to_num(strand)
    starts = np.arange(N) * BP
    table = pd.DataFrame({"chrom": "chr1", "start": starts, "end": starts + BP, "name": ""})
    table["L1"] = np.where(present, 0.3, 0).astype(np.float32)
    table["L1 strand"] = pd.Series(strand).astype("Int8")
    table["rare"] = np.where(np.arange(N) % 30 == 0, 1, 0).astype(np.float32)
    (folder / "annotation").mkdir()
    table.sample(frac=1, random_state=0).to_parquet(folder / "annotation" / "regions.parquet", index=False)
    return {
        "embeddings": write_vectors(folder / "planted", planted, genome), "annotation": folder / "annotation",
        "random_weights": write_vectors(folder / "noise", rng.normal(size=(N, 6)), genome, model_sha256="2"),
    }


@pytest.fixture
def planned(folders, genome, monkeypatch):
    """A plan; the layout is the first two columns, since UMAP takes seconds to compile."""
    monkeypatch.setattr(window_report, "umap_points", lambda vectors, **_: vectors[:, :2])
    return lambda **changes: WindowMapPlan(**{**folders, "genome": genome, "kmers": (2,), "folds": 3, **changes})


@pytest.fixture
def points_alone(monkeypatch):
    """Neither fits nor figures."""
    monkeypatch.setattr(window_results, "_write_figures", lambda *_: None)
    monkeypatch.setattr(window_report, "_judged", lambda *_: ([], []))


@pytest.mark.slow
def test_what_is_planted_is_found_and_noise_and_bases_tell_nothing(planned, tmp_path, known):
    report = map_windows(planned(), tmp_path / "map")
    by_kind = {(one.question, one.predictor): one for one in report.scores}
    assert {predictor for _, predictor in by_kind} == {MODEL, RANDOM, "2-mers", GC}
    present, strand = known
    for question, n_windows in (("presence", N), ("direction", int((np.abs(strand) == 1).sum()))):
        model = by_kind[question, MODEL]
        assert model.n_windows == n_windows
        assert model.auroc.value > 0.97
        assert model.mcc.value > 0.8
        assert model.model_minus_auroc is None
        for control in (RANDOM, "2-mers", GC):
            score = by_kind[question, control]
            assert score.auroc.ci95[0] < 0.5 < score.auroc.ci95[1]
            assert score.model_minus_auroc.ci95[0] > 0.3
            assert score.model_minus_auroc.value == pytest.approx(model.auroc.value - score.auroc.value)
    assert by_kind["presence", MODEL].n_positive == present.sum()
    [rare] = report.not_judged
    assert (rare.annotation, rare.n_positive, rare.n_negative) == ("rare", 20, 580)
    assert report.block_bp == 5_000
    assert by_kind["presence", MODEL].n_blocks == 60
    text = summary(report)
    assert "rare, presence: not judged: 20 with it and 580 without it; 50 of each are needed" in text
    assert "600 windows (bins of 510 tokens), mean of the tokens, last layer" in text
    assert json.loads((tmp_path / "map" / "scores.json").read_text())["n_windows"] == N
    scores = pd.read_csv(tmp_path / "map" / "scores.csv")
    assert len(scores) == len(report.scores) == 8
    assert scores["auroc"].tolist() == pytest.approx([one.auroc.value for one in report.scores])
    names = ("annotations", "directions", "annotation_scores", "direction_scores")
    drawn = {path.name for path in (tmp_path / "map").iterdir() if path.suffix in (".png", ".svg")}
    assert drawn == {f"{name}{suffix}" for name in names for suffix in (".png", ".svg")}


def test_the_map_has_the_points_and_the_annotation_of_each_window(planned, tmp_path, folders, known, points_alone):
    map_windows(planned(random_weights=None), tmp_path / "map")
    table = pd.read_parquet(tmp_path / "map" / "map.parquet")
    vectors = read_embeddings(folders["embeddings"]).vectors
    np.testing.assert_array_equal(table[["x", "y"]], vectors[:, :2])
    present, strand = known
    np.testing.assert_array_equal(table["L1"] > 0, present)
    np.testing.assert_array_equal(table["L1 strand"].to_numpy(float, na_value=np.nan), strand)


def test_of_many_windows_evenly_spaced_ones_are_taken_and_that_is_said(planned, tmp_path, points_alone):
    report = map_windows(planned(windows=300), tmp_path / "map")
    starts = pd.read_parquet(tmp_path / "map" / "map.parquet")["start"]
    assert len(starts) == report.n_windows == 300
    assert set(np.diff(starts)) == {2 * BP, 3 * BP}
    assert "300 windows of 600, evenly spaced" in summary(report)


def test_windows_without_a_vector_and_outliers_are_counted(planned, tmp_path, genome, points_alone):
    vectors = np.random.default_rng(0).normal(size=(N, 6))
    vectors[:7] = np.nan
    vectors[7:9, 0] = 50
    folder = write_vectors(tmp_path / "some", vectors, genome)
    report = map_windows(planned(embeddings=folder, random_weights=None, hide_outliers=True), tmp_path / "map")
    assert (report.n_windows, report.n_without_vector, report.n_hidden) == (N - 7, 7, 2)
    assert len(pd.read_parquet(tmp_path / "map" / "map.parquet")) == N - 7


def test_vectors_of_other_windows_genomes_or_the_same_weights_are_refused(planned, tmp_path, genome, folders):
    vectors = np.zeros((N, 6))
    for name, changes, message in (
        ("same", {}, "is of the same weights"),
        ("cls", {"model_sha256": "3", "pooling": "cls"}, "has pooling cls, .* has mean: embed both alike"),
        ("half", {"model_sha256": "3", "finished": False}, "is not finished"),
        ("token", {"model_sha256": "3", "pooling": "token"}, "has a vector for each token"),
    ):
        folder = write_vectors(tmp_path / name, vectors, genome, **changes)
        with pytest.raises(InputError, match=message):
            map_windows(planned(random_weights=folder), tmp_path / "map")
    other = tmp_path / "other.fa"
    other.write_text(f">chr1\n{random_dna(N * BP, seed=1)}\n")
    with pytest.raises(InputError, match="they are different. If it was tokenized with --chromosomes"):
        map_windows(planned(genome=other), tmp_path / "map")
    with pytest.raises(InputError, match="holds no embeddings"):
        map_windows(planned(embeddings=folders["annotation"]), tmp_path / "map")
    assert not (tmp_path / "map").exists()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"windows": 5}, "windows is 5; the least is 100"),
        ({"folds": 2}, "folds is 2; the least is 3"),
        ({"covered": 1.0}, "covered is 1.0"),
        ({"kmers": (9,)}, "9-mers are no words to count"),
    ],
)
def test_wrong_options_are_refused(planned, tmp_path, changes, message):
    with pytest.raises(InputError, match=message):
        map_windows(planned(**changes), tmp_path / "map")


def test_a_folder_of_another_command_is_not_replaced(planned, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").touch()
    with pytest.raises(InputError, match="it has no scores.json, so this command did not make it"):
        map_windows(planned(), tmp_path / "mine", overwrite=True)


@pytest.mark.slow
def test_umap_keeps_groups_apart_and_the_seed_decides():
    rng = np.random.default_rng(0)
    group = np.arange(90) % 3
    vectors = (rng.normal(size=(90, 5)) + 20 * np.eye(5)[group]).astype(np.float32)
    points = umap_points(vectors, seed=0)
    distances = np.linalg.norm(points[:, None] - points, axis=2)
    same = group[:, None] == group
    assert distances[same].max() < distances[~same].min()
    np.testing.assert_array_equal(points, umap_points(vectors, seed=0))
    with pytest.raises(InputError, match="15 windows are too few"):
        umap_points(vectors[:15], seed=0)
