"""The metric for masked tokens as an `evaluate` module."""

from grover_hf.metrics.masked_token_accuracy.masked_token_accuracy import MaskedTokenAccuracy

__all__ = ["MaskedTokenAccuracy"]
