"""`grover baselines`: a built dataset to `metrics.json` of its TF-IDF baseline."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import datasets
import numpy as np

from grover_hf.baselines.documents import documents_of
from grover_hf.baselines.tfidf_forest import TREES, fit_tfidf_forest
from grover_hf.corpus.facts import read_all_facts
from grover_hf.errors import InputError
from grover_hf.files import refuse_existing
from grover_hf.metrics.classification import bootstrap_intervals, classification_metrics
from grover_hf.metrics.report import write_metrics


def tfidf_baseline(  # noqa: PLR0913 - the options of the verb, by keyword
    dataset: Path, output: Path, *, tokenizer: str, stride: int | None, max_trees: int, seed: int,
    config_name: str | None = None, overwrite: bool = False,
) -> dict[str, Any]:
    """Fit TF-IDF and a random forest on a dataset; write and return `metrics.json`.

    Args:
        dataset: A folder that `grover build` made, with train, validation and test splits.
        output: Folder for `metrics.json`.
        tokenizer: "kmer-K", or a tokenizer folder or merges file.
        stride: Of k-mers; None for K.
        max_trees: Largest number of trees to choose from; smaller ones are as in the paper.
        seed: Of the forest and the bootstrap.
        config_name: A configuration of the dataset; None for its first.
        overwrite: Replace what is in `output`.
    """
    refuse_existing(output, overwrite=overwrite, marker="metrics.json", inputs=[dataset])
    facts = read_all_facts(dataset)
    if not facts:
        raise InputError(f"{dataset} is no dataset made by `grover build`: it has no facts.json.")
    config = config_name or next(iter(facts))
    if config not in facts:
        raise InputError(f"{dataset} has no configuration {config!r}; it has {', '.join(facts)}.")
    splits = datasets.load_dataset(str(dataset), config)
    if missing := sorted({"train", "validation", "test"} - set(splits)):
        raise InputError(f"{dataset} has no split {', '.join(missing)}.")
    rows = {
        name: (documents_of(split["sequence"][:], tokenizer, stride), np.array(split["label"][:]))
        for name, split in splits.items()
    }
    fitted = fit_tfidf_forest(*rows["train"], *rows["validation"], trees=_trees(max_trees), seed=seed)
    documents, labels = rows["test"]
    probabilities = fitted.probabilities(documents)
    intervals = bootstrap_intervals(labels, probabilities, rng=np.random.default_rng(seed))
    output.mkdir(parents=True, exist_ok=True)
    return write_metrics(
        output,
        {
            "task": facts[config].get("subset", facts[config]["dataset"]),
            "model": {
                "kind": "tfidf-forest", "tokenizer": Path(tokenizer).name, "stride": stride,
                "trees": fitted.n_trees, "max_trees": max_trees,
                "validation_mcc": {str(n): mcc for n, mcc in fitted.validation_mcc.items()},
            },
            "dataset": {
                "name": facts[config]["dataset"], "config": config, "sha256": facts[config]["sha256"],
                "vocabulary_sha256": facts[config]["vocabulary_sha256"],
            },
            "split": "test",
            "metrics": classification_metrics(labels, probabilities),
            "ci95": intervals,
            "seed": seed,
        },
    )


def _trees(max_trees: int) -> Sequence[int]:
    trees = [n for n in TREES if n <= max_trees]
    if not trees:
        raise InputError(f"max_trees is {max_trees}; the smallest number to choose from is {TREES[0]}.")
    return trees
