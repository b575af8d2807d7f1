"""Metrics of masked-token prediction, as in the paper's Fig. 2d-e."""

import numpy as np
from numpy.typing import NDArray

from grover_hf.tokenization.special_tokens import N_SPECIAL

TOP_SHARE = 0.1
"""The paper counts a prediction up to the top 10 % of the dictionary: top 60 for 600 cycles."""


def masked_token_metrics(
    nll: NDArray[np.floating], rank: NDArray[np.integer], labels: NDArray[np.integer],
    token_lengths: NDArray[np.integer],
) -> dict[str, float | list[float]]:
    """Return accuracy, perplexity and bits per base over masked tokens.

    Args:
        nll: Negative log-likelihood of the true token in nats, shape (n_masked,).
        rank: How many other tokens the model finds at least as likely as the true one, (n_masked,).
        labels: Ids of the true tokens, shape (n_masked,).
        token_lengths: Bases a token spells, by id, shape (V,).

    Returns:
        accuracy: Share of masked tokens predicted as the likeliest ("top 1").
        accuracy_top_10_percent: Share within the likeliest 10 % of the dictionary.
        accuracy_top_k: Shares within the likeliest 1, 2, ... tokens, up to those 10 %.
        perplexity: exp of the mean `nll` (the paper prints it with the unit "bits", and means
            this: 72 is 12 % of its dictionary).
        share_of_vocabulary: Perplexity over the number of tokens that are not special.
        bits_per_base: Sum of -log2 p over the bases that the masked tokens spell. It ranks models
            of one vocabulary only: token borders carry information too.
        most_frequent_token: Accuracy of always saying the most frequent of the masked tokens.
        n_masked: Number of masked tokens.
    """
    n_predictable = len(token_lengths) - N_SPECIAL
    n_top = max(1, round(TOP_SHARE * n_predictable))
    if not nll.size:
        return {"n_masked": 0.0}
    within = np.cumsum(np.bincount(np.minimum(rank, n_top), minlength=n_top + 1)[:n_top]) / rank.size
    mean_nll = float(np.mean(nll, dtype=np.float64))
    n_bases = int(token_lengths[labels].sum(dtype=np.int64))
    perplexity = float(np.exp(mean_nll))
    return {
        "accuracy": float(within[0]),
        "accuracy_top_10_percent": float(within[-1]),
        "accuracy_top_k": [float(share) for share in within],
        "perplexity": perplexity,
        "share_of_vocabulary": perplexity / n_predictable,
        "bits_per_base": mean_nll * rank.size / np.log(2) / n_bases,
        "most_frequent_token": float(np.bincount(labels).max() / labels.size),
        "n_masked": float(rank.size),
    }


def by_repeat(
    nll: NDArray[np.floating], rank: NDArray[np.integer], soft_masked: NDArray[np.bool_] | None
) -> dict[str, float]:
    """Return accuracy and perplexity inside and outside soft-masked repeats, of kinds that occur.

    Args:
        nll: As for `masked_token_metrics`.
        rank: As for `masked_token_metrics`.
        soft_masked: Which masked tokens are in repeats, shape (n_masked,); None if nobody knows.
    """
    if soft_masked is None or not nll.size:
        return {}
    metrics = {"share_in_repeats": float(soft_masked.mean())}
    for kind, chosen in (("in_repeats", soft_masked), ("outside_repeats", ~soft_masked)):
        if chosen.any():
            metrics[f"accuracy_{kind}"] = float((rank[chosen] == 0).mean())
            metrics[f"perplexity_{kind}"] = float(np.exp(np.mean(nll[chosen], dtype=np.float64)))
    return metrics
