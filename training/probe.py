"""Say whether a pretrained model's embeddings tell the classes of a task apart.

`grover probe DATASET --model MODEL --output FOLDER`, or `python -m training.probe ...`.

The model is frozen: each row becomes one vector, and a logistic regression tells the classes by it. Seconds to
minutes on a CPU, where a fine-tuning takes hours. Beside it, by the same regression on the same rows, stands what
says whether the model has learnt anything for this task: the same architecture with random weights, TF-IDF of
overlapping k-mers, GC content and, if given, mean vectors of Word2Vec; differences are paired by test rows. Then
the same with few rows a class.

OUTPUT/metrics.json        scores with 95 % intervals over test rows, differences, digests; for `grover results`
OUTPUT/predictions.npz     what the probe says of every test row, for `grover compare`
"""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import transformers
from numpy.typing import NDArray
from sklearn.metrics import matthews_corrcoef

from grover_hf._internals.files import atomic_folder, sha256_of_file
from grover_hf._internals.outputs import only_writer, require_writable
from grover_hf._internals.progress import on_a_terminal
from grover_hf.corpus.splits import SPLITS, Places
from grover_hf.errors import InputError
from grover_hf.inference.dna_model import DnaModel
from grover_hf.inference.genome_models import encoder_of
from grover_hf.interpretation.token_vectors.word2vec import ARRAYS, read_word2vec
from grover_hf.metrics.classification import classification_metrics, mean_intervals, paired_difference
from grover_hf.metrics.predictions import MOST_CLASSES, Predictions, predictions_of, together, write_predictions
from grover_hf.metrics.report import (
    WORD2VEC,
    ControlScores,
    DatasetIdentity,
    FewRows,
    ProbedModel,
    ProbeReport,
    require_own_report,
    write_metrics,
)
from grover_hf.model import identity_of_model
from grover_hf.probing.features import (
    GC,
    MODEL,
    RANDOM,
    Features,
    embeddings,
    gc_features,
    kmer_features,
    mean_vectors,
    with_random_weights,
)
from grover_hf.probing.folds import Fold, block_folds
from grover_hf.probing.linear import Part, few_rows, fit_and_predict, predict_from_few
from training.data.tasks import Ids, Task, open_task, read_ids
from training.runs.launch import require_positive, run_script
from training.runs.recipe import plan_from_command_line, recipe_field

_KMERS = (4, 6)
_CONTENTS = ("predictions.npz",)


@dataclass(frozen=True, kw_only=True)
class ProbePlan:
    """What to probe, and how."""

    dataset: str = recipe_field("a folder made by `grover build`, or a dataset with `sequence` and `label`")
    model: str = recipe_field("folder of a model, or its name on the Hub")
    output: str = recipe_field("folder for metrics.json and predictions.npz")
    dataset_config: str | None = recipe_field("its configuration; else bpe-600, or the only one", default=None)
    revision: str | None = recipe_field("of the model on the Hub: a commit, a tag or a branch", default=None)
    retokenize: bool = recipe_field("tokenize the sequences again, with the model's tokenizer", default=False)
    layer: int = recipe_field("0 is what enters the first layer, -1 what leaves the last", default=-1)
    pooling: str = recipe_field("mean of the tokens, or cls", default="mean")
    folds: int | None = recipe_field(
        "instead of the dataset's splits: all rows, judged in so many folds of blocks of the genome", default=None
    )
    word2vec: str | None = recipe_field("a folder of `grover interpret word2vec`, as a control", default=None)
    random_weights: int = recipe_field("models with random weights beside it", default=1)
    draws: int = recipe_field("how often few rows are drawn; 0 leaves them out", default=10)
    seed: int = recipe_field("of random weights, folds, draws and the bootstrap", default=0)
    overwrite: bool = recipe_field("replace the results that are there", default=False)


FEW = (8, 32, 128)
"""Rows of each class of the fits to few rows."""


def probe(plan: ProbePlan) -> ProbeReport:
    """Probe a model; write the results and return what `metrics.json` says.

    Raises:
        InputError: If the dataset or the model cannot be used, their vocabularies differ, or an option is wrong.
    """
    require_positive(random_weights=plan.random_weights)
    for name, value, least in (("folds", plan.folds, 3), ("draws", plan.draws, 0), ("seed", plan.seed, 0)):
        if value is not None and value < least:
            raise InputError(f"{name} is {value}; the least is {least}.")
    if not on_a_terminal():
        transformers.utils.logging.disable_progress_bar()
    output = Path(plan.output)
    with only_writer(output):
        require_writable(
            output, overwrite=plan.overwrite, marker="metrics.json", contents=_CONTENTS,
            inputs=[plan.dataset, plan.model, *([] if plan.word2vec is None else [plan.word2vec])],
        )
        require_own_report(output, ProbeReport)
        report, predictions = _probe(plan)
        with atomic_folder(output) as part:
            write_predictions(part, predictions)
            write_metrics(part, report)
    return report


