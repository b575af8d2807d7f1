"""What a model gives for a genome: `grover embed`, `score-variants`, `tracks`."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from grover_hf.cli.options import Chromosomes, Overwrite, ShardText, chosen_chromosomes, chosen_shard
from grover_hf.cli.printing import print_shard


def embed(
    model: Annotated[str, typer.Option(help="folder of a model, or its name on the Hub")],
    output: Annotated[Path, typer.Option(help="folder for Parquet files, or an .h5ad file")],
    regions: Annotated[
        Path | None, typer.Argument(help="a BED file, a table with chrom, start, end; with no --genome, FASTA")
    ] = None,
    genome: Annotated[
        Path | None, typer.Option(help="a FASTA file, tokenized once, into the cache; or a tokenized genome")
    ] = None,
    bins: Annotated[bool, typer.Option("--bins", help="not regions: the genome in bins of 510 tokens")] = False,
    chromosomes: Chromosomes = "all",
    revision: Annotated[str | None, typer.Option(help="of the model on the Hub")] = None,
    layer: Annotated[int, typer.Option(help="0 is what enters the first layer, -1 what leaves the last")] = -1,
    pooling: Annotated[
        Literal["mean", "cls", "token"], typer.Option(help="mean of the tokens, or [CLS]; token: a row for each")
    ] = "mean",
    format_: Annotated[Literal["parquet", "h5ad"], typer.Option("--format", help="h5ad: AnnData")] = "parquet",
    allow_empty: Annotated[bool, typer.Option("--allow-empty", help="NaN for regions in N")] = False,
    skip_bad: Annotated[
        bool, typer.Option("--skip-bad", help="NaN for regions that the genome does not have; they are listed")
    ] = False,
    rows_a_part: Annotated[int, typer.Option(min=1, help="regions of a file; a stop loses no more")] = 5_000,
    shard: ShardText = None,
    overwrite: Overwrite = False,
) -> None:
    """Write a vector for each region, bin or sequence, from the genome's own tokens; a stopped run goes on."""
    from grover_hf.inference.embeddings.inputs import EmbeddingPlan
    from grover_hf.inference.embeddings.writing import Embedded, write_embeddings

    plan = EmbeddingPlan(
        regions=regions, genome=genome, bins=bins, chromosomes=chosen_chromosomes(chromosomes), model=model,
        revision=revision, layer=layer, pooling=pooling, allow_empty=allow_empty, skip_bad=skip_bad,
        rows_a_part=rows_a_part,
    )
    done = write_embeddings(plan, output, file_format=format_, overwrite=overwrite, shard=chosen_shard(shard))
    if not isinstance(done, Embedded):
        print_shard(done)
        return
    before = f", {done.n_before:,} of them before" if done.n_before else ""
    without = f"; {done.n_without:,} lie in N and have NaN" if done.n_without else ""
    without += f"; {done.n_outside:,} are not in the genome and have NaN" if done.n_outside else ""
    rows = f"{done.facts.n_regions:,} {done.facts.source}"
    print(f"{output}: {rows}{before}, {done.facts.dimensions} dimensions{without}")


