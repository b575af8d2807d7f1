"""A vocabulary sweep's folder as one table, the curves over cycles, and the chosen cycle."""

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from grover_hf.analysis.sweep.selection import Choice, Curve, accuracy_curve, chosen_cycle
from grover_hf.errors import InputError
from grover_hf.metrics.predictions import Predictions, read_predictions
from grover_hf.metrics.report import BaselineReport, FinetuningReport, PretrainingReport, read_metrics

VOCABULARIES = "vocabularies.csv"
"""The budgets of the pretrainings, in the sweep's folder."""
_RESAMPLES = 10_000


@dataclass(frozen=True, eq=False)
class SweepResults:
    """What a sweep found; accuracies are fractions, intervals of 95 % over test rows."""

    table: pd.DataFrame
    """A line for each k and fine-tuned model, the best first."""
    seeds: pd.DataFrame
    """A line for each fine-tuning: `k, vocabulary, cycles, seed, accuracy`; cycles 0 for no byte pairs."""
    tfidf: pd.DataFrame
    """A line for each k and baseline: `k, vocabulary, accuracy, low, high`."""
    curves: dict[int, Curve]
    """By k."""
    choice: Choice | None
    """None where the k have not all a curve over the same counts of cycles."""
    why_none: str
    """Why there is no choice."""
    top_k: dict[str, list[float]]
    """By vocabulary, masked-token accuracy within the likeliest 1, 2, ... tokens."""

    @property
    def shown_pairs(self) -> str | None:
        """The byte pairs that stand for all in figures: of the chosen cycle, else the most accurate ones."""
        if self.choice is not None:
            return f"bpe-{self.choice.cycle}"
        pairs = self.table[self.table["vocabulary"].str.startswith("bpe-")]
        return str(pairs.groupby("vocabulary")["accuracy"].mean().idxmax()) if len(pairs) else None


def read_sweep(folder: Path, names: Collection[str]) -> SweepResults:
    """Read the runs of a sweep, as far as they are finished.

    Args:
        folder: Folder of the sweep.
        names: Names of its runs, which are also their folders; other folders there belong to another recipe.

    Raises:
        InputError: If no fine-tuning is finished.
    """
    budgets = pd.read_csv(folder / VOCABULARIES).set_index("vocabulary")
    pretrained = {run.name: read_metrics(run, PretrainingReport) for run in _finished(folder, names, "pretrain/")}
    tfidf = pd.DataFrame(
        [_baseline_line(run) for run in _finished(folder, names, "baselines/", "/tfidf-")],
        columns=["k", "vocabulary", "accuracy", "low", "high"],
    )
    majority = {
        _k_of(run): read_metrics(run).metrics["accuracy"]
        for run in _finished(folder, names, "baselines/", "/majority")
    }
    runs = _finished(folder, names, "finetune/")
    if not runs:
        raise InputError(f"{folder} has no finished fine-tuning yet.")
    lines: list[dict[str, Any]] = []
    seeds: list[dict[str, Any]] = []
    for k in sorted({_k_of(run) for run in runs}):
        predictions_of_k = {run: read_predictions(run) for run in runs if _k_of(run) == k}
        best = max(predictions_of_k, key=lambda run: _accuracy(predictions_of_k[run]))
        for run, predictions in predictions_of_k.items():
            report, vocabulary = read_metrics(run, FinetuningReport), run.name.split(".")[0]
            seeds += [
                {"k": k, "vocabulary": run.name, "cycles": _cycles_of(run.name), "seed": training.seed,
                 "accuracy": training.metrics["accuracy"]}
                for training in report.seeds
            ]
            lines.append({
                "k": k, "vocabulary": run.name, **_scores(report), "majority": majority.get(k),
                **_behind(predictions_of_k[best], predictions), **_tfidf_of(tfidf, k, vocabulary),
                **_masked(pretrained.get(vocabulary)),
                **(budgets.loc[vocabulary].to_dict() if vocabulary in budgets.index else {}),
            })
    table = pd.DataFrame(lines).sort_values(["k", "accuracy"], ascending=[True, False], ignore_index=True)
    curves, why_none = _curves(pd.DataFrame(seeds))
    trained = sorted({line["cycles"] for line in seeds if line["cycles"]})
    choice = None if why_none else chosen_cycle(curves, trained)
    top_k = {name: report.metrics["accuracy_top_k"] for name, report in pretrained.items()}
    return SweepResults(table, pd.DataFrame(seeds), tfidf, curves, choice, why_none, top_k)


