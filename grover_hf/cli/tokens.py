"""From a FASTA file to tokens: `grover train-bpe`, `export-tokenizer`, `tokenize`, `vocabulary`, `stability`."""

import sys
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from grover_hf.cli.options import (
    Chromosomes,
    Overwrite,
    ShardText,
    Threads,
    chosen_chromosomes,
    chosen_shard,
)
from grover_hf.cli.printing import print_shard, print_table
from grover_hf.errors import InputError


def train_bpe(
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


def export_tokenizer(
    output: Annotated[Path, typer.Option(help="folder for AutoTokenizer")],
    merges: Annotated[Path | None, typer.Argument(help="a merges file")] = None,
    cycles: Annotated[int | None, typer.Option(help="use only the first so many merges")] = None,
    kmer: Annotated[int | None, typer.Option(help="instead of merges: non-overlapping k-mers")] = None,
    overwrite: Overwrite = False,
) -> None:
    """Write a tokenizer that AutoTokenizer loads on transformers 4 and 5."""
    from grover_hf.tokenization.export import require_replaceable, save_tokenizer, vocabulary_encoder

    encoder = vocabulary_encoder(merges, cycles, kmer)
    require_replaceable(output, overwrite=overwrite, inputs=[merges] if merges else [])
    save_tokenizer(encoder, output)
    print(f"{output}: {encoder.name}, {len(encoder.tokens)} token ids")


def tokenize(
    genome: Annotated[Path, typer.Argument(help="a FASTA file, plain or gzip")],
    tokenizer: Annotated[Path, typer.Option(help="a tokenizer folder, or a merges file")],
    output: Annotated[Path, typer.Option(help="folder of the tokenized genome")],
    chromosomes: Chromosomes = "all",
    species: Annotated[str | None, typer.Option(help='for the cards of all that is made: "Homo sapiens"')] = None,
    assembly: Annotated[str | None, typer.Option(help="for the cards: hg19")] = None,
    taxon: Annotated[int | None, typer.Option(min=1, help="for the cards: NCBI's number, 9606")] = None,
    threads: Threads = 2,
    shard: ShardText = None,
    overwrite: Overwrite = False,
) -> None:
    """Tokenize a whole genome, once and in context."""
    from grover_hf._internals.outputs import require_not_an_input
    from grover_hf.corpus.corpus_facts import Organism
    from grover_hf.corpus.corpus_shards import build_shard
    from grover_hf.corpus.tokenized_genome import TokenizedGenome
    from grover_hf.genome import ReferenceGenome
    from grover_hf.tokenization.export import load_encoder

    require_not_an_input(output, [genome, tokenizer])
    organism, mine = Organism(species=species, assembly=assembly, taxon=taxon), chosen_shard(shard)
    reference, encoder = ReferenceGenome(genome, chosen_chromosomes(chromosomes)), load_encoder(tokenizer)
    options: dict[str, Any] = {"overwrite": overwrite, "n_threads": threads, "organism": organism}
    if mine is not None:
        print_shard(build_shard(reference, encoder, output, mine, **options))
        return
    facts = TokenizedGenome.build(reference, encoder, output, **options).facts
    print(f"{output}: {facts.n_tokens:,} tokens, {facts.bases_a_token:.3f} bases a token")


def tokenize_regions(
    regions: Annotated[Path, typer.Argument(help="a BED file, or a table with chrom, start, end")],
    genome: Annotated[Path, typer.Option(help="a FASTA file, plain or gzip; tokenized once, into the cache")],
    tokenizer: Annotated[str, typer.Option(help="a tokenizer folder, a merges file, or kmer-K")],
    output: Annotated[Path, typer.Option(help=".parquet, .tsv, or .bed (BED12, a block for each token)")],
    inside: Annotated[bool, typer.Option("--inside", help="drop tokens that reach out of a region")] = False,
    strand: Annotated[
        Literal["forward", "reverse", "both", "own"], typer.Option(help="own: of the region's strand")
    ] = "forward",
    shard: ShardText = None,
    overwrite: Overwrite = False,
) -> None:
    """Write the tokens of regions, as their genome has them, with coordinates."""
    from grover_hf.corpus.region_table import Written
    from grover_hf.corpus.region_table import tokenize_regions as write

    written = write(
        regions, genome, tokenizer, output, inside=inside, strand=strand, shard=chosen_shard(shard),
        overwrite=overwrite,
    )
    if not isinstance(written, Written):
        print_shard(written)
        return
    without = f"; {written.n_without:,} regions have none" if written.n_without else ""
    print(f"{output}: {written.n_regions:,} regions, {written.n_tokens:,} tokens{without}")


def vocabulary(
    context: typer.Context,
    merges: Annotated[Path, typer.Argument(help="a merges file, or a tokenizer folder")],
    corpus: Annotated[Path | None, typer.Option(help="a tokenized genome, for frequencies")] = None,
    kmers: Annotated[list[int], typer.Option(help="k-mers to compare in the figure: --kmers 4 5 6")] = [4, 5, 6],  # noqa: B006
    figure: Annotated[
        Path | None, typer.Option(help="PNG, PDF or SVG, like Fig. 3a-c (needs --corpus)")
    ] = None,
    word_cloud: Annotated[
        Path | None, typer.Option(help="another, of the types as words, like Fig. 1 (needs --corpus)")
    ] = None,
    table: Annotated[Path | None, typer.Option(help="a CSV file for the values as numbers, not rounded")] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="replace the CSV file")] = False,
) -> None:
    """Print the paper's table of the vocabulary with your values, and draw it."""
    from grover_hf.analysis.vocabulary.report import vocabulary_report
    from grover_hf.tokenization.kmer import MAX_K

    # The parser takes one value an option; what follows it, `--kmers 4 5 6`, comes as extra words.
    if unknown := [word for word in context.args if not word.isdecimal()]:
        raise InputError(f"vocabulary does not know {' '.join(unknown)}: see grover vocabulary --help.")
    if odd := [k for k in [*kmers, *map(int, context.args)] if not 1 <= k <= MAX_K]:
        raise InputError(f"--kmers has {odd[0]}; k-mer vocabularies go from 1 to {MAX_K}.")
    rows = vocabulary_report(
        merges, corpus, figure, [*kmers, *map(int, context.args)], word_cloud=word_cloud, table=table,
        overwrite=overwrite,
    )
    print_table(rows, ("quantity", "paper", "this vocabulary"))


def stability(
    genome: Annotated[Path, typer.Argument(help="a FASTA file, plain or gzip, to be resampled")],
    merges: Annotated[
        Path | None, typer.Option(help="a merges file or tokenizer folder to compare with; else the genome's own")
    ] = None,
    chromosomes: Chromosomes = "all",
    output: Annotated[Path | None, typer.Option(help="folder for the table and the figure")] = None,
    resamples: Annotated[int, typer.Option(min=1, help="how many")] = 20,
    block_bp: Annotated[int, typer.Option(min=1, help="bases that are drawn together")] = 100_000,
    seed: Annotated[int, typer.Option(min=0, help="seed of what is drawn")] = 0,
    overwrite: Overwrite = False,
) -> None:
    """Say how much of a vocabulary stays in resamples of its genome: the vocabulary is learnt from each."""
    from grover_hf.analysis.vocabulary.report import stability_report
    from grover_hf.genome import ReferenceGenome

    lines = stability_report(
        ReferenceGenome(genome, chosen_chromosomes(chromosomes)), merges, output, n_resamples=resamples,
        block_bp=block_bp, seed=seed, overwrite=overwrite,
    )
    print_table(lines, ("quantity", "the genome", "lowest", "median", "highest"))
