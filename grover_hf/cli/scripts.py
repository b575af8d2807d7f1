"""`grover evaluate`, `probe` and `sweep`: scripts of `training` that need no launch and read their own words."""

import sys

import typer

from grover_hf._internals.own_packages import require_own_packages

OWN_PARSER = {"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []}
"""Settings of a verb that hands all its words on, `--help` among them."""


def evaluate(context: typer.Context) -> None:
    """Judge a pretrained model on masked tokens, and compare it with counting."""
    require_own_packages()
    from training.evaluate import evaluate_from_command_line

    evaluate_from_command_line(context.args)


def probe(context: typer.Context) -> None:
    """Say whether a model's embeddings tell the classes of a task, in minutes and beside controls."""
    require_own_packages()
    from training.probe import probe_from_command_line

    probe_from_command_line(context.args)


def sweep(context: typer.Context) -> None:
    """Choose the vocabulary as the paper does: pretrain and score a model for each (Fig. 2)."""
    require_own_packages()
    from training.vocabulary_sweep import sweep_from_command_line

    try:
        sweep_from_command_line(context.args)
    except KeyboardInterrupt:
        print("stopped; the same command goes on", file=sys.stderr)
        raise typer.Exit(130) from None
