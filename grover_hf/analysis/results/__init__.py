"""Scores of many runs as one table and one figure."""
