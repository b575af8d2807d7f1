"""Choose the vocabulary as the paper does: `python -m training.vocabulary_sweep --config RECIPE`.

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
import json
import os
import shutil
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from grover_hf._internals.files import atomic_write, require_not_an_input
from grover_hf.analysis.figure_style import require_matplotlib
from grover_hf.analysis.sweep.report import write_sweep_results
from grover_hf.analysis.sweep.selection import require_loess
from grover_hf.corpus.facts import read_facts
from grover_hf.errors import InputError
from grover_hf.genome.reference import ReferenceGenome
from grover_hf.tokenization.bpe_encoding import GenomeEncoder
from grover_hf.tokenization.bpe_training import train_bpe_to_file
from grover_hf.tokenization.encoding import Encoder
from grover_hf.tokenization.export import save_tokenizer
from grover_hf.tokenization.kmer import KmerEncoder
from grover_hf.tokenization.merges import MergeTable
from training.finetune import FinetuneRecipe
from training.runs.folder import write_recipe
from training.runs.launch import PREEMPTED, run_script, sigterm_noted, world_size
from training.runs.recipe import recipe_from_command_line
from training.sweep.budget import Budget, budget_of, write_budgets
from training.sweep.cells import FINISHED, Cell, baseline_cell, data_cell, run_cell, states_of
from training.sweep.recipe import (
    SweepRecipe,
    check_sweep,
    data_folder,
    pretrain_options,
    pretrain_recipe,
    run_recipe,
)
from training.sweep.side_by_side import Failure, Stopped, only_one, run_side_by_side

_CONTEXT_BP = 50
"""What a row of next-k-mer prediction shows."""


def sweep(recipe: SweepRecipe, stop: threading.Event) -> list[Failure]:
    """Run what is missing of a sweep, then write its results; return the cells that failed.

    Args:
        recipe: Of the sweep.
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
    genome, task = (_genome_facts(opened) for opened in _genomes(recipe))
    output.mkdir(parents=True, exist_ok=True)
    with only_one(output) as lock:
        _require_same_genome(output, genome, overwrite=recipe.overwrite)
        encoders = _vocabularies(recipe, genome, output)

        def run(begin: list[Cell], n_cells: int, what: str) -> list[Failure]:
            print(f"{what}: {n_cells}, of which {n_cells - len(begin)} are finished", flush=True)
            jobs = [cell.job(output / "logs") for cell in begin]
            return run_side_by_side(jobs, slots=slots, stop=stop, lock=lock, report=_print_now)

        data = [cell for encoder in encoders for cell in _data_cells(recipe, encoder, genome, task)]
        if failures := run(_to_run(data, overwrite=recipe.overwrite), len(data), "datasets"):
            raise InputError("Nothing was trained, for want of data:\n" + _listed(failures))
        budgets = [budget_of(recipe, encoder, output) for encoder in encoders]
        cells = _training_cells(recipe, encoders, budgets, output)
        begin = _to_run(cells, overwrite=recipe.overwrite)
        # Only now that nothing speaks against the recipe: they say what lies in the folder.
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


def _genomes(recipe: SweepRecipe) -> tuple[ReferenceGenome, ReferenceGenome]:
    """Return the genome of vocabulary and pretraining, and that of the rows to predict."""
    named = {"all": None, "primary": "primary"}
    chosen = recipe.chromosomes
    if isinstance(chosen, str) and chosen not in named:
        raise InputError(f"chromosomes is {chosen!r}; it is all, primary, or a list of names.")
    genome = ReferenceGenome(recipe.genome, named[chosen] if isinstance(chosen, str) else chosen)
    task = ReferenceGenome(recipe.genome, recipe.task_chromosomes)
    if recipe.hold_out:
        kept = [name for name in genome.chromosomes if name not in task.chromosomes]
        if not kept:
            raise InputError("Without task_chromosomes, which hold_out leaves out, there is no chromosome left.")
        genome = ReferenceGenome(recipe.genome, kept)
    return genome, task


def _genome_facts(genome: ReferenceGenome) -> dict[str, Any]:
    return {"name": genome.path.name, "sha256": genome.sha256(), "chromosomes": genome.chromosomes}


def _refuse_other_folder(output: Path, genome: str) -> None:
    require_not_an_input(output, [genome])
    is_sweep = (output / "genome.json").exists()
    if output.is_file() or (not is_sweep and any(output.glob("[!.]*"))):
        raise InputError(f"{output} is there and holds no sweep; name another output.")


