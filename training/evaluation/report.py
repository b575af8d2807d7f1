"""What an evaluation says: scores with intervals, differences, the table of types, the lines on the screen."""

import csv
import math
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from grover_hf._internals.files import atomic_write
from grover_hf.analysis.figure_style import save_figure
from grover_hf.analysis.per_token_figures import accuracy_figure, per_token_figure, perplexity_figure
from grover_hf.metrics.masked_token import by_repeat, masked_token_metrics
from grover_hf.metrics.per_token import PerToken, PredictionTally
from grover_hf.metrics.predictors import MODEL, NEIGHBOURS, SHOWN, verdict
from grover_hf.metrics.report import Difference, EvaluationReport, Scores, TypeAccuracy, TypesSummary
from grover_hf.metrics.window_bootstrap import WindowResamples, interval
from grover_hf.tokenization.encoding import Encoder
from grover_hf.tokenization.special_tokens import N_SPECIAL

PER_TOKEN = "per_token.csv"
"""The table that an evaluation alone writes."""

_COLUMNS = {
    "perplexity": ("perplexity", 1), "perplexity_at_mask": ("at [MASK] alone", 1),
    "bits_per_base": ("bits per base", 4), "accuracy": ("accuracy", 4),
    "accuracy_top_10_percent": ("within top 10 %", 4),
}
_TYPES_NAMED = 5
_TYPE_COLUMNS = ("accuracy", "accuracy_low", "accuracy_high", "auc", "auc_low", "auc_high", "auc_error")


class Judged(NamedTuple):
    """What the predictors gave for the masked tokens of windows."""

    tallies: dict[str, PredictionTally]
    """By predictor: model, neighbour counts, frequency."""
    true: NDArray[np.int64]
    """Ids of the tokens to predict, shape (n_masked,)."""
    hidden: NDArray[np.bool_]
    """Which of them stand as [MASK] in the input, not as themselves or as random ones, shape (n_masked,)."""
    resamples: WindowResamples
    types: dict[str, PerToken]
    """By predictor, of the model and the neighbour counts."""
    soft_masked: NDArray[np.bool_] | None
    """Which of them are in soft-masked repeats, shape (n_masked,); None if nobody knows."""


class Scored(NamedTuple):
    """What `metrics.json` has of the predictors."""

    of_model: Scores
    baselines: dict[str, Scores]
    model_minus_baseline: dict[str, dict[str, Difference]]
    types: TypesSummary

    @property
    def by_predictor(self) -> dict[str, Scores]:
        """Scores of the model and of each baseline."""
        return {MODEL: self.of_model, **self.baselines}


def report(judged: Judged, encoder: Encoder) -> Scored:
    """Return the scores of the predictors; the differences are paired.

    The metrics are those of `masked_token_metrics`, and `perplexity_at_mask`, of the tokens that are [MASK] in the
    input. The others can be seen, and are the true ones about half of the time: the paper's 80/10/10 makes a
    perplexity of 75 out of one that is 112 where nothing can be seen (neighbour counts, 27 Mbp of hg38).
    """
    scores = {name: _scores(tally, judged, encoder.token_lengths) for name, tally in judged.tallies.items()}
    baselines = [name for name in scores if name != MODEL]
    return Scored(
        scores[MODEL],
        baselines={name: scores[name] for name in baselines},
        model_minus_baseline={name: _difference(judged, name) for name in baselines},
        types=_named_types(judged.types[MODEL], encoder.tokens),
    )


def write_tables(
    output: Path, judged: Judged, scored: Scored, encoder: Encoder, frequencies: NDArray[np.integer]
) -> None:
    """Write `PER_TOKEN`, a line for each type of token, and the figures; replace them if they are there.

    Args:
        output: The folder.
        judged: What they show.
        scored: From `report`.
        encoder: Encoder of the vocabulary.
        frequencies: Occurrences of each type in the train windows, shape (V,).
    """
    with atomic_write(output / PER_TOKEN) as part, open(part, "w", newline="") as file:
        writer = csv.writer(file)
        names = [f"{name}_{column}" for name in judged.types for column in _TYPE_COLUMNS]
        writer.writerow(["id", "token", "bases", "train_count", "n_masked", *names])
        columns: list[NDArray[Any]] = [frequencies, judged.types[MODEL].n_masked]
        for types in judged.types.values():
            columns += [types.accuracy, *types.accuracy_ci95, types.auc, *types.auc_ci95, types.auc_error]
        for i, token in enumerate(encoder.tokens[N_SPECIAL:], N_SPECIAL):
            values = (column[i].item() for column in columns)
            # What cannot be measured is empty.
            writer.writerow([i, token, len(token), *("" if math.isnan(value) else value for value in values)])
    rows = {SHOWN[name]: scores for name, scores in scored.by_predictor.items()}
    accuracy = accuracy_figure(
        {name: np.array(row.metrics["accuracy_top_k"]) for name, row in rows.items()},
        {name: np.array(row.ci95["accuracy_top_k"]).T for name, row in rows.items()},
        n_masked=len(judged.true),
    )
    save_figure(accuracy, output / "accuracy.png")
    perplexity = perplexity_figure(
        list(rows), np.array([row.metrics["share_of_vocabulary"] for row in rows.values()]),
        intervals=np.array([row.ci95["share_of_vocabulary"] for row in rows.values()]),
        perplexities=np.array([row.metrics["perplexity"] for row in rows.values()]),
    )
    save_figure(perplexity, output / "perplexity.png")
    types_by_predictor = {SHOWN[name]: types for name, types in judged.types.items()}
    per_token = per_token_figure(types_by_predictor, encoder.token_lengths, frequencies)
    save_figure(per_token, output / "per_token.png")


