"""Shuffled, masked batches of pretraining windows: useful tokens a second, ours beside stock Hugging Face.

The peer is `datasets` in torch format, from the same Parquet, with `DataCollatorForLanguageModeling` padding to
512. Its rows have [CLS] and [SEP] already, put there beforehand and not counted. A useful token is one that is no
padding. The clock starts after ten batches, when all workers run.

python benchmarks/data_loading.py [--mbp 40] [--batch 64] [--repeats 5]
"""

import argparse
import itertools
import logging
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from unittest import mock

import datasets
import torch
from measure import machine, ratio, real_genome, simulated
from transformers import AutoTokenizer, DataCollatorForLanguageModeling

from dataset_builders.build import prepare
from dataset_builders.genome_windows.builder import plan
from grover_hf import GenomeEncoder, ReferenceGenome, TokenizedGenome, train_bpe
from grover_hf.corpus.facts import choose_config
from grover_hf.corpus.window_store import WindowStore, open_windows
from grover_hf.masking import MaskingCollator
from grover_hf.tokenization.special_tokens import CLS_ID, MODEL_MAX_LENGTH, SEP_ID
from training.data.padding_free import PaddingFreeCollator
from training.data.window_batches import WholeBatches, WindowDataset

RATES = {"p_select": 0.022, "p_mask": 0.8, "p_random": 0.1}
Batches = Iterable[dict[str, torch.Tensor]]


def windows_of(folder: Path, mbp: int) -> Path:
    """Make tokenizer and windows of real sequence, or of a simulated genome; return their folder."""
    fasta = real_genome("hg38.islands.fa.gz") or simulated(folder, mbp)
    genome = ReferenceGenome(fasta)
    corpus = TokenizedGenome.build(genome, GenomeEncoder(train_bpe(genome, 600)), folder / "corpus").path
    return prepare(plan(corpus), folder / "windows")


def stock_rows(windows: Path, config: str) -> datasets.Dataset:
    """Return the train windows as rows of `datasets`, with [CLS] and [SEP]."""
    rows = datasets.load_dataset("parquet", data_files=str(windows / config / "*-train*.parquet"), split="train")
    return rows.map(
        lambda batch: {"input_ids": [[CLS_ID, *ids, SEP_ID] for ids in batch["input_ids"]]},
        batched=True, remove_columns=rows.column_names, features=datasets.Features(
            {"input_ids": datasets.List(datasets.Value("int64"))}
        ),
    )


def stock_collator(tokenizer: Path) -> DataCollatorForLanguageModeling:
    return DataCollatorForLanguageModeling(
        AutoTokenizer.from_pretrained(tokenizer), mlm_probability=RATES["p_select"],
        pad_to_multiple_of=MODEL_MAX_LENGTH,
    )


def stock(rows: datasets.Dataset, tokenizer: Path, batch_size: int, workers: int) -> Batches:
    return torch.utils.data.DataLoader(
        rows.with_format("torch"), batch_size, shuffle=True, drop_last=True, num_workers=workers,
        collate_fn=stock_collator(tokenizer),
    )


def ours(
    store: WindowStore, batch_size: int, workers: int, *, grouped: bool = True, padding_free: bool = False
) -> Batches:
    padded = MaskingCollator(vocab_size=609, seed=0, **RATES)
    return torch.utils.data.DataLoader(
        WindowDataset(store), batch_size, drop_last=True, num_workers=workers,
        sampler=WholeBatches(store.lengths, batch_size, seed=0, group_by_length=grouped),
        collate_fn=PaddingFreeCollator(padded=padded) if padding_free else padded,
    )


def useful(batch: dict[str, torch.Tensor]) -> int:
    return int(batch["attention_mask"].sum()) if "attention_mask" in batch else batch["input_ids"].numel()


def tokens_a_second(batches: Batches, n_batches: int) -> float:
    """Time so many batches, after the first ten."""
    started = itertools.islice(iter(batches), 10 + n_batches)
    for _ in range(10):
        next(started)
    begin = time.perf_counter()
    n_tokens = sum(map(useful, started))
    return n_tokens / (time.perf_counter() - begin)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--mbp", type=int, default=40)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--repeats", type=int, default=5)
    arguments = parser.parse_args()
    logging.disable(logging.WARNING)
    datasets.disable_progress_bars()
    print(machine("numba", "numpy", "torch", "transformers", "datasets"))
    with tempfile.TemporaryDirectory() as scratch:
        windows = windows_of(Path(scratch), arguments.mbp)
        tokenizer = Path(scratch) / "corpus" / "tokenizer"
        config, facts = choose_config(windows, None)
        begin = time.perf_counter()
        with mock.patch.dict(os.environ, {"GROVER_CACHE": scratch}):
            store = open_windows(windows, facts)["train"]
        seconds = time.perf_counter() - begin
        rows = stock_rows(windows, config)
        print(
            f"\n{len(store):,} train windows, {len(store.input_ids):,} tokens, batches of {arguments.batch}; "
            f"from Parquet to the cache, once: {len(store.input_ids) / seconds / 1e6:.0f} M tokens/s"
        )
        loaders: dict[str, tuple[Callable[[], Batches], int]] = {}
        for workers in (0, 2):
            name = f"{workers} workers"
            loaders |= {
                f"stock, {name}": (lambda n=workers: stock(rows, tokenizer, arguments.batch, n), 20),
                f"ours, grouped by length, {name}": (lambda n=workers: ours(store, arguments.batch, n), 150),
                f"ours, in any order, {name}": (
                    lambda n=workers: ours(store, arguments.batch, n, grouped=False), 150,
                ),
                f"ours, without padding, {name}": (
                    lambda n=workers: ours(store, arguments.batch, n, grouped=False, padding_free=True), 150,
                ),
            }
        rates: dict[str, list[float]] = {name: [] for name in loaders}
        for _ in range(arguments.repeats):
            for name, (loader, n_batches) in loaders.items():
                rates[name].append(tokens_a_second(loader(), n_batches))
    print("\n| loader | M useful tokens/s | it / stock, 0 workers |\n|---|---|---|")
    for name, found in rates.items():
        print(f"| {name} | {statistics.median(found) / 1e6:.2f} | {ratio(found, rates['stock, 0 workers']):.1f} |")


if __name__ == "__main__":
    main()
