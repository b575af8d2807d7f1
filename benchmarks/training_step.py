"""Steps of a pretraining: useful tokens a second, ours beside the stock Trainer padding to 512.

The peer is `Trainer` with `datasets` in torch format and `DataCollatorForLanguageModeling`; both have the same
model, optimizer, batch size, precision and windows. A useful token is one that is not padding. The clock runs from
the end of the third step to the end of the last, with all that a step has: loading, both passes, clipping, the
optimizer.

On a GPU there are peak memory and MFU too: the FLOPs that useful tokens need over those that the device could do
in the time (Chowdhery et al. 2022, "PaLM", appendix B). A token in a window of L tokens needs, with hidden size H,
intermediate size I and vocabulary V, of which the share p is predicted, forward and twice as much backward:

    6 (layers (4 H H + 2 H I) + p (H H + H V))    the matrices of the encoder and of the head
    12 layers L H                                 scores of attention, and their use

Padding counts for nothing, and neither do the optimizer, what is computed twice, and logits that lead to no loss.

python benchmarks/training_step.py [--size small] [--batch 16] [--steps 12] [--repeats 3] [--bf16] [--dropout 0.1]
"""

import argparse
import contextlib
import importlib.util
import io
import logging
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any
from unittest import mock

import datasets
import torch
import transformers
from data_loading import RATES, stock_collator, stock_rows, windows_of
from measure import machine, ratio
from transformers import BertForMaskedLM, Trainer, TrainerCallback, TrainingArguments

from grover_hf.corpus.facts import choose_config
from grover_hf.model import grover_config
from training import pretrain
from training.runs.cost import training_flop
from training.runs.recipe import read_recipe

PEAK = {"A100": 312e12, "H100": 989e12, "H200": 989e12}
"""Dense bf16 FLOPs a second, by the data sheets of the SXM modules."""
NOT_COUNTED = 3


class Clock(TrainerCallback):
    """Lengths of the windows, and seconds, of the steps that count."""

    def __init__(self) -> None:
        self._batches: list[torch.Tensor] = []
        self._begin = 0.0
        self.seconds = 0.0
        self.lengths = torch.empty(0)

    def on_batch(self, inputs: dict[str, Any]) -> None:
        if "attention_mask" in inputs:
            self._batches.append(inputs["attention_mask"].sum(1))
        else:
            self._batches.append(inputs["cu_seq_lens_k"].diff())

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        now = time.perf_counter()
        if state.global_step == NOT_COUNTED:
            self._begin = now
            self._batches.clear()
        self.seconds = now - self._begin
        if state.global_step == args.max_steps:
            self.lengths = torch.cat(self._batches).cpu()

    def flop(self, size: str) -> float:
        # Without [CLS] and [SEP], as the formula wants them.
        return training_flop(self.lengths.numpy() - 2, 609, size, RATES["p_select"]) * len(self.lengths)


def clocked(trainer_class: type[Trainer], clock: Clock) -> type[Trainer]:
    """Return a Trainer that tells a clock of its batches and steps."""

    class Clocked(trainer_class):  # type: ignore[valid-type,misc]
        def __init__(self, **given: Any) -> None:
            super().__init__(**given)
            self.add_callback(clock)

        def training_step(self, model: Any, inputs: dict[str, Any], *args: Any, **kwargs: Any) -> torch.Tensor:
            clock.on_batch(inputs)
            return super().training_step(model, inputs, *args, **kwargs)

    return Clocked


