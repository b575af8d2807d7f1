"""Judge a pretrained model on masked tokens, and compare it with counting.

`grover evaluate RUN`, or `python -m training.evaluate RUN`.

The model is compared with two predictors that see the same input at the same masked tokens, and were counted on
the windows that the model was trained on: how often each token occurs, and a table of the tokens on both sides
(`grover_hf.baselines.neighbour_model`). A model that does not beat the table has learnt no more than it.

OUTPUT/metrics.json                   scores with 95 % intervals by resampling windows, differences, digests
OUTPUT/per_token.csv                  accuracy and AUC of each type of token
OUTPUT/accuracy.png, perplexity.png, per_token.png    like the paper's Fig. 2d, 2e and 3f-g
"""

import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import transformers

from grover_hf._internals.files import atomic_folder
from grover_hf._internals.outputs import only_writer, require_writable
from grover_hf._internals.progress import on_a_terminal
from grover_hf.analysis.figure_style import require_matplotlib
from grover_hf.corpus.splits import Places
from grover_hf.errors import InputError
from grover_hf.metrics.report import DatasetIdentity, EvaluatedModel, EvaluationReport, Masking, write_metrics
from grover_hf.model import weights_sha256
from training.data.window_batches import WindowDataset
from training.evaluation.judging import MaskedModel, baselines_of, count_and_weigh, judge
from training.evaluation.plan import EvaluationPlan
from training.evaluation.report import PER_TOKEN, report, summary, write_tables
from training.evaluation.subject import Subject, collator_of, rows_to_judge, subject_of
from training.runs.launch import require_positive, run_script, world_size
from training.runs.recipe import plan_from_command_line

_CONTENTS = ("metrics.json", "*.csv", "*.png", "*.md")


def evaluate(plan: EvaluationPlan) -> EvaluationReport:
    """Judge a model; write the results and return what `metrics.json` says.

    Windows of the first tiling alone are judged: others are the same sequence again, and intervals would
    come out too narrow. Masks are those of the training's own evaluation, if that was on the same windows.

    Memory: that of `count_neighbours`; for each of the three predictors 64 kB a type and 8 bytes a masked
    token; the logits of one batch, never more.

    Raises:
        InputError: If the run, the windows or an option cannot be used.
    """
    started = time.perf_counter()
    _check(plan)
    subject = subject_of(plan)
    output = Path(plan.output or subject.model.parent / "evaluation" / subject.judged.config)
    inputs = [subject.model, subject.judged.folder, subject.trained_on.folder]
    with only_writer(output):
        require_writable(output, overwrite=plan.overwrite, marker=PER_TOKEN, contents=_CONTENTS, inputs=inputs)
        return _judge(plan, subject, output, started)


def _judge(plan: EvaluationPlan, subject: Subject, output: Path, started: float) -> EvaluationReport:
    collator = collator_of(plan, subject)
    test = subject.judged.split("test")
    rows = rows_to_judge(test.places, plan.windows)
    windows = WindowDataset(test.store, rows)
    model = MaskedModel(subject.model, n_tokens=collator.vocab_size, longest=int(windows.lengths.max()))
    train = subject.trained_on.split("train")
    counts, weights = count_and_weigh(train.store, train.places, collator)
    baselines = baselines_of(counts, weights, collator)
    judged = judge(
        model, baselines, windows, collator, passes=plan.passes, batch_size=plan.batch_size, bf16=plan.bf16
    )
    scores = report(judged, subject.encoder)
    judged_places = Places(*(np.asarray(column)[rows] for column in test.places))
    content = EvaluationReport(
        task="masked-token",
        model=EvaluatedModel(name=plan.run, sha256=weights_sha256(subject.model), parameters=model.n_parameters),
        dataset=DatasetIdentity.of_facts(subject.judged.facts),
        split="test",
        n_windows=len(rows),
        masking=Masking(
            p_select=collator.p_select, p_mask=collator.p_mask, p_random=collator.p_random, passes=plan.passes
        ),
        trained_on=DatasetIdentity.of_facts(subject.trained_on.facts) if subject.masking else None,
        share_of_bases_seen_in_training=subject.share_seen(judged_places, train.places),
        metrics=scores.of_model.metrics,
        ci95=scores.of_model.ci95,
        baselines=scores.baselines,
        model_minus_baseline=scores.model_minus_baseline,
        types=scores.types,
        neighbour_weights=weights._asdict(),
        seed=collator.seed,
        seconds=time.perf_counter() - started,
    )
    with atomic_folder(output) as part:
        write_tables(part, judged, scores, subject.encoder, counts.singles)
        write_metrics(part, content)
    return content


def _check(plan: EvaluationPlan) -> None:
    require_positive(passes=plan.passes, batch_size=plan.batch_size, windows=plan.windows or 1)
    if world_size() > 1:
        raise InputError(
            f"{world_size()} processes were started; an evaluation is one process: grover evaluate RUN."
        )
    require_matplotlib()
    if not on_a_terminal():
        transformers.utils.logging.disable_progress_bar()


def evaluate_from_command_line(arguments: Sequence[str] | None = None, prog: str = "grover evaluate") -> None:
    """Read the command line, judge, and print the short table."""
    description = "Judge a pretrained model on masked tokens, and compare it with counting."
    print(summary(evaluate(plan_from_command_line(EvaluationPlan, "run", description, prog, arguments))))


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the script; a problem with input ends with its message and code 1."""
    run_script(
        lambda: evaluate_from_command_line(arguments, "python -m training.evaluate"),
        when_stopped="stopped; nothing was written",
    )


if __name__ == "__main__":
    main()
