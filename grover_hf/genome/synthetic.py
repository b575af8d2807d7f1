"""A seeded, simulated genome with human-like composition: the embedded default.

It has what a byte-pair vocabulary and a language model find in human DNA: 59 % A and T, CpG five
times rarer than its bases suggest (both of hg19), runs of A and T, an Alu-like and an L1-like
family of repeats at about their human shares (10 % and 17 %) in diverged and truncated copies on
both strands, microsatellites, N runs, and repeats in lower case. The families themselves are
random sequences: no human sequence is in it.
"""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from grover_hf._internals.compilation import cached_njit
from grover_hf._internals.files import atomic_write
from grover_hf.errors import InputError
from grover_hf.genome.acgt import NOT_ACGT

SIMULATED = "simulated.fa"
"""What the quickstart calls the file; by this name cards and reports know that a genome is not real."""
CPG_OBSERVED_TO_EXPECTED = 0.2
# 41 % are left when CpG has been depleted, which turns C and G into T and A.
_DRAWN_GC = 0.472
_ALU_SHARE, _L1_SHARE, _MICROSATELLITE_SHARE = 0.10, 0.17, 0.03
_CONTEXT = 5
_LINE_BP = 60


def simulate_genome(path: str | Path, n_bp: int = 5_000_000, *, seed: int = 0) -> Path:
    """Write a simulated genome of three chromosomes as FASTA; return its path.

    Args:
        path: The file, replaced if it is there.
        n_bp: Bases in all, N included; at least 200,000.
        seed: The same seed gives the same bytes.
    """
    if n_bp < 200_000:
        raise InputError(f"n_bp is {n_bp}; a simulated genome has at least 200,000 bases.")
    path = Path(path)
    rng = np.random.default_rng(seed)
    families = {"alu": _alu_like(rng), "l1": _markov(6_000, 0.40, rng)}
    with atomic_write(path) as beside, open(beside, "wb") as out:
        for number, share in enumerate((0.5, 0.3, 0.2), 1):
            codes, masked = _chromosome(int(n_bp * share), families, rng)
            out.write(f">sim{number}\n".encode())
            out.write(_fasta_lines(codes, masked))
    return path


def _chromosome(
    n_bp: int, families: dict[str, NDArray[np.uint8]], rng: np.random.Generator
) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """Return base codes and which bases are in repeats."""
    codes = _markov(n_bp, _DRAWN_GC, rng)
    masked = np.zeros(n_bp, np.bool_)

    def insert(copy: NDArray[np.uint8]) -> int:
        at = int(rng.integers(0, n_bp - copy.size))
        codes[at : at + copy.size] = copy
        masked[at : at + copy.size] = True
        return copy.size

    # L1 before Alu: the younger family lies on top.
    for name, share in (("l1", _L1_SHARE), ("alu", _ALU_SHARE)):
        inserted = 0
        while inserted < share * n_bp:
            family = families[name]
            # Most L1 copies lack their 5' part; most Alus are whole.
            kept = family.size if name == "alu" else min(family.size, 200 + int(rng.exponential(900)))
            inserted += insert(_either_strand(_diverged(family[-kept:], rng.uniform(0.02, 0.2), rng), rng))
    inserted = 0
    while inserted < _MICROSATELLITE_SHARE * n_bp:
        unit = rng.choice(4, int(rng.integers(1, 6)), p=[0.42, 0.08, 0.08, 0.42]).astype(np.uint8)
        length = 15 + int(rng.exponential(25))
        inserted += insert(_diverged(np.resize(unit, length), 0.03, rng))
    # Twice, because the first pass makes C and G, and so the expectation, rarer.
    _deplete_cpg(codes, rng)
    _deplete_cpg(codes, rng)

    telomere = n_bp // 200
    for start, end in [(0, telomere), (n_bp - telomere, n_bp), *_gaps(n_bp, rng)]:
        codes[start:end] = NOT_ACGT
        masked[start:end] = False
    return codes, masked


def _gaps(n_bp: int, rng: np.random.Generator) -> list[tuple[int, int]]:
    starts = rng.integers(0, int(0.98 * n_bp), 3 + n_bp // 1_000_000)
    return [(int(start), int(start + rng.integers(1, n_bp // 200))) for start in starts]


def _alu_like(rng: np.random.Generator) -> NDArray[np.uint8]:
    """Two similar GC-rich arms, an A-rich link and an A-rich tail, 300 bp as Alu has."""
    arm = _markov(125, 0.62, rng)
    link, tail = np.zeros(20, np.uint8), np.zeros(30, np.uint8)
    return np.concatenate([arm, link, _diverged(arm, 0.2, rng), tail])


def _markov(n_bp: int, gc: float, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Return bases that each depend on the five before them."""
    base = np.array([1 - gc, gc, gc, 1 - gc]) / 2
    weights = base * np.exp(rng.normal(0, 0.25, (4**_CONTEXT, 4)))
    context = np.arange(4**_CONTEXT)
    for code in (0, 3):
        # Runs of A and of T prolong themselves.
        run = (context % 4 == code).astype(float) + (context % 16 == code * 5)
        weights[:, code] *= 1.12**run
    cumulative = np.cumsum(weights / weights.sum(1, keepdims=True), 1)
    return _walk_contexts(cumulative, rng.random(n_bp), np.empty(n_bp, np.uint8))


@cached_njit
def _walk_contexts(
    cumulative: NDArray[np.float64], uniform: NDArray[np.float64], codes: NDArray[np.uint8]
) -> NDArray[np.uint8]:
    context = 0
    for i in range(codes.size):
        code = 0
        while code < 3 and uniform[i] > cumulative[context, code]:
            code += 1
        codes[i] = code
        context = (context * 4 + code) % cumulative.shape[0]
    return codes


def _diverged(codes: NDArray[np.uint8], share: float, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Return a copy in which a share of the bases was drawn anew."""
    changed = rng.random(codes.size) < share
    return np.where(changed, rng.integers(0, 4, codes.size, np.uint8), codes)


def _either_strand(codes: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
    return codes if rng.random() < 0.5 else 3 - codes[::-1]


def _deplete_cpg(codes: NDArray[np.uint8], rng: np.random.Generator) -> None:
    """Turn CG into TG or CA, as deamination does, until CpG is as rare as it should be."""
    at = np.flatnonzero((codes[:-1] == 1) & (codes[1:] == 2))
    expected = np.mean(codes == 1) * np.mean(codes == 2) * codes.size
    lost = at[rng.random(at.size) > CPG_OBSERVED_TO_EXPECTED * expected / at.size]
    forward = rng.random(lost.size) < 0.5
    codes[lost[forward]] = 3
    codes[lost[~forward] + 1] = 0


def _fasta_lines(codes: NDArray[np.uint8], masked: NDArray[np.bool_]) -> bytes:
    letters = np.frombuffer(b"ACGTN", np.uint8)[codes] + np.where(masked, np.uint8(32), np.uint8(0))
    n_lines = letters.size // _LINE_BP
    lines = np.full((n_lines, _LINE_BP + 1), ord("\n"), np.uint8)
    lines[:, :_LINE_BP] = letters[: n_lines * _LINE_BP].reshape(n_lines, _LINE_BP)
    rest = letters[n_lines * _LINE_BP :].tobytes()
    return lines.tobytes() + (rest + b"\n" if rest else b"")
