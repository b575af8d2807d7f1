"""Windows of a whole genome beside repeats, and the same with bioframe and window by window.

Windows and repeats are made up, on chromosomes of hg19's sizes: 1.4 million windows of about 2.2 kb, as bins of
510 tokens are, and 5.5 million repeats of six kinds on both strands, as many as RepeatMasker finds, in a .bed.gz.
What is timed is from the file to the covered bases of every window and class; with ours, and with
bioframe.overlap, to directions too. The latter counts bases under two repeats of one class twice. Each way has a
process of its own, for its memory and its time on the processors, imports included, which a busy machine does not
change.

Then the whole command, tokens and bins, on a made-up genome with as many repeats a base.

python benchmarks/annotation.py [--windows 1400000] [--repeats 5500000] [--sample 2000] [--mbp 500]
"""

import argparse
import gzip
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
from measure import machine, simulated

HG19 = dict(zip(
    [*(f"chr{number}" for number in range(1, 23)), "chrX", "chrY"],
    [249_250_621, 243_199_373, 198_022_430, 191_154_276, 180_915_260, 171_115_067, 159_138_663, 146_364_022,
     141_213_431, 135_534_747, 135_006_516, 133_851_895, 115_169_878, 107_349_540, 102_531_392, 90_354_753,
     81_195_210, 78_077_248, 59_128_983, 63_025_520, 48_129_895, 51_304_566, 155_270_560, 59_373_566], strict=True,
))
KINDS = ("SINE/Alu", "LINE/L1", "LINE/L2", "LTR/ERV1", "DNA/hAT", "Simple_repeat")
CLASSES = ("SINE", "LINE", "LTR", "DNA", "Simple_repeat", "Alu", "L1")
"""Those of the annotations that bioframe is asked for too."""


def places(genome: dict[str, int], n: int, mean_bp: int, rng: np.random.Generator) -> tuple[np.ndarray, ...]:
    """Return chromosomes, starts and ends of n stretches in order."""
    sizes = np.array(list(genome.values()))
    chroms = np.sort(rng.choice(len(sizes), n, p=sizes / sizes.sum()))
    starts = (rng.random(n) * (sizes[chroms] - 10 * mean_bp)).astype(np.int64)
    order = np.lexsort((starts, chroms))
    lengths = np.minimum(1 + rng.exponential(mean_bp, n), 9 * mean_bp).astype(np.int64)
    return np.array(list(genome))[chroms], starts[order], starts[order] + lengths


def make_inputs(folder: Path, n_windows: int, n_repeats: int) -> None:
    """Write the windows as Parquet and the repeats as BED."""
    sizes = np.array(list(HG19.values()))
    share = (sizes / sizes.sum() * n_windows).astype(int)
    rows = []
    for (chrom, size), n in zip(HG19.items(), share.tolist(), strict=True):
        edges = np.linspace(0, size, n + 1).astype(np.int64)
        rows.append(pd.DataFrame({"chrom": chrom, "start": edges[:-1], "end": edges[1:]}))
    pd.concat(rows, ignore_index=True).to_parquet(folder / "windows.parquet")
    write_repeats(folder / "repeats.bed.gz", HG19, n_repeats)


def write_repeats(path: Path, genome: dict[str, int], n_repeats: int) -> None:
    """Write made-up repeats as BED."""
    rng = np.random.default_rng(0)
    chroms, starts, ends = places(genome, n_repeats, 270, rng)
    kinds = np.array([f"r{i}|{kind}" for kind in KINDS for i in range(200)])[rng.integers(0, 1_200, n_repeats)]
    strands = np.array(["+", "-"])[rng.integers(0, 2, n_repeats)]
    table = pd.DataFrame({"c": chroms, "s": starts, "e": ends, "k": kinds, "z": 0, "d": strands})
    with gzip.open(path, "wb", 4) as out:
        table.to_csv(out, sep="\t", header=False, index=False)


