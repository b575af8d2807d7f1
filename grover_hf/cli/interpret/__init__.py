"""`grover interpret`: a verb for each analysis."""

import typer

from grover_hf.cli.interpret import tokens
from grover_hf.cli.interpret.annotate import annotate
from grover_hf.cli.interpret.attribute import attribute
from grover_hf.cli.interpret.context import context
from grover_hf.cli.interpret.windows import windows
from grover_hf.cli.scripts import OWN_PARSER
from grover_hf.cli.verbs import Verbs

interpret = typer.Typer(cls=Verbs, no_args_is_help=True, help="Tables and figures of what a model has learnt.")
interpret.command()(tokens.tokens)
interpret.command()(tokens.word2vec)
interpret.command()(annotate)
interpret.command()(windows)
interpret.command(context_settings=OWN_PARSER)(context)
interpret.command()(attribute)
