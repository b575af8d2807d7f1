"""`results/` of a vocabulary sweep: its tables as CSV and Markdown, its figure."""

from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Any

import pandas as pd

from grover_hf._internals.files import atomic_folder
from grover_hf._internals.outputs import only_writer
from grover_hf.analysis.figure_style import save_figure
from grover_hf.analysis.sweep.figures import sweep_figure
from grover_hf.analysis.sweep.results import SweepResults, read_sweep

_HEADER = (
    "vocabulary", "accuracy (95 %)", "SD of seeds", "behind the best (95 %)", "TF-IDF of its tokens",
    "perplexity (of its types)", "bases a token", "M bases seen",
)


def write_sweep_results(folder: Path, names: Collection[str]) -> str:
    """Write `results/` into a sweep's folder: `sweep.md, sweep.png, sweep.csv, seeds.csv, tfidf.csv, curves.csv`.

    Args:
        folder: Folder of the sweep.
        names: Names of its runs.

    Returns:
        The content of `sweep.md`.

    Raises:
        InputError: If no fine-tuning is finished.
    """
    results = read_sweep(folder, names)
    curves = [pd.DataFrame({"k": k, **vars(curve)}) for k, curve in results.curves.items()]
    tables = {"sweep": results.table, "seeds": results.seeds, "tfidf": results.tfidf}
    if curves:
        tables["curves"] = pd.concat(curves)
    text = markdown(results)
    with only_writer(folder / "results"), atomic_folder(folder / "results") as part:
        for name, table in tables.items():
            table.to_csv(part / f"{name}.csv", index=False, float_format="%.6g")
        (part / "sweep.md").write_text(text)
        save_figure(sweep_figure(results), part / "sweep.png")
    return text


def markdown(results: SweepResults) -> str:
    """Return the tables and the choice."""
    table = results.table
    parts = []
    if "tokens" in table:
        tokens, flop = table["tokens"].dropna() / 1e6, table["flop"].dropna() / 1e12
        bases, passes = table["bases"].dropna() / 1e6, table["passes"].dropna()
        parts.append(
            f"Each pretraining: {_span(tokens)} million tokens, {_span(bases)} million bases, {_span(passes)} "
            f"passes over the train windows, {_span(flop)} TFLOP.\n"
        )
    for k, of_k in table.groupby("k"):
        first, = of_k.head(1).to_dict("records")
        always = "" if pd.isna(first["majority"]) else f"; the most frequent answer: {_percent(first['majority'])}"
        parts.append(f"**The next {k} bases**, {first['test_rows']:,} test rows, {first['seeds']} seeds{always}\n")
        rows = [_HEADER, ("---",) * len(_HEADER), *map(_words, of_k.to_dict("records"))]
        parts.append("".join(f"| {' | '.join(row)} |\n" for row in rows))
    if len(results.tfidf):
        best = results.tfidf.sort_values("accuracy").groupby("k").tail(1).sort_values("k")
        named = "; ".join(
            f"k = {line.k}: {line.vocabulary} {_interval(line.accuracy, line.low, line.high)}"
            for line in best.itertuples()
        )
        parts.append(f"Best TF-IDF: {named}.\n")
    return "\n".join([*parts, _choice_text(results)])


def _words(line: dict[str, Any]) -> tuple[str, ...]:
    def given(name: str, text: str, scale: float = 1.0) -> str:
        return format(line[name] / scale, text) if pd.notna(line.get(name)) else ""

    behind = _interval(line["behind_best"], line["behind_low"], line["behind_high"])
    has_tfidf = pd.notna(line.get("tfidf_accuracy"))
    tfidf = _interval(line["tfidf_accuracy"], line["tfidf_low"], line["tfidf_high"]) if has_tfidf else ""
    share = given("share_of_vocabulary", ".0%")
    return (
        line["vocabulary"], _interval(line["accuracy"], line["accuracy_low"], line["accuracy_high"]),
        _percent(line["accuracy_sd"]) if pd.notna(line["accuracy_sd"]) else "",
        behind if line["behind_best"] else "the best", tfidf,
        given("perplexity", ",.1f") + (f" ({share})" if share else ""), given("bases_a_token", ".2f"),
        given("bases", ".3g", 1e6),
    )


def _choice_text(results: SweepResults) -> str:
    choice = results.choice
    if choice is None:
        return f"No cycle is chosen. {results.why_none}\n"
    regions = "; ".join(f"k = {k}: {low} to {high}" for k, (low, high) in choice.best_regions.items())
    text = (
        f"Cycles that the loess curve does not tell from its maximum: {regions}. {choice.n_agreeing} of "
        f"{len(choice.best_regions)} agree on {choice.region[0]} to {choice.region[1]}; the count nearest to the "
        f"middle, {choice.cycle}, is chosen."
    )
    if choice.is_whole_scan:
        text += " That is all that was scanned: this sweep tells no count of cycles from another."
    elif choice.at_the_edge:
        text += " That reaches an end of what was scanned: the best may lie beyond."
    return text + "\n"


def _span(values: Iterable[float]) -> str:
    low, high = (format(bound, ".3g") for bound in (min(values), max(values)))
    return low if low == high else f"{low} to {high}"


def _percent(share: float) -> str:
    return f"{100 * share:.2f} %"


def _interval(value: float, low: float, high: float) -> str:
    return f"{100 * value:.2f} % ({100 * low:.2f} to {100 * high:.2f})"