def summary(content: EvaluationReport) -> str:
    """Return the short table of an evaluation, and what it comes to."""
    masking, dataset = content.masking, content.dataset
    shown = {name: column for name, column in _COLUMNS.items() if name in content.metrics}
    lines = [
        f"{dataset.name} {dataset.config}, test: {content.n_windows:,} windows, "
        f"{content.metrics['n_masked']:,.0f} tokens to predict ({masking.p_select:.1%} of all; "
        f"{masking.p_mask:.0%} of them [MASK], {masking.p_random:.0%} random); 95 % intervals over windows",
        f"{'':16}" + "".join(f"{title:>24}" for title, _ in shown.values()),
    ]
    of_model = Scores(metrics=content.metrics, ci95=content.ci95)
    for name, row in {MODEL: of_model, **content.baselines}.items():
        line = f"{SHOWN[name]:16}"
        for metric, (_, digits) in shown.items():
            value, *ends = (f"{x:.{digits}f}" for x in (row.metrics[metric], *row.ci95[metric]))
            line += f"{value} ({'-'.join(ends)})".rjust(24)
        lines.append(line)
    nats, bits = (content.model_minus_baseline[NEIGHBOURS][f"{unit}_per_token"] for unit in ("nats", "bits"))
    low, high = nats.ci95
    lines.append(
        f"model less neighbour counts: {nats.difference:+.4f} nats a token ({low:+.4f} to {high:+.4f}), "
        f"{bits.difference:+.4f} bits"
    )
    lines.append(verdict(content))
    if content.share_of_bases_seen_in_training:
        lines.append(
            f"{content.share_of_bases_seen_in_training:.1%} of the judged bases lie in windows that the model "
            "was trained on: the scores measure memory too."
        )
    return "\n".join(lines)


def _scores(
    tally: PredictionTally, judged: Judged, token_lengths: NDArray[np.integer]
) -> Scores:
    """Return scores and intervals, named as by `masked_token_metrics`."""
    rank, nll, hidden, resamples = tally.rank.astype(np.int64), tally.nll, judged.hidden, judged.resamples
    metrics: dict[str, Any] = masked_token_metrics(nll, rank, judged.true, token_lengths)
    n_top = len(metrics["accuracy_top_k"])
    n_masked, lost = resamples.sums(), resamples.sums(nll)
    # The last column has all ranks past the top.
    of_rank = resamples.sums(1.0, np.minimum(rank, n_top), n_top + 1)[:, :n_top]
    within = interval(np.cumsum(of_rank, axis=1) / n_masked).T.tolist()
    perplexity = interval(np.exp(lost / n_masked)[:, 0])
    bits_per_base = lost / np.log(2) / resamples.sums(token_lengths[judged.true])
    ci95 = {
        "accuracy": within[0],
        "accuracy_top_10_percent": within[-1],
        "accuracy_top_k": within,
        "perplexity": perplexity.tolist(),
        "share_of_vocabulary": (perplexity / (len(token_lengths) - N_SPECIAL)).tolist(),
        "bits_per_base": interval(bits_per_base[:, 0]).tolist(),
    }
    metrics |= by_repeat(nll, rank, judged.soft_masked)
    chosen = {"at_mask": hidden}
    if judged.soft_masked is not None:
        chosen |= {"in_repeats": judged.soft_masked, "outside_repeats": ~judged.soft_masked}
    for name, some in chosen.items():
        if some.any():
            metrics[f"perplexity_{name}"] = float(np.exp(nll[some].mean(dtype=np.float64)))
            drawn = resamples.sums(some)
            lost = np.divide(resamples.sums(some * nll), drawn, out=np.full_like(drawn, np.nan), where=drawn > 0)
            ci95[f"perplexity_{name}"] = interval(np.exp(lost)[:, 0]).tolist()
    return Scores(metrics=metrics, ci95=ci95)


def _difference(judged: Judged, baseline: str) -> dict[str, Difference]:
    """Return the model's loss a token less that of a baseline, on the same tokens and the same resamples."""
    lost = judged.tallies[MODEL].nll.astype(np.float64) - judged.tallies[baseline].nll
    ci95 = interval((judged.resamples.sums(lost) / judged.resamples.sums())[:, 0])
    return {
        f"{unit}_per_token": Difference(difference=float(lost.mean() / size), ci95=(ci95 / size).tolist())
        for unit, size in (("nats", 1.0), ("bits", np.log(2)))
    }


def _named_types(types: PerToken, tokens: tuple[str, ...]) -> TypesSummary:
    """Return what the paper says of Fig. 3f-g: the best and the worst predicted types, AUCs of a half and less.

    Only of types whose accuracy has an interval: those that occur in enough windows.
    """
    ids = np.flatnonzero(np.isfinite(types.accuracy_ci95[0]))
    by_accuracy = ids[np.argsort(types.accuracy[ids], kind="stable")]

    def named(some: NDArray[np.int64]) -> list[TypeAccuracy]:
        columns = (types.accuracy[some].tolist(), types.n_masked[some].tolist())
        return [
            TypeAccuracy(token=tokens[i], accuracy=accuracy, n_masked=n_masked)
            for i, accuracy, n_masked in zip(some, *columns, strict=True)
        ]

    return TypesSummary(
        n_types=len(ids),
        most_accurate=named(by_accuracy[::-1][:_TYPES_NAMED]),
        least_accurate=named(by_accuracy[:_TYPES_NAMED]),
        auc_half_or_less=[tokens[i] for i in ids[types.auc[ids] <= 0.5]],
        largest_auc_error=float(np.max(types.auc_error[ids], initial=0.0)),
    )
