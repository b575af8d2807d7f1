"""Templates of model cards, filled from `metrics.json` and the recipe by `grover_hf.hub.cards`."""

from pathlib import Path

PRETRAINED = Path(__file__).parent / "pretrained.md"
FINETUNED = Path(__file__).parent / "finetuned.md"
