"""Loss by floating-point operations: three sizes at three budgets, beside the paper's recipe and ModernBERT.

python benchmarks/scaling.py WINDOWS TOKENIZER --output FOLDER [--budgets 3 10 30] [--runs runs.csv]
    [--long RUN]

"ours" is the recipe `small_cpu` with another size and number of steps. "paper" is `bpe_600` with the size tiny, 8
windows a step, a warm-up of a fifth of the steps and no dropout: with its 64 windows the least budget would have
30 steps, and its warm-up 10,000. "modernbert" is `small_cpu` with that architecture, its stock start, tied, at
3e-3. There are as many steps as the budget allows by `training.runs.cost.training_flop`, which is BERT's count;
ModernBERT of a size gets the steps of BERT. "long" is RUN, a longer one of `small_cpu`. All are judged on the same
test windows, 15 % masked, 80/10/10. What is finished is not trained again. `benchmarks/scaling_fit.py` fits what
comes of it.
"""

import argparse
import csv
import dataclasses
from pathlib import Path
from typing import Any, NamedTuple
from unittest import mock

import numpy as np
from initialization import judged
from numpy.typing import NDArray

from grover_hf import model
from grover_hf.corpus.facts import choose_config
from grover_hf.corpus.window_store import open_windows
from grover_hf.metrics.report import read_metrics
from grover_hf.tokenization.export import load_encoder
from training.pretrain import PretrainRecipe, pretrain
from training.runs.cost import training_flop
from training.runs.recipe import read_recipe, read_yaml

SIZES = {
    "tiny": None,
    # Between the two that the package has; 1.3 M weights in its layers.
    "middle": {"hidden_size": 192, "num_hidden_layers": 3, "num_attention_heads": 3, "intermediate_size": 768},
    "small": None,
}
SERIES: dict[str, tuple[str, dict[str, Any]]] = {
    "ours": ("small_cpu", {}),
    "paper": ("bpe_600", {
        "batch_size": 8, "per_device_batch_size": 8, "warmup_share": 0.2, "dropout": 0.0, "bf16": False,
    }),
    "modernbert": ("small_cpu", {
        "architecture": "modernbert", "initialization": "stock", "tie_embeddings": True, "learning_rate": 3e-3,
    }),
}


class Planned(NamedTuple):
    """A training to be run."""

    series: str
    size: str
    tflop: float
    seed: int


class Run(NamedTuple):
    """What came of it: a line of the table."""

    series: str
    size: str
    tflop: float
    seed: int
    layer_weights: int
    """Weights in the layers, without embeddings."""
    steps: int
    tokens: int
    perplexity: float
    low: float
    high: float
    perplexity_at_mask: float
    seconds: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("windows")
    parser.add_argument("tokenizer")
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--budgets", type=float, nargs=3, default=[3.0, 10.0, 30.0], help="in TFLOP, rising")
    parser.add_argument("--seeds", type=int, default=3, help="of ours, tiny, at the least budget; of ModernBERT")
    parser.add_argument("--judge", type=int, default=300, help="test windows")
    parser.add_argument("--long", type=Path, help="a finished pretraining")
    parser.add_argument("--runs", type=Path, default=Path("runs.csv"))
    arguments = parser.parse_args()
    least, middle, _ = arguments.budgets
    plans = [Planned("ours", size, budget, 0) for budget in arguments.budgets for size in SIZES]
    plans += [Planned("paper", "tiny", budget, 0) for budget in arguments.budgets]
    plans += [Planned("ours", "tiny", least, seed) for seed in range(1, arguments.seeds)]
    plans += [Planned("modernbert", "tiny", middle, seed) for seed in range(arguments.seeds)]
    known = {name: fields for name, fields in SIZES.items() if fields is not None}
    runs: list[Run] = []
    print("| series | size | TFLOP | seed | steps | M tokens | perplexity (95 %) | at [MASK] alone | seconds |")
    print("| --- | --- | --- | --- | --- | --- | --- | --- | --- |")
    with mock.patch.dict(model._SIZES, known):
        if arguments.long:
            runs.append(outcome("long", arguments.long, arguments))
            show(runs, arguments.runs)
        for plan in plans:
            runs.append(outcome(plan.series, trained(plan, arguments), arguments))
            show(runs, arguments.runs)


def show(runs: list[Run], table: Path) -> None:
    """Print the last run, and write all of them."""
    run = runs[-1]
    print(
        f"| {run.series} | {run.size} | {run.tflop:.3g} | {run.seed} | {run.steps:,} | {run.tokens / 1e6:.2f} | "
        f"{run.perplexity:.1f} ({run.low:.1f} to {run.high:.1f}) | {run.perplexity_at_mask:.1f} | "
        f"{run.seconds:.0f} |", flush=True,
    )
    with open(table, "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(Run._fields)
        writer.writerows(runs)


def trained(plan: Planned, arguments: argparse.Namespace) -> Path:
    """Train a model, unless that is done; return the folder of the run."""
    folder: Path = arguments.output / f"{plan.series}-{plan.size}-{plan.tflop:g}-{plan.seed}"
    config, changes = SERIES[plan.series]
    fields = changes | {
        "dataset": arguments.windows, "tokenizer": arguments.tokenizer, "output": str(folder), "seed": plan.seed,
        "size": plan.size, "save_steps": 0, "eval_windows": 20, "overwrite": True,
    }
    if not (folder / "metrics.json").exists():
        recipe = read_recipe(PretrainRecipe, config, "pretrain", fields | {"max_steps": 10})
        steps = round(plan.tflop * 1e12 / step_flop(recipe))
        pretrain(dataclasses.replace(recipe, max_steps=steps))
    return folder


def step_flop(recipe: PretrainRecipe) -> float:
    """Return the floating-point operations of a step."""
    vocab_size = len(load_encoder(recipe.tokenizer).tokens)
    return recipe.batch_size * training_flop(lengths_of(recipe), vocab_size, recipe.size, recipe.p_select)


def lengths_of(recipe: PretrainRecipe) -> NDArray[np.int64]:
    """Return the lengths of the train windows in tokens."""
    _, facts = choose_config(recipe.dataset, recipe.dataset_config)
    return open_windows(recipe.dataset, facts)["train"].lengths


def outcome(series: str, folder: Path, arguments: argparse.Namespace) -> Run:
    """Judge a run, beside the others."""
    recipe = PretrainRecipe(**read_yaml(folder / "recipe.yaml"))
    done = arguments.output / "judged" / folder.name
    report = read_metrics(done) if (done / "metrics.json").exists() else judged(folder, arguments.judge, done)
    shape = model.grover_config(size=recipe.size)  # type: ignore[arg-type]
    hidden = shape.hidden_size
    return Run(
        series, recipe.size, recipe.max_steps * step_flop(recipe) / 1e12, recipe.seed,
        shape.num_hidden_layers * (4 * hidden**2 + 2 * hidden * shape.intermediate_size), recipe.max_steps,
        round(recipe.max_steps * recipe.batch_size * float(lengths_of(recipe).mean())),
        report.metrics["perplexity"], *report.ci95["perplexity"], report.metrics["perplexity_at_mask"],
        read_metrics(folder).training_seconds or 0.0,
    )


if __name__ == "__main__":
    main()
