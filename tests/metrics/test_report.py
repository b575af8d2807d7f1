import dataclasses
import json
import sys
from dataclasses import replace

import pytest

from grover_hf.errors import InputError
from grover_hf.metrics.report import (
    BaselineReport,
    Difference,
    EvaluatedModel,
    EvaluationReport,
    FinetuningReport,
    Masking,
    PretrainingReport,
    Scores,
    TypeAccuracy,
    TypesSummary,
    read_metrics,
    write_metrics,
)
from tests.made_up import MASKED, baseline_report, dataset_identity, finetuning_report, pretraining_report

TOP_K = {"accuracy_top_k": [(0.0, 0.1), (0.1, 0.3)]}
SCORES = Scores(metrics={**MASKED, "accuracy_top_k": [0.1, 0.2]}, ci95=TOP_K)
BEST = TypeAccuracy(token="A", accuracy=0.5, n_masked=3)
EVALUATION = EvaluationReport(
    task="masked-token", model=EvaluatedModel(name="run", sha256="ab" * 32, parameters=9), seed=0, split="test",
    dataset=dataset_identity(), metrics=SCORES.metrics, ci95={"accuracy": (0.1, 0.2), **SCORES.ci95}, n_windows=3,
    masking=Masking(p_select=0.15, p_mask=0.8, p_random=0.1, passes=1), trained_on=None,
    share_of_bases_seen_in_training=None, baselines={"frequency": SCORES},
    model_minus_baseline={"frequency": {"nats_per_token": Difference(difference=-0.5, ci95=(-0.6, -0.4))}},
    types=TypesSummary(
        n_types=1, most_accurate=[BEST], least_accurate=[BEST], auc_half_or_less=[], largest_auc_error=0.0
    ),
    neighbour_weights={"power": 0.5}, seconds=1.5,
)
REPORTS = {
    PretrainingReport: pretraining_report(training_seconds=2.5), EvaluationReport: EVALUATION,
    FinetuningReport: finetuning_report(), BaselineReport: baseline_report(),
}


@pytest.mark.parametrize("kind", REPORTS, ids=lambda kind: kind.__name__)
def test_each_kind_is_read_as_it_was_written(tmp_path, kind):
    write_metrics(tmp_path, REPORTS[kind])
    assert read_metrics(tmp_path) == read_metrics(tmp_path, kind) == REPORTS[kind]
    content = json.loads((tmp_path / "metrics.json").read_text())
    assert content == json.loads(json.dumps(REPORTS[kind].as_dict()))
    # What the contract says that all have.
    assert {"schema", "task", "model", "dataset", "split", "metrics", "ci95", "seed", "command", "versions",
            "date"} <= content.keys()
    others = [other for other in REPORTS if other is not kind]
    for other in others:
        with pytest.raises(InputError, match=f"is a {kind.__name__}; a {other.__name__} is needed here"):
            read_metrics(tmp_path, other)


def test_a_report_says_how_and_with_what_it_was_made():
    report = baseline_report()
    assert report.command == " ".join(sys.orig_argv)
    assert {"python", "grover-hf", "numpy"} <= report.versions.keys()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"mcc": 1.5}, r"metrics.json: metrics: mcc is 1.5; it lies between -1 and 1"),
        ({"accuracy": -0.1}, r"metrics.json: metrics: accuracy is -0.1; it lies between 0 and 1"),
        ({"auroc": 72.0}, r"metrics.json: metrics: auroc is 72.0; it lies between 0 and 1"),
        ({"mcc": float("nan")}, r"metrics.json: metrics: mcc is nan, not a finite number"),
        ({"mcc": None}, r"metrics.json: metrics: mcc is None; it must be a number"),
    ],
)
def test_a_score_that_cannot_be_one_is_refused_by_name(tmp_path, changes, message):
    write_metrics(tmp_path, baseline_report(metrics={"mcc": 0.5, "accuracy": 0.5, **changes}))
    with pytest.raises(InputError, match=message):
        read_metrics(tmp_path)


