"""What a pretraining begins with, and what comes of it: starts by seeds, at equal tokens.

python benchmarks/initialization.py WINDOWS TOKENIZER --output FOLDER [--size tiny] [--steps 1000] [--seeds 3]

Trainings of the recipe `small_cpu` with another size, number of steps and start. Stock BERT and the heads get the
learning rate 3e-3, at which they are better than at 1e-3. Each is judged on test windows, 15 % masked, 80/10/10.
What is finished is not trained again.
"""

import argparse
from pathlib import Path

import numpy as np

from grover_hf.metrics.report import EvaluationReport, read_metrics
from training.evaluate import evaluate
from training.evaluation.plan import EvaluationPlan
from training.pretrain import PretrainRecipe, pretrain
from training.runs.recipe import read_recipe

STARTS = {
    "stock": {"initialization": "stock", "tie_embeddings": True, "learning_rate": 3e-3},
    "its own output embedding": {"initialization": "stock", "tie_embeddings": False, "learning_rate": 3e-3},
    "heads, tied": {"initialization": "neighbour_heads", "tie_embeddings": True, "learning_rate": 3e-3},
    "heads, its own output embedding": {
        "initialization": "neighbour_heads", "tie_embeddings": False, "learning_rate": 3e-3,
    },
    "heads and counts": {"initialization": "neighbour_counts", "tie_embeddings": False, "learning_rate": 1e-3},
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("windows")
    parser.add_argument("tokenizer")
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--size", default="tiny", choices=("tiny", "small", "base"))
    parser.add_argument("--steps", type=int, default=1_000)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--judge", type=int, default=500, help="test windows")
    arguments = parser.parse_args()
    print(f"{arguments.size}, {arguments.steps:,} steps of 8 windows, {arguments.seeds} seeds\n")
    print("| start | perplexity, mean (lowest to highest) | at [MASK] alone | accuracy | seconds |")
    print("| --- | --- | --- | --- | --- |")
    baselines: dict[str, float] = {}
    for name, changes in STARTS.items():
        reports, seconds = [], []
        for seed in range(arguments.seeds):
            run = arguments.output / f"{arguments.size}-{name.replace(', ', '-').replace(' ', '-')}-{seed}"
            fields = {
                "dataset": arguments.windows, "tokenizer": arguments.tokenizer, "output": str(run), "seed": seed,
                "size": arguments.size, "max_steps": arguments.steps, "save_steps": 0, "eval_windows": 20,
            }
            if not (run / "metrics.json").exists():
                fields |= changes | {"overwrite": True}
                pretrain(read_recipe(PretrainRecipe, "small_cpu", "pretrain", fields))
            seconds.append(read_metrics(run).training_seconds)
            reports.append(judged(run, arguments.judge))
        perplexity = np.array([report.metrics["perplexity"] for report in reports])
        at_mask, accuracy = (
            np.mean([report.metrics[key] for report in reports]) for key in ("perplexity_at_mask", "accuracy")
        )
        baselines = {key: found.metrics["perplexity"] for key, found in reports[0].baselines.items()}
        print(
            f"| {name} | {perplexity.mean():.1f} ({perplexity.min():.1f} to {perplexity.max():.1f}) | "
            f"{at_mask:.1f} | {100 * accuracy:.1f} % | {np.mean(seconds):.0f} |", flush=True,
        )
    for key, value in baselines.items():
        print(f"| {key.replace('_', ' ')} | {value:.1f} | | | |")


def judged(run: Path, n_windows: int, output: Path | None = None) -> EvaluationReport:
    """Judge a run at the same masks as all others."""
    return evaluate(EvaluationPlan(
        run=str(run), windows=n_windows, p_select=0.15, p_mask=0.8, p_random=0.1, seed=0, overwrite=True,
        output=None if output is None else str(output),
    ))


if __name__ == "__main__":
    main()
