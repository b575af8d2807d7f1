"""What an evaluation judges, and on what: its options, and its command line."""

from dataclasses import dataclass

from training.runs.recipe import recipe_field


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
