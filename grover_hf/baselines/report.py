"""`grover baselines`: a built dataset to `metrics.json` and `predictions.npz` of a baseline."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from grover_hf._internals.files import atomic_folder
from grover_hf._internals.outputs import only_writer, require_writable
from grover_hf._internals.progress import bars_on_terminals_only
from grover_hf.baselines import no_model
from grover_hf.baselines.documents import documents_of
from grover_hf.baselines.tfidf_forest import MEMORY_BYTES, TREES, tfidf_forest
from grover_hf.corpus.facts import DatasetFacts, choose_config
from grover_hf.corpus.rows import load_rows
from grover_hf.errors import InputError
from grover_hf.metrics.classification import bootstrap_intervals, classification_metrics
from grover_hf.metrics.predictions import predictions_of, write_predictions
from grover_hf.metrics.report import (
    BaselineModel,
    BaselineReport,
    DatasetIdentity,
    require_own_report,
    write_metrics,
)
from grover_hf.tokenization.bpe_encoding import GenomeEncoder
from grover_hf.tokenization.export import encoder_named

METHODS = ("tfidf", "majority", "gc", "canonical-bpe", "nearest")


@dataclass(frozen=True, kw_only=True)
class BaselinePlan:
    """What to score on which dataset."""

    dataset: Path
    """A folder that `grover build` made, with train, validation and test splits."""
    config: str | None = None
    """A configuration of it; None for `bpe-600`, or its only one."""
    method: str = "tfidf"
    """tfidf; majority, of the classes in train; gc, GC content; canonical-bpe, whether two neighbouring
    tokens are a merge; nearest, the label of the most similar train row."""
    tokenizer: str | None = None
    """For tfidf "kmer-K", a tokenizer folder or a merges file; for canonical-bpe one of the latter."""
    stride: int | None = None
    """Bases from one k-mer to the next; None for K."""
    max_trees: int = TREES[-1]
    """Largest number of trees to choose from; smaller ones are as in the paper."""
    memory_gb: float = MEMORY_BYTES / 1e9
    """What the trees held at once may take; fewer rows are used where one tree would not fit."""
    seed: int = 0
    """Seed of the forest and the bootstrap."""


def score_baseline(plan: BaselinePlan, output: Path, *, overwrite: bool = False) -> BaselineReport:
    """Score a baseline on the test rows of a dataset; write `metrics.json` and return what it says.

    Raises:
        InputError: If the dataset or the tokenizer cannot be used, or `output` may not be replaced.
    """
    if plan.method not in METHODS:
        raise InputError(f"There is no baseline {plan.method!r}; there are {', '.join(METHODS)}.")
    if (plan.tokenizer is not None) != (plan.method in ("tfidf", "canonical-bpe")):
        needs = "takes no --tokenizer" if plan.tokenizer else "needs --tokenizer kmer-K, FOLDER or FILE"
        raise InputError(f"{plan.method} {needs}.")
    with only_writer(output):
        require_writable(
            output, overwrite=overwrite, marker="metrics.json", contents=["predictions.npz"], inputs=[plan.dataset]
        )
        require_own_report(output, BaselineReport)
        return _score(plan, output)


def _score(plan: BaselinePlan, output: Path) -> BaselineReport:
    _, facts = choose_config(plan.dataset, plan.config)
    bars_on_terminals_only()
    splits = load_rows(plan.dataset, facts)
    if missing := [name for name in ("train", "validation", "test") if name not in splits]:
        raise InputError(f"{plan.dataset} has no split {', '.join(missing)}.")
    labels = {name: np.array(split["label"], np.int64) for name, split in splits.items()}
    n_classes = splits["train"].features["label"].num_classes
    probabilities, details = _scored(plan, splits, labels, n_classes, facts)
    report = BaselineReport(
        task=facts.task, model=BaselineModel(kind=plan.method, **details), dataset=DatasetIdentity.of_facts(facts),
        split="test", n_rows=len(labels["test"]), metrics=classification_metrics(labels["test"], probabilities),
        ci95=bootstrap_intervals(labels["test"], probabilities, rng=np.random.default_rng(plan.seed)),
        seed=plan.seed,
    )
    with atomic_folder(output) as part:
        write_predictions(part, predictions_of(labels["test"], probabilities))
        write_metrics(part, report)
    return report


def _scored(
    plan: BaselinePlan, splits: Any, labels: dict[str, NDArray[np.int64]], n_classes: int, facts: DatasetFacts
) -> tuple[NDArray[np.floating], dict[str, Any]]:
    """Return the probabilities of the test rows, and what else is to be known of the baseline."""
    train = labels["train"]
    if plan.method == "majority":
        return no_model.majority(train, len(labels["test"]), n_classes), {}
    if plan.method == "gc":
        return no_model.gc_content(splits["train"]["sequence"], train, splits["test"]["sequence"], n_classes), {}
    if plan.method == "nearest":
        nearest, similarity = no_model.nearest_train_row(splits["train"]["sequence"], splits["test"]["sequence"])
        # A row that shares nothing with any train row gets the majority.
        classes = np.where(similarity > 0, train[nearest], np.bincount(train).argmax())
        shares = {str(limit): float(np.mean(similarity >= limit - 1e-9)) for limit in (0.5, 0.9, 1.0)}
        details = {
            "k": no_model.NEAREST_K, "share_of_test_rows_by_least_similarity": shares,
            "share_of_test_rows_without_any": float(np.mean(similarity == 0)),
        }
        return (classes[:, None] == np.arange(n_classes)).astype(np.float32), details
    assert plan.tokenizer is not None
    if plan.method == "canonical-bpe":
        return _canonical(plan.tokenizer, splits, labels, n_classes, facts)
    return _tfidf(plan, splits, labels, n_classes)


def _canonical(
    tokenizer: str, splits: Any, labels: dict[str, NDArray[np.int64]], n_classes: int, facts: DatasetFacts
) -> tuple[NDArray[np.floating], dict[str, Any]]:
    encoder = encoder_named(tokenizer)
    if not isinstance(encoder, GenomeEncoder) or "input_ids" not in splits["train"].features:
        raise InputError("canonical-bpe looks at byte-pair tokens: it needs a dataset with them and their merges.")
    facts.require_vocabulary(encoder.vocabulary_sha256, what=facts.dataset, other=tokenizer)
    flags = {
        name: no_model.has_mergeable_pair(encoder.merges, splits[name].with_format("numpy")["input_ids"][:])
        for name in ("train", "test")
    }
    names = splits["train"].features["label"].names
    fires = {name: float(flags["test"][labels["test"] == label].mean()) for label, name in enumerate(names)}
    probabilities = no_model.by_flag(flags["train"], labels["train"], flags["test"], n_classes)
    return probabilities, {"tokenizer": encoder.name, "fires_on_test_rows_of_class": fires}


def _tfidf(
    plan: BaselinePlan, splits: Any, labels: dict[str, NDArray[np.int64]], n_classes: int
) -> tuple[NDArray[np.floating], dict[str, Any]]:
    assert plan.tokenizer is not None
    encoder = encoder_named(plan.tokenizer)
    documents = {name: documents_of(split["sequence"], encoder, plan.stride) for name, split in splits.items()}
    fitted = tfidf_forest(
        (documents["train"], labels["train"]), (documents["validation"], labels["validation"]), documents["test"],
        trees=_trees(plan.max_trees), seed=plan.seed, memory_bytes=int(plan.memory_gb * 1e9),
    )
    probabilities = np.zeros((len(fitted.probabilities), n_classes))
    probabilities[:, : fitted.probabilities.shape[1]] = fitted.probabilities
    return probabilities, {
        "tokenizer": encoder.name, "stride": plan.stride, "trees": fitted.n_trees, "max_trees": plan.max_trees,
        "n_train_rows": fitted.n_train_rows, "of_train_rows": len(labels["train"]),
        "validation_mcc": {str(n): mcc for n, mcc in fitted.validation_mcc.items()},
    }


def _trees(max_trees: int) -> Sequence[int]:
    trees = [n for n in TREES if n <= max_trees]
    if not trees:
        raise InputError(f"max_trees is {max_trees}; the smallest number to choose from is {TREES[0]}.")
    return trees