def test_intervals_and_lists_of_scores_have_the_ranges_of_their_scores(tmp_path):
    for changed, message in (
        ({"ci95": {"mcc": (0.4, 0.2)}}, r"ci95: mcc is \(0.4, 0.2\); an interval has a lower end"),
        ({"ci95": {"mcc": (0.4,)}}, "an interval has|must be"),
        ({"n_rows": -5}, "n_rows is -5; a score is of one"),
    ):
        write_metrics(tmp_path, baseline_report(**changed))
        with pytest.raises(InputError, match=message):
            read_metrics(tmp_path)
    write_metrics(tmp_path, baseline_report(ci95={"mcc": (-1.5, 0.2)}))
    with pytest.raises(InputError, match="ci95: mcc is -1.5"):
        read_metrics(tmp_path)
    write_metrics(tmp_path, replace(EVALUATION, metrics={**MASKED, "accuracy_top_k": [0.1, 1.2]}))
    with pytest.raises(InputError, match="metrics: accuracy_top_k is 1.2"):
        read_metrics(tmp_path)
    write_metrics(tmp_path, pretraining_report(metrics={**MASKED, "perplexity": 0.5}))
    with pytest.raises(InputError, match="metrics: perplexity is 0.5; it lies between 1 and inf"):
        read_metrics(tmp_path)


def test_a_missing_field_another_schema_and_a_missing_file_are_refused(tmp_path):
    with pytest.raises(InputError, match="has no metrics.json"):
        read_metrics(tmp_path)
    content = baseline_report().as_dict()
    for name in [name for name in content if name != "schema"]:
        lacking = {key: value for key, value in content.items() if key != name}
        (tmp_path / "metrics.json").write_text(json.dumps(lacking))
        # Without a model it might be a pretraining.
        with pytest.raises(InputError, match="lacks" if name == "model" else f"metrics.json lacks {name}"):
            read_metrics(tmp_path)
    (tmp_path / "metrics.json").write_text(json.dumps(content | {"schema": 2}))
    with pytest.raises(InputError, match="has schema 2; this version reads 1"):
        read_metrics(tmp_path)


def test_files_of_the_first_version_are_read(tmp_path):
    """As pretrainings and fine-tunings wrote them by hand."""
    made = {"schema": 1, "command": "x", "versions": {"python": "3.11"}, "date": "2026-01-01", "split": "test"}
    dataset = {"name": "d", "config": "c", "vocabulary_sha256": "v", "sha256": "s"}
    pretraining = {
        **made, "task": "masked-token", "model": {"size": "tiny", "parameters": 5}, "n_windows": 4, "processes": 1,
        "dataset": dataset | {"genome": {"name": "g.fa", "sha256": "g"}}, "seed": 0, "training_seconds": 1.0,
        "metrics": MASKED | {"accuracy_top_k": [0.1]}, "ci95": {},
    }
    finetuning = {
        **made, "task": "d", "dataset": {**dataset, "builder": None, "retokenized": False}, "n_rows": 5, "seed": 3,
        "model": {
            "kind": "fine-tuned", "name": "m", "random_weights": False, "lora_rank": 0, "revision": None,
            "sha256": "w", "parameters": 5, "trained": 5,
        },
        "metrics": {"mcc": 0.5}, "standard_deviation": {"mcc": None}, "ci95": {"mcc": [0.4, 0.6]}, "processes": 1,
        "seeds": [{"seed": 3, "validation_mcc": 0.4, "steps": 7, "metrics": {"mcc": 0.5}}],
    }
    for content, kind in ((pretraining, PretrainingReport), (finetuning, FinetuningReport)):
        (tmp_path / "metrics.json").write_text(json.dumps(content))
        report = read_metrics(tmp_path, kind)
        assert report.dataset.sha256 == "s"
        assert dataclasses.asdict(report)["versions"] == {"python": "3.11"}
