"""Prom300: promoters against their shuffled copies."""
