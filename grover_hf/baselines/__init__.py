"""Cheap baselines that every score stands beside."""
