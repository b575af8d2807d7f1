"""The sections of a report, as the template takes them: each number with the file and the field it is from."""

import csv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pyarrow.parquet as pq

from grover_hf._internals.records import read_json_object
from grover_hf.analysis.masked_token_paper import ACCURACY, ACCURACY_TOP_60, PERPLEXITY
from grover_hf.analysis.results.table import Result, gather
from grover_hf.analysis.vocabulary.table import Row, length_profile, vocabulary_table
from grover_hf.baselines.no_model import gc_shares
from grover_hf.errors import InputError
from grover_hf.metrics.predictors import FREQUENCY, MODEL, NEIGHBOURS, SHOWN, beats_neighbours, verdict
from grover_hf.metrics.report import EvaluationReport, Scores
from grover_hf.report import charts
from grover_hf.report.charts import Spec
from grover_hf.report.inputs import (
    METRICS,
    Corpus,
    Evaluation,
    Found,
    Pretraining,
    base_shares,
    is_of,
)
from grover_hf.tracks.files import TRACKS_FILE

_SHARE, _PLAIN, _EXACT = ".1%", ".1f", ".3f"
_COLUMNS = (
    ("perplexity", "perplexity", _PLAIN, PERPLEXITY.text()), ("accuracy", "accuracy", _SHARE, ACCURACY.text()),
    ("accuracy_top_10_percent", "in the top 10 %", _SHARE, ACCURACY_TOP_60.text()),
    ("bits_per_base", "bits per base", _EXACT, ""),
)
"""Metric, heading, form, and what the paper has (Results, Fig. 2d and 2e)."""
_TRACK_BP = 2_000
_SEARCH_BP = 100_000
_TRACKS_SHOWN = ("surprisal", "token_probability")


@dataclass(eq=False)
class Figure:
    """A chart with its caption; `render` gives it a key and a picture."""

    caption: str
    spec: Spec = field(repr=False)
    key: str = ""
    picture: str = ""


class Number(NamedTuple):
    """A number of a file, as it is and as it is shown; with its interval, if it has one."""

    value: float
    text: str
    source: str
    path: str
    low: float | None = None
    low_text: str = ""
    low_path: str = ""
    high: float | None = None
    high_text: str = ""
    high_path: str = ""


class Node(NamedTuple):
    """Something that was made, or that it was made from."""

    kind: str
    name: str
    digest: str | None


class Flow(NamedTuple):
    """What was made from what, in order."""

    name: str
    nodes: list[Node]


def figures_in(parts: Any) -> list[Figure]:
    """Return the figures in nested sections, in their order."""
    if isinstance(parts, Figure):
        return [parts]
    inner: Sequence[Any] = list(parts.values()) if isinstance(parts, dict) else parts
    if not isinstance(inner, list | tuple):
        return []
    return [figure for one in inner for figure in figures_in(one)]


def flows(found: Found) -> list[Flow]:
    """Return what each model and each score was made from."""
    return [*map(_flow_of_run, found.pretrainings), *_flows_of_tasks(found)]


def _flow_of_run(run: Pretraining) -> Flow:
    dataset = run.report.dataset
    model = run.report.model
    return Flow(str(run.folder), [
        *_genomes(dataset), Node("vocabulary", str(dataset.config or "").split(".")[0], dataset.vocabulary_sha256),
        Node("windows", f"{dataset.name} ({dataset.config})", dataset.sha256),
        Node("training", f"{run.recipe.get('max_steps', '?')} steps, seed {run.report.seed}", None),
        Node("model", f"{model.size}, {model.parameters:,} weights", None),
    ])


def _flows_of_tasks(found: Found) -> Iterator[Flow]:
    for folder, report in found.tasks:
        dataset, model = report.dataset, report.model
        name = getattr(model, "name", None) or getattr(model, "kind", "")
        yield Flow(str(folder), [
            *_genomes(dataset), Node("dataset", f"{dataset.name} ({dataset.config})", dataset.sha256),
            Node("scored", str(name), getattr(model, "sha256", None)),
        ])