def _require_same_genome(output: Path, genome: dict[str, Any], *, overwrite: bool) -> None:
    path = output / "genome.json"
    if path.exists() and json.loads(path.read_text()) != genome:
        if not overwrite:
            raise InputError(f"{output} is a sweep of another genome or other chromosomes; name another output.")
        (output / "merges.txt").unlink(missing_ok=True)
    with atomic_write(path) as beside:
        beside.write_text(json.dumps(genome, indent=2) + "\n")


def _vocabularies(recipe: SweepRecipe, genome: dict[str, Any], output: Path) -> list[Encoder]:
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
            [recipe.genome], path, n_cycles=n_cycles, chromosomes=genome["chromosomes"],
            n_threads=recipe.threads, overwrite=True,
        )
    merges = MergeTable.read(path)
    encoders: list[Encoder] = [GenomeEncoder(merges.first(n)) for n in sorted(recipe.cycles)]
    encoders += [KmerEncoder(k) for k in sorted(recipe.kmers)]
    for encoder in encoders:
        save_tokenizer(encoder, data_folder(output, encoder) / "tokenizer")
    return encoders


def _data_cells(
    recipe: SweepRecipe, encoder: Encoder, genome: dict[str, Any], task: dict[str, Any]
) -> list[Cell]:
    """Return the cells that make the tokenized genome, the windows and the rows of a vocabulary."""
    folder = data_folder(Path(recipe.output), encoder)
    corpus, tokenizer, seed = folder / "corpus", str(folder / "tokenizer"), str(recipe.seed)
    vocabulary = encoder.vocabulary_sha256
    genome_facts, task_facts = ({key: facts[key] for key in ("name", "sha256")} for facts in (genome, task))
    cells = [
        data_cell(
            f"corpus/{encoder.name}", corpus,
            ["tokenize", recipe.genome, "--tokenizer", tokenizer, "--output", str(corpus),
             "--chromosomes", ",".join(genome["chromosomes"]), "--threads", str(recipe.threads)],
            corpus / "corpus.json", {"vocabulary_sha256": vocabulary, "genome": genome_facts},
        ),
        data_cell(
            f"windows/{encoder.name}", folder / "windows",
            ["build", "genome-windows", "--corpus", str(corpus), "--output", str(folder / "windows"),
             "--seed", seed],
            folder / "windows" / encoder.name / "facts.json",
            {"vocabulary_sha256": vocabulary, "seed": recipe.seed}, needs=(f"corpus/{encoder.name}",),
        ),
    ]
    for k in recipe.ks:
        before: tuple[str, ...] = ()
        for config in _row_configs(recipe, encoder):
            rows = folder / f"next-{k}mer"
            aligned = config != encoder.name
            cells.append(data_cell(
                f"next-{k}mer/{config}", rows / config,
                ["build", "next-kmer", "--genome", recipe.genome, "--tokenizer", tokenizer, "--output", str(rows),
                 "--k", str(k), "--chromosomes", ",".join(task["chromosomes"]), "--number", str(recipe.task_rows),
                 "--seed", seed, *(["--right-aligned"] if aligned else [])],
                rows / config / "facts.json",
                {"vocabulary_sha256": vocabulary, "genome": task_facts, "k": k, "right_aligned": aligned,
                 "n_asked": recipe.task_rows, "seed": recipe.seed}, needs=before,
            ))
            # Both write the card of the folder.
            before = (f"next-{k}mer/{config}",)
    return cells


def _row_configs(recipe: SweepRecipe, encoder: Encoder) -> list[str]:
    """Return the dataset configurations that a model with this vocabulary is fine-tuned on."""
    leaves_a_tail = isinstance(encoder, KmerEncoder) and _CONTEXT_BP % encoder.k > 0
    return [encoder.name, *([f"{encoder.name}.right-aligned"] if recipe.right_aligned and leaves_a_tail else [])]


def _to_run(cells: Sequence[Cell], *, overwrite: bool) -> list[Cell]:
    """Return the cells that are not finished; with `overwrite`, what was made otherwise is removed.

    Raises:
        InputError: If something was made otherwise.
    """
    states = states_of(cells)
    others = [cell for cell in cells if states[cell.name].kind == "other"]
    if others and not overwrite:
        named = "\n".join(f"  {cell.folder}: {states[cell.name].how_other}" for cell in others[:8])
        raise InputError(
            f"{len(others)} cells were made otherwise than this recipe would. Name another output, or say "
            f"--overwrite true to begin them anew:\n{named}"
        )
    # At once, and not when their turn comes: what is left of them would pass for begun with other data.
    for cell in others:
        shutil.rmtree(cell.folder)
    return [cell for cell in cells if states[cell.name] != FINISHED]


