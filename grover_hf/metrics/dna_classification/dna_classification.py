"""The metrics of a DNA classification task as an `evaluate` module."""

# `evaluate.load` reads these lines with a parser of its own: one import a line, none of them relative,
# for it copies this file alone. It takes the first metric class it finds here: import no other.
from typing import Any

import datasets
import evaluate
import numpy as np
from numpy.typing import NDArray

from grover_hf.errors import InputError
from grover_hf.metrics.classification import bootstrap_intervals, classification_metrics
from grover_hf.metrics.columns import finite_numbers, require_equal_lengths, whole_numbers

_DESCRIPTION = (
    "MCC, accuracy, F1, precision, recall, AUROC and AUPRC of a classifier of DNA sequences, from its "
    "logits or probabilities, with bootstrap intervals on demand."
)

_CITATION = """\
@article{gorodkin2004comparing,
  title={Comparing two K-category assignments by a K-category correlation coefficient},
  author={Gorodkin, Jan},
  journal={Computational Biology and Chemistry},
  volume={28},
  pages={367--374},
  year={2004},
  doi={10.1016/j.compbiolchem.2004.09.006}
}
@article{scikit-learn,
  title={Scikit-learn: Machine Learning in {P}ython},
  author={Pedregosa, F. and Varoquaux, G. and Gramfort, A. and Michel, V. and Thirion, B. and Grisel, O.
    and Blondel, M. and Prettenhofer, P. and Weiss, R. and Dubourg, V. and Vanderplas, J. and Passos, A.
    and Cournapeau, D. and Brucher, M. and Perrot, M. and Duchesnay, E.},
  journal={Journal of Machine Learning Research},
  volume={12},
  pages={2825--2830},
  year={2011}
}"""

_SUM_TOLERANCE = 1e-3
"""How far the probabilities of a row may be from a sum of 1: bfloat16 and rounded tables pass."""


class DnaClassification(evaluate.Metric):
    """Scores of a classifier, those of `grover_hf.metrics.classification.classification_metrics`.

    Args:
        predictions: Logits, or probabilities, of each class, shape (n, C), float.
        references: True classes in [0, C), shape (n,), int.
        from_logits: Whether `predictions` are logits, of which the softmax is taken; else they are
            probabilities.
        confidence_intervals: Whether to add 95 % bootstrap intervals over rows.
        seed: Seed of the bootstrap.

    Returns:
        mcc, accuracy, f1, precision, recall, auroc, auprc: Fractions, float. With
            `confidence_intervals` also mcc_ci95 and accuracy_ci95, [low, high].

    Raises:
        InputError: If a shape or a value is wrong; or if all rows have one class, for which AUROC has
            no value.

    Example:
        >>> metric = DnaClassification()
        >>> metric.add_batch(predictions=[[2.0, -1.0], [0.5, 0.3], [-1.0, 1.5]], references=[0, 1, 1])
        >>> metric.add(prediction=[0.9, 0.1], reference=0)
        >>> scores = metric.compute()
        >>> scores["accuracy"], scores["recall"], scores["auroc"]
        (0.75, 0.5, 1.0)
        >>> metric.compute(predictions=[[0.5, 0.6]], references=[1], from_logits=False)  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        grover_hf.errors.InputError: row 0 of predictions sums to 1.1 ...
    """

    def _info(self) -> evaluate.MetricInfo:
        return evaluate.MetricInfo(
            description=_DESCRIPTION,
            citation=_CITATION,
            inputs_description=self.__doc__ or "",
            features=datasets.Features(
                predictions=datasets.List(datasets.Value("float64")), references=datasets.Value("int64")
            ),
        )

    def add_batch(self, *, predictions: Any = None, references: Any = None, **unknown: Any) -> None:
        """Add rows; a batch with a wrong row is refused as a whole."""
        rows = finite_numbers("predictions", predictions, n_dims=2)
        labels = whole_numbers("references", references)
        require_equal_lengths(predictions=rows, references=labels)
        super().add_batch(predictions=rows, references=labels, **unknown)

    def add(self, *, prediction: Any = None, reference: Any = None, **unknown: Any) -> None:
        """Add one row."""
        self.add_batch(predictions=[prediction], references=[reference], **unknown)

    def _compute(
        self, *, predictions: list[list[float]], references: list[int], from_logits: bool = True,
        confidence_intervals: bool = False, seed: int = 0,
    ) -> dict[str, float | list[float]]:
        # Batches may differ in their number of classes.
        rows = finite_numbers("predictions", predictions, n_dims=2)
        labels = np.array(references, np.int64)
        if rows.shape[1] < 2:
            raise InputError(
                f"There are {len(labels)} rows of predictions, with {rows.shape[1]} numbers each; give one "
                "row or more, with a number for each class (two for a binary task)."
            )
        if not from_logits:
            _require_probabilities(rows)
        probabilities = _softmax(rows) if from_logits else rows
        scores: dict[str, float | list[float]] = {**classification_metrics(labels, probabilities)}
        if confidence_intervals:
            intervals = bootstrap_intervals(labels, probabilities, rng=np.random.default_rng(seed))
            scores |= {f"{name}_ci95": list(interval) for name, interval in intervals.items()}
        return scores


def _softmax(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    powers = np.exp(logits - logits.max(1, keepdims=True))
    return np.asarray(powers / powers.sum(1, keepdims=True))


def _require_probabilities(rows: NDArray[np.float64]) -> None:
    advice = "Give probabilities; for logits leave out from_logits=False."
    negative = np.flatnonzero((rows < 0).any(1))
    if negative.size:
        row = negative[0]
        raise InputError(f"row {row} of predictions has the probability {rows[row].min():g}. {advice}")
    sums = rows.sum(1)
    off = np.flatnonzero(np.abs(sums - 1) > _SUM_TOLERANCE)
    if off.size:
        raise InputError(f"row {off[0]} of predictions sums to {sums[off[0]]:g} instead of 1. {advice}")
