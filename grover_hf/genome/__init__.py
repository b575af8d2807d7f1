"""Bases and coordinates.

The coordinate convention of the whole package stands here, once: positions are 0-based, intervals
half-open, [start, end), in base pairs of the forward strand; `strand` is "+" or "-", and fetching
a "-" interval gives the reverse complement. Names are those of the FASTA file.

Base codes: A 0, C 1, G 2, T 3, everything else 4 (uint8). A *segment* is a maximal stretch of
A, C, G and T; N and the other IUPAC codes end it.
"""

from grover_hf.genome.intervals import Interval
from grover_hf.genome.reference import ReferenceGenome

__all__ = ["Interval", "ReferenceGenome"]
