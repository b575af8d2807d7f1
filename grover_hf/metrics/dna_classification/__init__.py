"""The metric for classification as an `evaluate` module."""

from grover_hf.metrics.dna_classification.dna_classification import DnaClassification

__all__ = ["DnaClassification"]