def ours(folder: Path, n: int | None) -> dict[str, np.ndarray]:
    """Return covered bases of each class, in the order of the windows."""
    from grover_hf.interpretation.annotation.places import GenomeLine
    from grover_hf.interpretation.annotation.repeats import read_repeats
    from grover_hf.interpretation.annotation.segments import directions

    windows = pd.read_parquet(folder / "windows.parquet")[:n]
    line = GenomeLine(HG19, genome="hg19")
    path = folder / "repeats.bed.gz"
    began = time.perf_counter()
    annotations = line.segments(line.kept(read_repeats(path), path))
    print(f"reading and joining: {time.perf_counter() - began:.1f} s", file=sys.stderr)
    starts, ends = (line.places(windows["chrom"], windows[name]) for name in ("start", "end"))
    covered = {name: one.coverage(starts, ends) for name, one in annotations.items()}
    for one in covered.values():
        directions(one.strands)
    return {name: covered[name].bases for name in CLASSES}


def with_bioframe(folder: Path, n: int | None, *, merged: bool) -> dict[str, np.ndarray]:
    """Return the same with `bioframe.coverage` for each class; merged before, or not."""
    import bioframe

    windows = pd.read_parquet(folder / "windows.parquet")[:n]
    repeats = pd.read_csv(
        folder / "repeats.bed.gz", sep="\t", usecols=[0, 1, 2, 3], names=["chrom", "start", "end", "kind"],
        dtype={"chrom": "category", "kind": "category"},
    )
    repeats["chrom"] = repeats["chrom"].astype(str)
    kinds = repeats["kind"].astype(str).str.rpartition("|")[2]
    chosen = {
        name: kinds.str.endswith(f"/{name}") if name in ("Alu", "L1") else kinds.str.partition("/")[0] == name
        for name in CLASSES
    }
    found = {}
    for name, is_one in chosen.items():
        rows = repeats.loc[is_one, ["chrom", "start", "end"]]
        rows = bioframe.merge(rows)[["chrom", "start", "end"]] if merged else rows
        found[name] = bioframe.coverage(windows, rows)["coverage"].to_numpy().astype(np.int64)
    return found


def overlaps(folder: Path, n: int | None) -> dict[str, np.ndarray]:
    """Return the same from all pairs of `bioframe.overlap`, with strands; overlapping repeats count twice."""
    import bioframe

    windows = pd.read_parquet(folder / "windows.parquet")[:n]
    repeats = pd.read_csv(
        folder / "repeats.bed.gz", sep="\t", usecols=[0, 1, 2, 3, 5],
        names=["chrom", "start", "end", "kind", "strand"], dtype={"kind": "category", "strand": "category"},
    )
    pairs = bioframe.overlap(windows, repeats, return_index=True, suffixes=("", "_2"), how="inner")
    bases = (pairs[["end", "end_2"]].min(axis=1) - pairs[["start", "start_2"]].max(axis=1)).astype(np.int64)
    names = pairs["kind_2"].astype(str).str.rpartition("|")[2]
    pairs = pairs.assign(bases=bases, name=names.str.partition("/")[0])
    sums = pairs.groupby(["index", "name"])["bases"].sum().unstack(fill_value=0)
    pairs.groupby(["index", "name"])["strand_2"].nunique()
    every = range(len(windows))
    return {name: sums[name].reindex(every, fill_value=0).to_numpy() for name in CLASSES if name in sums}


def one_by_one(folder: Path, n: int | None) -> dict[str, np.ndarray]:
    """Return the same by looking at each window alone, among the repeats of its chromosome in order."""
    windows = pd.read_parquet(folder / "windows.parquet")[:n]
    repeats = pd.read_csv(
        folder / "repeats.bed.gz", sep="\t", usecols=[0, 1, 2, 3], names=["chrom", "start", "end", "kind"]
    )
    repeats["class"] = repeats["kind"].str.rpartition("|")[2].str.partition("/")[0]
    of_chrom = dict(iter(repeats.groupby("chrom")))
    began = time.perf_counter()
    found = {name: np.zeros(len(windows), np.int64) for name in CLASSES[:5]}
    for row, (chrom, start, end) in enumerate(windows.itertuples(index=False, name=None)):
        rows = of_chrom[chrom]
        near = rows.iloc[rows["start"].searchsorted(start - 9 * 270) : rows["start"].searchsorted(end)]
        for name, some in near[near["end"] > start].groupby("class"):
            is_covered = np.zeros(end - start, bool)
            for left, right in zip(some["start"], some["end"], strict=True):
                is_covered[max(0, left - start) : right - start] = True
            found[name][row] = is_covered.sum()
    print(f"the loop alone: {time.perf_counter() - began:.1f} s", file=sys.stderr)
    return found


