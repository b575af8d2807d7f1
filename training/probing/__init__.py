"""The parts of `training.probe`: features of rows, and a linear classifier on them."""