def _genomes(dataset: Any) -> list[Node]:
    genomes = [dataset.genome] if dataset.genome else [*(dataset.genomes or {}).values()]
    return [Node("genome", genome.name, genome.sha256) for genome in genomes]


def model(one: Evaluation, found: Found) -> dict[str, Any]:
    """Return an evaluation beside counting, with the loss of its training."""
    report, source = one.report, str(one.folder / METRICS)
    rows: dict[str, tuple[Scores, str]] = {MODEL: (Scores(metrics=report.metrics, ci95=report.ci95), "")}
    rows |= {name: (report.baselines[name], f"baselines.{name}.") for name in (NEIGHBOURS, FREQUENCY)}
    columns = [column for column in _COLUMNS if column[0] in report.metrics]
    table = [
        (SHOWN[name], [_number(scores, metric, form, source, prefix) for metric, _, form, _ in columns])
        for name, (scores, prefix) in rows.items()
    ]
    figures = [Figure(f"{run.folder}: training loss by step, beside what counting reaches on test windows.",
                      charts.loss_chart(run.losses, _levels(report)))
               for run in found.pretrainings if run.losses and is_of(one, run)]
    named = {SHOWN[name]: scores for name, (scores, _) in rows.items()}
    curves: dict[str, Any] = {name: scores.metrics["accuracy_top_k"] for name, scores in named.items()}
    bands: dict[str, Any] = {name: scores.ci95["accuracy_top_k"] for name, scores in named.items()}
    figures.append(Figure(
        "Masked tokens among the k likeliest predictions; bands are 95 % intervals.",
        charts.accuracy_chart(curves, bands),
    ))
    masking = report.masking
    return {
        "name": str(one.folder), "titles": [title for _, title, _, _ in columns], "table": table,
        "paper": [paper for *_, paper in columns], "beats": beats_neighbours(report), "verdict": verdict(report),
        "n_windows": Number(report.n_windows, f"{report.n_windows:,}", source, "n_windows"), "figures": figures,
        "masking": f"{masking.p_select:.0%} of the tokens to predict, {masking.p_mask:.0%} of them as [MASK]",
    }


def unjudged(found: Found) -> list[dict[str, Any]]:
    """Return the trainings that no evaluation is of: their loss alone."""
    return [
        {"name": str(run.folder), "table": [], "figures": [
            Figure(f"{run.folder}: training loss by step.", charts.loss_chart(run.losses, {}))
        ]}
        for run in found.pretrainings
        if run.losses and not any(is_of(one, run) for one in found.evaluations)
    ]


def _levels(report: EvaluationReport) -> dict[str, float]:
    """Return the losses of counting, in nats a token."""
    perplexities = {name: report.baselines[name].metrics["perplexity"] for name in (NEIGHBOURS, FREQUENCY)}
    return {SHOWN[name]: float(np.log(perplexity)) for name, perplexity in perplexities.items()}


def scores(found: Found) -> dict[str, Any] | None:
    """Return the scores on tasks, and a chart of them; None if there are none."""
    if not found.tasks:
        return None
    results = gather([folder for folder, _ in found.tasks])
    reports = {str(folder): report for folder, report in found.tasks}
    rows = []
    for result in results:
        report, source = reports[result.folder], f"{result.folder}/{METRICS}"
        of = Scores(metrics={**report.metrics}, ci95={**report.ci95})
        cells = [_number(of, metric, _EXACT, source, "") for metric in ("mcc", "accuracy", "auroc")]
        rows.append({
            "texts": [result.task, result.dataset, result.model, f"{result.rows:,}"], "cells": cells,
            "paper": result.paper_grover, "excludes": {None: "", True: "yes", False: "no"}[result.excludes_paper],
        })
    return {
        "rows": rows, "figure": Figure(
            "MCC by task and method.", charts.scores_chart([*map(_dot, results), *_papers_dots(results)])
        ),
        "titles": ["task", "dataset", "method", "test rows", "MCC", "accuracy", "AUROC", "the paper's",
                   "interval excludes it"],
    }


