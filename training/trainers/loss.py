"""The loss of a global batch, whatever share of it a process or an accumulation step sees."""

from typing import Any

import torch

from grover_hf.masking import IGNORED


def global_cross_entropy(
    outputs: Any, labels: torch.Tensor, num_items_in_batch: torch.Tensor | int | None = None, *,
    weights: torch.Tensor | None = None,
) -> torch.Tensor:
    """Return the sum over the labelled items of a batch over their number in the global batch.

    With weights, the weighted sum over the sum of all weights of the global batch.

    The models' own losses are means over one device's batch, which the Trainer then takes for global
    ones: they come out too large by processes x accumulation, and NaN where nothing is masked.

    Args:
        outputs: With `logits`, shape (B, C) or (B, L, V); or (N, V), of the N labelled items alone.
        labels: True classes or tokens, shape (B,) or (B, L); IGNORED where there is none.
        num_items_in_batch: Labelled items of the global batch, from the Trainer; with weights, their sum there.
        weights: How much each item counts, of the shape of `labels`; 0 where there is no label.
    """
    labelled = labels != IGNORED
    logits = outputs.logits[labelled] if outputs.logits.shape[:-1] == labels.shape else outputs.logits
    if weights is not None:
        nll = torch.nn.functional.cross_entropy(logits.float(), labels[labelled], reduction="none")
        of_all = weights.sum() if num_items_in_batch is None else torch.as_tensor(num_items_in_batch)
        # A batch of tokens that do not count at all teaches nothing.
        return (weights[labelled] * nll).sum() / of_all.clamp(min=torch.finfo(torch.float32).tiny).to(nll.device)
    total = torch.nn.functional.cross_entropy(logits.float(), labels[labelled], reduction="sum")
    n_items = labelled.sum() if num_items_in_batch is None else torch.as_tensor(num_items_in_batch)
    return total / n_items.clamp(min=1).to(total.device)