def _training_cells(
    recipe: SweepRecipe, encoders: Sequence[Encoder], budgets: Sequence[Budget], output: Path
) -> list[Cell]:
    """Return the cells that train and score; first those that others need, and those that take longest."""
    cells = []
    for encoder, budget in zip(encoders, budgets, strict=True):
        made = pretrain_recipe(recipe, encoder, budget.steps)
        sha256 = read_facts(made.dataset, encoder.name)["sha256"]
        options = {**recipe.pretrain, **pretrain_options(recipe, encoder, budget.steps)}
        cells.append(run_cell(f"pretrain/{encoder.name}", made, options, sha256))
    cells += [cell for k in recipe.ks for cell in _baseline_cells(recipe, encoders[0], k, output)]
    for k in recipe.ks:
        for encoder in encoders:
            for config in _row_configs(recipe, encoder):
                model = {"model": str(output / "pretrain" / encoder.name / "model"), "retokenize": False}
                cells.append(_finetune_cell(
                    recipe, data_folder(output, encoder), k, config, model, needs=(f"pretrain/{encoder.name}",)
                ))
        for model in recipe.models:
            cells.append(_finetune_cell(
                recipe, data_folder(output, encoders[0]), k, encoders[0].name, {"retokenize": True, **model}
            ))
    return cells


def _finetune_cell(
    recipe: SweepRecipe, data: Path, k: int, config: str, model: dict[str, Any], *, needs: tuple[str, ...] = ()
) -> Cell:
    """Return the cell of a fine-tuning: of a model of the sweep's own, which it needs, or of another."""
    name = f"next-{k}mer/{config if needs else str(model['model']).replace('/', '--')}"
    options = {
        **recipe.finetune, **model, "dataset": str(data / f"next-{k}mer"), "dataset_config": config,
        "output": str(Path(recipe.output) / "finetune" / name),
    }
    fields = {key: value for key, value in options.items() if key != "config"}
    made = run_recipe(FinetuneRecipe, "finetune", {"config": options["config"]}, **fields)
    facts = read_facts(made.dataset, config)
    n_steps = made.epochs * -(-facts["splits"]["train"] // made.batch_size)
    if made.warmup_steps >= n_steps:
        raise InputError(
            f"{recipe.genome} is too small: {name} has {facts['splits']['train']} train rows, {n_steps} steps in "
            f"{made.epochs} epochs, and the warm-up has {made.warmup_steps}."
        )
    return run_cell(f"finetune/{name}", made, options, facts["sha256"], needs=needs)


def _baseline_cells(recipe: SweepRecipe, encoder: Encoder, k: int, output: Path) -> list[Cell]:
    """Return the baselines on the rows of a vocabulary, whose sequences are those of every other's."""
    dataset = data_folder(output, encoder) / f"next-{k}mer"
    sha256 = read_facts(dataset, encoder.name)["sha256"]
    rows = {"dataset": str(dataset), "config": encoder.name, "seed": str(recipe.seed)}
    folder = output / "baselines" / f"next-{k}mer"
    cells = [
        baseline_cell(
            f"baselines/next-{k}mer/majority", folder / "majority", {**rows, "method": "majority"},
            {"kind": "majority"}, sha256,
        )
    ]
    for name in recipe.tfidf:
        tokenizer = name if name.startswith("kmer-") else str(output / "data" / name / "tokenizer")
        cells.append(baseline_cell(
            f"baselines/next-{k}mer/tfidf-{name}", folder / f"tfidf-{name}",
            {**rows, "method": "tfidf", "tokenizer": tokenizer, "max-trees": str(recipe.max_trees)},
            {"kind": "tfidf", "tokenizer": name, "max_trees": recipe.max_trees}, sha256,
        ))
    return cells


def _listed(failures: Sequence[Failure]) -> str:
    return "\n".join(f"  {failure.job.name}: {failure.reason}\n    {failure.job.log}" for failure in failures)


def _print_now(line: str) -> None:
    print(line, flush=True)


def _sweep(recipe: SweepRecipe) -> None:
    with sigterm_noted() as stop:
        try:
            failures = sweep(recipe, stop)
        except Stopped as stopped:
            print(f"{stopped}; the same command goes on", file=sys.stderr)
            sys.exit(PREEMPTED)
    if failures:
        sys.exit(f"{len(failures)} cells failed; the same command tries them again:\n{_listed(failures)}")


def main(arguments: Sequence[str] | None = None) -> None:
    """Read the recipe and run the sweep."""
    run_script(
        lambda: _sweep(recipe_from_command_line(SweepRecipe, "", arguments)),
        when_stopped="stopped; the same command goes on",
    )


if __name__ == "__main__":
    main()
