"""How a number is read from what a step left: never typed, never computed from what is printed."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq

from grover_hf._internals.records import read_json_object
from grover_hf.analysis.sweep.selection import Curve, chosen_cycle
from grover_hf.corpus.bins import genome_bins
from grover_hf.corpus.corpus_facts import read_corpus_facts
from grover_hf.corpus.facts import DatasetFacts, choose_config
from grover_hf.corpus.tokenized_genome import TokenizedGenome
from grover_hf.errors import InputError
from grover_hf.interpretation.token_vectors.paper import PaperCorrelation
from grover_hf.metrics.report import EvaluationReport, Report, read_metrics


@dataclass(frozen=True, kw_only=True)
class Reading:
    """A number as a step gives it."""

    value: float | None = None
    """None for words."""
    words: str = ""
    n: str = ""
    """What it is of, with its unit."""
    ci95: tuple[float, float] | None = None
    """Where the command gives an interval."""
    data: str = ""
    agrees: bool | None = None
    """Whether words are the paper's; None for a number, which says it itself."""
    note: str = ""
    """What the explanation adds for this reading."""


Outputs = Mapping[str, Path]
"""Outputs of steps by name."""
Read = Callable[[Outputs], Reading]


def of_vocabulary(quantity: str) -> Read:
    """Read a line of the table of `grover vocabulary --table`."""

    def read(outputs: Outputs) -> Reading:
        table = pd.read_csv(outputs["vocabulary"], keep_default_na=False).set_index("quantity")
        if quantity not in table.index:
            raise InputError(f"{outputs['vocabulary']} has no line {quantity!r}.")
        line = table.loc[quantity]
        facts = read_corpus_facts(outputs["corpus"])
        return Reading(
            value=float(line["value"]) if line["value"] != "" else None, words=str(line["ours"]),
            n=f"{facts.n_tokens:,} tokens", data=f"{facts.genome.name}, {facts.n_bases / 1e6:,.1f} Mbp",
            agrees={"True": True, "False": False}.get(str(line["agrees"])),
        )

    return read


def of_metric(step: str, metric: str, transform: Callable[[float], float] | None = None) -> Read:
    """Read a score and its interval from a `metrics.json`."""

    def read(outputs: Outputs) -> Reading:
        report = read_metrics(outputs[step])
        if metric not in report.metrics:
            raise InputError(f"{outputs[step]}/metrics.json has no {metric}.")
        change = transform or float
        interval = report.ci95.get(metric)
        return Reading(
            value=change(report.metrics[metric]), n=_rows_of(report), data=_data_of(report),
            ci95=None if interval is None else (change(interval[0]), change(interval[1])),
        )

    return read


def of_type(step: str, token: str) -> Read:
    """Read the accuracy of a type of token from `per_token.csv` of an evaluation."""

    def read(outputs: Outputs) -> Reading:
        report = read_metrics(outputs[step], EvaluationReport)
        table = pd.read_csv(outputs[step] / "per_token.csv", keep_default_na=False).set_index("token")
        if token not in table.index:
            return Reading(words="not a type of this vocabulary", data=_data_of(report))
        line = table.loc[token]
        if line["model_accuracy"] == "":
            return Reading(words="never masked", data=_data_of(report))
        low, high = line["model_accuracy_low"], line["model_accuracy_high"]
        return Reading(
            value=float(line["model_accuracy"]), n=f"{int(line['n_masked']):,} masked tokens of the type",
            ci95=None if low == "" else (float(low), float(high)), data=_data_of(report),
        )

    return read


def lowest_auc(step: str) -> Read:
    """Read the lowest AUC of any type from `per_token.csv` of an evaluation."""

    def read(outputs: Outputs) -> Reading:
        report = read_metrics(outputs[step], EvaluationReport)
        table = pd.read_csv(outputs[step] / "per_token.csv").dropna(subset=["model_auc"])
        if table.empty:
            raise InputError(f"{outputs[step]}/per_token.csv has no AUC.")
        line = table.loc[table["model_auc"].idxmin()]
        interval = (float(line["model_auc_low"]), float(line["model_auc_high"]))
        n_low = int((table["model_auc"] <= 0.5).sum())
        return Reading(
            value=float(line["model_auc"]), n=f"{len(table):,} types",
            ci95=None if math.isnan(interval[0]) else interval, data=_data_of(report),
            note=f"The lowest is that of {line['token']}, masked {int(line['n_masked']):,} times; {n_low} of "
            f"{len(table):,} types have 50 % or less.",
        )

    return read


def of_mev(kind: str) -> Read:
    """Read a MEV from `summary.json` of `grover interpret tokens`: of a kind; "last" is the last layer's means."""

    def read(outputs: Outputs) -> Reading:
        content = _summary(outputs["tokens"])
        names = [name for name in content["mev"] if name.startswith("contextual_mean")]
        name = max(names, key=lambda name: int(name.rpartition("_")[2])) if kind == "last" else kind
        if name not in content["mev"]:
            raise InputError(f"{outputs['tokens']}/summary.json has no MEV of {name}.")
        return Reading(
            value=float(content["mev"][name]), n=f"{content['n_types']:,} types", data=str(content["source"])
        )

    return read


