"""`grover baselines`, `grover compare`, `grover results`."""

from pathlib import Path
from typing import Annotated

import typer

from grover_hf.cli.options import Overwrite


def baselines(
    dataset: Annotated[Path, typer.Argument(help="a dataset made by grover build")],
    output: Annotated[Path, typer.Option(help="folder for metrics.json and predictions.npz")],
    method: Annotated[str, typer.Option(help="tfidf, majority, gc, canonical-bpe, or nearest")] = "tfidf",
    tokenizer: Annotated[
        str | None,
        typer.Option(help="for tfidf: kmer-K, a tokenizer folder or a merges file; for canonical-bpe: its merges"),
    ] = None,
    stride: Annotated[
        int | None, typer.Option(min=1, help="bases from one k-mer to the next; else K, as in the paper")
    ] = None,
    max_trees: Annotated[int, typer.Option(help="largest forest to choose from: 100, 200, ..., 2000")] = 2_000,
    memory_gb: Annotated[float, typer.Option(min=0.01, help="for the trees held at once")] = 4.0,
    config: Annotated[
        str | None, typer.Option(help="configuration of the dataset; else bpe-600, or its only one")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="seed of the forest and the bootstrap")] = 0,
    overwrite: Overwrite = False,
) -> None:
    """Score what a task gives without context: TF-IDF and a forest, GC content, a leak, the nearest row."""
    from grover_hf.baselines.report import BaselinePlan, score_baseline

    plan = BaselinePlan(
        dataset=dataset, config=config, method=method, tokenizer=tokenizer, stride=stride, max_trees=max_trees,
        memory_gb=memory_gb, seed=seed,
    )
    report = score_baseline(plan, output, overwrite=overwrite)
    (low, high), mcc, model = report.ci95["mcc"], report.metrics["mcc"], report.model
    more = f", {model.trees} trees of at most {max_trees}" if method == "tfidf" else ""
    print(f"{output}: test MCC {mcc:.3f} ({low:.3f} to {high:.3f}){more}")
    if (model.n_train_rows or 0) < (model.of_train_rows or 0):
        print(f"trained on {model.n_train_rows:,} of {model.of_train_rows:,} rows: the memory holds no more")


def compare(
    first: Annotated[Path, typer.Argument(help="a run, or a baseline's folder")],
    second: Annotated[Path, typer.Argument(help="another on the same dataset")],
    output: Annotated[Path | None, typer.Option(help="a JSON file for the result")] = None,
    seed: Annotated[int, typer.Option(min=0, help="seed of the bootstrap")] = 0,
    overwrite: Overwrite = False,
) -> None:
    """Say how much better the first is than the second on the same test rows, by paired bootstrap."""
    from grover_hf.metrics.comparison import compare_runs

    comparison = compare_runs(first, second, seed=seed, output=output, overwrite=overwrite)
    for name, result in comparison.differences.items():
        low, high = result.ci95
        scores = (getattr(run, name) for run in (comparison.first, comparison.second))
        print(
            f"{name}: {' - '.join(f'{score:.4f}' for score in scores)} = {result.difference:+.4f} "
            f"(95 % {low:+.4f} to {high:+.4f}, p = {result.p_value:.4g})"
        )


def results(
    folders: Annotated[list[Path], typer.Argument(help="folders with metrics.json in them, at any depth")],
    output: Annotated[Path | None, typer.Option(help="folder for results.md, results.csv and results.png")] = None,
    overwrite: Overwrite = False,
) -> None:
    """Gather all metrics.json into one table, with the paper's numbers."""
    from grover_hf.analysis.results.report import write_results
    from grover_hf.analysis.results.table import gather, markdown

    rows = gather(folders)
    print(markdown(rows))
    if output is not None:
        write_results(rows, output, overwrite=overwrite)


def report(
    folders: Annotated[list[Path], typer.Argument(help="runs, scores, a quickstart, or what holds any of them")],
    output: Annotated[Path, typer.Option(help="an .html file")],
    title: Annotated[str, typer.Option(help="its heading")] = "grover_hf report",
    overwrite: Overwrite = False,
) -> None:
    """Show runs and scores on one page that works offline."""
    from grover_hf.report.page import write_report

    page = write_report(folders, output, title=title, overwrite=overwrite)
    for text in page.caveats:
        print(f"warning: {text}")
    print(f"{output}: {page.n_charts} charts, {len(page.html.encode()) / 1e6:.1f} MB")
