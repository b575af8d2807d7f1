"""`grover build`: a verb for each dataset."""

from pathlib import Path
from typing import Annotated, Any

import typer

from grover_hf.cli.options import Corpus, DatasetFolder, Overwrite, given
from grover_hf.cli.verbs import Verbs

build = typer.Typer(cls=Verbs, no_args_is_help=True, help="Make a dataset that load_dataset reads.")

Chain = Annotated[
    Path | None, typer.Option(help="a chain file, if the promoters are of another assembly than the genome")
]
Promoters = Annotated[Path, typer.Option(help="start sites: BED of 1 bp, or EPD's BED, SGA or FPS")]
Seed = Annotated[int, typer.Option(min=0, help="seed of the split, and of all else that is drawn")]
Tokenizer = Annotated[
    str | None, typer.Option(help="kmer-K, a tokenizer folder or a merges file, for token ids")
]


@build.callback()
def _require_own_packages() -> None:
    from grover_hf._internals.own_packages import require_own_packages

    require_own_packages()


@build.command("genome-windows")
def genome_windows(
    corpus: Annotated[
        list[str],
        typer.Option(help="a tokenized genome, made by grover tokenize; of several, each by a name: human=FOLDER"),
    ],
    output: DatasetFolder,
    weight: Annotated[
        list[str],
        typer.Option(help="human=1: the share of its train windows, beside the largest weight; 1 if not given"),
    ] = [],  # noqa: B006 - typer's way of options that may stand several times
    tilings: Annotated[int, typer.Option(min=1, help="how often the genome is cut")] = 1,
    split_by: Annotated[
        str, typer.Option(help="block: no test sequence is seen in training; or window, as in the paper")
    ] = "block",
    block_bp: Annotated[
        int | None, typer.Option(min=1, help="bases of a block; else 1,000,000, or less if the genome is small")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="seed of the window lengths and the split")] = 0,
    overwrite: Overwrite = False,
) -> None:
    """Cut tokenized genomes into windows for pretraining."""
    from dataset_builders.genome_windows.builder import plan

    made = plan(
        _one_or_named(corpus), tilings=tilings, seed=seed, split_by=split_by, block_bp=block_bp,
        weights=_weights(weight) or None,
    )
    _build(made, output, overwrite)


@build.command("next-kmer")
def next_kmer(
    genome: Annotated[Path, typer.Option(help="a FASTA file, plain or gzip")],
    tokenizer: Annotated[str, typer.Option(help="kmer-K, a tokenizer folder or a merges file")],
    output: DatasetFolder,
    k: Annotated[int, typer.Option(help="bases to predict, 2 to 6")] = 6,
    chromosomes: Annotated[str | None, typer.Option(help="names with commas between; else chr21")] = None,
    number: Annotated[
        int | None, typer.Option(min=1, help="pieces to draw, else 500,000; all if there are fewer")
    ] = None,
    right_aligned: Annotated[
        bool, typer.Option("--right-aligned", help="k-mers: drop first bases, so that no tail is left")
    ] = False,
    seed: Seed = 0,
    overwrite: Overwrite = False,
) -> None:
    """50 bases, and which k follow: the task that chooses the vocabulary."""
    from dataset_builders.next_kmer.builder import plan

    made = plan(
        genome, tokenizer, k=k, right_aligned=right_aligned, seed=seed,
        **given(chromosomes=chromosomes.split(",") if chromosomes else None, n_rows=number),
    )
    _build(made, output, overwrite)


@build.command("prom300")
def prom300(
    corpus: Corpus,
    promoters: Promoters,
    output: DatasetFolder,
    chain: Chain = None,
    sense: Annotated[bool, typer.Option("--sense", help='promoters of "-" as their reverse complement')] = False,
    retokenized: Annotated[
        bool, typer.Option("--retokenized", help="tokenize the shuffled sequences again: no leak")
    ] = False,
    shuffle_unit: Annotated[
        str | None, typer.Option(help="kmer-K, a tokenizer folder or a merges file; else the corpus's tokens")
    ] = None,
    split_by: Annotated[str, typer.Option(help="random (the paper's), promoter, or chromosome")] = "random",
    seed: Seed = 0,
    overwrite: Overwrite = False,
) -> None:
    """Promoters against the same promoters with shuffled tokens."""
    from dataset_builders.prom300.builder import plan

    made = plan(
        corpus, promoters, chain=chain, sense=sense, retokenized=retokenized, shuffle_unit=shuffle_unit,
        split_by=split_by, seed=seed,
    )
    _build(made, output, overwrite)