def _probe(plan: ProbePlan) -> tuple[ProbeReport, Predictions]:
    task = open_task(plan.dataset, plan.dataset_config)
    if len(task.class_names) > MOST_CLASSES:
        raise InputError(f"{task.name} has {len(task.class_names)} classes; a probe tells up to {MOST_CLASSES}.")
    folds = _folds(plan, task)
    dna = DnaModel.opened(plan.model, plan.revision)
    dna.require_embedding(pooling=plan.pooling, layer=plan.layer)
    rows = read_ids(task, dna.tokenizer, retokenize=plan.retokenize)
    labels = np.concatenate([np.array(task.splits[name]["label"], np.int64) for name in SPLITS])
    features = _features(plan, task, dna, [ids for name in SPLITS for ids in rows[name]])
    n_classes = len(task.class_names)
    judged = np.concatenate([fold.test for fold in folds])
    said = {
        name: together([_predicted(one, labels, folds, n_classes) for one in ones])
        for name, ones in features.items()
    }
    rng = np.random.default_rng
    scores = {name: _scores(predictions, seed=plan.seed) for name, predictions in said.items()}
    differences = {
        name: paired_difference(labels[judged], said[MODEL].predicted, other.predicted, rng=rng(plan.seed))
        for name, other in said.items() if name != MODEL
    }
    identity = identity_of_model(plan.model, plan.revision)
    report = ProbeReport(
        task=task.facts.task if task.facts else task.name,
        model=ProbedModel(
            name=plan.model, revision=identity["revision"], sha256=identity["sha256"], layer=plan.layer,
            pooling=plan.pooling, parameters=sum(parameter.numel() for parameter in dna.model.parameters()),
        ),
        dataset=_identity(task, plan),
        split="test" if plan.folds is None else f"{plan.folds} folds by block",
        n_rows=len(judged), metrics=scores[MODEL].metrics, ci95=scores[MODEL].ci95, seed=plan.seed,
        controls={name: score for name, score in scores.items() if name != MODEL},
        model_minus_control=differences,
        few_rows=_of_few(plan, features, labels, folds[0], n_classes),
        word2vec_sha256=None if plan.word2vec is None else sha256_of_file(Path(plan.word2vec) / ARRAYS),
    )
    return report, said[MODEL]


def _identity(task: Task, plan: ProbePlan) -> DatasetIdentity:
    if task.facts is not None:
        return DatasetIdentity.of_facts(task.facts, retokenized=plan.retokenize)
    return DatasetIdentity(name=task.name, config=task.config, sha256=None, vocabulary_sha256=None)


def _folds(plan: ProbePlan, task: Task) -> list[Fold]:
    """Return the dataset's splits as one fold; or folds of blocks, each validated on the rows of the next one."""
    ends = np.cumsum([0] + [len(task.splits[name]) for name in SPLITS])
    if plan.folds is None:
        return [Fold(*(np.arange(first, end) for first, end in itertools.pairwise(ends)))]
    if missing := [name for name in ("chrom", "start") if name not in task.splits["train"].features]:
        raise InputError(
            f"{task.name} has no {missing[0]}: where its rows lie is not known, so folds could share sequence. "
            "Leave --folds out."
        )
    chroms, starts, labels = (
        np.concatenate([np.array(task.splits[name][column]) for name in SPLITS])
        for column in ("chrom", "start", "label")
    )
    starts = starts.astype(np.int64)
    ends = starts + 1
    if "end" in task.splits["train"].features:
        ends = np.concatenate([np.array(task.splits[name]["end"]) for name in SPLITS])
    return block_folds(
        Places(chroms, starts, ends), labels.astype(np.int64), n_folds=plan.folds, seed=plan.seed, what=task.name
    )


def _features(plan: ProbePlan, task: Task, dna: DnaModel, rows: Ids) -> dict[str, list[Features]]:
    """Return features of all rows by name; of random weights, those of each model."""
    options: dict[str, Any] = {"layer": plan.layer, "pooling": plan.pooling}
    every = [str(text).upper() for name in SPLITS for text in task.splits[name]["sequence"]]
    train = every[: len(task.splits["train"])]
    word2vec: dict[str, list[Features]] = {}
    if plan.word2vec is not None:
        # Before the model reads anything: a folder that cannot be used is an error at once.
        static = read_word2vec(Path(plan.word2vec), encoder_of(dna, plan.model))
        word2vec[WORD2VEC] = [mean_vectors(static.table(len(dna.tokenizer)), rows)]
    random = [
        embeddings(with_random_weights(dna, plan.seed + number), rows, **options, what=RANDOM)
        for number in range(plan.random_weights)
    ]
    kmers: dict[str, list[Features]] = {}
    for k in _KMERS:
        if (found := kmer_features(train, every, k)) is not None:
            kmers[f"{k}-mers"] = [found]
    return {
        MODEL: [embeddings(dna, rows, **options, what=MODEL)], RANDOM: list(random), **kmers,
        GC: [gc_features(every)], **word2vec,
    }


