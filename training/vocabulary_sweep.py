"""Choose the vocabulary as the paper does.

`grover sweep --config RECIPE`, or `python -m training.vocabulary_sweep --config RECIPE`.

For each count of cycles of byte-pair encoding, and for non-overlapping k-mers, a model is pretrained and then
fine-tuned to predict the next k bases (Fig. 2). Every step is an ordinary command in a process of its own:

    OUTPUT/recipe.yaml, genome.json     what the sweep is of
    OUTPUT/merges.txt                   one training; each vocabulary is its first merges
    OUTPUT/data/VOCABULARY/             tokenizer, tokenized genome, windows, next-k-mer rows
    OUTPUT/pretrain/VOCABULARY/         a run
    OUTPUT/finetune/next-Kmer/NAME/     a run
    OUTPUT/baselines/next-Kmer/NAME/    majority, TF-IDF
    OUTPUT/logs/                        what the commands printed
    OUTPUT/vocabularies.csv             the budget of each pretraining
    OUTPUT/results/                     table, curves, figure

All data are made and looked at before the first training. The same command goes on with what is missing: what
is finished, by its metrics.json and with the recipe that it would get now, is skipped.

The budget is the same for all vocabularies, in tokens or in bases. Equal tokens are equal compute, but for the
head; the longer the tokens, the more of the genome a model sees. Equal bases are equal data; the shorter the
tokens, the more compute a model gets. The table has both numbers for each vocabulary.
"""

import dataclasses
import os
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

import torch

from grover_hf._internals.outputs import require_not_an_input
from grover_hf.analysis.figure_style import require_matplotlib
from grover_hf.analysis.sweep.report import write_sweep_results
from grover_hf.analysis.sweep.selection import require_loess
from grover_hf.errors import InputError
from grover_hf.tokenization.bpe_encoding import GenomeEncoder
from grover_hf.tokenization.bpe_training import train_bpe_to_file
from grover_hf.tokenization.encoding import Encoder
from grover_hf.tokenization.export import save_tokenizer
from grover_hf.tokenization.kmer import KmerEncoder
from grover_hf.tokenization.merges import MergeTable
from training.runs.folder import write_recipe
from training.runs.launch import PREEMPTED, run_script, sigterm_noted, world_size
from training.runs.recipe import recipe_from_command_line
from training.sweep.budget import budget_of, write_budgets
from training.sweep.cells import Cell
from training.sweep.genomes import SweptGenome, genomes_of, is_sweep, require_same_genome
from training.sweep.grid import cells_to_run, data_cells, training_cells
from training.sweep.recipe import SweepRecipe, check_sweep, data_folder
from training.sweep.side_by_side import Failure, Stopped, only_one, run_side_by_side


def sweep(recipe: SweepRecipe, stop: threading.Event) -> list[Failure]:
    """Run what is missing of a sweep, then write its results; return the cells that failed.

    Args:
        recipe: Recipe of the sweep.
        stop: When it is set, the cells that run are stopped, and the sweep ends.

    Raises:
        InputError: If the recipe, the genome or what lies in the folder cannot be used; nothing is trained then.
        Stopped: If `stop` was set.
    """
    if world_size() > 1:
        raise InputError("A sweep begins its processes itself: start it with python, not with accelerate launch.")
    require_matplotlib()
    require_loess()
    check_sweep(recipe)
    slots = _slots(recipe)
    output = Path(recipe.output)
    _refuse_other_folder(output, recipe.genome)
    genome, task = genomes_of(recipe)
    output.mkdir(parents=True, exist_ok=True)
    with only_one(output) as lock:
        require_same_genome(output, genome, overwrite=recipe.overwrite)
        encoders = _vocabularies(recipe, genome, output)

        def run(begin: list[Cell], n_cells: int, what: str) -> list[Failure]:
            print(f"{what}: {n_cells}, of which {n_cells - len(begin)} are finished", flush=True)
            jobs = [cell.job(output / "logs") for cell in begin]
            return run_side_by_side(jobs, slots=slots, stop=stop, lock=lock, report=_print_now)

        data = [cell for encoder in encoders for cell in data_cells(recipe, encoder, genome, task)]
        if failures := run(cells_to_run(data, overwrite=recipe.overwrite), len(data), "datasets"):
            raise InputError("Nothing was trained, because data are missing:\n" + _listed(failures))
        budgets = [budget_of(recipe, encoder, output) for encoder in encoders]
        cells = training_cells(recipe, encoders, budgets, output)
        begin = cells_to_run(cells, overwrite=recipe.overwrite)
        # Only now that the recipe is known to work: they say what lies in the folder.
        write_recipe(output, dataclasses.asdict(recipe))
        write_budgets(budgets, output)
        failures = run(begin, len(cells), "trainings and baselines")
        names = {cell.name for cell in cells}
        if any((output / name / "metrics.json").exists() for name in names if name.startswith("finetune/")):
            print(write_sweep_results(output, names))
    return failures


