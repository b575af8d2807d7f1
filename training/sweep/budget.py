"""What each pretraining of a vocabulary sweep gets, and what it costs."""

import csv
import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from grover_hf._internals.files import atomic_write
from grover_hf.analysis.sweep.results import VOCABULARIES
from grover_hf.corpus.corpus_facts import read_corpus_facts
from grover_hf.corpus.facts import choose_config
from grover_hf.corpus.window_store import open_windows
from grover_hf.errors import InputError
from grover_hf.tokenization.encoding import Encoder
from grover_hf.tokenization.special_tokens import N_SPECIAL
from training.runs.cost import training_flop
from training.runs.trainer_arguments import with_warmup
from training.sweep.recipe import SweepRecipe, data_folder, pretrain_recipe


@dataclass(frozen=True)
class Budget:
    """What a pretraining gets, and what it costs: a line of `vocabularies.csv`."""

    vocabulary: str
    types: int
    bases_a_token: float
    steps: int
    tokens: int
    bases: int
    passes: float
    """Over the train windows."""
    flop: float


def budget_of(recipe: SweepRecipe, encoder: Encoder, output: Path) -> Budget:
    """Return what a vocabulary's pretraining gets.

    Raises:
        InputError: If there are fewer windows than a batch has, or fewer steps than the warm-up has.
    """
    folder = data_folder(output, encoder)
    train = open_windows(folder / "windows", choose_config(folder / "windows", None)[1])["train"]
    lengths = train.lengths
    fields = pretrain_recipe(recipe, encoder, 1)
    if len(lengths) < fields.batch_size:
        raise InputError(
            f"{recipe.genome} is too small: {encoder.name} gives {len(lengths)} train windows, and a batch has "
            f"{fields.batch_size}."
        )
    bases_a_token = read_corpus_facts(folder / "corpus").bases_a_token
    tokens = recipe.tokens if recipe.tokens is not None else (recipe.bases or 0) / bases_a_token
    steps = round(tokens / (fields.batch_size * lengths.mean()))
    if steps < 1:
        raise InputError(f"The budget gives {encoder.name} {steps} steps: give more tokens or bases.")
    with_warmup(fields, steps)
    windows = steps * fields.batch_size
    return Budget(
        vocabulary=encoder.name, types=len(encoder.tokens) - N_SPECIAL, bases_a_token=bases_a_token, steps=steps,
        tokens=round(windows * lengths.mean()), bases=round(windows * lengths.mean() * bases_a_token),
        passes=windows / len(lengths),
        flop=windows * training_flop(lengths, len(encoder.tokens), fields.size, fields.p_select),
    )


def write_budgets(budgets: Sequence[Budget], output: Path) -> None:
    """Write `vocabularies.csv` into the sweep's folder."""
    with atomic_write(output / VOCABULARIES) as part, open(part, "w", newline="") as file:
        writer = csv.DictWriter(file, [field.name for field in dataclasses.fields(Budget)])
        writer.writeheader()
        writer.writerows(dataclasses.asdict(budget) for budget in budgets)
