"""All `metrics.json` below some folders as one table, with the paper's numbers next to ours."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

from grover_hf.errors import InputError
from grover_hf.metrics.report import (
    WORD2VEC,
    BaselineModel,
    BaselineReport,
    FinetunedModel,
    FinetuningReport,
    ProbedModel,
    ProbeReport,
    read_metrics,
)


class PaperScore(NamedTuple):
    """A score that the paper's text gives."""

    value: float
    where: str
    words: str = ""
    """Of a TF-IDF: its best words."""
    metric: str = "mcc"

    def __str__(self) -> str:
        """Return the score, and where it stands in the paper."""
        metric = "" if self.metric == "mcc" else f"{self.metric} "
        return f"{metric}{self.value:g}{self.words and f', {self.words}'} ({self.where})"


PAPER: dict[tuple[str, str], tuple[PaperScore | None, PaperScore | None]] = {
    ("Prom300", "prom300"): (PaperScore(0.996, "Fig. 6b"), PaperScore(0.67, "Fig. 6c", "5-mers")),
    ("PromScan", "promscan"): (PaperScore(0.63, "Fig. 6e"), PaperScore(0.39, "Fig. 6f", "3-mers")),
    ("Ctcf", "ctcf"): (PaperScore(0.60, "Fig. 6h"), PaperScore(0.26, "Fig. 6i", "4-mers")),
    ("NucleotideTransformer", "enhancers"): (PaperScore(0.58, "Fig. 6j"), PaperScore(0.55, "Fig. 6j", "BPE")),
    ("NucleotideTransformer", "enhancers_types"): (
        PaperScore(0.46, "Fig. 6j"), PaperScore(0.57, "Fig. 6j", "BPE")
    ),
    ("NucleotideTransformer", "splice_sites_all"): (PaperScore(0.94, "Fig. 6j"), None),
    ("Gue", "tf/4"): (PaperScore(0.75, "Supp. Fig. 6"), PaperScore(0.72, "Supp. Fig. 6", "6-mers")),
    ("NextKmer", "next_6mer"): (
        PaperScore(0.02, "Fig. 2b", metric="accuracy"), PaperScore(0.011, "Fig. 2c", metric="accuracy")
    ),
}
"""By builder and task, what the paper's text says of its model, and of the best TF-IDF. Its figures show
more than the text has numbers for."""


@dataclass(frozen=True)
class Result:
    """A row of the table."""

    task: str
    dataset: str
    """Configuration and the beginning of the digest of the build."""
    method: str
    """What was compared: the same for all tasks."""
    model: str
    """The method, and what came of it on this task, such as how many trees were chosen."""
    trainings: int
    mcc: float
    mcc_low: float
    mcc_high: float
    mcc_sd: float | None
    """Over trainings; None for one."""
    accuracy: float
    auroc: float
    rows: int
    """Test rows that the score is of."""
    paper_grover: str
    paper_tfidf: str
    excludes_paper: bool | None
    """Whether the 95 % interval leaves out the paper's score of a method of this kind; None if there is none."""
    folder: str
    paper_grover_mcc: float | None = None
    """The MCC that the paper's text gives for its model on this task, for the figure."""
    paper_tfidf_mcc: float | None = None
    """The same for its best TF-IDF."""


def gather(folders: Iterable[Path]) -> list[Result]:
    """Return a row for each `metrics.json` of a task below the folders, ordered by task and model.

    A probe that was set beside Word2Vec gives a row for that, too.

    Raises:
        InputError: If there is none.
    """
    folders = list(folders)
    runs = {path.parent for folder in folders for path in Path(folder).rglob("metrics.json")}
    reports = [(run, read_metrics(run)) for run in sorted(runs)]
    rows = [
        _row(run, report) for run, report in reports
        if isinstance(report, FinetuningReport | ProbeReport | BaselineReport) and "mcc" in report.metrics
    ]
    # Random weights, k-mers and GC content have rows of their own, by fine-tunings and `grover baselines`.
    rows += [
        _row(run, _of_control(report, WORD2VEC)) for run, report in reports
        if isinstance(report, ProbeReport) and WORD2VEC in report.controls
    ]
    if not rows:
        raise InputError(f"There is no metrics.json of a task below {', '.join(map(str, folders))}.")
    return sorted(rows, key=lambda row: (row.task, row.dataset, row.model, row.folder))


