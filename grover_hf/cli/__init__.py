"""The command `grover`: parses, calls, prints; no logic.

Imports stand inside the verbs, so that `grover --help` answers at once.
"""

import logging
import sys
from pathlib import Path
from typing import Annotated

import typer

from grover_hf.cli.authors import convert_published, verify_tokenizer
from grover_hf.cli.build import build
from grover_hf.cli.fetch import fetch_verb
from grover_hf.cli.options import Chromosomes, Overwrite, Threads, chosen_chromosomes
from grover_hf.cli.publish import publish
from grover_hf.cli.scores import baselines, compare, results
from grover_hf.cli.tables import print_table
from grover_hf.errors import InputError

app = typer.Typer(
    name="grover", no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False,
    help="DNA language models of the GROVER kind: from a FASTA file to a model that AutoModel loads.",
)
app.add_typer(build, name="build", rich_help_panel="Datasets")
_STABILITY = "Stability"

@app.callback()
def _options(
    debug: Annotated[bool, typer.Option("--debug", help="show the traceback of an error")] = False,  # noqa: ARG001
) -> None:
    # `main` looks for the flag itself, since errors of the parser come before this.
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s: %(message)s")


@app.command(rich_help_panel="Start here")
def quickstart(
    output: Annotated[Path, typer.Option(help="folder for everything that is made")] = Path("quickstart"),
    genome: Annotated[
        Path | None, typer.Option(help="a FASTA file; without it a simulated genome of 5 Mbp")
    ] = None,
    chromosomes: Chromosomes = "all",
    cycles: Annotated[int, typer.Option(min=1, help="cycles of byte-pair encoding")] = 600,
    steps: Annotated[int | None, typer.Option(min=1, help="of pretraining; else those of tiny_cpu")] = None,
    seed: Annotated[int, typer.Option(min=0, help="of the simulation, the windows and the training")] = 0,
    overwrite: Overwrite = False,
) -> None:
    """The whole way once: genome, vocabulary, tokens, windows, a tiny BERT, a figure, a table."""
    from grover_hf.quickstart import run_quickstart

    run_quickstart(
        output, genome=genome, chromosomes=chosen_chromosomes(chromosomes), n_cycles=cycles,
        max_steps=steps, seed=seed, overwrite=overwrite,
    )


@app.command("train-bpe", rich_help_panel="Vocabularies")
def train_bpe_verb(
    genomes: Annotated[list[Path], typer.Argument(help="FASTA files, plain or gzip")],
    output: Annotated[Path, typer.Option(help="the merges file")],
    cycles: Annotated[int, typer.Option(help="merges to learn; `first(n)` of them is any smaller run")] = 600,
    chromosomes: Chromosomes = "all",
    threads: Threads = 2,
    overwrite: Overwrite = False,
) -> None:
    """Learn a byte-pair vocabulary from whole genomes; a stopped run goes on where it was."""
    from grover_hf.tokenization.bpe_training import train_bpe_to_file

    try:
        merges = train_bpe_to_file(
            genomes, output, n_cycles=cycles, chromosomes=chosen_chromosomes(chromosomes), n_threads=threads,
            overwrite=overwrite,
        )
    except KeyboardInterrupt:
        print(f"stopped; the same command goes on from {output}.partial, if it is there", file=sys.stderr)
        raise typer.Exit(130) from None
    print(f"{output}: {len(merges)} merges, {merges.vocab_size} token ids")


@app.command("export-tokenizer", rich_help_panel="Vocabularies")
def export_tokenizer(
    output: Annotated[Path, typer.Option(help="folder for AutoTokenizer")],
    merges: Annotated[Path | None, typer.Argument(help="a merges file")] = None,
    cycles: Annotated[int | None, typer.Option(help="use only the first so many merges")] = None,
    kmer: Annotated[int | None, typer.Option(help="instead of merges: non-overlapping k-mers")] = None,
    overwrite: Overwrite = False,
) -> None:
    """Write a tokenizer that AutoTokenizer loads on transformers 4 and 5."""
    from grover_hf._internals.files import require_writable
    from grover_hf.tokenization.export import save_tokenizer, vocabulary_encoder

    encoder = vocabulary_encoder(merges, cycles, kmer)
    require_writable(output, overwrite=overwrite, marker="tokenizer.json", inputs=[merges] if merges else [])
    save_tokenizer(encoder, output)
    print(f"{output}: {encoder.name}, {len(encoder.tokens)} token ids")


