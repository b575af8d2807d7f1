"""Reading a whole chromosome from a plain FASTA: base codes by us beside strings by pyfaidx.

python benchmarks/fasta.py [--mbp 100] [--repeats 5]
"""

import argparse
import statistics
import tempfile
from pathlib import Path

import numpy as np
import pyfaidx
from measure import alternated, machine, ratio, simulated

from grover_hf import ReferenceGenome
from grover_hf.genome.acgt import base_codes


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--mbp", type=int, default=100)
    parser.add_argument("--repeats", type=int, default=5)
    arguments = parser.parse_args()
    print(machine("numba", "numpy", "pyfaidx"))
    with tempfile.TemporaryDirectory() as folder:
        path = simulated(Path(folder), arguments.mbp)
        genome = ReferenceGenome(path)
        chrom = genome.chromosomes[0]
        peer = pyfaidx.Fasta(str(path), as_raw=True)
        assert (genome.codes(chrom) == base_codes(str(peer[chrom][:]))).all()
        seconds = alternated(
            {
                "ours, base codes": lambda: genome.codes(chrom),
                "pyfaidx, string": lambda: peer[chrom][:],
                "pyfaidx, string to base codes": lambda: base_codes(str(peer[chrom][:])),
                "reading the bytes": lambda: np.fromfile(path, np.uint8, genome.sizes[chrom]),
            },
            arguments.repeats,
        )
        n = genome.sizes[chrom] / 1e6
    print(f"\n{n:.0f} Mbp, lines of 60, file in the page cache\n| reader | Mbp/s | it / ours |\n|---|---|---|")
    for name, runs in seconds.items():
        print(f"| {name} | {n / statistics.median(runs):.0f} | {ratio(runs, seconds['ours, base codes']):.1f} |")


if __name__ == "__main__":
    main()