def markdown(rows: Sequence[Result]) -> str:
    """Return the table as Markdown; MCC with its 95 % interval over test rows and, after ±, its SD over seeds."""
    header = (
        "task", "dataset", "model", "test rows", "MCC", "accuracy", "AUROC", "paper, GROVER", "paper, TF-IDF",
        "interval excludes the paper's", "run",
    )
    lines = [header, ("---",) * len(header)]
    for row in rows:
        spread = "" if row.mcc_sd is None else f" ± {row.mcc_sd:.3f}"
        lines.append((
            row.task, row.dataset, row.model, f"{row.rows:,}",
            f"{row.mcc:.3f}{spread} ({row.mcc_low:.3f} to {row.mcc_high:.3f})", f"{row.accuracy:.3f}",
            f"{row.auroc:.3f}", row.paper_grover, row.paper_tfidf,
            {None: "", True: "yes", False: "no"}[row.excludes_paper], row.folder,
        ))
    # A name from a file may have what ends a cell or a line.
    cells = ((" ".join(cell.split()).replace("|", "\\|") for cell in line) for line in lines)
    return "\n".join("| " + " | ".join(line) + " |" for line in cells)


def method_name(model: FinetunedModel | ProbedModel | BaselineModel) -> str:
    """Return what a report's method is called: the same for all tasks."""
    if isinstance(model, FinetunedModel):
        name = f"{model.name}, {'random weights' if model.random_weights else 'fine-tuned'}"
        return name + (f", LoRA {model.lora_rank}" if model.lora_rank else "")
    if isinstance(model, ProbedModel):
        return f"{model.name}, probe"
    if model.kind != "tfidf":
        return model.kind
    return f"TF-IDF {model.tokenizer}" + ("" if model.stride is None else f", stride {model.stride}")


def model_name(model: FinetunedModel | ProbedModel | BaselineModel) -> str:
    """Return what a report's model is called in tables: the method, and what was chosen for this task."""
    method = method_name(model)
    if not isinstance(model, BaselineModel) or model.kind != "tfidf":
        return method
    rows = "" if model.n_train_rows == model.of_train_rows else f", {model.n_train_rows:,} train rows"
    return f"{method}, {model.trees} of at most {model.max_trees} trees{rows}"


def _row(run: Path, report: FinetuningReport | ProbeReport | BaselineReport) -> Result:
    metrics, dataset = report.metrics, report.dataset
    if missing := {"accuracy", "auroc"} - metrics.keys() or {"mcc"} - report.ci95.keys():
        raise InputError(f"{run}/metrics.json has no {missing.pop()}, or no interval of it.")
    low, high = report.ci95["mcc"]
    of_model, of_tfidf = _papers(report)
    # A probe and the other baselines are nothing that the paper has.
    alike = {"fine-tuned": of_model, "tfidf": of_tfidf}.get(report.model.kind)
    build = f", {dataset.sha256[:8]}" if dataset.sha256 else ""
    return Result(
        task=report.task, dataset=f"{dataset.config}{build}", method=method_name(report.model),
        model=model_name(report.model), trainings=report.n_trainings, mcc=metrics["mcc"],
        mcc_low=low, mcc_high=high, mcc_sd=report.standard_deviation.get("mcc"),
        accuracy=metrics["accuracy"], auroc=metrics["auroc"], rows=report.n_rows, paper_grover=str(of_model or ""),
        paper_tfidf=str(of_tfidf or ""), folder=str(run),
        excludes_paper=alike and _is_outside(alike.value, report.ci95[alike.metric]),
        paper_grover_mcc=_mcc_of(of_model), paper_tfidf_mcc=_mcc_of(of_tfidf),
    )


def _of_control(report: ProbeReport, name: str) -> ProbeReport:
    """Return a report with the scores of a control in the place of the model's."""
    control = report.controls[name]
    model = replace(report.model, name=name)
    return replace(report, model=model, metrics=control.metrics, ci95=control.ci95)


def _papers(
    report: FinetuningReport | ProbeReport | BaselineReport
) -> tuple[PaperScore | None, PaperScore | None]:
    """Return the paper's scores on the task of a report, if it is the paper's."""
    dataset = report.dataset
    # By the builder too: a table of yours may be called ctcf. Variants and other splits, which have a
    # dot in their name, are not the paper's.
    is_papers = "." not in (dataset.config or "")
    return PAPER.get((dataset.builder or "", report.task), (None, None)) if is_papers else (None, None)


def _mcc_of(score: PaperScore | None) -> float | None:
    return score.value if score is not None and score.metric == "mcc" else None


def _is_outside(value: float, interval: tuple[float, float]) -> bool:
    return not interval[0] <= value <= interval[1]
