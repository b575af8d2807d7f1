"""Integrated gradients (Sundararajan, Taly and Yan 2017) of a classifier's class, token by token, by `captum`.

The path goes from an input in which every token of the region is [MASK] (special tokens are kept) to the region
itself, in the space of the word embeddings. A token's value is the sum over the dimensions of its embedding. All
values add up to the log-odds of the class for the region, less those for the masks, but for `delta`, which comes
from the finite number of steps.
"""

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from grover_hf.errors import InputError
from grover_hf.inference.dna_model import DnaModel
from grover_hf.interpretation.attribution.classes import log_odds
from grover_hf.interpretation.attribution.one_window import OneWindow

_TOKENS_AT_ONCE = 4_096
_LARGEST_DELTA = 0.05
"""As a share of the difference that the values should add up to; a small difference counts as 1."""


class Integrated(NamedTuple):
    """The integrated gradients of an input."""

    values: NDArray[np.float64]
    """Of the region's tokens, in nats of log-odds, shape (n_tokens,)."""
    score: float
    """Log-odds of the class."""
    baseline: float
    """The same where every token is [MASK]."""
    delta: float
    """The sum of the values less (score - baseline)."""

    @property
    def is_complete(self) -> bool:
        """Whether the values add up to what they should, but for 5 % of it, or of 1."""
        return abs(self.delta) <= _LARGEST_DELTA * max(1.0, abs(self.score - self.baseline))


def require_captum() -> None:
    """Raise `InputError` if captum is missing."""
    try:
        import captum  # noqa: F401
    except ImportError:
        raise InputError("Gradients need captum: pip install 'grover-hf[analysis]'") from None


def integrated_gradients(dna: DnaModel, window: OneWindow, number: int, *, n_steps: int) -> Integrated:
    """Return the integrated gradients of a class's log-odds.

    Args:
        dna: A fine-tuned classifier.
        window: Its input.
        number: The class.
        n_steps: Points of the path at which gradients are taken (Gauss-Legendre).

    Raises:
        InputError: If captum is missing, or the tokenizer has no [MASK].
    """
    require_captum()
    from captum.attr import LayerIntegratedGradients

    if dna.tokenizer.mask_token_id is None:
        raise InputError("The tokenizer has no [MASK], from which the path of integrated gradients begins.")

    def score(input_ids: torch.Tensor, *mask: torch.Tensor) -> torch.Tensor:
        named = dict(zip(("attention_mask",), mask, strict=False))
        return log_odds(dna.model(input_ids=input_ids, **named).logits, number)

    input_ids = window.inputs["input_ids"]
    masked = input_ids.clone()
    masked[:, window.own] = dna.tokenizer.mask_token_id
    rest = tuple(tensor for name, tensor in window.inputs.items() if name != "input_ids")
    gradients, delta = LayerIntegratedGradients(score, dna.model.get_input_embeddings()).attribute(
        input_ids, masked, additional_forward_args=rest or None, n_steps=n_steps,
        internal_batch_size=max(1, _TOKENS_AT_ONCE // input_ids.shape[1]), return_convergence_delta=True,
    )
    with torch.inference_mode():
        reached, baseline = (float(score(ids, *rest)[0]) for ids in (input_ids, masked))
    values = gradients[0, window.own].detach().double().sum(-1).cpu().numpy()
    return Integrated(values, reached, baseline, float(delta[0]))
