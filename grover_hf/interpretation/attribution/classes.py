"""The class that is explained, and its log-odds."""

import numpy as np
import torch

from grover_hf.corpus.token_lookup import IntervalTokens
from grover_hf.errors import InputError, shorten
from grover_hf.inference.dna_model import DnaModel


def class_labels(dna: DnaModel) -> list[str]:
    """Return the classes of a fine-tuned classifier, by number.

    Raises:
        InputError: If the model is not a classifier, or two classes have one name.
    """
    if not dna.has_head("ForSequenceClassification"):
        raise InputError(
            f"{type(dna.model).__name__} has no classes whose score could be traced back. Take a fine-tuned "
            "classifier; for a masked language model take --method mutagenesis."
        )
    dna.require_classes()
    labels = [str(dna.model.config.id2label[number]) for number in range(dna.model.config.num_labels)]
    if len(set(labels)) < len(labels):
        raise InputError(f"Two classes of the model have one name: {shorten(labels)}. Rename them in id2label.")
    return labels


def class_number(labels: list[str], wanted: str) -> int:
    """Return the number of a class.

    Raises:
        InputError: If there is no such class.
    """
    if wanted not in labels:
        raise InputError(f"The model has no class {wanted!r}; it has {shorten(labels)}.")
    return labels.index(wanted)


def log_odds(logits: torch.Tensor, number: int) -> torch.Tensor:
    """Return log(p / (1 - p)) of a class, in nats, from logits of shape (..., n_classes); shape (...).

    The logit alone would not do: what is added to all logits changes no probability.
    """
    others = [other for other in range(logits.shape[-1]) if other != number]
    return logits[..., number] - logits[..., others].logsumexp(-1)


def class_log_odds(dna: DnaModel, inputs: list[IntervalTokens], labels: list[str]) -> np.ndarray:
    """Return the log-odds of each class for each input, in nats, shape (n_inputs, n_classes).

    Args:
        dna: A classifier.
        inputs: Tokens, of any number.
        labels: Its classes, by number.
    """
    answers = dna.classify(inputs)
    of_inputs = [{answer["label"]: answer["score"] for answer in of_one} for of_one in answers]
    p_classes = np.array([[scores[label] for label in labels] for scores in of_inputs])
    # The others' sum, and not 1 - p, which is 0 long before they are.
    p_others = np.stack([np.delete(p_classes, number, 1).sum(1) for number in range(len(labels))], 1)
    with np.errstate(divide="ignore"):
        found: np.ndarray = np.log(p_classes) - np.log(p_others)
    return found
