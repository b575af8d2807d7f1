"""Say how far a pretrained model looks: its loss by how many tokens it sees beside a masked one.

`grover interpret context RUN`, or `python -m training.context RUN`.

Beside the model, at the same tokens: token frequency, and the table of the tokens on both sides, counted on the
windows that the model was trained on.

OUTPUT/context.csv, context.json       the losses with 95 % intervals over windows, and what each step saves
OUTPUT/context.png, context.svg        the curve
"""

import csv
import json
import typing
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import transformers
from numpy.typing import NDArray

from grover_hf._internals.files import atomic_folder
from grover_hf._internals.outputs import only_writer, require_writable
from grover_hf._internals.progress import on_a_terminal, progress_bar
from grover_hf._internals.records import plain
from grover_hf.analysis.figure_style import require_matplotlib, save_figure
from grover_hf.baselines.neighbour_model import Seen
from grover_hf.errors import InputError
from grover_hf.interpretation.visible_context import (
    MOST_VISIBLE,
    ContextRow,
    Side,
    Targets,
    context_rows,
    draw_targets,
    target_losses,
    visible_numbers,
)
from grover_hf.interpretation.visible_context_figure import context_figure
from grover_hf.masking import MaskingCollator
from grover_hf.metrics.predictors import FREQUENCY, MODEL, SHOWN
from grover_hf.metrics.report import DatasetIdentity, EvaluatedModel, versions
from grover_hf.model import weights_sha256
from grover_hf.tokenization.special_tokens import MASK_ID
from training.evaluation.judging import MaskedModel, baselines_of, count_and_weigh
from training.evaluation.plan import EvaluationPlan
from training.evaluation.subject import Subject, subject_of
from training.runs.launch import require_positive, run_script
from training.runs.recipe import plan_from_command_line, recipe_field

_MARKER = "context.json"
_CONTENTS = ("context.csv", "context.png", "context.svg")
_SIDES = {"both": "on each side", "left": "on the left", "right": "on the right"}


@dataclass(frozen=True, kw_only=True)
class ContextPlan:
    """Which model is shown how much, and where."""

    run: str = recipe_field("folder of a pretraining; or of a model alone, with --dataset and --output")
    dataset: str | None = recipe_field("windows to judge on; else those of the run", default=None)
    dataset_config: str | None = recipe_field("their configuration; else bpe-600, or the only one", default=None)
    trained_on: str | None = recipe_field("where the run's own windows are, if they were moved", default=None)
    output: str | None = recipe_field("folder for the results; else RUN/context/CONFIG", default=None)
    targets: int = recipe_field("how many tokens of test windows are masked, each in its own crop", default=2_000)
    most: int = recipe_field("tokens to be seen on each side at most", default=MOST_VISIBLE)
    side: str = recipe_field("which tokens are seen: both, left or right", default="both")
    seed: int = recipe_field("of the choice of tokens, and of resampling", default=0)
    batch_size: int = recipe_field("crops at once", default=64)
    bf16: bool = recipe_field("compute in bfloat16", default=False)
    overwrite: bool = recipe_field("replace the results that are there", default=False)


@dataclass(frozen=True, kw_only=True)
class ContextReport:
    """What `context.json` says."""

    model: EvaluatedModel
    dataset: DatasetIdentity
    trained_on: DatasetIdentity
    """Whose train windows were counted."""
    side: str
    n_targets: int
    n_windows: int
    """That the targets lie in."""
    rows: list[ContextRow]
    seed: int
    versions: dict[str, str]


def look(plan: ContextPlan) -> ContextReport:
    """Measure how far a model looks; write the results and return what `context.json` says.

    Raises:
        InputError: If the run, the windows or an option cannot be used.
    """
    require_positive(targets=plan.targets, most=plan.most, batch_size=plan.batch_size)
    if plan.side not in _SIDES:
        raise InputError(f"side is {plan.side!r}; it is {', '.join(_SIDES)}.")
    if plan.seed < 0:
        raise InputError(f"seed is {plan.seed}; the least is 0.")
    require_matplotlib()
    if not on_a_terminal():
        transformers.utils.logging.disable_progress_bar()
    subject = subject_of(EvaluationPlan(
        run=plan.run, dataset=plan.dataset, dataset_config=plan.dataset_config, trained_on=plan.trained_on,
        output=plan.output,
    ))
    output = Path(plan.output or subject.model.parent / "context" / subject.judged.config)
    inputs = [subject.model, subject.judged.folder, subject.trained_on.folder]
    with only_writer(output):
        require_writable(output, overwrite=plan.overwrite, marker=_MARKER, contents=_CONTENTS, inputs=inputs)
        report = _measured(plan, subject)
        with atomic_folder(output) as part:
            _write(part, report)
    return report


