"""Facts and reports that nobody trained for: whole, so that a test names only what it is about."""

from grover_hf.corpus.corpus_facts import FORMAT, Chromosome, CorpusFacts, GenomeFacts
from grover_hf.corpus.facts import DatasetFacts
from grover_hf.metrics.report import (
    BaselineModel,
    BaselineReport,
    DatasetIdentity,
    Difference,
    EvaluatedModel,
    EvaluationReport,
    FinetunedModel,
    FinetuningReport,
    Masking,
    PretrainedModel,
    PretrainingReport,
    Scores,
    Training,
    TypeAccuracy,
    TypesSummary,
)

MASKED = {
    "accuracy": 0.0213, "accuracy_top_10_percent": 0.31, "most_frequent_token": 0.01, "perplexity": 431.0,
    "share_of_vocabulary": 0.7, "bits_per_base": 2.01, "n_masked": 812.0,
}
"""Scores of a pretraining."""


def corpus_facts(organism=None, **changes):
    fields = {
        "format": FORMAT, "tokenizer": "bpe-600", "vocabulary_sha256": "ab" * 32,
        "genome": GenomeFacts(name="sim.fa", sha256="ef" * 32, organism=organism),
        "chromosomes": (Chromosome(name="sim1", size=20),), "n_tokens": 9, "n_bases": 15, "n_tail_bases": 0,
        "n_ambiguous": 0, "sha256": "12" * 32,
    }
    return CorpusFacts(**{**fields, **changes})


def dataset_facts(**changes):
    fields = {
        "dataset": "genome_windows", "builder": "GenomeWindows", "config": "bpe-600", "version": "1.1.0",
        "sha256": "0" * 64, "vocabulary_sha256": "ab" * 32, "splits": {"train": 0, "test": 0},
        "versions": {"grover-hf": "0.1.0"},
    }
    return DatasetFacts(**{**fields, **changes})


def dataset_identity(**changes):
    fields = {"name": "prom300", "config": "bpe-600", "sha256": "cd" * 32, "vocabulary_sha256": "ab" * 32}
    return DatasetIdentity(**{**fields, **changes})


def pretraining_report(**changes):
    genome = GenomeFacts(name="sim.fa", sha256="ef" * 32)
    fields = {
        "task": "masked-token", "model": PretrainedModel(size="tiny", parameters=564_193),
        "dataset": dataset_identity(name="genome-windows", genome=genome), "split": "test", "n_windows": 40,
        "metrics": MASKED, "ci95": {}, "processes": 1, "seed": 0,
    }
    return PretrainingReport(**{**fields, **changes})


def training(seed=0, **changes):
    fields = {"seed": seed, "validation_mcc": 0.5, "steps": 9, "metrics": {"mcc": 0.5, "accuracy": 0.7}}
    return Training(**{**fields, **changes})


def finetuning_report(**changes):
    model = FinetunedModel(
        name="a/model", random_weights=False, lora_rank=0, revision=None, sha256="ef" * 32, parameters=9, trained=9
    )
    fields = {
        "task": "prom300", "model": model, "dataset": dataset_identity(retokenized=False), "split": "test",
        "n_rows": 613, "metrics": {"mcc": 0.457, "accuracy": 0.72},
        "standard_deviation": {"mcc": None, "accuracy": None}, "ci95": {"mcc": (0.39, 0.52)}, "seed": 0,
        "seeds": [training()], "processes": 1,
    }
    return FinetuningReport(**{**fields, **changes})


def baseline_report(**changes):
    fields = {
        "task": "prom300", "model": BaselineModel(kind="majority"), "dataset": dataset_identity(builder="Prom300"),
        "split": "test", "n_rows": 613, "metrics": {"mcc": 0.0, "accuracy": 0.5}, "ci95": {"mcc": (0.0, 0.0)},
        "seed": 0,
    }
    return BaselineReport(**{**fields, **changes})


def evaluation_report(perplexities=(90.0, 94.0, 181.0), **changes):
    """Return a report of these perplexities of model, neighbour counts and frequency; the intervals are narrow."""
    scores = [
        Scores(
            metrics={**MASKED, "perplexity": perplexity, "accuracy_top_k": [0.1, 0.2]},
            ci95={
                "perplexity": (perplexity - 1, perplexity + 1), "accuracy": (0.02, 0.03),
                "accuracy_top_10_percent": (0.3, 0.32), "bits_per_base": (2.0, 2.02),
                "accuracy_top_k": [(0.0, 0.1), (0.1, 0.3)],
            },
        )
        for perplexity in perplexities
    ]
    less = perplexities[0] - perplexities[1]
    best = TypeAccuracy(token="A", accuracy=0.5, n_masked=3)
    fields = {
        "task": "masked-token", "model": EvaluatedModel(name="run", sha256="ab" * 32, parameters=9), "seed": 0,
        "split": "test", "dataset": dataset_identity(), "metrics": scores[0].metrics, "ci95": scores[0].ci95,
        "n_windows": 500, "masking": Masking(p_select=0.15, p_mask=0.8, p_random=0.1, passes=1),
        "trained_on": None, "share_of_bases_seen_in_training": None,
        "baselines": {"neighbour_counts": scores[1], "frequency": scores[2]},
        "model_minus_baseline": {
            "neighbour_counts": {"nats_per_token": Difference(difference=less, ci95=(less - 0.5, less + 0.5))}
        },
        "types": TypesSummary(
            n_types=1, most_accurate=[best], least_accurate=[best], auc_half_or_less=[], largest_auc_error=0.0
        ),
        "neighbour_weights": {"power": 0.5}, "seconds": 1.5,
    }
    return EvaluationReport(**{**fields, **changes})
