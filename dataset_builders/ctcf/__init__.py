"""CTCF: which motifs are bound."""
