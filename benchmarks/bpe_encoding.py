"""Byte-pair encoding of one real contig, one thread: ours beside tokenizers and tiktoken.

    GROVER_DATA=... python benchmarks/bpe_encoding.py [--repeats 5]

The contig is the longest of hg19.sparse (without GROVER_DATA: of a simulated genome), the vocabulary
600 cycles of the same genome. The ids of every encoder are compared; pieces are compared with ours
on the same pieces, since cutting changes tokens at the cuts.
"""

import argparse
import os
import statistics
import tempfile
import time
from pathlib import Path

os.environ.update(TOKENIZERS_PARALLELISM="false", RAYON_NUM_THREADS="1")

import numpy as np
import tiktoken
from measure import alternated, machine, ratio, real_genome, simulated
from tokenizers import Tokenizer, models

from grover_hf import GenomeEncoder, ReferenceGenome, train_bpe
from grover_hf.genome.acgt import sequence_of


def _pieces(text: str, n: int) -> list[str]:
    return [text[i : i + n] for i in range(0, len(text), n)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--repeats", type=int, default=5)
    arguments = parser.parse_args()
    print(machine("numba", "numpy", "tokenizers", "tiktoken"))
    with tempfile.TemporaryDirectory() as folder:
        fasta = real_genome("hg19.sparse.fa.gz") or simulated(Path(folder), 20)
        genome = ReferenceGenome(fasta)
        segments = [
            genome.codes(chrom)[start:end]
            for chrom in genome.chromosomes for start, end in genome.segments(chrom)
        ]
        merges = train_bpe(genome, 600)
    contig = max(segments, key=len).copy()
    begin = time.perf_counter()
    encoder = GenomeEncoder(merges)
    built = time.perf_counter() - begin
    begin = time.perf_counter()
    ids = encoder.encode(contig)
    first = time.perf_counter() - begin

    text = sequence_of(contig)
    by_100kb, by_2kb = _pieces(text, 100_000), _pieces(text, 2_000)
    vocabulary = {token: i for i, token in enumerate(merges.tokens)}
    hf = Tokenizer(models.BPE(vocab=vocabulary, merges=list(merges.merges)))
    tik = tiktoken.Encoding(
        "bpe-600", pat_str="[ACGT]+", special_tokens={},
        mergeable_ranks={token.encode(): i for i, token in enumerate(merges.tokens) if i >= 5},
    )
    begin = time.perf_counter()
    whole = hf.encode(text).ids
    hf_whole = time.perf_counter() - begin
    assert whole == ids.tolist()
    assert [e.ids for e in hf.encode_batch_fast(by_100kb)] == [encoder.encode(p).tolist() for p in by_100kb]
    assert [tik.encode_ordinary(p) for p in by_2kb] == [encoder.encode(p).tolist() for p in by_2kb]

    seconds = alternated(
        {
            "ours, base codes": lambda: encoder.encode(contig),
            "ours, from a string": lambda: encoder.encode(text),
            "tokenizers encode_batch_fast, 100-kb pieces": lambda: hf.encode_batch_fast(by_100kb),
            "tiktoken, 2-kb pieces": lambda: [tik.encode_ordinary(piece) for piece in by_2kb],
        },
        arguments.repeats,
    )
    seconds["tokenizers encode, whole contig (one run)"] = [hf_whole]
    n = contig.size / 1e6
    print(f"\n{fasta.name}, contig of {n:.2f} Mbp, {ids.size:,} tokens; all ids equal")
    print("| encoder | Mbp/s | it / ours |\n|---|---|---|")
    for name, runs in seconds.items():
        ours = seconds["ours, base codes"]
        print(f"| {name} | {n / statistics.median(runs):.1f} | {ratio(runs, ours):.1f} |")
    print(f"\nautomaton built in {built:.2f} s; first call {first:.2f} s (compiled code from the cache)")
    everything = np.concatenate(segments)
    begin = time.perf_counter()
    np.copy(everything)
    print(f"copying the codes of the genome: {everything.size / 1e6 / (time.perf_counter() - begin):.0f} Mbp/s")


if __name__ == "__main__":
    main()