def score_variants(
    variants: Annotated[Path, typer.Argument(help="a VCF file, or a table with chrom, pos, ref, alt")],
    genome: Annotated[Path, typer.Option(help="the FASTA file that positions are of")],
    model: Annotated[str, typer.Option(help="folder of a masked language model, or its name on the Hub")],
    output: Annotated[Path, typer.Option(help=".vcf, .vcf.gz, .parquet or .tsv")],
    revision: Annotated[str | None, typer.Option(help="of the model on the Hub")] = None,
    strands: Annotated[Literal["both", "+", "-"], typer.Option(help="both: the mean")] = "both",
    tables: Annotated[
        bool, typer.Option("--tables", help="beside it, what token frequency and neighbour counts say")
    ] = False,
    pll: Annotated[
        bool, typer.Option("--pll", help="pseudo-log-likelihoods, tokenized anew; for indels too; slow")
    ] = False,
    embedding: Annotated[bool, typer.Option("--embedding", help="how far vectors of both alleles differ")] = False,
    neighbours: Annotated[int, typer.Option(min=0, help="tokens around those that differ, for both")] = 8,
    classifier: Annotated[str | None, typer.Option(help="a fine-tuned classifier, for its classes")] = None,
    classifier_bp: Annotated[int, typer.Option(min=1, help="bases around an allele that it reads")] = 300,
    calibrate: Annotated[
        int, typer.Option(min=0, help="less the mean of the five bases, from so many stretches of 1,500 bp")
    ] = 0,
    window_tokens: Annotated[
        int | None, typer.Option(min=1, help="tokens read at once; fewer are faster (default: all that it takes)")
    ] = None,
    apart: Annotated[int, typer.Option(min=1, help="tokens between those that are masked together")] = 16,
    rename: Annotated[
        bool, typer.Option("--rename", help="take 1 for chr1 and the like, where the genome has no such name")
    ] = False,
    allow_mismatches: Annotated[
        bool, typer.Option("--allow-mismatches", help="go on if over 1 % of references differ from the genome")
    ] = False,
    shard: ShardText = None,
    overwrite: Overwrite = False,
) -> None:
    """Score variants by how likely a model finds both alleles; a stopped run goes on."""
    from grover_hf.variants.scoring import Scored, ScorePlan
    from grover_hf.variants.scoring import score_variants as score

    plan = ScorePlan(
        variants=variants, genome=genome, model=model, revision=revision, strands=strands, tables=tables, pll=pll,
        embedding=embedding, neighbours=neighbours, classifier=classifier, classifier_bp=classifier_bp,
        calibrate=calibrate, window_tokens=window_tokens, apart=apart, rename=rename,
        allow_mismatches=allow_mismatches,
    )
    done = score(plan, output, overwrite=overwrite, shard=chosen_shard(shard))
    if not isinstance(done, Scored):
        print_shard(done)
        return
    print(f"{output}: {done.n_records:,} records; alleles: {_counted(done.kinds)}; with {_counted(done.n_scored)}")


def tracks(
    genome: Annotated[Path, typer.Option(help="a FASTA file, plain or gzip")],
    model: Annotated[str, typer.Option(help="folder of a model, or its name on the Hub")],
    output: Annotated[Path, typer.Option(help="folder for the tracks and hub.txt")],
    revision: Annotated[str | None, typer.Option(help="of the model on the Hub")] = None,
    regions: Annotated[Path | None, typer.Option(help="a BED file (default: whole chromosomes)")] = None,
    chromosomes: Chromosomes = "all",
    likelihood: Annotated[bool, typer.Option(help="base marginals, surprisal, token probability")] = True,
    components: Annotated[int, typer.Option(min=0, help="so many principal components of token vectors")] = 0,
    classifier: Annotated[str | None, typer.Option(help="a fine-tuned classifier, for its classes")] = None,
    classifier_bp: Annotated[int, typer.Option(min=1, help="bases that it reads")] = 300,
    step_bp: Annotated[int, typer.Option(min=1, help="from one of its values to the next")] = 50,
    strands: Annotated[Literal["both", "+", "-"], typer.Option(help="of likelihoods; both: the mean")] = "both",
    window_tokens: Annotated[
        int | None, typer.Option(min=1, help="tokens read at once; fewer are faster (default: all that it takes)")
    ] = None,
    apart: Annotated[int, typer.Option(min=1, help="tokens between those that are masked together")] = 16,
    track_format: Annotated[Literal["bigwig", "bedgraph"], typer.Option("--format")] = "bigwig",
    assembly: Annotated[
        str | None, typer.Option(help="the genome's name in a browser, for hub.txt: hg19 (default: the file's)")
    ] = None,
    email: Annotated[str, typer.Option(help="for hub.txt")] = "nobody@example.org",
    shard: ShardText = None,
    overwrite: Overwrite = False,
) -> None:
    """Write what a model says along a genome as browser tracks; a stopped run goes on."""
    from grover_hf.tracks.writing import TrackPlan, TracksWritten, write_tracks

    plan = TrackPlan(
        genome=genome, model=model, revision=revision, regions=regions,
        chromosomes=chosen_chromosomes(chromosomes), likelihood=likelihood, components=components,
        classifier=classifier, classifier_bp=classifier_bp,
        step_bp=step_bp, strands=strands, window_tokens=window_tokens, apart=apart, track_format=track_format,
        assembly=assembly, email=email,
    )
    written = write_tracks(plan, output, overwrite=overwrite, shard=chosen_shard(shard))
    if not isinstance(written, TracksWritten):
        print_shard(written)
        return
    for name, n_values in written.n_values.items():
        mean = written.sums[name] / n_values if n_values else 0.0
        print(f"{output}: {name}, {n_values:,} bases, mean {mean:.4g}")


def _counted(numbers: dict[str, int]) -> str:
    return ", ".join(f"{name} {number:,}" for name, number in numbers.items()) or "none"
