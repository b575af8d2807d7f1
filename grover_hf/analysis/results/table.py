"""All `metrics.json` below some folders as one table, with the paper's numbers next to ours."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from grover_hf.errors import InputError
from grover_hf.metrics.report import BaselineModel, BaselineReport, FinetunedModel, FinetuningReport, read_metrics

PAPER = {
    ("Prom300", "prom300"): ("0.996 (Fig. 6b)", "0.67, 5-mers (Fig. 6c)"),
    ("PromScan", "promscan"): ("0.63 (Fig. 6e)", "0.39, 3-mers (Fig. 6f)"),
    ("Ctcf", "ctcf"): ("0.60 (Fig. 6h)", "0.26, 4-mers (Fig. 6i)"),
    ("NucleotideTransformer", "enhancers"): ("0.58 (Fig. 6j)", "0.55, BPE (Fig. 6j)"),
    ("NucleotideTransformer", "enhancers_types"): ("0.46 (Fig. 6j)", "0.57, BPE (Fig. 6j)"),
    ("NucleotideTransformer", "splice_sites_all"): ("0.94 (Fig. 6j)", ""),
    ("Gue", "tf/4"): ("0.75 (Supp. Fig. 6)", "0.72, 6-mers (Supp. Fig. 6)"),
    ("NextKmer", "next_6mer"): ("accuracy 0.02 (Fig. 2b)", "accuracy 0.011 (Fig. 2c)"),
}
"""By builder and task, what the paper's text says: MCC of its model, and of the best TF-IDF. Its
figures show more than the text has numbers for."""


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
    paper_grover: str
    paper_tfidf: str
    folder: str


def gather(folders: Iterable[Path]) -> list[Result]:
    """Return a row for each `metrics.json` of a task below the folders, ordered by task and model.

    Raises:
        InputError: If there is none.
    """
    folders = list(folders)
    runs = {path.parent for folder in folders for path in Path(folder).rglob("metrics.json")}
    reports = [(run, read_metrics(run)) for run in sorted(runs)]
    rows = [
        _row(run, report) for run, report in reports
        if isinstance(report, FinetuningReport | BaselineReport) and "mcc" in report.metrics
    ]
    if not rows:
        raise InputError(f"There is no metrics.json of a task below {', '.join(map(str, folders))}.")
    return sorted(rows, key=lambda row: (row.task, row.dataset, row.model, row.folder))


def markdown(rows: Sequence[Result]) -> str:
    """Return the table as Markdown; MCC with its 95 % interval over test rows and, after ±, its SD over seeds."""
    header = ("task", "dataset", "model", "MCC", "accuracy", "AUROC", "paper, GROVER", "paper, TF-IDF", "run")
    lines = [header, ("---",) * len(header)]
    for row in rows:
        spread = "" if row.mcc_sd is None else f" ± {row.mcc_sd:.3f}"
        lines.append((
            row.task, row.dataset, row.model, f"{row.mcc:.3f}{spread} ({row.mcc_low:.3f} to {row.mcc_high:.3f})",
            f"{row.accuracy:.3f}", f"{row.auroc:.3f}", row.paper_grover, row.paper_tfidf, row.folder,
        ))
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def method_name(model: FinetunedModel | BaselineModel) -> str:
    """Return what a report's method is called: the same for all tasks."""
    if isinstance(model, FinetunedModel):
        name = f"{model.name}, {'random weights' if model.random_weights else 'fine-tuned'}"
        return name + (f", LoRA {model.lora_rank}" if model.lora_rank else "")
    if model.kind != "tfidf":
        return model.kind
    return f"TF-IDF {model.tokenizer}" + ("" if model.stride is None else f", stride {model.stride}")


def model_name(model: FinetunedModel | BaselineModel) -> str:
    """Return what a report's model is called in tables: the method, and what was chosen for this task."""
    method = method_name(model)
    if isinstance(model, FinetunedModel) or model.kind != "tfidf":
        return method
    rows = "" if model.n_train_rows == model.of_train_rows else f", {model.n_train_rows:,} train rows"
    return f"{method}, {model.trees} of at most {model.max_trees} trees{rows}"


def _row(run: Path, report: FinetuningReport | BaselineReport) -> Result:
    metrics, dataset = report.metrics, report.dataset
    low, high = report.ci95["mcc"]
    # By the builder too: a table of yours may be called ctcf. Variants and other splits, which have a
    # dot in their name, are not the paper's.
    is_papers = "." not in (dataset.config or "")
    paper = PAPER.get((dataset.builder or "", report.task), ("", "")) if is_papers else ("", "")
    build = f", {dataset.sha256[:8]}" if dataset.sha256 else ""
    return Result(
        task=report.task, dataset=f"{dataset.config}{build}", method=method_name(report.model),
        model=model_name(report.model), trainings=report.n_trainings, mcc=metrics["mcc"],
        mcc_low=low, mcc_high=high, mcc_sd=report.standard_deviation.get("mcc"),
        accuracy=metrics["accuracy"], auroc=metrics["auroc"], rows=report.n_rows, paper_grover=paper[0],
        paper_tfidf=paper[1], folder=str(run),
    )
