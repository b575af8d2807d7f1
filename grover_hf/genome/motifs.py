"""Where a motif occurs in a genome: FIMO's rule, with the exact distribution of scores."""

import re
from pathlib import Path
from typing import Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from grover_hf._internals.compilation import cached_njit
from grover_hf._internals.progress import progress_bar
from grover_hf.errors import InputError
from grover_hf.genome.gzip_files import file_text
from grover_hf.genome.letters import BASES
from grover_hf.genome.score_distribution import Background, ScoreDistribution

PSEUDOCOUNT = 0.1
"""Added to the counts of each column, shared out by the background, as FIMO does (`--motif-pseudo`)."""

FIMO_BACKGROUND: Background = (0.274552, 0.225448, 0.225448, 0.274552)
"""What FIMO takes unless told otherwise: the bases of NCBI's non-redundant database (A 0.281774, C 0.222020,
G 0.228876, T 0.267330 in the MEME suite), the mean of both strands."""
UNIFORM_BACKGROUND: Background = (0.25, 0.25, 0.25, 0.25)
BACKGROUNDS: dict[str, Background] = {"fimo": FIMO_BACKGROUND, "uniform": UNIFORM_BACKGROUND}


class HasCodes(Protocol):
    """A `ReferenceGenome` or a `TokenizedGenome`."""

    @property
    def chromosomes(self) -> list[str]: ...

    def codes(self, chrom: str) -> NDArray[np.uint8]: ...


def read_motif(path: str | Path) -> tuple[str, NDArray[np.float64]]:
    """Return name and counts of the one motif of a file, shape (4, width), rows A, C, G, T.

    Three forms are read, plain or gzip: JASPAR (`>NAME`, then `A [ ... ]` to `T [ ... ]`), JASPAR's raw counts
    (`>NAME`, then four lines of numbers), and MEME's minimal form, whose probabilities become counts by its
    `nsites`.

    Raises:
        InputError: If the file holds no motif in these forms, or several, or one that is damaged: rows of
            different lengths, counts that are negative or not finite, a column without counts, or
            probabilities where counts should be.
    """
    path = Path(path)
    text = file_text(path)
    try:
        names, matrix = _read_meme(text) if text.startswith("MEME version") else _read_jaspar(text)
    except ValueError as error:
        raise InputError(f"{path}: {error}") from None
    if len(names) != 1 or matrix is None:
        raise InputError(
            f"{path} has {len(names)} motifs in a form that is read; one is. The forms are JASPAR (a line >NAME, "
            "then A [ ... ] to T [ ... ]), its raw counts (>NAME, then four lines of numbers), and MEME."
        )
    lengths = [len(row) for row in matrix]
    if len(lengths) != 4 or len(set(lengths)) != 1 or not lengths[0]:
        raise InputError(f"{path}: the rows of {names[0]} have {', '.join(map(str, lengths))} columns.")
    try:
        counts = np.array([[float(value) for value in row] for row in matrix])
    except ValueError as error:
        raise InputError(f"{path}: a count of {names[0]} is not a number: {error}") from None
    if not np.isfinite(counts).all() or (counts < 0).any() or not counts.sum(0).all():
        raise InputError(f"{path}: {names[0]} has counts below 0 or not finite, or a column without any.")
    if (counts <= 1).all() and (counts % 1).any():
        raise InputError(
            f"{path}: no count of {names[0]} is above 1, and not all are whole: these are probabilities, and how "
            "many sequences they are from is not known. Give counts, or the form of MEME with nsites."
        )
    return names[0], counts


Matrix = list[list[str]]
_JASPAR_ROW = re.compile(r"^\s*([ACGT])\s*\[(.*)\]\s*$", re.MULTILINE)
_MEME_MATRIX = re.compile(r"^letter-probability matrix:(.*)\n((?:\s*[-\d.].*\n?)+)", re.MULTILINE)


def _read_jaspar(text: str) -> tuple[list[str], Matrix | None]:
    names = re.findall(r"^>\s*(\S+)", text, re.MULTILINE)
    bracketed = _JASPAR_ROW.findall(text)
    rows = dict(bracketed)
    if len(rows) < len(bracketed) and len(names) == 1:
        raise ValueError("a base has more than one row.")
    # Not `splitlines`, for which many letters end a line.
    lines = [line for line in re.split(r"\r\n|\r|\n", text) if line.strip()]
    if set(rows) == set(BASES):
        if odd := [line for line in lines if not line.startswith(">") and not _JASPAR_ROW.match(line)]:
            raise ValueError(f"{odd[0][:60]!r} is no row of counts, such as 'A [ 4 19 0 ]'.")
        return names, [rows[base].split() for base in BASES]
    raw = [line.split() for line in lines if not line.startswith(">")]
    is_raw = len(raw) == len(BASES) and all(re.match(r"[-+.\d]", row[0]) for row in raw)
    return names, raw if is_raw else None


