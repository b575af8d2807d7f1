"""Pretraining windows of a tokenized genome."""
