"""The charts of a report, as Vega-Lite: each function takes ready numbers and returns a specification.

The same specification is drawn twice: once here, as the picture that a page without scripts shows, and by the
page itself. Text in a specification is data: Vega draws it, and neither reads it as HTML nor runs it.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from grover_hf.analysis.figure_style import BLUE, GREY, ORANGE, PALETTE

Spec = dict[str, Any]
WIDTH_PX = 640
_SCHEMA = "https://vega.github.io/schema/vega-lite/v6.json"
_MANY = 5_000
"""Windows from which on points are small."""
_ZOOM = {"name": "zoom", "select": "interval", "bind": "scales"}


def loss_chart(losses: Sequence[tuple[int, float]], lines: Mapping[str, float]) -> Spec:
    """Return the training loss by step, with levels to compare it with.

    Args:
        losses: Step, and loss in nats a token.
        lines: By name, losses in nats a token.
    """
    x = {"field": "step", "type": "quantitative", "title": "step"}
    y = {"field": "loss", "type": "quantitative", "title": "loss, nats a masked token", "scale": {"zero": False}}
    tooltip = [{"field": "step", "type": "quantitative", "format": ",d"},
               {"field": "loss", "type": "quantitative", "format": ".3f"}]
    levels = [{"name": name, "loss": loss} for name, loss in lines.items()]
    of_line = {"y": y, "color": _colour("name", list(lines), PALETTE[1:])}
    return _chart(
        layer=[
            {"data": _rows([{"step": step, "loss": loss} for step, loss in losses]), "params": [_ZOOM],
             "mark": {"type": "line", "color": BLUE, "point": {"size": 8, "color": BLUE}},
             "encoding": {"x": x, "y": y, "tooltip": tooltip}},
            {"data": _rows(levels), "mark": {"type": "rule", "strokeWidth": 2, "strokeDash": [6, 3]},
             "encoding": {**of_line, "tooltip": [{"field": "name"}, {"field": "loss", "format": ".3f"}]}},
        ],
        height=280,
    )


def accuracy_chart(
    curves: Mapping[str, Sequence[float]], intervals: Mapping[str, Sequence[Sequence[float]]]
) -> Spec:
    """Return the share of masked tokens among the k likeliest predictions, over k.

    Args:
        curves: By predictor, for k = 1, 2, ...
        intervals: By predictor, lower and upper end for each k.
    """
    rows = [
        {"predictor": name, "k": k, "share": share, "low": low, "high": high}
        for name, curve in curves.items()
        for k, (share, (low, high)) in enumerate(zip(curve, intervals[name], strict=True), 1)
    ]
    k = {"field": "k", "type": "quantitative", "title": "likeliest k types"}
    title = "masked tokens among them"
    colour = _colour("predictor", list(curves))
    share = {"field": "share", "type": "quantitative", "title": title, "axis": {"format": "%"}}
    return _chart(
        data=_rows(rows),
        layer=[
            {"mark": {"type": "area", "opacity": 0.25},
             "encoding": {"x": k, "y": {**share, "field": "low"}, "y2": {"field": "high"}, "color": colour}},
            {"mark": "line", "params": [_ZOOM], "encoding": {
                "x": k, "y": share, "color": colour,
                "tooltip": [{"field": "predictor"}, {"field": "k"}, {"field": "share", "format": ".1%"}],
            }},
        ],
        height=260,
    )


def lengths_chart(types: NDArray[np.int64], tokens: NDArray[np.float64], possible: NDArray[np.float64]) -> Spec:
    """Return how long types are, and tokens of the genome.

    Args:
        types: How many types have 1, 2, ... bases, shape (longest,).
        tokens: How many tokens of the genome have, shape (longest,).
        possible: Types as a share of all sequences of that length, shape (longest,).
    """
    rows = [
        {"bases": n, "share": float(share), "of": of, "tooltip": text}
        for n, (type_share, token_share, n_types, part) in enumerate(
            zip(types / types.sum(), tokens / tokens.sum(), types, possible, strict=True), 1
        )
        for of, share, text in (
            ("types", type_share, f"{n_types} types, {part:.1%} of all possible"),
            ("tokens of the genome", token_share, f"{token_share:.1%} of the tokens"),
        )
    ]
    of = ["tokens of the genome", "types"]
    return _chart(
        data=_rows(rows), mark="bar", height=220,
        encoding={
            "x": {"field": "bases", "type": "ordinal", "title": "bases", "axis": {"labelAngle": 0}},
            "xOffset": {"field": "of", "sort": of},
            "y": {"field": "share", "type": "quantitative", "title": "share", "axis": {"format": "%"}},
            "color": _colour("of", of),
            "tooltip": [{"field": "bases", "title": "bases"}, {"field": "tooltip", "title": "of them"}],
        },
    )


def frequencies_chart(frequencies: NDArray[np.int64]) -> Spec:
    """Return how many types occur how often; `frequencies` of the types that occur, shape (n,)."""
    counts, edges = np.histogram(np.log10(frequencies), bins=40)
    rows = [
        {"low": float(low), "high": float(high), "types": int(count)}
        for low, high, count in zip(edges[:-1], edges[1:], counts, strict=True)
    ]
    return _chart(
        data=_rows(rows), mark={"type": "bar", "color": BLUE}, height=200,
        encoding={
            "x": {"field": "low", "type": "quantitative", "bin": {"binned": True},
                  "title": "occurrences of a type in the genome, log10"},
            "x2": {"field": "high"},
            "y": {"field": "types", "type": "quantitative", "title": "types"},
            "tooltip": [{"field": "types"}, {"field": "low", "format": ".2f"}, {"field": "high", "format": ".2f"}],
        },
    )


def bases_chart(shares: NDArray[np.float64]) -> Spec:
    """Return the shares of A, C, G, T in the genome and in the vocabulary, shape (2, 4)."""
    of = ["genome", "vocabulary"]
    rows = [
        {"base": base, "of": name, "share": float(share)}
        for name, row in zip(of, shares, strict=True)
        for base, share in zip("ACGT", row, strict=True)
    ]
    return _chart(
        data=_rows(rows), mark="bar", height=200,
        encoding={
            "x": {"field": "base", "type": "nominal", "title": "base", "axis": {"labelAngle": 0}},
            "xOffset": {"field": "of", "sort": of},
            "y": {"field": "share", "type": "quantitative", "title": "share", "axis": {"format": "%"}},
            "color": _colour("of", of),
            "tooltip": [{"field": "base"}, {"field": "of"}, {"field": "share", "format": ".1%"}],
        },
    )


def types_chart(rows: Sequence[Mapping[str, Any]]) -> Spec:
    """Return how well each type is predicted, by how often it occurs.

    Args:
        rows: Of token, bases, count, accuracy, auc.
    """
    return _chart(
        data=_rows(rows), mark={"type": "point", "filled": True, "size": 30, "opacity": 0.7}, params=[_ZOOM],
        height=320,
        encoding={
            "x": {"field": "count", "type": "quantitative", "scale": {"type": "log"},
                  "title": "occurrences in the train windows"},
            "y": {"field": "accuracy", "type": "quantitative", "title": "accuracy where it is masked",
                  "axis": {"format": "%"}},
            "color": {"field": "bases", "type": "quantitative", "title": "bases", "scale": {"scheme": "viridis"}},
            "tooltip": [{"field": "token"}, {"field": "bases"}, {"field": "count", "format": ",d"},
                        {"field": "accuracy", "format": ".1%"}, {"field": "auc", "format": ".3f"}],
        },
    )


def scores_chart(rows: Sequence[Mapping[str, Any]]) -> Spec:
    """Return methods by tasks, as dots with intervals.

    Args:
        rows: Of task, method, mcc, low, high; or of task, method, paper, which is drawn hollow.
    """
    methods = list(dict.fromkeys(str(row["method"]) for row in rows))
    y = {"field": "method", "type": "nominal", "title": None, "sort": methods, "axis": {"labelLimit": 300}}
    x = {"type": "quantitative", "title": "MCC"}
    colour = {**_colour("method", methods, list(PALETTE) * (1 + len(methods) // len(PALETTE))), "legend": None}
    tooltip = [{"field": "method"}, *({"field": name, "format": ".3f"} for name in ("mcc", "low", "high"))]
    layers = [
        {"mark": {"type": "rule", "strokeWidth": 2},
         "encoding": {"x": {**x, "field": "low"}, "x2": {"field": "high"}, "y": y, "color": colour}},
        {"mark": {"type": "point", "filled": True, "size": 60, "opacity": 1},
         "encoding": {"x": {**x, "field": "mcc"}, "y": y, "color": colour, "tooltip": tooltip}},
    ]
    of_paper = {
        "mark": {"type": "point", "shape": "diamond", "filled": False, "size": 90, "color": GREY},
        "encoding": {"x": {**x, "field": "paper"}, "y": y,
                     "tooltip": [{"field": "paper", "title": "the paper's", "format": ".3f"}]},
    }
    by_task: dict[str, list[Mapping[str, Any]]] = {}
    for row in rows:
        by_task.setdefault(str(row["task"]), []).append(row)
    return _stacked([
        {"title": {"text": task, "anchor": "start"}, "data": _rows([row for row in some if "mcc" in row]),
         "width": WIDTH_PX - 240, "layer": [*layers, *([{**of_paper, "data": _rows(known)}] if known else [])]}
        for task, some in by_task.items()
        for known in [[row for row in some if "paper" in row]]
    ], shared="x")


def map_chart(columns: Mapping[str, Sequence[Any]], shown: Sequence[str]) -> Spec:
    """Return windows of a genome by their place on a map, coloured by the annotation that one chooses.

    Args:
        columns: "x", "y", "window" (its place in the genome), and a column of 0 and 1 by annotation.
        shown: Names of the annotations.
    """
    names = {f"a{number}": name for number, name in enumerate(shown)}
    keys = ["x", "y", "window", *names]
    values = [columns["x"], columns["y"], columns["window"], *(columns[name] for name in shown)]
    rows = [dict(zip(keys, row, strict=True)) for row in zip(*values, strict=True)]
    spec = _chart(
        data=_rows(rows), height=480,
        mark={"type": "point", "filled": True, "size": 6 if len(rows) > _MANY else 20, "opacity": 0.6},
        params=[_ZOOM],
        encoding={
            "x": {"field": "x", "type": "quantitative", "title": "UMAP 1", "scale": {"zero": False}},
            "y": {"field": "y", "type": "quantitative", "title": "UMAP 2", "scale": {"zero": False}},
            "tooltip": [{"field": "window"}],
        },
    )
    if names:
        options, labels = list(names), list(names.values())
        spec["params"] = [_ZOOM, {"name": "which", "value": options[0], "bind": {
            "input": "select", "options": options, "labels": labels, "name": "coloured: windows that overlap ",
        }}]
        spec["transform"] = [{"calculate": "datum[which] ? 'overlaps' : 'does not'", "as": "shown"}]
        spec["encoding"]["color"] = _colour("shown", ["overlaps", "does not"], [ORANGE, GREY])
    return spec


def track_chart(chrom: str, first: int, values: Mapping[str, NDArray[np.floating]]) -> Spec:
    """Return tracks along a stretch of the genome, one below the other.

    Args:
        chrom: The chromosome.
        first: The first base, 0-based.
        values: By track, a value for each base or NaN, shape (n_bases,).
    """
    x = {"field": "position", "type": "quantitative", "title": f"{chrom}, bp (from 1)",
         "scale": {"zero": False}, "axis": {"format": ",d"}}
    zoom = {"name": "zoom", "select": {"type": "interval", "encodings": ["x"]}, "bind": "scales"}
    return _stacked([
        {"title": {"text": name, "anchor": "start"}, "width": WIDTH_PX, "height": 90,
         "data": _rows([{"position": first + number + 1, "value": float(value)}
                        for number, value in enumerate(of_base) if np.isfinite(value)]),
         "params": [zoom] if name == next(iter(values)) else [],
         "mark": {"type": "area", "interpolate": "step", "color": BLUE},
         "encoding": {"x": x, "y": {"field": "value", "type": "quantitative", "title": None},
                      "tooltip": [{"field": "position", "format": ",d"}, {"field": "value", "format": ".3f"}]}}
        for name, of_base in values.items()
    ], shared="x")


def _stacked(charts: Sequence[Spec], *, shared: str) -> Spec:
    """Return charts one below the other, with one scale in common."""
    return {"$schema": _SCHEMA, "vconcat": list(charts), "resolve": {"scale": {shared: "shared"}}}


def _chart(**fields: Any) -> Spec:
    return {"$schema": _SCHEMA, "width": WIDTH_PX, **fields}


def _rows(rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    return {"values": [dict(row) for row in rows]}


def _colour(field: str, domain: Sequence[str], colours: Sequence[str] = PALETTE) -> dict[str, Any]:
    return {"field": field, "type": "nominal", "title": None, "legend": {"orient": "top", "symbolOpacity": 1},
            "scale": {"domain": list(domain), "range": list(colours)[: len(domain)]}}
