"""The predictors of masked tokens that an evaluation puts side by side, and what their difference says."""

from grover_hf.metrics.report import EvaluationReport

MODEL, NEIGHBOURS, FREQUENCY = "model", "neighbour_counts", "frequency"
SHOWN = {MODEL: "model", NEIGHBOURS: "neighbour counts", FREQUENCY: "token frequency"}
"""The predictors, and what they are called on the screen and in figures."""


def beats_neighbours(report: EvaluationReport) -> bool | None:
    """Return whether the loss is below that of the neighbour counts; None if the difference may be zero."""
    low, high = report.model_minus_baseline[NEIGHBOURS]["nats_per_token"].ci95
    return None if low <= 0 <= high else high < 0


def verdict(report: EvaluationReport) -> str:
    """Return what the interval of the model's loss less that of the neighbour counts says."""
    beats = beats_neighbours(report)
    if beats:
        return "The model beats the neighbour counts."
    if beats is None:
        return "The model does NOT beat the neighbour counts: the difference may be zero."
    return "The model does NOT beat the neighbour counts: a table of the tokens on both sides predicts better."