def _read_meme(text: str) -> tuple[list[str], Matrix | None]:
    names = re.findall(r"^MOTIF\s+(\S+)", text, re.MULTILINE)
    matrices = _MEME_MATRIX.findall(text)
    if len(matrices) != 1:
        return names, None
    settings, lines = matrices[0]
    given = dict(re.findall(r"(\w+)=\s*(\S+)", settings))
    # MEME's own default where the file does not say.
    n_sites = float(given.get("nsites", 20))
    columns = [[float(value) for value in line.split()] for line in lines.splitlines() if line.strip()]
    if any(len(column) != len(BASES) or not np.isclose(sum(column), 1, atol=0.01) for column in columns):
        raise ValueError("a line of its matrix is not four probabilities that add up to 1.")
    if len(columns) != int(given.get("w", len(columns))):
        raise ValueError(f"its matrix has {len(columns)} lines, and its header says {given['w']}.")
    return names, [[repr(value * n_sites) for value in row] for row in zip(*columns, strict=True)]


def motif_scores(counts: NDArray[np.float64], background: Background) -> NDArray[np.float64]:
    """Return the score of each base in each column of a motif, in bits: log2(probability / background).

    Args:
        counts: Shape (4, width), rows A, C, G, T.
        background: Probabilities of A, C, G, T.
    """
    frequencies = np.array(background)[:, None]
    added = counts + PSEUDOCOUNT * frequencies
    scores: NDArray[np.float64] = np.log2(added / added.sum(0) / frequencies)
    return scores


def find_motif(
    genome: HasCodes, counts: NDArray[np.float64], *, p_value: float, background: Background = FIMO_BACKGROUND
) -> pd.DataFrame:
    """Return all occurrences of a motif with a p-value below `p_value`, on both strands.

    The score of a position is the sum of `motif_scores`; its p-value is the probability that a random
    sequence of independent bases from the background scores as much or more (Grant, Bailey and Noble,
    Bioinformatics 2011). FIMO itself rounds scores to a thousandth of their range: its list may
    differ from this one in hits at the threshold.

    Args:
        genome: All its chromosomes are scanned. A stretch with an unknown base has no score.
        counts: Of the motif, shape (4, width), rows A, C, G, T.
        p_value: Threshold.
        background: Probabilities of A, C, G, T; those of FIMO if it is told nothing.

    Returns:
        `chrom, start, end, strand, score, p_value`, ordered by coordinate; `score` in bits.
    """
    scores = motif_scores(counts, background)
    distribution = ScoreDistribution.of(scores, background)
    lowest = distribution.lowest_score(p_value)
    width = scores.shape[1]
    hits = []
    with progress_bar(total=len(genome.chromosomes), what="finding motifs", unit="chromosome") as bar:
        for chrom in genome.chromosomes:
            starts, is_reverse, values = _scan(genome.codes(chrom), scores, lowest)
            hits.append(pd.DataFrame({
                "chrom": chrom, "start": starts, "end": starts + width,
                "strand": np.where(is_reverse, "-", "+"), "score": values,
            }))
            bar.update(1)
    columns = ["chrom", "start", "end", "strand", "score", "p_value"]
    table = pd.concat([of_chrom for of_chrom in hits if len(of_chrom)], ignore_index=True) if any(
        map(len, hits)
    ) else pd.DataFrame(columns=columns[:-1])
    return table.assign(p_value=distribution.p_values(table["score"].to_numpy(np.float64)))[columns]


@cached_njit
def _scan(
    codes: NDArray[np.uint8], scores: NDArray[np.float64], lowest: float
) -> tuple[NDArray[np.int64], NDArray[np.bool_], NDArray[np.float64]]:
    """Return start, strand and score of all stretches that score `lowest` or more, by start, "+" first."""
    width = scores.shape[1]
    # The most that the columns from one on can add: whatever falls too far behind is left early.
    rest = np.zeros(width + 1)
    for column in range(width - 1, -1, -1):
        rest[column] = rest[column + 1] + scores[:, column].max()
    starts, strands, values = [np.int64(0) for _ in range(0)], [False for _ in range(0)], [0.0 for _ in range(0)]
    for start in range(codes.size - width + 1):
        for is_reverse in (False, True):
            score = 0.0
            for column in range(width):
                code = codes[start + width - 1 - column] if is_reverse else codes[start + column]
                if code > 3:
                    score = -np.inf
                    break
                score += scores[3 - code if is_reverse else code, column]
                if score + rest[column + 1] < lowest:
                    score = -np.inf
                    break
            if score >= lowest:
                starts.append(np.int64(start))
                strands.append(is_reverse)
                values.append(score)
    return np.array(starts, np.int64), np.array(strands, np.bool_), np.array(values, np.float64)
