"""Try many damaged inputs, and print how they ended: `python -m tests.fuzz --inputs 100000`."""

import argparse
import sys
import time
from pathlib import Path

from tqdm import tqdm

from tests.fuzz.fuzzing import fuzz
from tests.fuzz.kinds import KINDS

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--inputs", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", type=int, help="the number of one input, to try it again")
    parser.add_argument("--kind", help="this kind alone")
    parser.add_argument("--keep", type=Path, default=Path("fuzz_failures"), help="gets the inputs that fail")
    given = parser.parse_args()
    numbers = range(given.inputs) if given.only is None else [given.only]
    began = time.monotonic()
    kinds = [kind for kind in KINDS if given.kind in (None, kind.name)]
    with tqdm(total=len(numbers), disable=not sys.stderr.isatty()) as bar:
        totals = fuzz(kinds, numbers, seed=given.seed, keep=given.keep, done=bar.update)
    print(totals.table())
    print(f"{time.monotonic() - began:.0f} s, seed {given.seed}")
    print(*totals.failures[:40], sep="\n")
    sys.exit(bool(totals.failures))