def _predicted(
    features: Features, labels: NDArray[np.int64], folds: Sequence[Fold], n_classes: int
) -> Predictions:
    """Return what a fit says of the test rows of all folds, one fold after another."""
    said = []
    for fold in folds:
        train, validation = (Part(features[part], labels[part]) for part in (fold.train, fold.validation))
        said.append(fit_and_predict(train, validation, features[fold.test], n_classes)[0])
    return predictions_of(np.concatenate([labels[fold.test] for fold in folds]), np.concatenate(said))


def _scores(predictions: Predictions, *, seed: int) -> ControlScores:
    """Return the mean scores over trainings, with the intervals of MCC and accuracy."""
    assert predictions.probabilities is not None
    each = [classification_metrics(predictions.labels, said) for said in predictions.probabilities]
    return ControlScores(
        metrics={name: float(np.mean([one[name] for one in each])) for name in each[0]},
        ci95={**mean_intervals(predictions.labels, predictions.predicted, rng=np.random.default_rng(seed))},
    )


def _of_few(
    plan: ProbePlan, features: Mapping[str, list[Features]], labels: NDArray[np.int64], fold: Fold, n_classes: int
) -> list[FewRows]:
    """Return what fits to few train rows give; the same rows for all features."""
    found = []
    for per_class in FEW if plan.draws else ():
        scores: dict[str, list[float]] = {name: [] for name in features}
        for rows in few_rows(labels[fold.train], per_class, plan.draws, plan.seed):
            for name, (first, *_) in features.items():
                train = Part(first[fold.train], labels[fold.train])
                said = predict_from_few(train, rows, first[fold.test], n_classes)
                # Not all metrics: a fold may have one class, for which some have no value.
                scores[name].append(float(matthews_corrcoef(labels[fold.test], said.argmax(1))))
        if scores[MODEL]:
            found.append(FewRows(
                rows_a_class=per_class, draws=plan.draws,
                mcc={name: float(np.mean(values)) for name, values in scores.items()},
                mcc_standard_deviation={name: float(np.std(values, ddof=1)) if len(values) > 1 else 0.0
                                        for name, values in scores.items()},
            ))
    return found


def summary(report: ProbeReport) -> str:
    """Return the table of a probe, and what it comes to."""
    lines = [
        f"{report.task}, {report.split}: {report.n_rows:,} rows; 95 % intervals over them",
        f"{'':16}{'MCC':>24}{'accuracy':>10}{'AUROC':>8}{'model less it, MCC':>28}",
    ]
    of_model = ControlScores(metrics=report.metrics, ci95=report.ci95)
    for name, score in {MODEL: of_model, **report.controls}.items():
        low, high = score.ci95["mcc"]
        line = f"{name:16}" + f"{score.metrics['mcc']:.3f} ({low:.3f} to {high:.3f})".rjust(24)
        line += f"{score.metrics['accuracy']:10.3f}{score.metrics['auroc']:8.3f}"
        if name in report.model_minus_control:
            difference = report.model_minus_control[name]["mcc"]
            low, high = difference.ci95
            line += f"{difference.difference:+.3f} ({low:+.3f} to {high:+.3f})".rjust(28)
        lines.append(line)
    for few in report.few_rows:
        said = ", ".join(
            f"{name} {mcc:.3f} ± {few.mcc_standard_deviation[name]:.3f}" for name, mcc in few.mcc.items()
        )
        lines.append(f"{few.rows_a_class} rows a class, MCC of {few.draws} draws: {said}")
    better = [name for name, found in report.model_minus_control.items() if found["mcc"].ci95[0] > 0]
    worse = [name for name in report.controls if name not in better]
    lines.append(
        "The embeddings tell the classes better than " + (", ".join(better) or "nothing beside them")
        + (f"; not better than {', '.join(worse)}." if worse else ".")
    )
    return "\n".join(lines)


def probe_from_command_line(arguments: Sequence[str] | None = None, prog: str = "grover probe") -> None:
    """Read the command line, probe, and print the table."""
    description = "Say whether a pretrained model's embeddings tell the classes of a task apart."
    print(summary(probe(plan_from_command_line(ProbePlan, "dataset", description, prog, arguments))))


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the script; a problem with input ends with its message and code 1."""
    run_script(
        lambda: probe_from_command_line(arguments, "python -m training.probe"),
        when_stopped="stopped; nothing was written",
    )


if __name__ == "__main__":
    main()
