"""The grid of a sweep: a cell for each vocabulary and k, and what it must have been made from."""

import shutil
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from grover_hf._internals.records import plain
from grover_hf.corpus.corpus_facts import CORPUS_FILE, read_corpus_facts
from grover_hf.corpus.facts import choose_config, default_config, read_all_facts, read_facts
from grover_hf.corpus.next_kmer import leaves_a_tail
from grover_hf.errors import InputError
from grover_hf.tokenization.encoding import Encoder
from training.finetune import FinetuneRecipe
from training.runs.trainer_arguments import with_warmup
from training.sweep.budget import Budget
from training.sweep.cells import FINISHED, Cell, baseline_cell, data_cell, run_cell, states_of
from training.sweep.genomes import SweptGenome
from training.sweep.recipe import (
    SweepRecipe,
    data_folder,
    pretrain_options,
    pretrain_recipe,
    run_recipe,
)


def data_cells(
    recipe: SweepRecipe, encoder: Encoder, genome: SweptGenome, task: SweptGenome
) -> list[Cell]:
    """Return the cells that make the tokenized genome, the windows and the rows of a vocabulary."""
    folder = data_folder(Path(recipe.output), encoder)
    corpus, tokenizer, seed = folder / "corpus", str(folder / "tokenizer"), str(recipe.seed)
    vocabulary = encoder.vocabulary_sha256
    cells = [
        data_cell(
            f"corpus/{encoder.name}", corpus,
            ["tokenize", recipe.genome, "--tokenizer", tokenizer, "--output", str(corpus),
             "--chromosomes", ",".join(genome.chromosomes), "--threads", str(recipe.threads)],
            partial(_corpus_facts, corpus), {"vocabulary_sha256": vocabulary, "genome": genome.file()},
        ),
        data_cell(
            f"windows/{encoder.name}", folder / "windows",
            ["build", "genome-windows", "--corpus", str(corpus), "--output", str(folder / "windows"),
             "--seed", seed],
            partial(_dataset_facts, folder / "windows", None),
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
                 "--k", str(k), "--chromosomes", ",".join(task.chromosomes), "--number", str(recipe.task_rows),
                 "--seed", seed, *(["--right-aligned"] if aligned else [])],
                partial(_dataset_facts, rows, config),
                {"vocabulary_sha256": vocabulary, "genome": task.file(), "k": k, "right_aligned": aligned,
                 "n_asked": recipe.task_rows, "seed": recipe.seed}, needs=before,
            ))
            # Both write the card of the folder.
            before = (f"next-{k}mer/{config}",)
    return cells


def _corpus_facts(folder: Path) -> dict[str, Any] | None:
    return plain(read_corpus_facts(folder)) if (folder / CORPUS_FILE).exists() else None


def _dataset_facts(folder: Path, config: str | None) -> dict[str, Any] | None:
    known = read_all_facts(folder)
    facts = known.get(config or default_config(known) or "")
    return None if facts is None else facts.as_dict()


def _row_configs(recipe: SweepRecipe, encoder: Encoder) -> list[str]:
    """Return the dataset configurations that a model with this vocabulary is fine-tuned on."""
    aligned = recipe.right_aligned and leaves_a_tail(encoder)
    return [encoder.name, *([f"{encoder.name}.right-aligned"] if aligned else [])]


def cells_to_run(cells: Sequence[Cell], *, overwrite: bool) -> list[Cell]:
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
            f"--overwrite to begin them anew:\n{named}"
        )
    # At once, and not when their turn comes: what is left of them would pass for begun with other data.
    for cell in others:
        shutil.rmtree(cell.folder)
    return [cell for cell in cells if states[cell.name] != FINISHED]


def training_cells(
    recipe: SweepRecipe, encoders: Sequence[Encoder], budgets: Sequence[Budget], output: Path
) -> list[Cell]:
    """Return the cells that train and score; first those that others need, and those that take longest."""
    cells = []
    for encoder, budget in zip(encoders, budgets, strict=True):
        made = pretrain_recipe(recipe, encoder, budget.steps)
        sha256 = choose_config(made.dataset, None)[1].sha256
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
    n_steps = made.epochs * -(-facts.splits["train"] // made.batch_size)
    try:
        with_warmup(made, n_steps)
    except InputError as error:
        raise InputError(
            f"{recipe.genome} gives {name} {facts.splits['train']} train rows, too few. {error}"
        ) from error
    return run_cell(f"finetune/{name}", made, options, facts.sha256, needs=needs)


def _baseline_cells(recipe: SweepRecipe, encoder: Encoder, k: int, output: Path) -> list[Cell]:
    """Return the baselines on the rows of a vocabulary, whose sequences are those of every other's."""
    dataset = data_folder(output, encoder) / f"next-{k}mer"
    sha256 = read_facts(dataset, encoder.name).sha256
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
