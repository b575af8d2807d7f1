"""What one GPU does, in under ten minutes: steps of training, vectors of windows, and a model of five minutes.

python benchmarks/gpu.py [--size base] [--batch 64] [--seconds 300]

Three tables. Steps of a pretraining: useful tokens a second, MFU and peak memory, by `training_step.py`, in bf16,
with grouping, without padding, compiled, and with flash attention where its package is. Vectors of test windows a
second. And how far the recipe `bpe_600_fast` gets in so many seconds, beside token frequency and a table of
neighbours. It runs on a CPU too, where `--size tiny --batch 4 --seconds 20 --bf16 false` shows that it works.
`GROVER_DATA` names the folder of hg38.islands; else the genome is simulated.
"""

import argparse
import logging
import sys
import tempfile
import time
from pathlib import Path
from unittest import mock

import datasets
import torch
import training_step
import transformers
from data_loading import windows_of
from measure import machine
from transformers import AutoModel

from grover_hf import DnaModel
from grover_hf.corpus.facts import choose_config
from grover_hf.corpus.window_store import open_windows
from grover_hf.model import grover_config
from grover_hf.probing.features import embeddings
from grover_hf.tokenization.export import load_encoder
from training.data.window_batches import WindowDataset
from training.evaluate import evaluate
from training.evaluation.plan import EvaluationPlan
from training.evaluation.report import summary
from training.pretrain import PretrainRecipe, pretrain
from training.runs.recipe import read_recipe

_STEPS_TO_MEASURE = 12


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--size", default="base", choices=("tiny", "small", "base"))
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--seconds", type=int, default=300, help="of the pretraining")
    parser.add_argument("--windows", type=int, default=2_000, help="to embed, and to judge")
    parser.add_argument("--bf16", default="true", choices=("true", "false"))
    parser.add_argument("--mbp", type=int, default=40, help="of simulated sequence, where there is no real")
    arguments = parser.parse_args()
    logging.disable(logging.WARNING)
    datasets.disable_progress_bars()
    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else "no GPU"
    print(machine("torch", "transformers", "accelerate"), gpu)
    words = ["--size", arguments.size, "--batch", str(arguments.batch), "--steps", str(_STEPS_TO_MEASURE),
             "--repeats", "1", "--mbp", str(arguments.mbp), *(["--bf16"] if arguments.bf16 == "true" else [])]
    with mock.patch.object(sys, "argv", ["training_step.py", *words]):
        training_step.main()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        windows = windows_of(folder, arguments.mbp)
        show_embedding(arguments, folder, windows)
        show_pretraining(arguments, folder, windows)


def show_embedding(arguments: argparse.Namespace, folder: Path, windows: Path) -> None:
    """Print how many tokens and windows of the test split become vectors in a second."""
    _, facts = choose_config(windows, None)
    test = WindowDataset(open_windows(windows, facts)["test"])
    rows = [test[number].input_ids[test[number].starts[0] : test[number].ends[0]]
            for number in range(min(arguments.windows, len(test)))]
    encoder = load_encoder(folder / "corpus" / "tokenizer")
    transformers.set_seed(0)
    model = AutoModel.from_config(grover_config(len(encoder.tokens), arguments.size))  # type: ignore[arg-type]
    device = "cuda" if torch.cuda.is_available() else "cpu"
    dtype = torch.bfloat16 if arguments.bf16 == "true" else torch.float32
    dna = DnaModel(model.to(device, dtype), encoder.merges.to_tokenizer())
    embeddings(dna, rows[:64], layer=-1, pooling="mean", what="warm")
    begin = time.perf_counter()
    embeddings(dna, rows, layer=-1, pooling="mean", what="vectors")
    seconds = time.perf_counter() - begin
    n_tokens = sum(map(len, rows))
    print(f"\nvectors of {len(rows):,} test windows, {arguments.size}, {dtype}: "
          f"{len(rows) / seconds:,.0f} windows/s, {n_tokens / seconds:,.0f} tokens/s")


def show_pretraining(arguments: argparse.Namespace, folder: Path, windows: Path) -> None:
    """Print how far the recipe gets: a few steps say how many there is time for, and its schedule has so many."""
    common = {
        "dataset": str(windows), "tokenizer": str(folder / "corpus" / "tokenizer"), "size": arguments.size,
        "batch_size": arguments.batch, "per_device_batch_size": arguments.batch, "bf16": arguments.bf16 == "true",
        "save_steps": 0, "eval_windows": 20, "warmup_share": 0.1,
    }

    def trained(name: str, steps: int) -> float:
        changes = {**common, "output": str(folder / name), "max_steps": steps}
        report = pretrain(read_recipe(PretrainRecipe, "bpe_600_fast", "pretrain", changes))
        assert report is not None
        assert report.training_seconds is not None
        return report.training_seconds

    few = 5
    # The first steps also compile and allocate: the difference of two trainings does not.
    a_step = max(1e-3, (trained("more", 4 * few) - trained("few", few)) / (3 * few))
    steps = max(10, int(arguments.seconds / a_step))
    seconds = trained("run", steps)
    print(f"\nbpe_600_fast, {arguments.size}: {steps:,} steps of {arguments.batch} windows in {seconds:.0f} s")
    print(summary(evaluate(EvaluationPlan(
        run=str(folder / "run"), windows=arguments.windows, p_select=0.15, p_mask=0.8, p_random=0.1,
    ))))


if __name__ == "__main__":
    main()
