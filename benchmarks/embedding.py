"""Regions a second of 300 bp on one core: ours beside `pipeline("feature-extraction")` and a plain padded loop.

The peers get the regions' sequences. Ours gets the same sequences for the comparison of vectors (mean over tokens,
without [CLS] and [SEP]), and the genome's own tokens as `grover embed` does. The pipeline is used as its page
says, which gives lists, and with tensors and batches, which it does not make by itself. Each runs on one core,
whose seconds are those of this process; peers get fewer regions.

python benchmarks/embedding.py [--regions 10000] [--size small] [--model FOLDER] [--repeats 3]
"""

import argparse
import logging
import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers
from measure import machine, real_genome, simulated
from numpy.typing import NDArray
from transformers import AutoModelForMaskedLM, AutoTokenizer, pipeline

from grover_hf import DnaModel, GenomeEncoder, Interval, ReferenceGenome, TokenizedGenome, grover_config, train_bpe
from grover_hf.genome.acgt import acgt_segments
from grover_hf.tokenization.export import save_tokenizer

REGION_BP = 300
Vectors = NDArray[np.float32]


def random_regions(genome: ReferenceGenome, n_regions: int) -> list[Interval]:
    """Draw regions without N."""
    rng = np.random.default_rng(0)
    spans = [
        (chrom, start, end) for chrom in genome.chromosomes
        for start, end in acgt_segments(genome.codes(chrom)).tolist() if end - start >= REGION_BP
    ]
    sizes = np.array([end - start - REGION_BP + 1 for _, start, end in spans])
    drawn = rng.choice(len(spans), n_regions, p=sizes / sizes.sum())
    starts = [spans[number][1] + int(rng.integers(sizes[number])) for number in drawn]
    return [Interval(spans[n][0], start, start + REGION_BP) for n, start in zip(drawn, starts, strict=True)]


def model_folder(folder: Path, genome: ReferenceGenome, size: Any) -> Path:
    """Make a model with random weights, which compute as long as others."""
    torch.manual_seed(0)
    encoder = GenomeEncoder(train_bpe(genome, 600))
    AutoModelForMaskedLM.from_config(grover_config(609, size)).save_pretrained(folder / "model")
    save_tokenizer(encoder, folder / "tokenizer")
    for path in (folder / "tokenizer").iterdir():
        path.rename(folder / "model" / path.name)
    return folder / "model"


def piped(model: Path, batch_size: int, *, tensors: bool = True) -> Callable[[Sequence[str]], Vectors]:
    extract = pipeline("feature-extraction", model=str(model), device="cpu", batch_size=batch_size)

    def vectors(sequences: Sequence[str]) -> Vectors:
        outputs = extract(list(sequences), return_tensors=tensors)
        if not tensors:
            return np.stack([np.asarray(output[0], np.float32)[1:-1].mean(0) for output in outputs])
        if batch_size == 1:
            return np.stack([output[0, 1:-1].mean(0).numpy() for output in outputs])
        # Batches are padded, and the pipeline does not say how much.
        lengths = [len(ids) for ids in extract.tokenizer(list(sequences))["input_ids"]]
        return np.stack([out[0, 1 : n - 1].mean(0).numpy() for out, n in zip(outputs, lengths, strict=True)])

    return vectors


def padded_loop(model: Path, batch_size: int = 64) -> Callable[[Sequence[str]], Vectors]:
    tokenizer = AutoTokenizer.from_pretrained(model)
    encoder = AutoModelForMaskedLM.from_pretrained(model).base_model.eval()

    def vectors(sequences: Sequence[str]) -> Vectors:
        found = []
        with torch.inference_mode():
            for first in range(0, len(sequences), batch_size):
                inputs = tokenizer(list(sequences[first : first + batch_size]), padding=True, return_tensors="pt")
                hidden = encoder(**inputs).last_hidden_state
                ids = inputs["input_ids"]
                counted = (ids != tokenizer.pad_token_id) & (ids != tokenizer.cls_token_id) & (
                    ids != tokenizer.sep_token_id
                )
                found.append(((hidden * counted[..., None]).sum(1) / counted.sum(1, keepdim=True)).numpy())
        return np.concatenate(found)

    return vectors


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--regions", type=int, default=10_000)
    parser.add_argument("--peer-regions", type=int, default=500)
    parser.add_argument("--size", choices=("small", "base"), default="small")
    parser.add_argument("--model", type=Path, help="instead of random weights")
    parser.add_argument("--repeats", type=int, default=3)
    arguments = parser.parse_args()
    logging.disable(logging.WARNING)
    transformers.utils.logging.disable_progress_bar()
    torch.set_num_threads(1)
    print(machine("numpy", "torch", "transformers"))
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        genome = ReferenceGenome(real_genome("hg38.islands.fa.gz") or simulated(folder, 10))
        model = arguments.model or model_folder(folder, genome, arguments.size)
        regions = random_regions(genome, arguments.regions)
        sequences = [genome.fetch(region) for region in regions]
        corpus = TokenizedGenome.cached(genome.path, model)
        dna = DnaModel.from_pretrained(model, device="cpu")
        few = arguments.peer_regions
        runs: dict[str, tuple[int, Callable[[int], Vectors]]] = {
            "ours, the genome's own tokens": (
                len(regions), lambda n: dna.embed([corpus.tokens_in(region) for region in regions[:n]]),
            ),
            "ours, sequences": (len(regions), lambda n: dna.embed(sequences[:n])),
        }
        peers = {
            'pipeline("feature-extraction")': piped(model, 1, tensors=False),
            "the same, tensors": piped(model, 1),
            "the same, tensors, batch_size=64": piped(model, 64),
            "a padded loop, batches of 64": padded_loop(model),
        }
        runs |= {name: (few, lambda n, peer=peer: peer(sequences[:n])) for name, peer in peers.items()}
        expected = dna.embed(sequences[:few])
        for name, peer in peers.items():
            print(f"{name}: vectors differ by {np.abs(peer(sequences[:few]) - expected).max():.1e} at most")
        rates: dict[str, list[float]] = {name: [] for name in runs}
        for _ in range(arguments.repeats):
            for name, (n_regions, run) in runs.items():
                # On one core, and of this process alone: the machine may have others.
                begin = time.process_time()
                run(n_regions)
                rates[name].append(n_regions / (time.process_time() - begin))
    first = next(iter(rates))
    print("\n| | regions a second of a core | ours / it |\n|---|---|---|")
    for name, found in rates.items():
        ratio = statistics.median(a / b for a, b in zip(rates[first], found, strict=True))
        print(f"| {name} | {statistics.median(found):.1f} | {ratio:.2f} |")


if __name__ == "__main__":
    main()