def _dot(result: Result) -> dict[str, Any]:
    return {
        "task": result.task, "method": result.method, "mcc": result.mcc, "low": result.mcc_low,
        "high": result.mcc_high,
    }


def _papers_dots(results: Sequence[Result]) -> list[dict[str, Any]]:
    """Return what the paper has on each task, for lines of its own below ours."""
    found = {
        (result.task, method): value
        for result in results
        for method, value in (
            ("the paper's GROVER", result.paper_grover_mcc), ("the paper's TF-IDF", result.paper_tfidf_mcc),
        )
        if value is not None
    }
    return [{"task": task, "method": method, "paper": value} for (task, method), value in found.items()]


def vocabulary(corpus: Corpus) -> dict[str, Any]:
    """Return a vocabulary beside the paper's, and how it is distributed."""
    counted = corpus.vocabulary
    profile = length_profile(counted)
    return {
        "name": f"{corpus.tokenizer} of {corpus.facts.genome.name}", "genome": corpus.facts.genome.name,
        "rows": vocabulary_table(counted) if corpus.tokenizer.startswith("bpe") else list[Row](),
        "figures": [
            Figure(f"How often types occur; {len(counted.types)} types.",
                   charts.frequencies_chart(counted.frequencies)),
            Figure("How long types and tokens are.",
                   charts.lengths_chart(profile.types, profile.tokens, profile.share_of_possible)),
            Figure("Bases of the genome and of the vocabulary.", charts.bases_chart(base_shares(counted))),
        ],
    }


def tokens(number: int, one: Evaluation) -> dict[str, Any]:
    """Return the table of token types of an evaluation: how often each occurs, and how well it is predicted."""
    rows, drawn = [], []
    for line, gc in zip(one.types, gc_shares([line["token"] for line in one.types]).tolist(), strict=True):
        token, count = line["token"], int(line["train_count"])
        of_model = {name: line[f"{MODEL}_{name}"] for name in ("accuracy", "auc")}
        rows.append([
            (token, token), (len(token), str(len(token))), (gc, f"{gc:.0%}"),
            (count, f"{count:,}"), (of_model["accuracy"], _percent(of_model["accuracy"])),
            (of_model["auc"], _digits(of_model["auc"])),
        ])
        if count and all(of_model.values()):
            drawn.append({"token": token, "bases": len(token), "count": count,
                          **{name: float(value) for name, value in of_model.items()}})
    return {
        "name": str(one.folder), "key": f"types-{number}", "rows": rows,
        "titles": ["token", "bases", "GC", "in train windows", "accuracy", "AUC"],
        "figures": [Figure("How well each type is predicted, by how often it occurs.", charts.types_chart(drawn))],
    }


def window_map(path: Path) -> dict[str, Any]:
    """Return a map of windows, with how well each annotation can be told from the vectors.

    Raises:
        InputError: If it is not a map of `grover interpret windows`.
    """
    table = pq.read_table(path).to_pandas()
    if missing := {"chrom", "start", "end", "x", "y"} - set(table.columns):
        raise InputError(f"{path} is not a window map: it has no column {min(missing)}.")
    kinds = [name for name in table.columns if pd.api.types.is_float_dtype(table[name]) and name not in ("x", "y")]
    columns: dict[str, Any] = {
        **{name: np.round(table[name].to_numpy(float), 2).tolist() for name in ("x", "y")},
        "window": [
            f"{chrom}:{start + 1:,}-{end:,}"
            for chrom, start, end in zip(table["chrom"], table["start"], table["end"], strict=True)
        ],
        **{name: (table[name].fillna(0) > 0).astype(int).tolist() for name in kinds},
    }
    rows = _told_apart(path.parent / "scores.csv")
    return {
        "name": str(path.parent), "rows": rows,
        "titles": ["annotation", "question", "told by", "AUROC (95 %)", "model less it (95 %)"],
        "caption": "How well annotation can be told from the vectors, in windows of other blocks of the genome, "
        "beside what needs no model. Colours alone show clusters in almost anything.",
        "figure": Figure(f"{len(table):,} windows, each a point: near ones have similar vectors.",
                         charts.map_chart(columns, kinds)),
    }


