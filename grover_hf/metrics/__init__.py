"""How good a model is, as plain functions of arrays."""
