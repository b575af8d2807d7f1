"""The metrics of masked-token prediction as an `evaluate` module."""

# `evaluate.load` reads these lines with a parser of its own: one import a line, none of them relative,
# for it copies this file alone. It takes the first metric class it finds here: import no other.
from collections.abc import Sequence
from typing import Any

import datasets
import evaluate
import numpy as np
from numpy.typing import NDArray

from grover_hf.errors import InputError, shorten
from grover_hf.metrics.columns import finite_numbers, require_equal_lengths, whole_numbers
from grover_hf.metrics.masked_token import masked_token_metrics
from grover_hf.tokenization.special_tokens import N_SPECIAL, SPECIAL_TOKENS
from grover_hf.tokenization.vocabulary import token_lengths

_DESCRIPTION = (
    "Accuracy, accuracy within the likeliest 10 % of the dictionary, perplexity and bits per base of a "
    "masked language model of DNA, from the negative log-likelihood and the rank of each masked token."
)

_CITATION = """\
@article{sanabria2024dna,
  title={DNA language model GROVER learns sequence context in the human genome},
  author={Sanabria, Melissa and Hirsch, Jonas and Joubert, Pierre M. and Poetsch, Anna R.},
  journal={Nature Machine Intelligence},
  year={2024},
  doi={10.1038/s42256-024-00872-0}
}"""

_ROUNDING = 1e-3
"""How far below 0 the rounding of float32 can bring -log p."""


class MaskedTokenAccuracy(evaluate.Metric):
    """How well masked tokens are predicted: `grover_hf.metrics.masked_token.masked_token_metrics`.

    The input is two numbers a masked token, not its logits: those of a test set do not fit in memory.

    Args:
        nll: Negative log-likelihood of the true token in nats, shape (n_masked,), float.
        rank: How many other tokens the model finds at least as likely as the true one, (n_masked,), int.
        references: Ids of the true tokens, none of them special, shape (n_masked,), int.
        tokens: The vocabulary's token strings in id order, the five special ones first. For `compute`
            alone.

    Returns:
        accuracy, accuracy_top_10_percent, accuracy_top_k, perplexity, share_of_vocabulary,
            bits_per_base, most_frequent_token, n_masked: See `masked_token_metrics`. Only `n_masked`,
            0, if no token was masked.

    Raises:
        InputError: If a shape or a value is wrong, or `tokens` is missing.

    Example:
        >>> tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "A", "C", "G", "T", "TA", "CG"]
        >>> metric = MaskedTokenAccuracy()
        >>> metric.add_batch(nll=[0.5, 1.0], rank=[0, 2], references=[9, 10])
        >>> metric.add(nll=0.75, rank=0, reference=5)
        >>> scores = metric.compute(tokens=tokens)
        >>> for name in ("accuracy", "perplexity", "bits_per_base"):
        ...     print(f"{name} {scores[name]:.3f}")
        accuracy 0.667
        perplexity 2.117
        bits_per_base 0.649
    """

    def _info(self) -> evaluate.MetricInfo:
        return evaluate.MetricInfo(
            description=_DESCRIPTION,
            citation=_CITATION,
            inputs_description=self.__doc__ or "",
            features=datasets.Features(
                nll=datasets.Value("float64"), rank=datasets.Value("int64"),
                references=datasets.Value("int64"),
            ),
        )

    def add_batch(
        self, *, nll: Any = None, rank: Any = None, references: Any = None, **unknown: Any
    ) -> None:
        """Add masked tokens; a batch with a wrong one is refused as a whole."""
        columns = {
            "nll": finite_numbers("nll", nll),
            "rank": whole_numbers("rank", rank),
            "references": whole_numbers("references", references),
        }
        require_equal_lengths(**columns)
        if (columns["nll"] < -_ROUNDING).any():
            raise InputError(f"nll has {columns['nll'].min():g}; give -log p, which is not below 0.")
        super().add_batch(**columns, **unknown)

    def add(self, *, nll: Any = None, rank: Any = None, reference: Any = None, **unknown: Any) -> None:
        """Add one masked token."""
        self.add_batch(nll=[nll], rank=[rank], references=[reference], **unknown)

    def _compute(
        self, *, nll: list[float], rank: list[int], references: list[int],
        tokens: Sequence[str] | None = None,
    ) -> dict[str, float | list[float]]:
        if tokens is None:
            raise InputError(
                "tokens is missing: give the vocabulary to compute, as in "
                "tokens=tokenizer.convert_ids_to_tokens(range(len(tokenizer)))."
            )
        first = list(tokens)[:N_SPECIAL]
        if first != list(SPECIAL_TOKENS) or len(tokens) == N_SPECIAL:
            raise InputError(
                f"tokens has {len(tokens)} tokens and starts with {shorten([*map(str, first)])}; it must start "
                f"with {shorten(list(SPECIAL_TOKENS))}, and go on with the others in the order of their ids."
            )
        # Not by `format="numpy"` of the features, which makes float32 of float64.
        ranks, ids = np.array(rank, np.int64), np.array(references, np.int64)
        _require_range("rank", ranks, 0, len(tokens))
        # -100, which marks what is not to be predicted, would count as a token from the end.
        _require_range(
            "references", ids, N_SPECIAL, len(tokens),
            advice=" Leave out special tokens and positions that are not masked (-100).",
        )
        return masked_token_metrics(np.array(nll, np.float64), ranks, ids, token_lengths(tokens))


def _require_range(name: str, values: NDArray[np.int64], low: int, end: int, *, advice: str = "") -> None:
    bad = values[(values < low) | (values >= end)]
    if bad.size:
        raise InputError(f"{name} has {bad[0]}; with these tokens it goes from {low} to {end - 1}.{advice}")
