"""`grover interpret context`: a script of `training`, which reads its own words."""

import typer

from grover_hf._internals.own_packages import require_own_packages


def context(words: typer.Context) -> None:
    """Say how far a model looks: its loss by how many tokens it sees beside a masked one."""
    require_own_packages()
    from training.context import context_from_command_line

    context_from_command_line(words.args)