def of_component(kind: str, paper: PaperCorrelation) -> Read:
    """Read a correlation from `correlations.csv` of `grover interpret tokens`.

    The sign of a component means nothing, so that of ours is turned to the paper's.
    """

    def read(outputs: Outputs) -> Reading:
        content = _summary(outputs["tokens"])
        table = pd.read_csv(outputs["tokens"] / "correlations.csv", keep_default_na=False)
        mine = table.query("kind == @kind and less_gc == 'none' and property == @paper.property")
        line = mine[mine["component"].astype(int) == paper.component]
        if line.empty:
            raise InputError(
                f"{outputs['tokens']}/correlations.csv has no component {paper.component} of {kind} with "
                f"{paper.property}."
            )
        rho = mine["rho"].astype(float)
        best = mine.loc[rho.abs().idxmax()]
        return Reading(
            value=math.copysign(abs(float(line["rho"].iloc[0])), paper.rho.value),
            n=f"{int(line['n'].iloc[0]):,} types", data=str(content["source"]),
            note=f"{paper.property} goes best with PC{best['component']} here, rho {float(best['rho']):+.2f}.",
        )

    return read


def of_facts(step: str, value: Callable[[DatasetFacts, Path], float], unit: str) -> Read:
    """Read a count from the `facts.json` of a dataset."""

    def read(outputs: Outputs) -> Reading:
        _, facts = choose_config(outputs[step], None)
        number = value(facts, outputs[step])
        return Reading(value=number, n=unit, data=_data_of_facts(facts))

    return read


def rows_with_label(label: int) -> Callable[[DatasetFacts, Path], float]:
    """Return what counts the rows of a class in the Parquet files of a dataset."""

    def count(facts: DatasetFacts, folder: Path) -> float:
        paths = sorted((folder / facts.config).glob("*.parquet"))
        labels = (pq.read_table(path, columns=["label"])["label"].to_numpy() for path in paths)
        return float(sum((of_split == label).sum() for of_split in labels))

    return count


def of_bins(value: Callable[[pd.DataFrame], float]) -> Read:
    """Read what the bins of 510 tokens of a tokenized genome come to, as `grover embed --bins` cuts it."""

    def read(outputs: Outputs) -> Reading:
        corpus = TokenizedGenome.open(outputs["corpus"])
        bins = genome_bins(corpus, None)
        return Reading(value=value(bins), n=f"{len(bins):,} windows", data=corpus.facts.genome.name)

    return read


def chosen_by_sweep(outputs: Outputs) -> Reading:
    """Read the cycles that a sweep chooses, from the curves and the seeds in its `results/`."""
    results = outputs["sweep"] / "results"
    curves = {
        int(k): Curve(*(of_k[name].to_numpy() for name in ("cycles", "accuracy", "low", "high")))
        for k, of_k in pd.read_csv(results / "curves.csv").groupby("k")
    }
    seeds = pd.read_csv(results / "seeds.csv")
    choice = chosen_cycle(curves, sorted(set(seeds["cycles"]) - {0}))
    low, high = choice.region
    return Reading(
        value=float(choice.cycle), n=f"{len(seeds):,} fine-tunings",
        note=f"{choice.n_agreeing} of {len(curves)} k agree on {low} to {high} cycles.",
    )


def share_of_alu(outputs: Outputs) -> Reading:
    """Read how much of the binned bases Alu repeats cover, on chromosomes that have one."""
    table = pq.read_table(outputs["annotation"] / "regions.parquet").to_pandas()
    if "Alu" not in table:
        raise InputError(f"{outputs['annotation']}: the repeats have no Alu.")
    table["bases"] = table["end"] - table["start"]
    has = table.groupby("chrom")["Alu"].transform("max") > 0
    known = table[has]
    names = ", ".join(dict.fromkeys(known["chrom"].astype(str)))
    value = float(np.average(known["Alu"].astype(float), weights=known["bases"]))
    return Reading(value=value, n=f"{known['bases'].sum():,} bases", data=f"chromosomes with a repeat: {names}")


def best_of(*reads: Read) -> Read:
    """Return the reading with the largest value."""

    def read(outputs: Outputs) -> Reading:
        return max((one(outputs) for one in reads), key=lambda one: -math.inf if one.value is None else one.value)

    return read


def _summary(folder: Path) -> dict[str, Any]:
    return read_json_object(folder / "summary.json")


def _rows_of(report: Report) -> str:
    if isinstance(report, EvaluationReport):
        n_masked = report.metrics["n_masked"]
        assert isinstance(n_masked, int | float)
        return f"{n_masked:,.0f} masked tokens, {report.n_windows:,} windows"
    return f"{getattr(report, 'n_rows', 0):,} test rows"


def _data_of(report: Report) -> str:
    dataset = report.dataset
    genome = f" of {dataset.genome.name}" if dataset.genome else ""
    digest = f", {dataset.sha256[:8]}" if dataset.sha256 else ""
    return f"{report.task}{genome} ({dataset.config}{digest})"


def _data_of_facts(facts: DatasetFacts) -> str:
    genome = f" of {facts.corpus.genome.name}" if facts.corpus else ""
    return f"{facts.task}{genome} ({facts.config}, {facts.sha256[:8]})"
