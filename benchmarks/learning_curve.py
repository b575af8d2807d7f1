"""Perplexity of a pretraining at each of its checkpoints, beside a table of neighbours and token frequency.

python benchmarks/learning_curve.py RUN [--windows 500] [--figure curve.png]

RUN was trained with `--save_steps` and `--keep_checkpoints`, so that its checkpoints are there. Each is judged as
`grover evaluate` judges a model, with 15 % of the tokens masked, 80/10/10, on the run's own test windows. The
minutes are those of training alone.
"""

import argparse
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from grover_hf.analysis.figure_style import BLUE, GREY, ORANGE, new_figure, save_figure, styled
from grover_hf.corpus.facts import choose_config
from grover_hf.corpus.window_store import open_windows
from grover_hf.metrics.report import EvaluationReport
from grover_hf.tokenization.export import load_encoder, write_tokenizer_files
from training.evaluate import evaluate
from training.evaluation.plan import EvaluationPlan
from training.runs.checkpoints import read_manifest
from training.runs.recipe import read_yaml

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("--windows", type=int, default=500)
    parser.add_argument("--every", type=int, default=1, help="of the checkpoints, each so many-th")
    parser.add_argument("--figure", type=Path)
    arguments = parser.parse_args()
    recipe = read_yaml(arguments.run / "recipe.yaml")
    _, facts = choose_config(recipe["dataset"], recipe["dataset_config"])
    lengths = open_windows(recipe["dataset"], facts)["train"].lengths
    tokens_a_step = recipe["batch_size"] * float(lengths.mean())
    print("| minutes | steps | M tokens | perplexity | at [MASK] alone | accuracy |")
    print("| --- | --- | --- | --- | --- | --- |")
    points: list[tuple[float, ...]] = []
    baselines: dict[str, float] = {}
    folders = {int(path.name[11:]): path for path in (arguments.run / "checkpoints").glob("checkpoint-*")}
    for step in sorted(folders)[:: arguments.every]:
        report = judged(folders[step], recipe, arguments.windows)
        minutes = read_manifest(folders[step])["progress"]["seconds"] / 60
        score, (low, high) = report.metrics, report.ci95["perplexity"]
        points.append((minutes, score["perplexity"], low, high))
        baselines = {name: found.metrics["perplexity"] for name, found in report.baselines.items()}
        cells = (
            f"{minutes:.1f}", f"{step:,}", f"{step * tokens_a_step / 1e6:.1f}",
            f"{score['perplexity']:.1f} ({low:.1f} to {high:.1f})", f"{score['perplexity_at_mask']:.1f}",
            f"{100 * score['accuracy']:.1f} %",
        )
        print(f"| {' | '.join(cells)} |", flush=True)
    for name, perplexity in baselines.items():
        print(f"{name.replace('_', ' ')}: {perplexity:.1f}")
    if arguments.figure:
        save_figure(draw(points, baselines), arguments.figure)


def judged(checkpoint: Path, recipe: dict[str, Any], n_windows: int) -> EvaluationReport:
    """Judge a checkpoint, which has no tokenizer of its own."""
    with tempfile.TemporaryDirectory() as scratch:
        model = Path(scratch) / "checkpoint"
        model.mkdir()
        for name in ("config.json", "model.safetensors"):
            os.symlink((checkpoint / name).resolve(), model / name)
        write_tokenizer_files(load_encoder(recipe["tokenizer"]), model)
        return evaluate(EvaluationPlan(
            run=str(model), dataset=recipe["dataset"], dataset_config=recipe["dataset_config"],
            output=f"{scratch}/judged", windows=n_windows, p_select=0.15, p_mask=0.8, p_random=0.1,
        ))


@styled
def draw(points: list[tuple[float, ...]], baselines: dict[str, float]) -> "Figure":
    """Return the curve with its intervals, and a line for each baseline."""
    drawn = new_figure(4.5, 3)
    axes = drawn.subplots()
    minutes, perplexity, low, high = zip(*points, strict=True)
    axes.fill_between(minutes, low, high, color=BLUE, alpha=0.2, linewidth=0)
    axes.plot(minutes, perplexity, color=BLUE)
    axes.annotate("model", (minutes[-1], perplexity[-1]), (3, 0), textcoords="offset points", va="center")
    for (name, value), color in zip(baselines.items(), (ORANGE, GREY), strict=True):
        axes.axhline(value, color=color, linestyle="--", zorder=0)
        axes.annotate(
            name.replace("_", " "), (1, value), (-2, 3), xycoords=("axes fraction", "data"),
            textcoords="offset points", ha="right",
        )
    axes.set(xlabel="minutes of training", ylabel="perplexity on test windows", yscale="log")
    ticks = [70, 80, 90, 100, 120, 140, 160, 180]
    axes.set_yticks(ticks, map(str, ticks))
    axes.minorticks_off()
    return drawn


if __name__ == "__main__":
    main()
