"""`metrics.json`: the only source of numbers in cards and tables. Its types, its writer and its reader.

There are five kinds, told apart by what they say of the model: a pretraining, an evaluation of a pretrained
model, a fine-tuning, a probe, a baseline. Scores are fractions, never per cent.
"""

import datetime
import importlib.metadata
import json
import math
import platform
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, TypeVar, overload

from grover_hf._internals.files import atomic_write
from grover_hf._internals.records import plain, read_json_object, record_of
from grover_hf.corpus.corpus_facts import GenomeFacts
from grover_hf.corpus.facts import DatasetFacts
from grover_hf.errors import InputError
from grover_hf.metrics.classification import Interval, PairedDifference

FILE_NAME = "metrics.json"
_SCHEMA = 1
_PACKAGES = (
    "grover-hf", "torch", "transformers", "tokenizers", "datasets", "accelerate", "numpy", "scikit-learn",
)
_INFINITE = math.inf
_RANGES = {
    "mcc": (-1.0, 1.0),
    **dict.fromkeys(("accuracy", "f1", "precision", "recall", "auroc", "auprc"), (0.0, 1.0)),
    **dict.fromkeys(("accuracy_top_10_percent", "accuracy_top_k", "most_frequent_token"), (0.0, 1.0)),
    **dict.fromkeys(("accuracy_in_repeats", "accuracy_outside_repeats", "share_in_repeats"), (0.0, 1.0)),
    **dict.fromkeys(("perplexity", "perplexity_at_mask"), (1.0, _INFINITE)),
    **dict.fromkeys(("perplexity_in_repeats", "perplexity_outside_repeats"), (1.0, _INFINITE)),
    **dict.fromkeys(("share_of_vocabulary", "bits_per_base", "n_masked"), (0.0, _INFINITE)),
}
"""Lowest and highest value of each score."""
_TOLERANCE = 1e-9
"""Sums of float64 may be off by so much."""

@dataclass(frozen=True, kw_only=True)
class DatasetIdentity:
    """The rows that a score is of."""

    name: str
    builder: str | None = None
    """Name of the builder's class; None if `grover build` did not make the dataset."""
    config: str | None
    sha256: str | None
    """Digest of the Parquet files; None as for the builder."""
    vocabulary_sha256: str | None
    genome: GenomeFacts | None = None
    genomes: dict[str, GenomeFacts] | None = None
    """Of rows of several genomes, by name."""
    retokenized: bool | None = None
    """Whether the model's own tokenizer read the sequences again."""

    @classmethod
    def of_facts(cls, facts: DatasetFacts, *, retokenized: bool | None = None) -> "DatasetIdentity":
        """Return the identity of a configuration that `grover build` made."""
        genome = None if facts.corpus is None else facts.corpus.genome
        genomes = None if facts.genomes is None else facts.genomes_by_name
        return cls(
            name=facts.dataset, builder=facts.builder, config=facts.config, sha256=facts.sha256,
            vocabulary_sha256=facts.vocabulary_sha256, genome=genome, genomes=genomes, retokenized=retokenized,
        )


def versions() -> dict[str, str]:
    """Return the versions that a number depends on."""
    installed = {name: importlib.metadata.version(name) for name in _PACKAGES}
    return {"python": platform.python_version(), **installed}


@dataclass(frozen=True, kw_only=True)
class Report:
    """What all kinds of `metrics.json` have."""

    schema: int = _SCHEMA
    task: str
    model: Any
    """What was scored; each kind has a type for it."""
    dataset: DatasetIdentity
    split: str
    metrics: dict[str, Any]
    """Scores by name; each kind has a type for them."""
    ci95: dict[str, Any]
    """Their intervals of 95 %, of those that have one."""
    seed: int
    command: str = field(default_factory=lambda: " ".join(sys.orig_argv))
    versions: dict[str, str] = field(default_factory=versions)
    """Versions of Python and of the packages that a number depends on."""
    date: str = field(default_factory=lambda: datetime.date.today().isoformat())

    def as_dict(self) -> dict[str, Any]:
        """Return the content of `metrics.json`, as templates of cards take it."""
        return plain(self)


@dataclass(frozen=True, kw_only=True)
class PretrainedModel:
    """A model that was made here."""

    size: str
    parameters: int


@dataclass(frozen=True, kw_only=True)
class PretrainingReport(Report):
    """What a pretraining says of itself."""

    model: PretrainedModel
    n_windows: int
    """Test windows."""
    processes: int
    training_seconds: float | None = None
    step: int | None = None
    """Step after which the weights were taken, if the training goes on; None for those of its end."""


