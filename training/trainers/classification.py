"""The Trainer of a fine-tuning: rows as inference reads them, and scores of rows from those of their windows."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import softmax
from transformers.modeling_outputs import SequenceClassifierOutput

from grover_hf.errors import InputError
from grover_hf.inference.input_rules import InputRules
from grover_hf.inference.windows import sum_by_owner
from training.data.tasks import Examples
from training.runs.launch import Preempted
from training.trainers.watched import WatchedTrainer


class FinetuneTrainer(WatchedTrainer):
    """The Trainer of a seed, which knows the rows of its last step; SIGTERM ends it with nothing to go on from.

    Args:
        rules: What the model takes.
        trainer: As for `WatchedTrainer`.
    """

    def __init__(self, *, rules: InputRules, **trainer: Any) -> None:
        super().__init__(**trainer)
        self._rules = rules
        self._rows: list[torch.Tensor] = []

    def examples_of_step(self) -> str:
        """Return the rows of this process."""
        rows = torch.cat(self._rows).unique().tolist()
        return f"the train rows {', '.join(map(str, rows))}"

    def what_is_kept(self) -> str:
        return f"It is a step of seed {self.args.seed}; seeds before it are kept."

    def stop_for_sigterm(self) -> None:
        # A seed that is trained is scored; the next one's first step ends the run.
        if self.state.global_step >= self.state.max_steps:
            return
        raise Preempted(
            f"SIGTERM: stopped after step {self.state.global_step} of seed {self.args.seed}; the seeds that are "
            "finished are kept"
        )

    def after_step(self, loss: float) -> None:
        """Forget the rows of the step, which was sound."""
        self._rows.clear()

    def _prepare_inputs(self, inputs: dict[str, Any]) -> dict[str, Any]:
        # Called before each forward pass; the model does not know of rows.
        rows = inputs.pop("row")
        if self.model.training:
            self._rows.append(rows)
        prepared: dict[str, Any] = super()._prepare_inputs(inputs)
        return prepared

    def compute_loss(self, model: Any, inputs: dict[str, Any], *args: Any, **kwargs: Any) -> Any:
        """Compute the loss from logits as `logits_of` gives them."""

        # The Trainer only calls what it takes for the model.
        def forward(**inputs: Any) -> Any:
            return SequenceClassifierOutput(logits=logits_of(model, inputs, self._rules))

        return super().compute_loss(forward, inputs, *args, **kwargs)  # type: ignore[arg-type]


def logits_of(model: Any, inputs: Mapping[str, torch.Tensor], rules: InputRules) -> torch.Tensor:
    """Return a model's logits of a padded batch, shape (B, C).

    A model that cannot be told what is padding gets none: inputs of one length together.

    Args:
        model: With a head for classes.
        inputs: `input_ids` and `attention_mask`, both of shape (B, L).
        rules: What the model takes.
    """
    if rules.pads:
        whole: torch.Tensor = model(**inputs).logits
        return whole
    input_ids, lengths = inputs["input_ids"], inputs["attention_mask"].sum(1)
    rows, parts = [], []
    for length in lengths.unique():
        same = (lengths == length).nonzero()[:, 0]
        for some in same.split(rules.max_rows or len(same)):
            of_length = {"input_ids": input_ids[some, :length]}
            if rules.takes_mask:
                of_length["attention_mask"] = inputs["attention_mask"][some, :length]
            rows.append(some)
            parts.append(model(**of_length).logits)
    return torch.cat(parts)[torch.cat(rows).argsort()]


def mean_over_windows(logits: NDArray[np.floating], row: NDArray[np.int64]) -> NDArray[np.floating]:
    """Return the mean logits of each row over its windows, shape (n_rows, C)."""
    n_windows = np.bincount(row)
    return (sum_by_owner(row, logits, len(n_windows)) / n_windows[:, None]).astype(logits.dtype)


def scores_of_rows(examples: Examples, logits: Any) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Return labels and probabilities of rows from the logits of examples, shape (n_examples, C)."""
    labels, mean = logits_of_rows(examples, logits)
    return labels, softmax(mean.astype(np.float32), axis=1)


def logits_of_rows(examples: Examples, logits: Any) -> tuple[NDArray[np.int64], NDArray[np.floating]]:
    """Return labels of rows, and the means of their windows' logits.

    Raises:
        InputError: If a logit is not finite.
    """
    if not np.isfinite(logits).all():
        raise InputError("The model's output is not a finite number: it diverged. Take a smaller learning_rate.")
    mean = mean_over_windows(logits, examples.row)
    return examples.labels[np.searchsorted(examples.row, np.arange(len(mean)))], mean
