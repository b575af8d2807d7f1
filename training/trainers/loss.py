"""The loss of a global batch, whatever share of it a process or an accumulation step sees."""

from typing import Any

import torch

from grover_hf.masking import IGNORED


def global_cross_entropy(
    outputs: Any, labels: torch.Tensor, num_items_in_batch: torch.Tensor | int | None = None
) -> torch.Tensor:
    """Return the sum over the labelled items of a batch over their number in the global batch.

    The models' own losses are means over one device's batch, which the Trainer then takes for global
    ones: they come out too large by processes x accumulation, and NaN where nothing is masked.

    Args:
        outputs: With `logits`, shape (B, C) or (B, L, V); or (N, V), of the N labelled items alone.
        labels: True classes or tokens, shape (B,) or (B, L); IGNORED where there is none.
        num_items_in_batch: Labelled items of the global batch, from the Trainer.
    """
    labelled = labels != IGNORED
    logits = outputs.logits[labelled] if outputs.logits.shape[:-1] == labels.shape else outputs.logits
    total = torch.nn.functional.cross_entropy(logits.float(), labels[labelled], reduction="sum")
    n_items = labelled.sum() if num_items_in_batch is None else torch.as_tensor(num_items_in_batch)
    return total / n_items.clamp(min=1).to(total.device)