class Runs:
    """Trains either way for a few steps."""

    def __init__(self, folder: Path, windows: Path, arguments: argparse.Namespace) -> None:
        self._folder = folder
        self._windows = windows
        self._arguments = arguments
        self._tokenizer = folder / "corpus" / "tokenizer"
        self._rows = stock_rows(windows, choose_config(windows, None)[0])

    def stock(self, seed: int) -> Clock:
        given, clock = self._arguments, Clock()
        transformers.set_seed(seed)
        rates = dict.fromkeys(("hidden_dropout_prob", "attention_probs_dropout_prob"), given.dropout)
        arguments = TrainingArguments(
            output_dir=str(self._folder / "stock"), per_device_train_batch_size=given.batch, max_steps=given.steps,
            bf16=given.bf16, seed=seed, report_to="none", save_strategy="no", disable_tqdm=True,
            remove_unused_columns=False, logging_steps=given.steps,
        )
        trainer = clocked(Trainer, clock)(
            model=BertForMaskedLM(grover_config(609, given.size, **rates)), args=arguments,
            train_dataset=self._rows.with_format("torch"), data_collator=stock_collator(self._tokenizer),
        )
        trainer.remove_callback(transformers.PrinterCallback)
        trainer.train()
        return clock

    def ours(self, seed: int, **switches: Any) -> Clock:
        given, clock = self._arguments, Clock()
        changes = {
            "dataset": str(self._windows), "tokenizer": str(self._tokenizer), "output": str(self._folder / "ours"),
            "overwrite": True, "seed": seed, "size": given.size, "dropout": given.dropout, "bf16": given.bf16,
            "batch_size": given.batch, "per_device_batch_size": given.batch, "max_steps": given.steps,
            "warmup_steps": 1, "eval_windows": 1, "initialization": "stock", "tie_embeddings": True, **RATES,
            **switches,
        }
        with (
            mock.patch.object(pretrain, "PretrainTrainer", clocked(pretrain.PretrainTrainer, clock)),
            contextlib.redirect_stdout(io.StringIO()),
        ):
            pretrain.pretrain(read_recipe(pretrain.PretrainRecipe, "tiny_cpu", "pretrain", changes))
        return clock


def ways(runs: Runs) -> dict[str, Any]:
    """Return what is compared: the stock Trainer first."""
    random = {"group_by_length": False}
    switches = {
        "ours, grouped by length": {},
        "ours, without padding": {**random, "padding_free": True},
    }
    if torch.cuda.is_available():
        switches["ours, grouped by length, compiled"] = {"torch_compile": True}
        switches["ours, without padding, compiled"] = {**random, "padding_free": True, "torch_compile": True}
        if importlib.util.find_spec("flash_attn"):
            flash = {**random, "padding_free": True, "attention": "flash_attention_2"}
            switches["ours, without padding, flash attention"] = flash
    return {
        "stock Trainer, padded to 512": runs.stock,
        **{name: (lambda seed, s=s: runs.ours(seed, **s)) for name, s in switches.items()},
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--size", default="small", choices=("tiny", "small", "base"))
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--steps", type=int, default=12)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--dropout", type=float, default=0.1)
    parser.add_argument("--bf16", action="store_true")
    parser.add_argument("--mbp", type=int, default=40, help="of simulated sequence, where there is no real")
    arguments = parser.parse_args()
    logging.disable(logging.WARNING)
    datasets.disable_progress_bars()
    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else None
    print(machine("torch", "transformers", "accelerate", "datasets"), *([gpu] if gpu else []))
    found: dict[str, list[float]] = {}
    mfu: dict[str, list[float]] = {}
    memory: dict[str, float] = {}
    # The sheets give other figures for float32, and for modules with other clocks.
    known = [peak for part, peak in PEAK.items() if gpu and part in gpu and "PCIe" not in gpu and arguments.bf16]
    peak = known[0] if known else float("nan")
    with tempfile.TemporaryDirectory() as scratch:
        runs = Runs(Path(scratch), windows_of(Path(scratch), arguments.mbp), arguments)
        for seed in range(arguments.repeats):
            for name, train in ways(runs).items():
                if gpu:
                    torch.cuda.empty_cache()
                    torch.cuda.reset_peak_memory_stats()
                clock = train(seed)
                found.setdefault(name, []).append(float(clock.lengths.sum()) / clock.seconds)
                if gpu:
                    mfu.setdefault(name, []).append(clock.flop(arguments.size) / clock.seconds / peak)
                    memory[name] = torch.cuda.max_memory_allocated() / 2**30
    print(
        f"\n{arguments.size}, batches of {arguments.batch}, {'bf16' if arguments.bf16 else 'float32'}, dropout "
        f"{arguments.dropout}, {torch.get_num_threads()} threads, {arguments.steps - NOT_COUNTED} steps, "
        f"{arguments.repeats} repeats"
    )
    print(f"\n| training | useful tokens/s | it / stock |{' MFU | peak GiB |' if gpu else ''}")
    print(f"|---|---|---|{'---|---|' if gpu else ''}")
    for name, rates in found.items():
        more = f" {statistics.median(mfu[name]):.1%} | {memory[name]:.1f} |" if gpu else ""
        beside_stock = ratio(rates, next(iter(found.values())))
        print(f"| {name} | {statistics.median(rates):,.0f} | {beside_stock:.2f} |{more}")


if __name__ == "__main__":
    main()