@dataclass(frozen=True, kw_only=True)
class EvaluatedModel:
    """A pretrained model that was judged."""

    kind: str = "pretrained"
    name: str
    sha256: str
    """Digest of its weights."""
    parameters: int


@dataclass(frozen=True, kw_only=True)
class Masking:
    """How tokens were chosen to be predicted."""

    p_select: float
    p_mask: float
    p_random: float
    passes: int


@dataclass(frozen=True, kw_only=True)
class Scores:
    """Scores of a predictor, and intervals of them."""

    metrics: dict[str, float | list[float]]
    ci95: dict[str, Interval | list[Interval]]


@dataclass(frozen=True, kw_only=True)
class Difference:
    """A difference, and its interval of 95 %."""

    difference: float
    ci95: Interval


@dataclass(frozen=True, kw_only=True)
class TypeAccuracy:
    """How often a type of token was predicted rightly."""

    token: str
    accuracy: float
    n_masked: int


@dataclass(frozen=True, kw_only=True)
class TypesSummary:
    """The best and the worst predicted types of tokens."""

    n_types: int
    most_accurate: list[TypeAccuracy]
    least_accurate: list[TypeAccuracy]
    auc_half_or_less: list[str]
    largest_auc_error: float


@dataclass(frozen=True, kw_only=True)
class EvaluationReport(Report):
    """What an evaluation says of a pretrained model, beside predictors that only count."""

    model: EvaluatedModel
    metrics: dict[str, float | list[float]]
    ci95: dict[str, Interval | list[Interval]]
    n_windows: int
    masking: Masking
    trained_on: DatasetIdentity | None
    share_of_bases_seen_in_training: float | None
    baselines: dict[str, Scores]
    model_minus_baseline: dict[str, dict[str, Difference]]
    """Differences of the loss a token, by baseline and unit."""
    types: TypesSummary
    neighbour_weights: dict[str, float]
    seconds: float


@dataclass(frozen=True, kw_only=True)
class FinetunedModel:
    """A model that was fine-tuned."""

    kind: str = "fine-tuned"
    name: str
    random_weights: bool
    lora_rank: int
    revision: str | None
    """Its commit on the Hub."""
    sha256: str | None
    """Digest of its weights, if they were in a folder."""
    parameters: int
    trained: int
    """How many parameters were trained."""


@dataclass(frozen=True, kw_only=True)
class Training:
    """What the training of a seed gave."""

    seed: int
    validation_mcc: float
    steps: int
    metrics: dict[str, float]


@dataclass(frozen=True, kw_only=True)
class FinetuningReport(Report):
    """What a fine-tuning says of itself: means over its trainings."""

    model: FinetunedModel
    metrics: dict[str, float]
    standard_deviation: dict[str, float | None]
    """Over trainings; None for one."""
    ci95: dict[str, Interval]
    n_rows: int
    seeds: list[Training]
    processes: int

    @property
    def n_trainings(self) -> int:
        """How many trainings the scores are means of."""
        return len(self.seeds)


@dataclass(frozen=True, kw_only=True)
class ProbedModel:
    """A model whose embeddings were probed."""

    kind: str = "probe"
    name: str
    revision: str | None
    """Its commit on the Hub."""
    sha256: str | None
    """Digest of its weights, if they were in a folder."""
    parameters: int
    layer: int
    pooling: str


WORD2VEC = "Word2Vec"
"""The name of the control whose features are mean vectors of Word2Vec."""


@dataclass(frozen=True, kw_only=True)
class ControlScores:
    """Scores of what stands beside a probe, by the same fit on the same rows."""

    metrics: dict[str, float]
    ci95: dict[str, Interval]


@dataclass(frozen=True, kw_only=True)
class FewRows:
    """What fits to a few rows of each class give, by features."""

    rows_a_class: int
    draws: int
    mcc: dict[str, float]
    """Means over draws."""
    mcc_standard_deviation: dict[str, float]


@dataclass(frozen=True, kw_only=True)
class ProbeReport(Report):
    """What a probe says of a model's embeddings, and of what stands beside them."""

    model: ProbedModel
    metrics: dict[str, float]
    ci95: dict[str, Interval]
    n_rows: int
    controls: dict[str, ControlScores]
    model_minus_control: dict[str, dict[str, PairedDifference]]
    """By control and metric."""
    few_rows: list[FewRows]
    word2vec_sha256: str | None = None
    """Digest of the vectors of the control of that name, if there is one."""

    standard_deviation: ClassVar[dict[str, float | None]] = {}
    n_trainings: ClassVar[int] = 1


