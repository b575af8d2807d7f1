"""The attention that the tokens of a region receive.

Attention weights are not an explanation: others than the model's may give the same answer (Jain and Wallace
2019). They say from where a layer mixes vectors.
"""

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from grover_hf.errors import InputError
from grover_hf.inference.dna_model import DnaModel
from grover_hf.interpretation.attribution.one_window import OneWindow

CAUTION = "attention weights are not an explanation of what the model says"


class Received(NamedTuple):
    """What tokens receive of the attention of the region's own tokens."""

    values: NDArray[np.float64]
    """Shape (n_tokens,); with `special` they add up to 1."""
    special: float
    """What the special tokens, [CLS] and [SEP], receive."""


def compute_attention_eagerly(dna: DnaModel) -> None:
    """Let a model compute attention step by step, so that its weights can be had: faster ways never hold them.

    Raises:
        InputError: If its architecture has no such way.
    """
    try:
        dna.model.set_attn_implementation("eager")
    except (AttributeError, ValueError, ImportError) as error:
        raise InputError(f"{type(dna.model).__name__} does not give its attention weights: {error}") from error


def attention_weights(dna: DnaModel, window: OneWindow, *, layer: int | None) -> NDArray[np.float64]:
    """Return attention from each token to each, the mean over the heads, shape (n_columns, n_columns).

    Each row adds up to 1.

    Args:
        dna: A model after `compute_attention_eagerly`.
        window: Its input.
        layer: From 1 to the number of layers, or -1 for the last. None for the rollout over all layers (Abnar and
            Zuidema 2020): the product of the layers' weights, of each of which half is the token itself, for
            the residual connection.

    Raises:
        InputError: If there is no such layer, or the model gives no weights.
    """
    n_layers = dna.model.config.num_hidden_layers
    if layer is not None and not (1 <= layer <= n_layers or -n_layers <= layer <= -1):
        raise InputError(f"layer is {layer}; this model has 1 to {n_layers}, or -1 back to {-n_layers}.")
    with torch.inference_mode():
        found = dna.model.base_model(**window.inputs, output_attentions=True).attentions
    if not found or found[0] is None:
        raise InputError(f"{type(dna.model).__name__} does not give its attention weights.")
    by_layer = [weights[0].double().mean(0).cpu().numpy() for weights in found]
    if layer is not None:
        chosen: NDArray[np.float64] = by_layer[layer - 1 if layer > 0 else layer]
        return chosen
    rolled = np.eye(by_layer[0].shape[0])
    for weights in by_layer:
        rolled = (weights + np.eye(len(weights))) / 2 @ rolled
    return rolled


def received_attention(weights: NDArray[np.float64], own: slice) -> Received:
    """Return what each of the region's tokens receives from the region's tokens, on average.

    Args:
        weights: From each column to each, shape (n_columns, n_columns).
        own: The columns of the region's tokens.
    """
    received = weights[own].mean(0)
    return Received(received[own], float(received.sum() - received[own].sum()))
