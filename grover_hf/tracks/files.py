"""Files of tracks: bigWig and bedGraph, and the hub.txt with which a genome browser opens them.

Values are float32, unrounded. A base without a value is in no file: it is not 0.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from grover_hf.errors import InputError
from grover_hf.genome import Interval
from grover_hf.genome.letters import BASES

TRACKS_FILE = "_tracks.json"
"""What was made of what, and the digests of the files."""
BIGWIG, BEDGRAPH = "bigwig", "bedgraph"
ENDINGS = {BIGWIG: ".bw", BEDGRAPH: ".bedGraph"}
MARGINAL_NAMES = tuple(f"marginal_{base}" for base in BASES)
_LOGO = "grover_marginals"
_COLORS = {"A": "0,128,0", "C": "0,0,255", "G": "255,166,0", "T": "255,0,0"}
_LABELS = {
    "surprisal": ("Surprisal", "Surprisal of the base, bits (-log2 of its marginal)"),
    "token_probability": ("Token", "Probability of the token over the base, masked"),
}
Blocks = Iterator[tuple[Interval, NDArray[np.float32]]]


def write_bigwig(path: Path, sizes: Mapping[str, int], blocks: Blocks) -> None:
    """Write a track.

    Args:
        path: The file.
        sizes: Of all chromosomes of the genome, in its order.
        blocks: Intervals in the order of the genome with the values of their bases.
    """
    with _pybigwig().open(str(path), "w") as out:
        out.addHeader(list(sizes.items()))
        for interval, values in blocks:
            for first, last in runs_of_values(values):
                out.addEntries(
                    interval.chrom, interval.start + first, values=values[first:last].tolist(), span=1, step=1
                )


def write_bedgraph(path: Path, blocks: Blocks) -> None:
    """Write a track as text: equal neighbours are one line; numbers read back as the same float32."""
    with open(path, "w", encoding="utf-8") as out:
        for interval, values in blocks:
            for first, last in runs_of_values(values):
                run = values[first:last]
                borders = np.flatnonzero(run[1:] != run[:-1]) + 1
                ends = [*borders.tolist(), len(run)]
                for start, end in zip([0, *borders.tolist()], ends, strict=True):
                    places = f"{interval.start + first + start}\t{interval.start + first + end}"
                    out.write(f"{interval.chrom}\t{places}\t{run[start]}\n")


def runs_of_values(values: NDArray[np.float32]) -> list[tuple[int, int]]:
    """Return start and end of each run of bases that have a value."""
    edges = np.diff(np.concatenate([[False], ~np.isnan(values), [False]]).astype(np.int8))
    return list(zip(np.flatnonzero(edges == 1).tolist(), np.flatnonzero(edges == -1).tolist(), strict=True))


def hub_text(names: Sequence[str], *, genome: str, model: str, email: str) -> str:
    """Return a hub.txt for tracks beside it, all in one file, as UCSC's browser reads it.

    Marginals are drawn as a sequence logo.

    Args:
        names: Of the tracks.
        genome: Its name at UCSC: hg19, or that of an assembly hub.
        model: What made them, for the labels.
        email: Whom to ask; UCSC wants one.

    Raises:
        InputError: If a text has more than one line.
    """
    for what, text in (("genome", genome), ("model", model), ("email", email)):
        if not text.strip() or "\n" in text or "\r" in text:
            raise InputError(f"{what} is {text!r}; a hub wants one line of text.")
    lines = [
        "hub grover", "shortLabel GROVER", f"longLabel What {model} says of {genome}", "useOneFile on",
        f"email {email}", "", f"genome {genome}", "",
    ]
    if set(MARGINAL_NAMES) <= set(names):
        lines += [
            f"track {_LOGO}", "container multiWig", "type bigWig 0 1", "shortLabel Base marginals",
            "longLabel Probability of each base where its token is masked", "aggregate stacked", "logo on",
            "autoScale off", "viewLimits 0:1", "noInherit on", "visibility full", "maxHeightPixels 128:64:16", "",
        ]
    for name in names:
        short, long = _labels(name)
        lines += [f"track {name}", "type bigWig", f"shortLabel {short}", f"longLabel {long}"]
        if name in MARGINAL_NAMES:
            lines += [f"parent {_LOGO}", f"color {_COLORS[name[-1]]}"]
        else:
            lines += ["autoScale on", "visibility full", "maxHeightPixels 128:48:16"]
        lines += [f"bigDataUrl {name}{ENDINGS[BIGWIG]}", ""]
    return "\n".join(lines)


def _labels(name: str) -> tuple[str, str]:
    if name in _LABELS:
        return _LABELS[name]
    kind, _, which = name.partition("_")
    long = {
        "marginal": f"Probability of {which}", "class": f"Probability of class {which}",
        "component": f"Principal component {which} of token vectors",
    }[kind]
    # UCSC shows 17 letters.
    return f"{kind} {which}"[:17], long


def _pybigwig() -> Any:
    try:
        import pyBigWig
    except ImportError:
        raise InputError(
            "bigWig needs pyBigWig: pip install 'grover-hf[formats]', or say --format bedgraph."
        ) from None
    return pyBigWig


def require_writable_format(track_format: str) -> None:
    """Raise `InputError` if tracks cannot be written in a format here."""
    if track_format not in ENDINGS:
        raise InputError(f"There is no format {track_format!r}; there are {' and '.join(ENDINGS)}.")
    if track_format == BIGWIG:
        _pybigwig()
