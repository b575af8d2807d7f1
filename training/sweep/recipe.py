"""The recipe of a vocabulary sweep, and the recipes of runs that follow from it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from grover_hf.errors import InputError, shorten
from grover_hf.tokenization.encoding import Encoder
from training.finetune import FinetuneRecipe
from training.pretrain import PretrainRecipe
from training.runs.launch import require_positive
from training.runs.recipe import read_recipe, recipe_field

_SET_BY_THE_SWEEP = {
    "pretrain": ("dataset", "dataset_config", "tokenizer", "output", "max_steps", "resume", "overwrite"),
    "finetune": ("dataset", "dataset_config", "model", "retokenize", "output", "resume", "overwrite"),
}

R = TypeVar("R")


@dataclass(frozen=True, kw_only=True)
class SweepRecipe:
    """Everything that a sweep depends on."""

    genome: str = recipe_field("a FASTA file")
    output: str = recipe_field("folder of the sweep")
    chromosomes: str | list[str] = recipe_field("all, primary, or names: for vocabulary and pretraining")  # noqa: RUF009
    cycles: list[int] = recipe_field("counts of cycles of byte-pair encoding")  # noqa: RUF009
    kmers: list[int] = recipe_field("K of the non-overlapping k-mer vocabularies")  # noqa: RUF009
    right_aligned: bool = recipe_field("k-mers also on rows that leave no tail before the answer")
    ks: list[int] = recipe_field("how many bases to predict, 2 to 6; a fine-tuning each")  # noqa: RUF009
    task_chromosomes: list[str] = recipe_field("chromosomes of the rows to predict")  # noqa: RUF009
    hold_out: bool = recipe_field("leave those out of vocabulary and pretraining")
    task_rows: int = recipe_field("rows to predict, all splits together")
    pretrain: dict = recipe_field(  # type: ignore[type-arg]  # noqa: RUF009
        "config of training.pretrain, and fields to change"
    )
    tokens: int | None = recipe_field("tokens that each pretraining sees; or give bases", default=None)
    bases: int | None = recipe_field("bases that each pretraining sees; or give tokens", default=None)
    finetune: dict = recipe_field(  # type: ignore[type-arg]  # noqa: RUF009
        "config of training.finetune, and fields to change"
    )
    tfidf: list[str] = recipe_field("baselines: kmer-K, or bpe-N of the cycles")  # noqa: RUF009
    max_trees: int = recipe_field("largest forest of TF-IDF to choose from: 100, 200, ..., 2000")
    models: list[dict] = recipe_field(  # type: ignore[type-arg]  # noqa: RUF009
        "other pretrained models to compare with: model, and other fields of training.finetune"
    )
    at_once: int = recipe_field("processes at once; on GPUs one has one")
    threads: int = recipe_field("threads of each process")
    merges: str | None = recipe_field("merges to use; else they are learnt", default=None)
    seed: int = recipe_field("seed of windows, rows and splits", default=0)
    overwrite: bool = recipe_field("begin anew what was made with another recipe", default=False)


def check_sweep(recipe: SweepRecipe) -> None:
    """Raise `InputError` for what the recipe alone shows to be wrong, those of its runs among it."""
    require_positive(task_rows=recipe.task_rows, at_once=recipe.at_once, threads=recipe.threads)
    for name in ("cycles", "kmers", "ks", "task_chromosomes", "tfidf"):
        values = getattr(recipe, name)
        if len(set(values)) != len(values) or (not values and name in ("cycles", "ks", "task_chromosomes")):
            raise InputError(f"{name} is {values}; each may stand there once, and one must.")
    require_positive(**{"the smallest of cycles": min(recipe.cycles)})
    if (recipe.tokens is None) == (recipe.bases is None):
        raise InputError("Give tokens or bases that each pretraining sees, and null for the other.")
    known = [f"bpe-{n}" for n in recipe.cycles]
    if odd := [name for name in recipe.tfidf if name not in known and not name.startswith("kmer-")]:
        raise InputError(f"tfidf has {odd[0]}; it takes kmer-K, or one of {shorten(known)}.")
    for verb, fields in _SET_BY_THE_SWEEP.items():
        given = getattr(recipe, verb)
        if "config" not in given:
            raise InputError(f"{verb} has no config: a YAML file, or the name of a packaged recipe.")
        if odd := sorted(set(given) & set(fields)):
            raise InputError(f"{verb} has {', '.join(odd)}, which the sweep sets itself.")
    for model in recipe.models:
        if "model" not in model or set(model) & (set(_SET_BY_THE_SWEEP["finetune"]) - {"model"}):
            raise InputError(f"models has {model}; it needs model, a folder or a name on the Hub, and no data.")
    names = [model["model"] for model in recipe.models]
    if len(set(names)) != len(names):
        raise InputError(f"models has {', '.join(names)}; each may stand there once, for its folder has its name.")
    # Read for their errors: unknown keys, wrong types.
    run_recipe(PretrainRecipe, "pretrain", recipe.pretrain, dataset="", tokenizer="", output="", max_steps=1)
    for model in [{"model": ""}, *recipe.models]:
        run_recipe(FinetuneRecipe, "finetune", recipe.finetune, dataset="", output="", **model)


def data_folder(output: Path, encoder: Encoder) -> Path:
    """Return the folder of what is made with a vocabulary before it is trained."""
    return output / "data" / encoder.name


def run_recipe(recipe_class: type[R], verb: str, given: dict[str, Any], **fields: Any) -> R:
    """Return the recipe of a run.

    Args:
        recipe_class: The dataclass of its script's recipe.
        verb: The folder of packaged recipes.
        given: `config`, a file or the name of a packaged recipe, and fields that the sweep's recipe changes.
        fields: Those that the sweep sets.

    Raises:
        InputError: As `read_recipe`.
    """
    changes = {name: value for name, value in given.items() if name != "config"}
    return read_recipe(recipe_class, given["config"], verb, {**changes, **fields})


def pretrain_options(recipe: SweepRecipe, encoder: Encoder, steps: int) -> dict[str, Any]:
    """Return the fields of a pretraining that the sweep sets."""
    folder = data_folder(Path(recipe.output), encoder)
    return {
        "dataset": str(folder / "windows"), "tokenizer": str(folder / "tokenizer"),
        "output": str(Path(recipe.output) / "pretrain" / encoder.name), "max_steps": steps,
    }


def pretrain_recipe(recipe: SweepRecipe, encoder: Encoder, steps: int) -> PretrainRecipe:
    """Return the recipe of a pretraining."""
    return run_recipe(PretrainRecipe, "pretrain", recipe.pretrain, **pretrain_options(recipe, encoder, steps))
