"""A dataset of windows of a few tokens, as `grover build genome-windows` writes one, made in milliseconds."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from grover_hf._internals.files import sha256_of_files
from grover_hf.corpus.facts import write_facts
from grover_hf.tokenization.bpe_encoding import GenomeEncoder
from grover_hf.tokenization.merges import MergeTable
from tests.made_up import corpus_facts, dataset_facts
from tests.tiny_models import MERGES

ENCODER = GenomeEncoder(MergeTable(MERGES))
CONFIG = "bpe-8.by-block"


def random_windows(n_windows, *, first_id=5, seed=0):
    """Windows of 10 to 20 tokens: some are longer than what the tiny model takes at once."""
    rng = np.random.default_rng(seed)
    n_types = len(ENCODER.tokens) - first_id
    # Types differ in how often they occur, so that a frequency has something to go with.
    shares = np.arange(1, n_types + 1) / sum(range(1, n_types + 1))
    lengths = rng.integers(10, 21, n_windows)
    return [first_id + rng.choice(n_types, length, p=shares) for length in lengths]


def write_windows(folder, *, encoder=ENCODER, **splits):
    """Write windows by split; return the folder of the dataset."""
    place = folder / CONFIG
    place.mkdir(parents=True)
    for split, windows in splits.items():
        rows = pa.array([window.astype(np.uint16) for window in windows], pa.list_(pa.uint16()))
        pq.write_table(pa.table({"input_ids": rows}), place / f"genome_windows-{split}.parquet")
    write_facts(place, dataset_facts(
        config=CONFIG, vocabulary_sha256=encoder.vocabulary_sha256, corpus=corpus_facts(),
        splits={split: len(windows) for split, windows in splits.items()},
        sha256=sha256_of_files(sorted(place.glob("*.parquet"))),
    ))
    return folder