def _finished(folder: Path, names: Collection[str], kind: str, which: str = "") -> list[Path]:
    runs = (folder / name for name in sorted(names) if name.startswith(kind) and which in name)
    return [run for run in runs if (run / "metrics.json").exists()]


def _k_of(run: Path) -> int:
    return int(run.parent.name.removeprefix("next-").removesuffix("mer"))


def _cycles_of(vocabulary: str) -> int:
    return int(vocabulary.removeprefix("bpe-")) if vocabulary.startswith("bpe-") else 0


def _accuracy(predictions: Predictions) -> float:
    return float((predictions.predicted == predictions.labels).mean())


def _scores(report: FinetuningReport) -> dict[str, Any]:
    low, high = report.ci95["accuracy"]
    return {
        "accuracy": report.metrics["accuracy"], "accuracy_low": low, "accuracy_high": high,
        "accuracy_sd": report.standard_deviation["accuracy"], "seeds": report.n_trainings,
        "mcc": report.metrics["mcc"], "test_rows": report.n_rows,
    }


def _baseline_line(run: Path) -> dict[str, Any]:
    report = read_metrics(run, BaselineReport)
    low, high = report.ci95["accuracy"]
    return {
        "k": _k_of(run), "vocabulary": report.model.tokenizer, "accuracy": report.metrics["accuracy"],
        "low": low, "high": high,
    }


def _behind(best: Predictions, other: Predictions) -> dict[str, float]:
    """Return by how much the best model of a k is more accurate, by paired bootstrap over test rows.

    As `grover compare`, for accuracy alone: a row counts by the shares of trainings that are right about it,
    and rows of one difference are alike, which makes it quick with 4,096 classes too.
    """
    if not np.array_equal(best.labels, other.labels):
        raise InputError("Two runs of one k have different test rows; all runs of a sweep have the same ones.")
    right = [(of.predicted == of.labels).mean(0) for of in (best, other)]
    values, n_alike = np.unique(right[0] - right[1], return_counts=True)
    n_rows = len(other.labels)
    drawn = np.random.default_rng(0).multinomial(n_rows, n_alike / n_rows, _RESAMPLES) @ values / n_rows
    low, high = np.quantile(drawn, [0.025, 0.975])
    return {"behind_best": float(n_alike @ values / n_rows), "behind_low": float(low), "behind_high": float(high)}


def _tfidf_of(tfidf: pd.DataFrame, k: int, vocabulary: str) -> dict[str, float]:
    same = tfidf[(tfidf["k"] == k) & (tfidf["vocabulary"] == vocabulary)]
    return {f"tfidf_{name}": float(same[name].iloc[0]) for name in ("accuracy", "low", "high") if len(same)}


def _masked(report: PretrainingReport | None) -> dict[str, float]:
    metrics = {} if report is None else report.metrics
    names = {"accuracy": "masked_accuracy"} | {name: name for name in ("perplexity", "share_of_vocabulary")}
    return {name: metrics[key] for key, name in names.items() if key in metrics}


def _curves(seeds: pd.DataFrame) -> tuple[dict[int, Curve], str]:
    """Return the curve of each k that has one, and why no cycle can be chosen from them, or "" if one can."""
    curves, counts, why_none = {}, set(), ""
    for k, of_k in seeds.groupby("k"):
        pairs = of_k[of_k["cycles"] > 0]
        counts.add(tuple(sorted(set(pairs["cycles"]))))
        try:
            curves[int(k)] = accuracy_curve(pairs["cycles"], pairs["accuracy"])
        except InputError as error:
            why_none = why_none or f"k = {k}: {error}"
    if not why_none and len(counts) > 1:
        why_none = "Runs are missing: not all k have the same counts of cycles."
    return curves, why_none