def _measured(plan: ContextPlan, subject: Subject) -> ContextReport:
    n_tokens = len(subject.encoder.tokens)
    model = MaskedModel(subject.model, n_tokens=n_tokens, longest=2 * plan.most + 1)
    targets = draw_targets(subject.judged.split("test").store, plan.targets, most=plan.most, seed=plan.seed)
    side: Side = typing.cast(Side, plan.side)
    counted = _counted(plan, subject, targets)
    by_visible = {}
    numbers = visible_numbers(plan.most)
    with progress_bar(total=len(numbers) * len(targets.true), what="targets") as bar:
        for visible in numbers:
            by_visible[visible] = target_losses(
                lambda batch: model.log_probabilities(batch, bf16=plan.bf16), targets, visible=visible, side=side,
                batch_size=plan.batch_size, step=bar.update,
            )
    return ContextReport(
        model=EvaluatedModel(name=plan.run, sha256=weights_sha256(subject.model), parameters=model.n_parameters),
        dataset=DatasetIdentity.of_facts(subject.judged.facts),
        trained_on=DatasetIdentity.of_facts(subject.trained_on.facts), side=plan.side,
        n_targets=len(targets.true), n_windows=len(np.unique(targets.windows)),
        rows=context_rows(counted, SHOWN[MODEL], by_visible, targets.windows, seed=plan.seed),
        seed=plan.seed, versions=versions(),
    )


def _counted(plan: ContextPlan, subject: Subject, targets: Targets) -> dict[str, NDArray[np.float64]]:
    """Return the losses of frequency and of the table, which sees the next token of each side that is shown."""
    # What is seen is true, so the table may trust it wholly.
    collator = MaskingCollator(
        vocab_size=len(subject.encoder.tokens), seed=plan.seed, p_select=0.02, p_mask=1.0, p_random=0.0
    )
    train = subject.trained_on.split("train")
    counts, weights = count_and_weigh(train.store, train.places, collator)
    hidden = np.full(len(targets.true), MASK_ID)
    left, right = (targets.stretches[:, targets.most + shift] for shift in (-1, 1))
    seen = Seen(hidden if plan.side == "right" else left, hidden, hidden if plan.side == "left" else right)
    baselines = baselines_of(counts, weights, collator)
    rows = np.arange(len(targets.true))
    return {
        SHOWN[name]: -baselines[name].log_probabilities(seen)[rows, targets.true].astype(np.float64)
        for name in (FREQUENCY, *(name for name in baselines if name != FREQUENCY))
    }


def _write(folder: Path, report: ContextReport) -> None:
    (folder / _MARKER).write_text(json.dumps(plain(report), indent=2) + "\n")
    with open(folder / "context.csv", "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow([
            "predictor", "visible", "nats", "nats_low", "nats_high", "perplexity", "less_than_before",
            "less_low", "less_high",
        ])
        for row in report.rows:
            less = [] if row.less_than_before_ci95 is None else [row.less_than_before, *row.less_than_before_ci95]
            writer.writerow([row.predictor, row.visible, row.nats, *row.nats_ci95, row.perplexity, *less])
    seen = [row for row in report.rows if row.visible is not None]
    figure = context_figure(
        np.array([row.visible for row in seen]), np.array([row.nats for row in seen]),
        np.array([row.nats_ci95 for row in seen]).T,
        {row.predictor: (row.nats, *row.nats_ci95) for row in report.rows if row.visible is None},
        sides=_SIDES[report.side],
        title=f"{report.n_targets:,} tokens of {report.n_windows:,} test windows; 95 % over windows",
    )
    for suffix in (".png", ".svg"):
        save_figure(figure, folder / f"context{suffix}")


def summary(report: ContextReport) -> str:
    """Return the table of losses."""
    lines = [
        f"{report.dataset.name} {report.dataset.config}, test: {report.n_targets:,} tokens of "
        f"{report.n_windows:,} windows, visible {_SIDES[report.side]}; 95 % intervals over windows",
        f"{'':24}{'nats':>24}{'less than the line above':>28}{'perplexity':>12}",
    ]
    for row in report.rows:
        name = row.predictor if row.visible is None else f"{row.predictor}, {row.visible} visible"
        low, high = row.nats_ci95
        line = f"{name:24}" + f"{row.nats:.3f} ({low:.3f} to {high:.3f})".rjust(24)
        less = ""
        if row.less_than_before_ci95 is not None:
            low, high = row.less_than_before_ci95
            less = f"{row.less_than_before:.3f} ({low:.3f} to {high:.3f})"
        lines.append(line + less.rjust(28) + f"{row.perplexity:12.1f}")
    return "\n".join(lines)


def context_from_command_line(
    arguments: Sequence[str] | None = None, prog: str = "grover interpret context"
) -> None:
    """Read the command line, measure, and print the table."""
    description = "Say how far a pretrained model looks: its loss by how many tokens it sees."
    print(summary(look(plan_from_command_line(ContextPlan, "run", description, prog, arguments))))


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the script; a problem with input ends with its message and code 1."""
    run_script(
        lambda: context_from_command_line(arguments, "python -m training.context"),
        when_stopped="stopped; nothing was written",
    )


if __name__ == "__main__":
    main()
