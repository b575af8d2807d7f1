"""What every recipe of a training has, and the Trainer's arguments that follow from it."""

import dataclasses
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import torch

from grover_hf._internals.progress import on_a_terminal
from grover_hf.errors import InputError
from training.runs.launch import scheduler_type
from training.runs.recipe import recipe_field

_RANGES: dict[str, tuple[int, float]] = {
    **dict.fromkeys(("batch_size", "per_device_batch_size", "max_steps", "keep_checkpoints"), (1, math.inf)),
    **dict.fromkeys(("epochs", "max_tokens", "eval_windows"), (1, math.inf)),
    **dict.fromkeys(("learning_rate", "adam_epsilon", "weight_decay", "max_grad_norm"), (0, math.inf)),
    **dict.fromkeys(("warmup_steps", "workers", "save_steps", "lora_rank"), (0, math.inf)),
    "repeat_weight": (0, math.inf),
    **dict.fromkeys(("adam_beta1", "adam_beta2", "dropout"), (0, 1)),
    **dict.fromkeys(("seed", "seeds"), (0, 1 << 32)),
}
"""Of the fields that a training may have: the lowest value, and what is larger than all."""


@dataclass(frozen=True, kw_only=True)
class TrainingRecipe:
    """The fields of every recipe: the optimizer, the hardware, the folder of the run.

    Raises:
        InputError: If a number is out of its range.
    """

    output: str = recipe_field("folder of the run")
    learning_rate: float = recipe_field("peak learning rate")
    batch_size: int = recipe_field("examples a step, over all processes")
    per_device_batch_size: int = recipe_field("examples at once on a device, at most; the rest is accumulated")
    warmup_steps: int = recipe_field("steps of linear warm-up, at most")
    warmup_share: float | None = recipe_field(
        "share of all steps that the warm-up takes at most; else warmup_steps alone decides", default=None
    )
    scheduler: str = recipe_field("after the warm-up: linear, cosine, constant", default="linear")
    adam_beta1: float = recipe_field("beta 1 of AdamW", default=0.9)
    adam_beta2: float = recipe_field("beta 2 of AdamW", default=0.999)
    adam_epsilon: float = recipe_field("epsilon of AdamW", default=1e-8)
    weight_decay: float = recipe_field("weight decay of AdamW", default=0.0)
    max_grad_norm: float = recipe_field("gradients are clipped to this norm", default=1.0)
    bf16: bool = recipe_field("mixed precision", default=False)
    workers: int = recipe_field("processes that load data, a device", default=0)
    processes: int | None = recipe_field("how many the launch must have; another number is an error", default=None)
    resume: bool = recipe_field("go on with the run in output", default=False)
    overwrite: bool = recipe_field("replace the run that is in output", default=False)

    def __post_init__(self) -> None:
        for name, (low, below) in _RANGES.items():
            values = getattr(self, name, None)
            for value in values if isinstance(values, list) else [values]:
                if value is not None and not low <= value < below:
                    upper = "" if below == math.inf else f", and less than {below:,}"
                    raise InputError(f"{name} is {value}; it is {low} or more{upper}.")


R = TypeVar("R", bound=TrainingRecipe)


def with_warmup(recipe: R, n_steps: int) -> R:
    """Return the recipe with the warm-up that it has in a training of `n_steps`.

    That is `warmup_steps`, or `warmup_share` of all steps where these are fewer.

    Raises:
        InputError: If the learning rate would never be reached.
    """
    share = recipe.warmup_share
    if share is not None and not 0 <= share < 1:
        raise InputError(f"warmup_share is {share}; it is 0 or more and less than 1.")
    n_warmup = recipe.warmup_steps if share is None else min(recipe.warmup_steps, round(share * n_steps))
    if n_warmup and n_warmup >= n_steps:
        raise InputError(
            f"The warm-up has {n_warmup} steps, but the training has {n_steps} in all: the learning rate would "
            "never be reached. Say --warmup_share 0.1 for a warm-up of a tenth of the steps at most."
        )
    return dataclasses.replace(recipe, warmup_steps=n_warmup)


def trainer_arguments(
    recipe: TrainingRecipe, *, seed: int, device_batch: int, accumulation: int
) -> dict[str, Any]:
    """Return what `TrainingArguments` takes for every training; each adds its length, logs and checkpoints.

    Args:
        recipe: The recipe of the training, as `with_warmup` returns it.
        seed: Seed for the order of examples and for dropout.
        device_batch: Examples at once on a device.
        accumulation: How often they are accumulated to a step.

    Raises:
        InputError: If the recipe wants bf16 of a GPU that has none.
    """
    if recipe.bf16 and torch.cuda.is_available() and not torch.cuda.is_bf16_supported(including_emulation=False):
        raise InputError(f"{torch.cuda.get_device_name()} has no bf16; say --bf16 false.")
    return {
        # Said, for else bf16 is refused there.
        "use_cpu": not torch.accelerator.is_available(),
        "output_dir": str(Path(recipe.output) / "checkpoints"),
        "per_device_train_batch_size": device_batch,
        "gradient_accumulation_steps": accumulation,
        "learning_rate": recipe.learning_rate,
        "lr_scheduler_type": scheduler_type(recipe.scheduler),
        "warmup_steps": recipe.warmup_steps,
        "adam_beta1": recipe.adam_beta1,
        "adam_beta2": recipe.adam_beta2,
        "adam_epsilon": recipe.adam_epsilon,
        "weight_decay": recipe.weight_decay,
        "max_grad_norm": recipe.max_grad_norm,
        "bf16": recipe.bf16,
        "seed": seed,
        "logging_nan_inf_filter": False,
        "dataloader_num_workers": recipe.workers,
        "dataloader_pin_memory": torch.cuda.is_available(),
        "remove_unused_columns": False,
        "label_names": ["labels"],
        "report_to": "none",
        "disable_tqdm": not on_a_terminal(),
    }
