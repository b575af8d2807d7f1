"""What a map of windows leaves: its table, its scores, its figures, and the lines on the screen."""

import csv
import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from grover_hf._internals.records import plain
from grover_hf.analysis.figure_style import save_figure
from grover_hf.interpretation.window_map.figures import Facet, direction_map, presence_map, score_figure
from grover_hf.interpretation.window_map.plan import WindowMapReport, Windows
from grover_hf.interpretation.window_map.scores import DIRECTION, PRESENCE, Estimate, WindowScore
from grover_hf.probing.features import MODEL

SCORES = "scores.json"
CONTENTS = ("map.parquet", "scores.csv", "*.png", "*.svg")
_POOLED = {"mean": "mean of the tokens", "cls": "[CLS]"}
_ESTIMATES = ("auroc", "mcc", "model_minus_auroc", "model_minus_mcc")
_COLUMNS = (
    "annotation", "question", "predictor", "n_windows", "n_positive", "n_blocks",
    *(f"{name}{end}" for name in _ESTIMATES for end in ("", "_low", "_high")),
)


def write_results(
    folder: Path, report: WindowMapReport, windows: Windows, points: NDArray[np.float32], *,
    shown: NDArray[np.bool_],
) -> None:
    """Write the map, the scores and the figures of windows into an empty folder.

    Args:
        folder: Where to.
        report: The scores.
        windows: With their annotation.
        points: Of the windows, shape (n, 2).
        shown: Which of them the pictures show, shape (n,).
    """
    _map_table(windows, points).to_parquet(folder / "map.parquet", index=False)
    _write_scores(folder, report)
    _write_figures(folder, report, windows, points, shown)


def _map_table(windows: Windows, points: NDArray[np.float32]) -> pd.DataFrame:
    table = windows.table.assign(x=points[:, 0], y=points[:, 1])
    for annotation in windows.annotations:
        table[annotation.name] = annotation.share
        if annotation.strand is not None:
            strand = pd.Series(annotation.strand)
            table[f"{annotation.name} strand"] = strand.astype("Int8")
    return table


def _write_scores(folder: Path, report: WindowMapReport) -> None:
    (folder / SCORES).write_text(json.dumps(plain(report), indent=2) + "\n")
    with open(folder / "scores.csv", "w", newline="") as file:
        rows = [_csv_row(score) for score in report.scores]
        writer = csv.DictWriter(file, _COLUMNS)
        writer.writeheader()
        writer.writerows(rows)


def _csv_row(score: WindowScore) -> dict[str, object]:
    row: dict[str, object] = {name: getattr(score, name) for name in _COLUMNS[:6]}
    for name in _ESTIMATES:
        estimate: Estimate | None = getattr(score, name)
        if estimate is not None:
            row |= {name: estimate.value, f"{name}_low": estimate.ci95[0], f"{name}_high": estimate.ci95[1]}
    return row


def _write_figures(
    folder: Path, report: WindowMapReport, windows: Windows, points: NDArray[np.float32], shown: NDArray[np.bool_]
) -> None:
    title = _title(report)
    facets = {
        "presence": list(_presence_facets(report, windows, shown)),
        "direction": list(_direction_facets(report, windows, shown)),
    }
    figures = {}
    if facets[PRESENCE]:
        figures["annotations"] = presence_map(points[shown], facets[PRESENCE], title=title)
    if facets[DIRECTION]:
        figures["directions"] = direction_map(points[shown], facets[DIRECTION], title=title)
    for kind, name in ((PRESENCE, "annotation_scores"), (DIRECTION, "direction_scores")):
        if by_annotation := _by_annotation(report.scores, kind):
            values = {
                annotation: {one.predictor: (one.auroc.value, *one.auroc.ci95) for one in of_one}
                for annotation, of_one in by_annotation.items()
            }
            what = "which windows have it" if kind == PRESENCE else "on which strand it lies"
            figures[name] = score_figure(values, title=f"Telling {what}\n{title}")
    for name, figure in figures.items():
        for suffix in (".png", ".svg"):
            save_figure(figure, folder / f"{name}{suffix}")


def _title(report: WindowMapReport) -> str:
    facts = report.embeddings
    of = "" if report.n_windows == report.of_windows else f" of {report.of_windows:,}, evenly spaced"
    hidden = f"; {report.n_hidden:,} outliers not shown" if report.n_hidden else ""
    layer = "last layer" if facts["layer"] == "-1" else f"layer {facts['layer']}"
    return f"{report.n_windows:,} windows{of} ({facts['source']}), {_POOLED[facts['pooling']]}, {layer}{hidden}"


def _presence_facets(report: WindowMapReport, windows: Windows, shown: NDArray[np.bool_]) -> Iterator[Facet]:
    for annotation in windows.annotations:
        present = annotation.share > report.covered
        if present.any():
            head = f"{annotation.name}, n = {int(present.sum()):,}"
            yield Facet(f"{head}\n{_told(report, annotation.name, PRESENCE)}", [present[shown]])


def _direction_facets(report: WindowMapReport, windows: Windows, shown: NDArray[np.bool_]) -> Iterator[Facet]:
    for annotation in windows.annotations:
        if annotation.strand is None:
            continue
        present = annotation.share > report.covered
        groups = [present & (annotation.strand == sign) for sign in (1, -1)]
        if any(group.any() for group in groups):
            forward, backward = (int(group.sum()) for group in groups)
            head = f"{annotation.name}, {forward:,} on +, {backward:,} on -"
            yield Facet(
                f"{head}\n{_told(report, annotation.name, DIRECTION)}", [group[shown] for group in groups]
            )


def _told(report: WindowMapReport, annotation: str, kind: str) -> str:
    """Return the AUROC of the model, and that of what its bases tell."""
    of_one = {
        score.predictor: score.auroc for score in report.scores
        if (score.annotation, score.question) == (annotation, kind)
    }
    if not of_one:
        return "not judged: too few windows"
    model = of_one.pop(MODEL)
    low, high = model.ci95
    # A facet has room for the first word.
    beside = ", ".join(f"{name.split()[0]} {score.value:.2f}" for name, score in of_one.items())
    return f"AUROC {model.value:.2f} ({low:.2f} to {high:.2f})\n{beside}"


def _by_annotation(scores: Sequence[WindowScore], kind: str) -> dict[str, list[WindowScore]]:
    found: dict[str, list[WindowScore]] = {}
    for score in scores:
        if score.question == kind:
            found.setdefault(score.annotation, []).append(score)
    return found


def summary(report: WindowMapReport) -> str:
    """Return the table of a map's scores, and what was not judged."""
    lines = [
        f"{_title(report)}; 95 % intervals over blocks of {report.block_bp:,} bp",
        f"{'annotation':24}{'question':11}{'predictor':16}{'AUROC':>24}{'MCC':>8}{'model less it, AUROC':>28}",
    ]
    for score in report.scores:
        low, high = score.auroc.ci95
        line = f"{score.annotation:24}{score.question:11}{score.predictor:16}"
        line += f"{score.auroc.value:.3f} ({low:.3f} to {high:.3f})".rjust(24) + f"{score.mcc.value:8.3f}"
        if (less := score.model_minus_auroc) is not None:
            line += f"{less.value:+.3f} ({less.ci95[0]:+.3f} to {less.ci95[1]:+.3f})".rjust(28)
        lines.append(line)
    lines += [f"{one.annotation}, {one.question}: not judged: {one.reason}" for one in report.not_judged]
    return "\n".join(lines)