def _told_apart(path: Path) -> list[list[tuple[Any, str]]]:
    """Return a line for each annotation, question and predictor, as values to sort by and as text."""
    if not path.exists():
        return []
    with open(path, newline="", encoding="utf-8") as file:
        lines = list(csv.DictReader(file))
    return [
        [
            *((line[name], line[name]) for name in ("annotation", "question", "predictor")),
            *((line[name], _with_interval(line, name)) for name in ("auroc", "model_minus_auroc")),
        ]
        for line in lines
    ]


def _with_interval(line: Mapping[str, str], name: str) -> str:
    if not line[name]:
        return ""
    value, low, high = (f"{float(line[name + end]):.3f}" for end in ("", "_low", "_high"))
    return f"{value} ({low} to {high})"


def track(folder: Path) -> dict[str, Any]:
    """Return a stretch of the tracks of a folder: the first 2,000 bases that have values.

    Raises:
        InputError: If no track in it can be drawn.
    """
    names = read_json_object(folder / TRACKS_FILE).get("tracks")
    if not isinstance(names, list):
        raise InputError(f"{folder / TRACKS_FILE} names no tracks; make them again.")
    paths = {name: folder / f"{name}.bw" for name in names if (folder / f"{name}.bw").exists()}
    shown = {name: path for name, path in paths.items() if name in _TRACKS_SHOWN} or dict(list(paths.items())[:2])
    if not shown:
        raise InputError(f"{folder} has none of the bigWig files that {TRACKS_FILE} names; make them again.")
    chrom, first, values = _stretch(shown)
    # Up to the last base that any of them has.
    n_bases = 1 + max(int(np.flatnonzero(np.isfinite(one)).max(initial=0)) for one in values.values())
    caption = f"{chrom}:{first + 1:,}-{first + n_bases:,}. Bases without a value are left out."
    return {"name": str(folder), "figure": Figure(caption, charts.track_chart(chrom, first, values))}


def _stretch(paths: dict[str, Path]) -> tuple[str, int, dict[str, Any]]:
    try:
        import pyBigWig
    except ImportError:
        raise InputError("Tracks need pyBigWig: pip install 'grover-hf[formats]'") from None
    one = next(iter(paths.values()))
    try:
        with pyBigWig.open(str(one)) as file:
            sizes = file.chroms()
            starts = ((chrom, start) for chrom, size in sizes.items() for start in range(0, size, _SEARCH_BP))
            # Not a chromosome at once: each value would be a tuple.
            found = (
                (chrom, some[0][0]) for chrom, start in starts
                if (some := file.intervals(chrom, start, min(start + _SEARCH_BP, sizes[chrom])))
            )
            chrom, first = next(found, ("", 0))
        if not chrom:
            raise InputError(f"{one} has no value.")
        last = min(first + _TRACK_BP, sizes[chrom])
        values = {}
        for name, path in paths.items():
            with pyBigWig.open(str(path)) as file:
                values[name] = np.array(file.values(chrom, first, last))
    except RuntimeError as error:
        raise InputError(f"{one.parent} has a bigWig file that cannot be read ({error}).") from error
    return chrom, first, values


def _number(of: Scores, metric: str, form: str, source: str, prefix: str) -> Number | None:
    """Return a score of a file, with its interval."""
    value = of.metrics.get(metric)
    if not isinstance(value, int | float):
        return None
    path = f"{prefix}metrics.{metric}"
    ends = of.ci95.get(metric)
    if not isinstance(ends, list | tuple):
        return Number(value, format(value, form), source, path)
    low, high = (float(end) for end in ends)  # type: ignore[arg-type]
    where = f"{prefix}ci95.{metric}"
    return Number(
        value, format(value, form), source, path, low, format(low, form), f"{where}.0", high, format(high, form),
        f"{where}.1",
    )


def _percent(text: str) -> str:
    return f"{float(text):.1%}" if text else ""


def _digits(text: str) -> str:
    return f"{float(text):.3f}" if text else ""
