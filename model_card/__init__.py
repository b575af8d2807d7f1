"""Templates of cards, filled from `metrics.json`, recipes and facts by `grover_hf.hub.cards`."""

from pathlib import Path

PRETRAINED = Path(__file__).parent / "pretrained.md"
FINETUNED = Path(__file__).parent / "finetuned.md"
CONVERTED = Path(__file__).parent / "converted.md"
TOKENIZER = Path(__file__).parent / "tokenizer.md"
CORPUS = Path(__file__).parent / "corpus.md"
TRACKS = Path(__file__).parent / "tracks.md"
