"""A folder of runs and scores that nobody trained for, as `grover report` finds them."""

import json
from pathlib import Path

import pytest
import yaml

from grover_hf import GenomeEncoder, ReferenceGenome, TokenizedGenome
from grover_hf.metrics.report import write_metrics
from tests.made_up import baseline_report, evaluation_report, finetuning_report, pretraining_report

_TYPES = (
    "id,token,bases,train_count,n_masked,model_accuracy,model_accuracy_low,model_accuracy_high,model_auc\n"
    "5,A,1,40,4,0.25,0.1,0.4,0.8\n6,CG,2,900,90,0.1,0.05,0.2,0.6\n7,TTTT,4,7,0,,,,\n"
)


def write_runs(folder: Path, **evaluation) -> Path:
    """Write a pretraining with its evaluation, and scores of two methods on a task."""
    run = folder / "run"
    judged = run / "evaluation" / "bpe-600"
    scores = {"mcc": 0.457, "accuracy": 0.72, "auroc": 0.8}
    for place, report in {
        run: pretraining_report(), judged: evaluation_report(**evaluation),
        folder / "scores" / "model": finetuning_report(metrics=scores, ci95={"mcc": (0.39, 0.52)}),
        folder / "scores" / "majority": baseline_report(metrics={**scores, "mcc": 0.1}, ci95={"mcc": (0.0, 0.2)}),
    }.items():
        place.mkdir(parents=True, exist_ok=True)
        write_metrics(place, report)
    (run / "recipe.yaml").write_text(yaml.safe_dump({"max_steps": 20, "output": "run"}))
    (run / "log.jsonl").write_text("".join(
        json.dumps({"loss": 5 - step / 10, "step": step}) + "\n" for step in range(1, 21)
    ))
    (judged / "per_token.csv").write_text(_TYPES)
    return folder


@pytest.fixture
def runs(tmp_path):
    return write_runs(tmp_path / "runs")


@pytest.fixture(scope="session")
def small_corpus(simulated_fasta, simulated_merges, tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GROVER_CACHE", str(tmp_path_factory.mktemp("cache")))
        genome, folder = ReferenceGenome(simulated_fasta), tmp_path_factory.mktemp("c") / "corpus"
        return TokenizedGenome.build(genome, GenomeEncoder(simulated_merges), folder)
