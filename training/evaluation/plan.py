"""What an evaluation judges, and on what: its options, and its command line."""

import argparse
import dataclasses
import typing
from collections.abc import Sequence
from dataclasses import dataclass

from training.runs.recipe import recipe_field, with_dashes


@dataclass(frozen=True, kw_only=True)
class EvaluationPlan:
    """What to judge, and on what."""

    run: str = recipe_field("folder of a pretraining; or of a model alone, with --dataset and the masking")
    dataset: str | None = recipe_field("windows to judge on; else those of the run", default=None)
    dataset_config: str | None = recipe_field("their configuration; else bpe-600, or the only one", default=None)
    trained_on: str | None = recipe_field("where the run's own windows are, if they were moved", default=None)
    output: str | None = recipe_field("folder for the results; else RUN/evaluation/CONFIG", default=None)
    windows: int | None = recipe_field("how many test windows, evenly spaced; else all", default=None)
    passes: int = recipe_field("how often each window is masked, each time elsewhere", default=1)
    p_select: float | None = recipe_field("share of tokens to predict; else the run's", default=None)
    p_mask: float | None = recipe_field("share of those that become [MASK]; else the run's", default=None)
    p_random: float | None = recipe_field("share of those that become random; else the run's", default=None)
    seed: int | None = recipe_field("seed of masks and resampling; else the run's", default=None)
    batch_size: int = recipe_field("windows at once", default=16)
    bf16: bool = recipe_field("compute in bfloat16", default=False)
    overwrite: bool = recipe_field("replace the results that are there", default=False)


def plan_from_command_line(arguments: Sequence[str] | None, prog: str) -> EvaluationPlan:
    """Return the plan: RUN, and an option for every other field, with dashes or with underscores.

    Args:
        arguments: The command line; None for that of the process.
        prog: What the command is called.
    """
    parser = argparse.ArgumentParser(
        prog=prog, allow_abbrev=False,
        description="Judge a pretrained model on masked tokens, and compare it with counting.",
    )
    hints = typing.get_type_hints(EvaluationPlan)
    for field in dataclasses.fields(EvaluationPlan):
        hint, text = hints[field.name], field.metadata["help"]
        kind = next((kind for kind in typing.get_args(hint) if kind is not type(None)), hint)
        option = f"--{field.name.replace('_', '-')}"
        if field.name == "run":
            parser.add_argument("run", type=kind, help=text)
        elif kind is bool:
            parser.add_argument(option, action="store_true", help=text)
        else:
            parser.add_argument(option, type=kind, default=field.default, metavar="VALUE", help=text)
    return EvaluationPlan(**vars(parser.parse_args(with_dashes(arguments))))
