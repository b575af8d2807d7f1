"""Prom300 of 29,598 promoters on a made-up genome of real size, beside the row-by-row way.

The peer fetches each promoter with pyfaidx, encodes it with `tokenizers`, shuffles it with numpy and
collects the rows: what one writes without a tokenized genome. Its tokens are those of a sequence cut
out, ours those of the genome; with 100 bp of flank, as the authors of GROVER advise, they are nearly
the genome's. Making the tokenized genome, once for all tasks, is timed apart.

python benchmarks/task_rows.py [--mbp 3000] [--promoters 29598] [--repeats 3]
"""

import argparse
import logging
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pyfaidx
from measure import alternated, machine, ratio, simulated
from tokenizers import Tokenizer

from dataset_builders.build import prepare
from dataset_builders.prom300.builder import plan
from dataset_builders.task import Task
from grover_hf import GenomeEncoder, ReferenceGenome, TokenizedGenome, train_bpe
from grover_hf.tokenization.export import save_tokenizer

CHROMOSOME_MBP = 125


def made_up_genome(folder: Path, mbp: int) -> Path:
    """Write chromosomes of 125 Mbp, each the simulated one begun at another base."""
    piece = simulated(folder, min(mbp, 60))
    genome = ReferenceGenome(piece)
    letters = np.frombuffer(b"ACGTN", np.uint8)[np.concatenate([genome.codes(c) for c in genome.chromosomes])]
    path = folder / "genome.fa"
    with open(path, "wb") as out:
        left = mbp
        number = 0
        while left > 0:
            number += 1
            size = min(left, CHROMOSOME_MBP) * 1_000_000
            left -= CHROMOSOME_MBP
            chromosome = np.resize(np.roll(letters, -number * 1_234_567), size)
            lines = np.full((size // 50, 51), ord("\n"), np.uint8)
            lines[:, :50] = chromosome.reshape(-1, 50)
            out.write(f">chr{number}\n".encode())
            out.write(lines.tobytes())
    return path


def write_promoters(genome: ReferenceGenome, path: Path, n: int) -> None:
    rng = np.random.default_rng(0)
    chroms = rng.choice(genome.chromosomes, n)
    with open(path, "w") as out:
        for chrom in chroms:
            tss = int(rng.integers(500, genome.sizes[chrom] - 500))
            out.write(f"{chrom}\t{tss}\t{tss + 1}\t.\t1\t{rng.choice(['+', '-'])}\n")


def row_by_row(fasta: Path, promoters: Path, tokenizer_file: Path, output: Path | None, flank_bp: int = 0) -> int:
    """Make the rows one by one; with flanks, tokenize more than is wanted and keep what overlaps it."""
    genome = pyfaidx.Fasta(str(fasta), as_raw=True, sequence_always_upper=True)
    tokenizer = Tokenizer.from_file(str(tokenizer_file))
    tokens = {i: token for token, i in tokenizer.get_vocab().items()}
    rng = np.random.default_rng(0)
    rows = []
    for line in promoters.read_text().splitlines():
        chrom, tss, _, _, _, strand = line.split("\t")
        start = int(tss) - (249 if strand == "+" else 50)
        sequence = str(genome[chrom][start - flank_bp : start + 300 + flank_bp])
        if "N" in sequence:
            continue
        encoding = tokenizer.encode(sequence, add_special_tokens=False)
        ids = [
            i for i, (a, b) in zip(encoding.ids, encoding.offsets, strict=True)
            if b > flank_bp and a < flank_bp + 300
        ] if flank_bp else encoding.ids
        chunks = np.array_split(np.array(ids), 8)
        chosen = rng.choice(8, 6, replace=False)
        pool = rng.permutation(np.concatenate([chunks[i] for i in chosen]))
        for i in chosen:
            chunks[i], pool = pool[: len(chunks[i])], pool[len(chunks[i]) :]
        for shuffled, row_ids in ((False, ids), (True, np.concatenate(chunks).tolist())):
            rows.append({
                "chrom": chrom, "start": start, "end": start + 300, "strand": strand,
                "sequence": "".join(tokens[i] for i in row_ids), "input_ids": row_ids, "shuffled": shuffled,
                "label": int(not shuffled),
            })
    if output is not None:
        pq.write_table(pa.Table.from_pylist(rows), output)
    return len(rows)


def our_rows(made: Task, folder: Path) -> None:
    """Make the tables of all splits and write nothing."""
    builder = made.builder_class(
        cache_dir=str(folder / "cache"), dataset_name=made.dataset, config_name=made.config, task=made
    )
    for generator in builder._split_generators(None):
        for _ in builder._generate_tables(**generator.gen_kwargs):
            pass


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--mbp", type=int, default=3_000)
    parser.add_argument("--promoters", type=int, default=29_598)
    parser.add_argument("--repeats", type=int, default=3)
    arguments = parser.parse_args()
    logging.disable(logging.WARNING)
    print(machine("numba", "numpy", "pyarrow", "pyfaidx", "tokenizers", "datasets"))
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        fasta = made_up_genome(folder, arguments.mbp)
        genome = ReferenceGenome(fasta)
        merges = train_bpe(ReferenceGenome(simulated(folder, min(arguments.mbp, 60))), 600)
        save_tokenizer(GenomeEncoder(merges), folder / "tokenizer")
        begin = time.perf_counter()
        corpus = TokenizedGenome.build(genome, GenomeEncoder(merges), folder / "corpus").path
        tokenizing = time.perf_counter() - begin
        bed = folder / "promoters.bed"
        write_promoters(genome, bed, arguments.promoters)
        tokenizer = folder / "tokenizer" / "tokenizer.json"
        parquet = folder / "peer.parquet"
        n_rows = row_by_row(fasta, bed, tokenizer, parquet)
        pair = {
            "rows, in memory": {
                "ours": lambda: our_rows(plan(corpus, bed), folder),
                "row by row": lambda: row_by_row(fasta, bed, tokenizer, None),
                "row by row, 100 bp of flank": lambda: row_by_row(fasta, bed, tokenizer, None, 100),
            },
            "rows to a dataset on disk": {
                "ours, with digests and card": lambda: prepare(plan(corpus, bed), folder / "out", overwrite=True),
                "row by row": lambda: row_by_row(fasta, bed, tokenizer, parquet),
                "row by row, 100 bp of flank": lambda: row_by_row(fasta, bed, tokenizer, parquet, 100),
            },
        }
        # The first round compiles, and fills the page cache.
        timed = {what: alternated(functions, arguments.repeats + 1) for what, functions in pair.items()}
    print(f"\n{arguments.mbp:,} Mbp, {n_rows:,} rows; tokenizing the genome, once: {tokenizing:.0f} s")
    print("\n| what | builder | s | rows/s | it / ours |\n|---|---|---|---|---|")
    for what, functions in timed.items():
        ours = next(iter(functions.values()))[1:]
        for name, runs in functions.items():
            median = statistics.median(runs[1:])
            print(f"| {what} | {name} | {median:.2f} | {n_rows / median:,.0f} | {ratio(runs[1:], ours):.1f} |")


if __name__ == "__main__":
    main()
