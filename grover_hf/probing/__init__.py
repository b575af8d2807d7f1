"""Whether features tell classes apart: a linear classifier, and features of sequences without a model."""