def annotate_genome(folder: Path, _: int | None) -> dict[str, np.ndarray]:
    """Run the command on the corpus in a folder; return how many tokens and bins there are."""
    from grover_hf.interpretation.annotation.annotate import AnnotationPlan, write_annotation
    from grover_hf.interpretation.annotation.sources import Sources

    plan = AnnotationPlan(corpus=folder / "corpus", sources=Sources(repeats=folder / "genome.bed.gz"), bins=True)
    written = write_annotation(plan, folder / "annotation", overwrite=True)
    return {"tokens": np.array([written.n_tokens]), "bins": np.array([written.n_windows])}


WAYS = {
    "ours": ours,
    "bioframe.merge and coverage": lambda folder, n: with_bioframe(folder, n, merged=True),
    "bioframe.coverage": lambda folder, n: with_bioframe(folder, n, merged=False),
    "bioframe.overlap": overlaps,
    "window by window": one_by_one,
    "command": annotate_genome,
}


def make_genome(folder: Path, mbp: int) -> None:
    """Write a tokenized genome and its repeats."""
    from task_rows import made_up_genome  # here: what it imports would count for the memory of all ways

    from grover_hf import GenomeEncoder, ReferenceGenome, TokenizedGenome, train_bpe

    fasta = made_up_genome(folder, mbp)
    genome = ReferenceGenome(fasta)
    merges = train_bpe(ReferenceGenome(simulated(folder, min(mbp, 60))), 600)
    TokenizedGenome.build(genome, GenomeEncoder(merges), folder / "corpus")
    sizes = dict(genome.sizes)
    n_repeats = int(5_500_000 * sum(sizes.values()) / sum(HG19.values()))
    write_repeats(folder / "genome.bed.gz", sizes, n_repeats)


def measured(way: str, folder: Path, n: int | None) -> dict:
    """Run one way in a process of its own; return seconds, peak memory and sums of bases."""
    first = ["--first", str(n)] if n else []
    command = [sys.executable, __file__, "--way", way, "--folder", str(folder), *first]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    print(done.stderr.strip(), file=sys.stderr)
    return json.loads(done.stdout.splitlines()[-1])


def run(way: str, folder: Path, n: int | None) -> None:
    began = time.perf_counter()
    found = WAYS[way](folder, n)
    seconds = time.perf_counter() - began
    usage = resource.getrusage(resource.RUSAGE_SELF)
    cpu, gib = usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 2**20
    sums = {name: int(bases.sum()) for name, bases in found.items()}
    n_windows = len(next(iter(found.values())))
    print(json.dumps({"seconds": seconds, "cpu": cpu, "gib": gib, "windows": n_windows, "sums": sums}))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--windows", type=int, default=1_400_000)
    parser.add_argument("--repeats", type=int, default=5_500_000)
    parser.add_argument("--sample", type=int, default=2_000, help="windows of the loop")
    parser.add_argument("--mbp", type=int, default=500, help="of the genome of the command; 0 for none")
    parser.add_argument("--way", choices=WAYS, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--first", type=int, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.way:
        run(given.way, given.folder, given.first)
        return
    print(machine("numpy", "pandas", "pyarrow", "bioframe"))
    print("\n| way | windows | s | CPU s | GiB | bases in SINE, of ours |\n|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as scratch:
        make_inputs(Path(scratch), given.windows, given.repeats)
        right = measured("ours", Path(scratch), given.sample)["sums"]["SINE"]
        full = measured("ours", Path(scratch), None)
        for way in list(WAYS)[:-1]:
            is_sample = way == "window by window"
            found = full if way == "ours" else measured(way, Path(scratch), given.sample if is_sample else None)
            share = found["sums"]["SINE"] / (right if is_sample else full["sums"]["SINE"])
            numbers = f"{found['windows']:,} | {found['seconds']:.1f} | {found['cpu']:.1f} | {found['gib']:.1f}"
            print(f"| {way} | {numbers} | {share:.4f} |", flush=True)
        if given.mbp:
            make_genome(Path(scratch), given.mbp)
            measured("command", Path(scratch), None)
            found = measured("command", Path(scratch), None)
            tokens, bins = found["sums"].values()
            cost = f"{found['seconds']:.1f} s, {found['cpu']:.1f} s of CPU, {found['gib']:.1f} GiB"
            print(f"\nthe command on {given.mbp:,} Mbp, {tokens:,} tokens, {bins:,} bins: {cost}")


if __name__ == "__main__":
    main()
