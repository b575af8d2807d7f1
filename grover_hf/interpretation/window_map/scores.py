"""How well annotation of windows can be told from their vectors, beside what their bases alone tell."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from grover_hf.corpus.splits import Places
from grover_hf.errors import InputError
from grover_hf.interpretation.window_map.inputs import Annotation
from grover_hf.metrics.block_scores import Resampled, two_class_scores
from grover_hf.metrics.classification import Interval
from grover_hf.metrics.window_bootstrap import WindowResamples
from grover_hf.probing.features import MODEL, Features
from grover_hf.probing.folds import block_folds, blocks_of
from grover_hf.probing.linear import Part, fit_and_predict

PRESENCE, DIRECTION = "presence", "direction"
FEWEST_WINDOWS = 50
"""Of a class with fewer windows nothing is said: an AUROC of 50 against many is off by some 0.04."""


class Question(NamedTuple):
    """What is to be told of which windows."""

    annotation: str
    kind: str
    """presence: whether the annotation covers a window; direction: its strand, of windows with one strand."""
    rows: NDArray[np.int64]
    """Numbers of the windows that it is asked of, shape (m,)."""
    labels: NDArray[np.int64]
    """1 for what is present, or on "+"; shape (m,)."""


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """A number with its 95 % interval over blocks of the genome."""

    value: float
    ci95: Interval

    @classmethod
    def of(cls, resampled: Resampled) -> "Estimate":
        """Return the estimate that resamples give."""
        return cls(value=resampled.value, ci95=resampled.ci95)


@dataclass(frozen=True, kw_only=True)
class WindowScore:
    """How well a predictor tells an annotation."""

    annotation: str
    question: str
    predictor: str
    """model, or what stands beside it."""
    n_windows: int
    n_positive: int
    """Windows where it is present, or on "+"."""
    n_blocks: int
    """Blocks of the genome that the windows lie in."""
    auroc: Estimate
    mcc: Estimate
    model_minus_auroc: Estimate | None = None
    """The model's less this one, on the same windows; None for the model."""
    model_minus_mcc: Estimate | None = None


@dataclass(frozen=True, kw_only=True)
class NotJudged:
    """An annotation of which nothing is said, and why."""

    annotation: str
    question: str
    n_positive: int
    n_negative: int
    reason: str


def questions_of(annotation: Annotation, *, covered: float) -> list[Question]:
    """Return whether an annotation is present, and on which strand.

    Windows of which the share is not known are not asked. As in the paper's Fig. 5d, direction is asked of
    windows whose annotation lies on one strand alone.

    Args:
        annotation: Of all windows.
        covered: A window has it if it covers more than this share of the bases.

    Examples:
        >>> import numpy as np
        >>> from grover_hf.interpretation.window_map.inputs import Annotation
        >>> from grover_hf.interpretation.window_map.scores import questions_of
        >>> share, strand = np.array([0, 0.2, 0.3, np.nan]), np.array([np.nan, -1, 0, np.nan])
        >>> [(asked.kind, asked.rows.tolist(), asked.labels.tolist())
        ...  for asked in questions_of(Annotation("L1", share, strand), covered=0.1)]
        [('presence', [0, 1, 2], [0, 1, 1]), ('direction', [1], [0])]
    """
    known = np.flatnonzero(~np.isnan(annotation.share))
    present = annotation.share > covered
    asked = [Question(annotation.name, PRESENCE, known, present[known].astype(np.int64))]
    if annotation.strand is not None:
        directed = np.flatnonzero(present & (np.abs(annotation.strand) == 1))
        labels = (annotation.strand[directed] > 0).astype(np.int64)
        asked.append(Question(annotation.name, DIRECTION, directed, labels))
    return asked


def judge(
    question: Question, features: Mapping[str, Features], places: Places, *,
    n_folds: int, block_bp: int, seed: int, step: Callable[[], object] = lambda: None,
) -> list[WindowScore] | NotJudged:
    """Return how well each predictor answers a question, by logistic regression in folds of whole blocks.

    Intervals and differences are by bootstrap over blocks, the same draws for all predictors.

    Args:
        question: What is to be told.
        features: By predictor, a row for each window, the model's among them.
        places: Where all windows lie.
        n_folds: Folds of blocks.
        block_bp: Bases of a block.
        seed: Of folds and bootstrap.
        step: Called after each fit.
    """
    positive = int(question.labels.sum())
    if refusal := _refusal(question, positive):
        return refusal
    of_rows = Places(*(np.asarray(column)[question.rows] for column in places))
    what = f"{question.annotation}, {question.kind},"
    try:
        folds = block_folds(of_rows, question.labels, n_folds=n_folds, seed=seed, what=what, block_bp=block_bp)
    except InputError as error:
        return _not_judged(question, positive, str(error))
    judged = np.concatenate([fold.test for fold in folds])
    fold_of = np.repeat(np.arange(len(folds)), [len(fold.test) for fold in folds])
    names, block = np.unique(blocks_of(of_rows, block_bp)[judged], return_inverse=True)
    resamples = WindowResamples(block, len(names), rng=np.random.default_rng(seed))
    scores = {}
    for predictor, of_all in features.items():
        mine, said = of_all[question.rows], []
        for fold in folds:
            train, validation = (Part(mine[rows], question.labels[rows]) for rows in (fold.train, fold.validation))
            said.append(fit_and_predict(train, validation, mine[fold.test], 2)[0][:, 1])
            step()
        scores[predictor] = two_class_scores(question.labels[judged], np.concatenate(said), fold_of, resamples)
    model = scores[MODEL]
    return [
        WindowScore(
            annotation=question.annotation, question=question.kind, predictor=predictor,
            n_windows=len(judged), n_positive=positive, n_blocks=len(names),
            auroc=Estimate.of(score.auroc), mcc=Estimate.of(score.mcc),
            model_minus_auroc=None if predictor == MODEL else Estimate.of(model.auroc.minus(score.auroc)),
            model_minus_mcc=None if predictor == MODEL else Estimate.of(model.mcc.minus(score.mcc)),
        )
        for predictor, score in scores.items()
    ]


def _refusal(question: Question, positive: int) -> NotJudged | None:
    negative = len(question.labels) - positive
    if min(positive, negative) >= FEWEST_WINDOWS:
        return None
    classes = ("with it", "without it") if question.kind == PRESENCE else ("on +", "on -")
    counts = " and ".join(f"{n} {name}" for n, name in zip((positive, negative), classes, strict=True))
    return _not_judged(question, positive, f"{counts}; {FEWEST_WINDOWS} of each are needed")


def _not_judged(question: Question, positive: int, reason: str) -> NotJudged:
    return NotJudged(
        annotation=question.annotation, question=question.kind, n_positive=positive,
        n_negative=len(question.labels) - positive, reason=reason,
    )
