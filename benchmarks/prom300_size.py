"""How the TF-IDF row of Prom300 depends on the number of promoters: promoters of GUE, the paper's negatives.

python benchmarks/prom300_size.py gue merges.txt [--sizes 400 2000 10000] [--seeds 3]

`gue` is the folder of GUE's CSV files; its 300-bp promoters are on their own strand and have no coordinates. Each
is tokenized alone, its tokens are shuffled as `grover build prom300` does, and rows are split at random, 80/10/10.
"""

import argparse
import csv
import itertools
from pathlib import Path

import numpy as np

from dataset_builders.prom300.negatives import shuffled_order
from grover_hf import GenomeEncoder, MergeTable
from grover_hf.baselines.documents import documents_of
from grover_hf.baselines.tfidf_forest import tfidf_forest
from grover_hf.corpus.splits import random_split, row_keys
from grover_hf.genome.gzip_files import file_text
from grover_hf.metrics.classification import bootstrap_intervals, classification_metrics
from grover_hf.tokenization.kmer import KmerEncoder

TREES = (200,)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("gue", type=Path)
    parser.add_argument("merges", type=Path)
    parser.add_argument("--sizes", type=int, nargs="+", default=[400, 2_000, 10_000])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--k", type=int, default=5)
    parser.add_argument("--strides", type=int, nargs="+", default=[5, 1])
    arguments = parser.parse_args()
    promoters = promoters_of_gue(arguments.gue)
    encoder = GenomeEncoder(MergeTable.read(arguments.merges))
    print(f"{len(promoters):,} promoters of 300 bp without N; {encoder.name}; {TREES[0]} trees; "
          f"{arguments.seeds} seeds of promoters, shuffle, split and forest\n")
    columns = [f"{arguments.k}-mers, stride {stride}" for stride in arguments.strides]
    print(f"| promoters | test rows | {' | '.join(columns)} |")
    print("| --- | --- |" + " --- |" * len(arguments.strides))
    for size in arguments.sizes:
        cells = []
        for stride in arguments.strides:
            found = [
                score(promoters, encoder, size, arguments.k, stride, seed) for seed in range(arguments.seeds)
            ]
            mccs = np.array([mcc for mcc, _, _ in found])
            low, high = found[0][1]
            cells.append(f"{mccs.mean():.3f} ({mccs.min():.3f} to {mccs.max():.3f}); {low:.3f} to {high:.3f}")
        print(f"| {size:,} | {found[0][2]:,} | {' | '.join(cells)} |", flush=True)


def promoters_of_gue(folder: Path) -> list[str]:
    """Return the distinct sequences of 300 bp that GUE labels as promoters, in alphabetical order."""
    found = set()
    for path in sorted(folder.glob("prom/prom_300_*/*.csv*")):
        rows = csv.DictReader(file_text(path).splitlines())
        found |= {row["sequence"].upper() for row in rows if row["label"] == "1"}
    return sorted(sequence for sequence in found if len(sequence) == 300 and not set(sequence) - set("ACGT"))


def score(
    promoters: list[str], encoder: GenomeEncoder, size: int, k: int, stride: int, seed: int
) -> tuple[float, tuple[float, float], int]:
    """Return the MCC on test rows, its interval of 95 % over them, and how many they are."""
    rng = np.random.default_rng(seed)
    chosen = [promoters[i] for i in np.sort(rng.choice(len(promoters), size, replace=False))]
    keys = row_keys(chosen)
    tokens = [[encoder.tokens[i] for i in encoder.encode(sequence)] for sequence in chosen]
    offsets = np.concatenate([[0], np.cumsum([len(of_one) for of_one in tokens])])
    flat = [token for of_one in tokens for token in of_one]
    order = shuffled_order(offsets, keys, seed=seed)
    shuffled = ["".join(flat[i] for i in order[a:b]) for a, b in itertools.pairwise(offsets)]
    sequences, labels = chosen + shuffled, np.repeat([1, 0], size)
    split = random_split(row_keys(np.tile(np.arange(size), 2), labels), seed=seed)
    documents = documents_of(sequences, KmerEncoder(k), stride)
    train, validation, test = (np.flatnonzero(split == number) for number in range(3))
    fitted = tfidf_forest(
        ([documents[i] for i in train], labels[train]), ([documents[i] for i in validation], labels[validation]),
        [documents[i] for i in test], trees=TREES, seed=seed,
    )
    metrics = classification_metrics(labels[test], fitted.probabilities)
    interval = bootstrap_intervals(labels[test], fitted.probabilities, rng=np.random.default_rng(seed))["mcc"]
    return metrics["mcc"], interval, len(test)


if __name__ == "__main__":
    main()