def _slots(recipe: SweepRecipe) -> list[dict[str, str]]:
    """Return the environment of each place for a process; on GPUs each has one of its own."""
    threads = {name: str(recipe.threads) for name in ("OMP_NUM_THREADS", "LOKY_MAX_CPU_COUNT")}
    n_devices = torch.cuda.device_count()
    if not n_devices:
        return [threads] * recipe.at_once
    if recipe.at_once > n_devices:
        raise InputError(f"at_once is {recipe.at_once}; there are {n_devices} GPUs, one for each process.")
    given = os.environ.get("CUDA_VISIBLE_DEVICES")
    devices = given.split(",") if given else [str(number) for number in range(n_devices)]
    return [{**threads, "CUDA_VISIBLE_DEVICES": device} for device in devices[: recipe.at_once]]


def _refuse_other_folder(output: Path, genome: str) -> None:
    require_not_an_input(output, [genome])
    if output.is_file() or (not is_sweep(output) and any(output.glob("[!.]*"))):
        raise InputError(f"{output} exists and is not a sweep; name another output.")


def _vocabularies(recipe: SweepRecipe, genome: SweptGenome, output: Path) -> list[Encoder]:
    """Return the vocabularies, and write their tokenizers.

    Raises:
        InputError: If there are fewer merges than cycles.
    """
    path = output / "merges.txt"
    n_cycles = max(recipe.cycles)
    if recipe.merges is not None:
        MergeTable.read(recipe.merges).first(n_cycles).write(path)
    elif not path.exists() or len(MergeTable.read(path)) < n_cycles:
        print(f"learning {n_cycles} merges ...", flush=True)
        train_bpe_to_file(
            [recipe.genome], path, n_cycles=n_cycles, chromosomes=genome.chromosomes,
            n_threads=recipe.threads, overwrite=True,
        )
    merges = MergeTable.read(path)
    encoders: list[Encoder] = [GenomeEncoder(merges.first(n)) for n in sorted(recipe.cycles)]
    encoders += [KmerEncoder(k) for k in sorted(recipe.kmers)]
    for encoder in encoders:
        save_tokenizer(encoder, data_folder(output, encoder) / "tokenizer")
    return encoders


def _listed(failures: Sequence[Failure]) -> str:
    return "\n".join(f"  {failure.job.name}: {failure.reason}\n    {failure.job.log}" for failure in failures)


def _print_now(line: str) -> None:
    print(line, flush=True)


def sweep_from_command_line(arguments: Sequence[str] | None = None, prog: str = "grover sweep") -> None:
    """Read the recipe and run the sweep; failed cells end with code 1, SIGTERM with `PREEMPTED`."""
    recipe = recipe_from_command_line(SweepRecipe, "", arguments, prog=prog)
    with sigterm_noted() as stop:
        try:
            failures = sweep(recipe, stop)
        except Stopped as stopped:
            print(f"{stopped}; the same command goes on", file=sys.stderr)
            sys.exit(PREEMPTED)
    if failures:
        sys.exit(f"{len(failures)} cells failed; the same command tries them again:\n{_listed(failures)}")


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the script; a problem with input ends with its message and code 1."""
    run_script(
        lambda: sweep_from_command_line(arguments, "python -m training.vocabulary_sweep"),
        when_stopped="stopped; the same command goes on",
    )


if __name__ == "__main__":
    main()