@build.command("promscan")
def promscan(
    corpus: Corpus,
    promoters: Promoters,
    output: DatasetFolder,
    chain: Chain = None,
    flank_bp: Annotated[
        int | None, typer.Option(help="bases of the region on each side of a start site; else 5,000")
    ] = None,
    split_by: Annotated[str, typer.Option(help="random, promoter, or chromosome")] = "random",
    seed: Seed = 0,
    overwrite: Overwrite = False,
) -> None:
    """Windows of 1,001 bp around start sites: which hold the site?"""
    from dataset_builders.promscan.builder import plan

    made = plan(corpus, promoters, chain=chain, split_by=split_by, seed=seed, **given(flank_bp=flank_bp))
    _build(made, output, overwrite)


@build.command("ctcf")
def ctcf(
    corpus: Corpus,
    peaks: Annotated[Path, typer.Option(help="ChIP-seq peaks, BED or narrowPeak")],
    output: DatasetFolder,
    motif: Annotated[Path | None, typer.Option(help="a motif to search for: JASPAR, raw counts or MEME")] = None,
    hits: Annotated[Path | None, typer.Option(help="instead of a motif: FIMO's table of its occurrences")] = None,
    ambiguous: Annotated[
        Path | None, typer.Option(help="less certain peaks: unbound motifs that meet one are left out")
    ] = None,
    p_value: Annotated[float | None, typer.Option(help="motifs of a smaller p-value; else 1e-4")] = None,
    background: Annotated[str, typer.Option(help="what p-values suppose: fimo (its default) or uniform")] = "fimo",
    max_hits: Annotated[int | None, typer.Option(min=1, help="use only so many, the best")] = None,
    split_by: Annotated[str, typer.Option(help="random (the paper's), locus, or chromosome")] = "random",
    seed: Seed = 0,
    overwrite: Overwrite = False,
) -> None:
    """Motifs of CTCF (or any factor): which are bound?"""
    from dataset_builders.ctcf.builder import plan

    made = plan(
        corpus, peaks, motif=motif, hits=hits, ambiguous=ambiguous, background=background, max_hits=max_hits,
        split_by=split_by, seed=seed, **given(p_value=p_value),
    )
    _build(made, output, overwrite)


@build.command("gue")
def gue(
    source: Annotated[Path, typer.Option(help="folder of GUE's CSV files, with tf/0/train.csv in it")],
    subset: Annotated[str, typer.Option(help="tf/0 ... tf/4, prom/prom_core_tata, ..., splice/reconstructed")],
    output: DatasetFolder,
    tokenizer: Tokenizer = None,
    overwrite: Overwrite = False,
) -> None:
    """Convert a human task of GUE, the benchmark of DNABERT-2, with its own splits."""
    from dataset_builders.gue.builder import plan

    _build(plan(source, subset, tokenizer=tokenizer), output, overwrite)


@build.command("nucleotide-transformer")
def nucleotide_transformer(
    source: Annotated[Path, typer.Option(help="folder with promoter_all/train.fna (or .parquet) and so on in it")],
    task: Annotated[str, typer.Option(help="promoter_all, enhancers, splice_sites_all, ...")],
    output: DatasetFolder,
    tokenizer: Tokenizer = None,
    seed: Seed = 0,
    overwrite: Overwrite = False,
) -> None:
    """Convert a human task of the Nucleotide Transformer, with its own test split."""
    from dataset_builders.nucleotide_transformer.builder import plan

    _build(plan(source, task, tokenizer=tokenizer, seed=seed), output, overwrite)


