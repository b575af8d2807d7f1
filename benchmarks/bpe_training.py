"""Byte-pair training, 600 cycles, whole contigs: ours beside rustbpe (exact) and tokenizers (not).

    python benchmarks/bpe_training.py [--mbp 1 10 40] [--repeats 3] [--large 0]

Each run is a process of its own; "whole" is its wall time from start to end, "inside" the training
with reading the sequence, memory its peak growth over what it had after the imports, a base.
tokenizers cannot train on whole contigs (its time is quadratic in their length): it gets pieces of
1 kb, which gives other merges. With GROVER_DATA, real sequence is measured too. `--large N` adds
ours alone on N simulated Mbp, for the slope.
"""

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

N_CYCLES = 600


def _rss() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def _ours(fasta: Path, n_threads: int) -> list[list[str]]:
    from grover_hf.genome import ReferenceGenome
    from grover_hf.tokenization.bpe_training import train_bpe

    return [list(merge) for merge in train_bpe(ReferenceGenome(fasta), N_CYCLES, n_threads=n_threads).merges]


def _tokens_by_rustbpe(lines: list[str]) -> list[str]:
    import rustbpe

    tokenizer = rustbpe.Tokenizer()
    tokenizer.train_from_iterator(iter(lines), 256 + N_CYCLES, pattern="[ACGT]+")
    return [bytes(token).decode("latin-1") for token, _ in tokenizer.get_mergeable_ranks()][256:]


def _tokens_by_tokenizers(lines: list[str]) -> list[str]:
    from tokenizers import Tokenizer, models, trainers

    tokenizer = Tokenizer(models.BPE())
    pieces = (line[i : i + 1000] for line in lines for i in range(0, len(line), 1000))
    tokenizer.train_from_iterator(
        pieces, trainers.BpeTrainer(vocab_size=4 + N_CYCLES, show_progress=False, initial_alphabet=list("ACGT"))
    )
    return sorted(tokenizer.get_vocab(), key=tokenizer.get_vocab().__getitem__)[4:]


def worker(which: str, fasta: Path, text: Path) -> None:
    """Run one trainer in this process; print seconds, bytes and what was learnt as JSON."""
    if which.startswith("ours"):
        import grover_hf.tokenization.bpe_training  # noqa: F401
    elif which == "rustbpe":
        import rustbpe  # noqa: F401
    else:
        import tokenizers  # noqa: F401
    before = _rss()
    begin = time.perf_counter()
    if which.startswith("ours"):
        learnt = ["".join(merge) for merge in _ours(fasta, int(which[-1]))]
    else:
        lines = text.read_text().split()
        learnt = _tokens_by_rustbpe(lines) if which == "rustbpe" else _tokens_by_tokenizers(lines)
    seconds = time.perf_counter() - begin
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(json.dumps({"inside": seconds, "bytes": peak - before, "learnt": learnt}))


def _run(which: str, fasta: Path, text: Path, cache: str | None = None) -> dict[str, object]:
    environment = {**os.environ, **({"GROVER_CACHE": cache} if cache else {})}
    begin = time.perf_counter()
    command = [sys.executable, __file__, "--worker", which, str(fasta), str(text)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return {"whole": time.perf_counter() - begin, **json.loads(done.stdout)}


def _compare(name: str, fasta: Path, folder: Path, repeats: int) -> None:
    from measure import sequences

    text = folder / f"{fasta.name}.txt"
    text.write_text("\n".join(pieces := sequences(fasta)))
    n_bases = sum(map(len, pieces))
    del pieces
    names = ["ours, threads: 1", "ours, threads: 2", "rustbpe", "tokenizers, 1-kb pieces"]
    found: dict[str, list[dict[str, object]]] = {which: [] for which in names}
    for repeat in range(repeats):
        for which in names:
            if which != names[3] or repeat == 0 or n_bases < 15e6:
                found[which].append(_run(which, fasta, text))
    exact = found["rustbpe"][0]["learnt"]
    print(f"\n{name}, {n_bases / 1e6:.1f} Mbp")
    print("| trainer | whole s | inside s | rustbpe / it, whole | inside | bytes a base | merges equal |")
    print("|---|---|---|---|---|---|---|")
    for which, runs in found.items():
        medians = {key: statistics.median(run[key] for run in runs) for key in ("whole", "inside", "bytes")}  # type: ignore[misc]
        ratios = [
            statistics.median(a[key] / b[key] for a, b in zip(found["rustbpe"], runs, strict=False))  # type: ignore[operator]
            for key in ("whole", "inside")
        ]
        learnt = runs[0]["learnt"]
        same = "yes" if learnt == exact else f"{len(set(learnt) & set(exact))} of {len(exact)}"  # type: ignore[arg-type, call-overload]
        print(
            f"| {which} | {medians['whole']:.2f} | {medians['inside']:.2f} | {ratios[0]:.1f} | {ratios[1]:.1f} | "
            f"{medians['bytes'] / n_bases:.1f} | {same} |"
        )
    with tempfile.TemporaryDirectory(dir=folder) as empty:
        cold = _run("ours, threads: 2", fasta, text, cache=empty)
    print(f"ours cold (nothing compiled, no index): whole {cold['whole']:.1f} s, inside {cold['inside']:.1f} s")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--mbp", type=int, nargs="*", default=[1, 10, 40])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--large", type=int, default=0)
    parser.add_argument("--worker", nargs=3, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.worker:
        which, fasta, text = arguments.worker
        worker(which, Path(fasta), Path(text))
        return
    from measure import machine, real_genome, simulated

    print(machine("numba", "numpy", "rustbpe", "tokenizers"))
    with tempfile.TemporaryDirectory() as folder:
        for mbp in arguments.mbp:
            _compare("simulated", simulated(Path(folder), mbp), Path(folder), arguments.repeats)
        for name in ("hg19.sparse.fa.gz", "hg38.islands.fa.gz"):
            if path := real_genome(name):
                _compare(name, path, Path(folder), arguments.repeats)
        if arguments.large:
            fasta = simulated(Path(folder), arguments.large)
            run = _run("ours, threads: 2", fasta, fasta)
            print(
                f"\nours alone, simulated {arguments.large} Mbp, 2 threads: inside {run['inside']:.1f} s, "
                f"{run['bytes'] / arguments.large / 1e6:.1f} bytes a base"  # type: ignore[operator]
            )


if __name__ == "__main__":
    main()
