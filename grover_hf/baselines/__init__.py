"""Cheap baselines, for every score to be compared with."""