@build.command("traitgym")
def traitgym(
    source: Annotated[Path, typer.Option(help="folder with mendelian_traits_matched_9/test.parquet in it")],
    subset: Annotated[str, typer.Option(help="mendelian_traits, complex_traits, or one of them with _full")],
    output: DatasetFolder,
    overwrite: Overwrite = False,
) -> None:
    """Convert TraitGym: causal variants and matched controls, for `grover score-variants`."""
    from dataset_builders.traitgym.builder import plan

    _build(plan(source, subset), output, overwrite)


@build.command("classification")
def classification(
    table: Annotated[
        Path, typer.Option(help="BED with the label as name, or .tsv/.csv with chrom, start, end or with sequence")
    ],
    output: DatasetFolder,
    genome: Annotated[
        Path | None, typer.Option(help="a FASTA file for intervals; tokenized once, then kept in the cache")
    ] = None,
    corpus: Annotated[Path | None, typer.Option(help="instead of --genome: a tokenized genome")] = None,
    tokenizer: Annotated[
        str | None, typer.Option(help="with --genome, or for sequences: a tokenizer folder, merges file or kmer-K")
    ] = None,
    label_column: Annotated[str, typer.Option(help="column of the labels in a table with a header")] = "label",
    sense: Annotated[bool, typer.Option("--sense", help='intervals of "-" as their reverse complement')] = False,
    split_by: Annotated[str, typer.Option(help="random, locus, chromosome, or column (of the table)")] = "random",
    seed: Seed = 0,
    overwrite: Overwrite = False,
) -> None:
    """A task of your own: intervals or sequences with labels."""
    from dataset_builders.classification.builder import plan
    from grover_hf.corpus.tokenized_genome import TokenizedGenome
    from grover_hf.errors import InputError

    tokenized: TokenizedGenome | Path | None = corpus
    if genome is not None:
        if tokenizer is None or corpus is not None:
            raise InputError("With --genome goes --tokenizer; without, --corpus names a tokenized genome.")
        tokenized, tokenizer = TokenizedGenome.cached(genome, tokenizer), None
    made = plan(
        table, corpus=tokenized, tokenizer=tokenizer, label_column=label_column, sense=sense, split_by=split_by,
        seed=seed,
    )
    _build(made, output, overwrite)


def _one_or_named(corpora: list[str]) -> Path | dict[str, Path]:
    """Return the folder of a tokenized genome, or those of several by name."""
    if len(corpora) == 1 and ("=" not in corpora[0] or Path(corpora[0]).exists()):
        return Path(corpora[0])
    return {name: Path(folder) for name, folder in _pairs(corpora, "--corpus", "human=FOLDER").items()}


def _weights(words: list[str]) -> dict[str, float]:
    from grover_hf.errors import InputError

    weights = {}
    for name, word in _pairs(words, "--weight", "human=1").items():
        try:
            weights[name] = float(word)
        except ValueError:
            raise InputError(f"--weight {name}={word}: {word!r} is not a number.") from None
    return weights


def _pairs(words: list[str], option: str, example: str) -> dict[str, str]:
    """Return names and values of an option that may stand several times."""
    from grover_hf.errors import InputError

    pairs: dict[str, str] = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not (name and equals and value):
            raise InputError(f"{option} is {word}; of several genomes each has a name: {option} {example}.")
        if name in pairs:
            raise InputError(f"{option} names {name} twice.")
        pairs[name] = value
    return pairs


def _build(plan: Any, output: Path, overwrite: bool) -> None:
    from dataset_builders.build import prepare
    from grover_hf.corpus.facts import read_facts

    prepare(plan, output, overwrite=overwrite)
    facts = read_facts(output, plan.config)
    rows = ", ".join(f"{name} {n:,}" for name, n in facts.splits.items())
    print(f"{output}: {rows}; load_dataset({str(output)!r}, {plan.config!r})")
    if lost := {reason: n for reason, n in (facts.dropped or {}).items() if n}:
        print(f"not used, of {facts.n_given:,}: " + "; ".join(f"{reason} {n:,}" for reason, n in lost.items()))