@app.command(rich_help_panel="Vocabularies", context_settings={"allow_extra_args": True})
def vocabulary(
    context: typer.Context,
    merges: Annotated[Path | None, typer.Argument(help="a merges file, or a tokenizer folder")] = None,
    corpus: Annotated[Path | None, typer.Option(help="a tokenized genome, for frequencies")] = None,
    kmers: Annotated[list[int], typer.Option(help="k-mers beside it in the figure: --kmers 4 5 6")] = [4, 5, 6],  # noqa: B006
    figure: Annotated[Path | None, typer.Option(help="PNG or PDF, like Fig. 3a-c (needs --corpus)")] = None,
    stability: Annotated[
        Path | None,
        typer.Option(help="a FASTA file: how many types stay in resamples of it", rich_help_panel=_STABILITY),
    ] = None,
    chromosomes: Annotated[
        str, typer.Option(help="of that file: all, primary, or names with commas", rich_help_panel=_STABILITY)
    ] = "all",
    output: Annotated[
        Path | None, typer.Option(help="folder for its table and figure", rich_help_panel=_STABILITY)
    ] = None,
    resamples: Annotated[int, typer.Option(min=1, help="how many", rich_help_panel=_STABILITY)] = 20,
    block_bp: Annotated[
        int, typer.Option(min=1, help="bases that are drawn together", rich_help_panel=_STABILITY)
    ] = 100_000,
    seed: Annotated[int, typer.Option(min=0, help="of what is drawn", rich_help_panel=_STABILITY)] = 0,
    overwrite: Overwrite = False,
) -> None:
    """Print the paper's table of the vocabulary beside yours, and draw it; or say how stable it is.

    --stability learns vocabularies from resamples of a genome, and compares them with MERGES, else with its own.
    """
    from grover_hf.analysis.vocabulary.report import stability_report, vocabulary_report
    from grover_hf.genome import ReferenceGenome

    # The parser takes one value an option; what follows it, `--kmers 4 5 6`, comes as extra words.
    if stray := [word for word in context.args if not word.isdigit()]:
        raise InputError(f"vocabulary does not know {' '.join(stray)}.")
    of_stability = ("chromosomes", "output", "resamples", "block_bp", "seed", "overwrite")
    others = of_stability if stability is None else ("corpus", "kmers", "figure")
    if given := [name for name in others if _is_given(context, name)]:
        names = ", ".join(f"--{name.replace('_', '-')}" for name in given)
        raise InputError(f"{names} goes {'with' if stability is None else 'without'} --stability.")
    if stability is not None:
        lines = stability_report(
            ReferenceGenome(stability, chosen_chromosomes(chromosomes)), merges, output, n_resamples=resamples,
            block_bp=block_bp, seed=seed, overwrite=overwrite,
        )
        print_table(lines, ("quantity", "the genome", "lowest", "median", "highest"))
        return
    if merges is None:
        raise InputError("Name a merges file or a tokenizer folder; or a FASTA file, with --stability.")
    rows = vocabulary_report(merges, corpus, figure, [*kmers, *map(int, context.args)])
    print_table(rows, ("quantity", "paper", "this vocabulary"))


@app.command(rich_help_panel="Datasets")
def tokenize(
    genome: Annotated[Path, typer.Argument(help="a FASTA file, plain or gzip")],
    tokenizer: Annotated[Path, typer.Option(help="a tokenizer folder, or a merges file")],
    output: Annotated[Path, typer.Option(help="folder of the tokenized genome")],
    chromosomes: Chromosomes = "all",
    species: Annotated[str | None, typer.Option(help='for the cards of all that is made: "Homo sapiens"')] = None,
    assembly: Annotated[str | None, typer.Option(help="for the cards: hg19")] = None,
    taxon: Annotated[int | None, typer.Option(min=1, help="for the cards: NCBI's number, 9606")] = None,
    threads: Threads = 2,
    overwrite: Overwrite = False,
) -> None:
    """Tokenize a whole genome, once and in context."""
    from grover_hf._internals.files import require_writable
    from grover_hf.corpus.corpus_facts import CORPUS_FILE, Organism
    from grover_hf.corpus.tokenized_genome import TokenizedGenome
    from grover_hf.genome import ReferenceGenome
    from grover_hf.tokenization.export import load_encoder

    require_writable(output, overwrite=overwrite, marker=CORPUS_FILE, inputs=[genome, tokenizer])
    corpus = TokenizedGenome.build(
        ReferenceGenome(genome, chosen_chromosomes(chromosomes)), load_encoder(tokenizer), output,
        overwrite=overwrite, n_threads=threads,
        organism=Organism(species=species, assembly=assembly, taxon=taxon),
    )
    facts = corpus.facts
    print(f"{output}: {facts.n_tokens:,} tokens, {facts.bases_a_token:.3f} bases a token")


app.command("fetch", rich_help_panel="Start here")(fetch_verb)
app.command(rich_help_panel="Vocabularies")(verify_tokenizer)
app.command(rich_help_panel="Hub")(publish)
app.command(rich_help_panel="Hub")(convert_published)
app.command(rich_help_panel="Scores")(baselines)
app.command(rich_help_panel="Scores")(compare)
app.command(rich_help_panel="Scores")(results)


def _is_given(context: typer.Context, name: str) -> bool:
    source = context.get_parameter_source(name)
    return source is not None and source.name == "COMMANDLINE"


def main() -> None:
    """Run the command; a problem with the input ends with its message and exit code 1.

    Ctrl-C ends with exit code 130, which typer sees to.
    """
    debug = "--debug" in sys.argv
    try:
        app()
    except (InputError, OSError, MemoryError) as error:
        if debug:
            raise
        what = getattr(error, "strerror", None) or str(error) or type(error).__name__
        where = getattr(error, "filename", None)
        print(f"error: {where}: {what}" if where else f"error: {what}", file=sys.stderr)
        sys.exit(1)
