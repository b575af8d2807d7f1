"""Strings of bases to tokens and back: byte-pair training and encoding, k-mers, export."""
