"""What a DNA sequence is: the one rule for FASTA files, tables, models and endpoints.

Upper and lower case are the same. N and the other IUPAC letters stand for bases that are not known.
Everything else is an error. This file needs nothing but the standard library: the handler of an endpoint
contains its source (`inference.endpoint_source`).
"""

import re
from collections.abc import Iterable

from grover_hf.errors import InputError

BASES = "ACGT"
IUPAC = "ACGTNRYSWKMBDHV"
"""The letters that a sequence may hold, in upper or lower case."""

NOT_DNA = re.compile(f"[^{IUPAC}{IUPAC.lower()}]")
"""Finds what may not stand in a sequence."""

_COMPLEMENT = str.maketrans("ACGTNRYSWKMBDHVacgtnryswkmbdhv", "TGCANYRSWMKVHDBtgcanyrswmkvhdb")


def reverse_complement(sequence: str) -> str:
    """Return the reverse complement; IUPAC codes and case are kept.

    >>> reverse_complement("ACGTN")
    'NACGT'
    """
    return sequence.translate(_COMPLEMENT)[::-1]


def normalized(sequence: object, name: str, mask_token: str | None = None) -> str:
    """Return a sequence in upper case, as tokenizers want it.

    N and the other IUPAC letters (R Y S W K M B D H V) stay: a model sees them, and no mean counts them.

    Args:
        sequence: The value that was given.
        name: What to call it in an error.
        mask_token: Of the tokenizer, where masks are allowed; it stays as it is.

    Raises:
        InputError: If it is not a str, is empty, has no A, C, G or T, or has any letter that is not
            an IUPAC nucleotide letter.

    >>> normalized("acgtn", "my sequence")
    'ACGTN'
    """
    if not isinstance(sequence, str):
        raise InputError(f"{name} is not a str of bases but {type(sequence).__name__}.")
    if not sequence:
        raise InputError(f"{name} is empty.")
    bare = sequence.replace(mask_token, "N" * len(mask_token)) if mask_token else sequence
    if odd := NOT_DNA.search(bare):
        letter = odd.group()
        raise InputError(f"{name} has {letter!r} at position {odd.start()}: {_advice(letter, mask_token)}")
    if not any(base in bare for base in "ACGTacgt"):
        raise InputError(f"{name} has no A, C, G or T.")
    if mask_token is None:
        return sequence.upper()
    return mask_token.join(piece.upper() for piece in sequence.split(mask_token))


def normalized_rows(sequences: Iterable[object], source: str, *, first_row: int = 1) -> list[str]:
    """Return the sequences of a table's rows, each as `normalized` says.

    Args:
        sequences: A column of the table.
        source: What to call the table in an error: a file, say.
        first_row: Number of the first row in errors; 2 for the lines of a file with a header.

    Raises:
        InputError: If a row does not hold a sequence; it names the row.
    """
    return [normalized(sequence, f"{source}, row {row}") for row, sequence in enumerate(sequences, first_row)]


def _advice(letter: str, mask_token: str | None) -> str:
    if letter == ">":
        return "give the bases without a FASTA header, and several records as a list."
    if letter.isspace():
        return "give the bases in one piece, without spaces and line breaks."
    if letter in "Uu":
        return "that is RNA; write T for U."
    if letter in "[<" and mask_token is None:
        return "masks are for fill-mask, and for the vectors of tokens."
    masks = f", {mask_token} for a mask" if mask_token else ""
    return f"a sequence is A, C, G, T in either case, N or another IUPAC letter for an unknown base{masks}."