@dataclass(frozen=True, kw_only=True)
class BaselineModel:
    """What was scored in place of a model; the fields that its kind has."""

    kind: str
    tokenizer: str | None = None
    stride: int | None = None
    trees: int | None = None
    max_trees: int | None = None
    n_train_rows: int | None = None
    of_train_rows: int | None = None
    validation_mcc: dict[str, float] | None = None
    """By number of trees."""
    k: int | None = None
    share_of_test_rows_by_least_similarity: dict[str, float] | None = None
    share_of_test_rows_without_any: float | None = None
    fires_on_test_rows_of_class: dict[str, float] | None = None


@dataclass(frozen=True, kw_only=True)
class BaselineReport(Report):
    """What a baseline gives on a task."""

    model: BaselineModel
    metrics: dict[str, float]
    ci95: dict[str, Interval]
    n_rows: int

    standard_deviation: ClassVar[dict[str, float | None]] = {}
    n_trainings: ClassVar[int] = 1


R = TypeVar("R", bound=Report)


def write_metrics(run: Path, report: Report) -> None:
    """Write `RUN/metrics.json`."""
    with atomic_write(run / FILE_NAME) as beside:
        beside.write_text(json.dumps(report.as_dict(), indent=2) + "\n")


@overload
def read_metrics(run: Path) -> Report: ...


@overload
def read_metrics(run: Path, kind: type[R]) -> R: ...


def read_metrics(run: Path, kind: type[Report] = Report) -> Report:
    """Return what `write_metrics` wrote.

    Args:
        run: The folder.
        kind: The kind of report that is needed; `Report` for any.

    Raises:
        InputError: If there is none, it is of another kind or schema, a field is missing or wrong, or a score
            or a number of rows is out of its range, or an interval none.
    """
    path = run / FILE_NAME
    try:
        content = read_json_object(path)
    except FileNotFoundError:
        raise InputError(f"{run} has no {FILE_NAME}.") from None
    if content.get("schema") != _SCHEMA:
        raise InputError(f"{path} has schema {content.get('schema')}; this version reads {_SCHEMA}.")
    report = record_of(_kind_of(content), content, path)
    _require_ranges(report.metrics, f"{path}: metrics")
    _require_ranges(report.ci95, f"{path}: ci95")
    for name, value in report.ci95.items():
        numbers = _numbers(value)
        if len(numbers) % 2 or any(high < low for low, high in zip(numbers[::2], numbers[1::2], strict=True)):
            raise InputError(f"{path}: ci95: {name} is {value}; an interval has a lower end and an upper one.")
    for name in ("n_rows", "n_windows"):
        if (n := getattr(report, name, 1)) < 1:
            raise InputError(f"{path}: {name} is {n}; a score is of one or more.")
    if not isinstance(report, kind):
        raise InputError(f"{path} is a {type(report).__name__}; a {kind.__name__} is needed here.")
    return report


def require_own_report(run: Path, kind: type[Report]) -> None:
    """Raise `InputError` if a folder has the `metrics.json` of another kind of report, which is not replaced."""
    if (run / FILE_NAME).exists() and type(read_metrics(run)) is not kind:
        raise InputError(
            f"{run} is not replaced: its {FILE_NAME} is a {type(read_metrics(run)).__name__}, which this command "
            "does not make. Name another --output, or remove it yourself."
        )


def _kind_of(content: Mapping[str, Any]) -> type[Report]:
    model = content.get("model")
    if not isinstance(model, dict) or "kind" not in model:
        return PretrainingReport
    kinds = {"fine-tuned": FinetuningReport, "pretrained": EvaluationReport, "probe": ProbeReport}
    return next((report for kind, report in kinds.items() if model["kind"] == kind), BaselineReport)


def _require_ranges(scores: Mapping[str, Any], place: str) -> None:
    for name, value in scores.items():
        low, high = _RANGES.get(name, (-_INFINITE, _INFINITE))
        numbers = _numbers(value)
        if odd := [x for x in numbers if isinstance(x, bool) or not isinstance(x, int | float)]:
            raise InputError(f"{place}: {name} is {odd[0]!r}; it must be a number.")
        outside = [x for x in numbers if not low - _TOLERANCE <= x <= high + _TOLERANCE]
        if outside:
            raise InputError(f"{place}: {name} is {outside[0]}; it lies between {low:g} and {high:g}.")


def _numbers(value: Any) -> list[Any]:
    """Return the numbers in lists of lists."""
    if isinstance(value, list | tuple):
        return [number for one in value for number in _numbers(one)]
    return [] if value is None else [value]
