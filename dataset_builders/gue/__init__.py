"""The human tasks of GUE, the benchmark of DNABERT-2."""
