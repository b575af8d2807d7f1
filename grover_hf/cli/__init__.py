"""The command `grover`: parses, calls, prints; no logic.

Imports stand inside the verbs, so that `grover --help` answers at once.
"""

import io
import logging
import sys
from typing import Annotated

import typer

from grover_hf.cli import authors, gather, models, publish, reproduce, scores, scripts, start, tokens
from grover_hf.cli.build import build
from grover_hf.cli.interpret import interpret
from grover_hf.cli.verbs import Verbs
from grover_hf.errors import InputError

app = typer.Typer(
    name="grover", cls=Verbs, no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False,
    help="DNA language models of the GROVER kind: from a FASTA file to a model that AutoModel loads.",
    epilog="Trainings are scripts, launched on as many devices as there are:\n\n"
    "accelerate launch -m training.pretrain --config RECIPE\n\n"
    "accelerate launch -m training.finetune --config RECIPE",
)


@app.callback()
def _options(
    debug: Annotated[bool, typer.Option("--debug", help="show the traceback of an error")] = False,  # noqa: ARG001
) -> None:
    # `main` looks for the flag itself, since errors of the parser come before this.
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s: %(message)s")


_START, _VOCABULARIES, _DATASETS, _SCORES, _HUB = "Start here", "Vocabularies", "Datasets", "Scores", "Hub"
_MODELS, _JOBS = "Models", "Many jobs"
app.command(rich_help_panel=_START)(start.quickstart)
app.command(rich_help_panel=_START)(start.fetch)
app.command(rich_help_panel=_VOCABULARIES)(tokens.train_bpe)
app.command(rich_help_panel=_VOCABULARIES)(tokens.export_tokenizer)
app.command(rich_help_panel=_VOCABULARIES, context_settings={"allow_extra_args": True})(tokens.vocabulary)
app.command(rich_help_panel=_VOCABULARIES)(tokens.stability)
app.command(rich_help_panel=_VOCABULARIES)(authors.verify_tokenizer)
app.command(rich_help_panel=_VOCABULARIES, context_settings=scripts.OWN_PARSER)(scripts.sweep)
app.command(rich_help_panel=_DATASETS)(tokens.tokenize)
app.command(rich_help_panel=_DATASETS)(tokens.tokenize_regions)
app.add_typer(build, name="build", rich_help_panel=_DATASETS)
app.command(rich_help_panel=_MODELS)(models.embed)
app.command(rich_help_panel=_MODELS)(models.score_variants)
app.command(rich_help_panel=_MODELS)(models.tracks)
app.add_typer(interpret, name="interpret", rich_help_panel=_MODELS)
app.command(rich_help_panel=_JOBS)(gather.gather)
app.command(rich_help_panel=_SCORES, context_settings=scripts.OWN_PARSER)(scripts.evaluate)
app.command(rich_help_panel=_SCORES, context_settings=scripts.OWN_PARSER)(scripts.probe)
app.command(rich_help_panel=_SCORES)(scores.baselines)
app.command(rich_help_panel=_SCORES)(scores.compare)
app.command(rich_help_panel=_SCORES)(scores.results)
app.command(rich_help_panel=_SCORES)(scores.report)
app.command(rich_help_panel=_SCORES, context_settings={"allow_extra_args": True})(reproduce.reproduce)
app.command(rich_help_panel=_HUB)(publish.publish)
app.command(rich_help_panel=_HUB)(authors.convert_authors)


def main() -> None:
    """Run the command; a problem with the input ends with its message and exit code 1.

    Ctrl-C ends with exit code 130, which typer sees to.
    """
    debug = "--debug" in sys.argv
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # A terminal without UTF-8 shows ? for what it has not.
            stream.reconfigure(errors="replace")
    try:
        app(prog_name="grover")
    except (InputError, OSError, MemoryError) as error:
        if debug:
            raise
        what = getattr(error, "strerror", None) or str(error) or type(error).__name__
        where = getattr(error, "filename", None)
        print(f"error: {where}: {what}" if where else f"error: {what}", file=sys.stderr)
        sys.exit(1)
