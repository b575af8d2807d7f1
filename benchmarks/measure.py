"""What the benchmarks share: inputs, alternating runs, a line about the machine."""

import datetime
import importlib.metadata
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from grover_hf.genome import ReferenceGenome
from grover_hf.genome.acgt import acgt_segments, sequence_of


def machine(*packages: str) -> str:
    """Return date, processor, cores and versions as one line."""
    model = next(
        (line.split(":")[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines()
         if line.startswith("model name")), platform.processor(),
    )
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in packages)
    return (
        f"{datetime.date.today()}, {model}, {os.cpu_count()} cores, Python {platform.python_version()}, "
        f"{versions}"
    )


def alternated(functions: dict[str, Callable[[], object]], repeats: int) -> dict[str, list[float]]:
    """Time functions in turn, A B C A B C ..., so that a drifting machine is fair to all."""
    seconds: dict[str, list[float]] = {name: [] for name in functions}
    for _ in range(repeats):
        for name, function in functions.items():
            begin = time.perf_counter()
            function()
            seconds[name].append(time.perf_counter() - begin)
    return seconds


def ratio(slow: list[float], fast: list[float]) -> float:
    """Return the median of the pairwise ratios."""
    return statistics.median(a / b for a, b in zip(slow, fast, strict=False))


def real_genome(name: str) -> Path | None:
    """Return a FASTA file of `$GROVER_DATA/genome`, or None where there is no real data."""
    folder = os.environ.get("GROVER_DATA")
    return Path(folder) / "genome" / name if folder else None


def simulated(folder: Path, mbp: int) -> Path:
    """Return a simulated genome of so many million bases, made in another process.

    The simulation's memory must not count for what is measured afterwards.
    """
    path = folder / f"simulated_{mbp}.fa"
    if not path.exists():
        code = f"from grover_hf.genome.synthetic import simulate_genome as s; s({str(path)!r}, {mbp * 10**6})"
        subprocess.run([sys.executable, "-c", code], check=True)
    return path


def sequences(fasta: Path) -> list[str]:
    """Return the segments of a FASTA file as strings."""
    genome = ReferenceGenome(fasta)
    return [
        sequence_of(codes[start:end])
        for codes in map(genome.codes, genome.chromosomes)
        for start, end in acgt_segments(codes)
    ]
