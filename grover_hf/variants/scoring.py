"""`grover score-variants`: scores of a model for each alternative allele of a VCF file or table.

LLR = log p(alternative) - log p(reference), in nats: higher is what the model finds more fitting. The mean of both
strands, or one of them. What has no score, on one of the strands asked for, is missing, never 0.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from grover_hf._internals.files import atomic_write, sha256_of_files
from grover_hf._internals.gathering import Gathered, join_lines, join_parquet
from grover_hf._internals.outputs import only_writer, require_not_an_input
from grover_hf._internals.partial import PartialArrays, remove_finished
from grover_hf._internals.progress import progress_bar
from grover_hf._internals.shards import Origin, Shard, ShardWritten, row_runs, write_shard
from grover_hf.corpus.strand_tokens import StrandTokens, strands_of
from grover_hf.errors import InputError
from grover_hf.genome import ReferenceGenome
from grover_hf.genome.acgt import base_codes
from grover_hf.inference.base_marginals import ALL, BOTH, LEFT, MaskGrid
from grover_hf.inference.dna_model import DnaModel
from grover_hf.inference.genome_models import class_key, classifier_like, encoder_of
from grover_hf.model import identity_of_model
from grover_hf.tokenization.encoding import Encoder
from grover_hf.variants.alleles import SNV, Alleles, Placed, checked_alleles, renamed
from grover_hf.variants.calibration import background, pentanucleotide_classes
from grover_hf.variants.files import (
    RECORDS_A_RUN,
    VariantFile,
    ending_of,
    join_packed,
    n_header_lines,
    read_variants,
    require_replaceable,
    require_writable_form,
    write_variants,
)
from grover_hf.variants.haplotype_scores import HaplotypeScorer
from grover_hf.variants.marginal_scores import TOKEN, MarginalScorer
from grover_hf.variants.predictors import ModelPredictor, Predictor, tables_of_genome

KIND = "variant scores"
_STRAND_NAMES = {"+": "plus", "-": "minus"}
_ALLELES_A_PART = 2_000
_FEWEST_CHANGED = 8
"""Tokens that a window must hold beside the neighbours; an allele that changes more has no such score there."""
_DERIVED = ("llr", "minus_llr", "abs_llr", "llr_left", "llr_both", "llr_token", "llr_calibrated")
Arrays = dict[str, NDArray[np.float64]]


@dataclass(frozen=True, kw_only=True)
class ScorePlan:
    """What to score, and how."""

    variants: Path
    """A VCF file, or a table with chrom, pos (from 1), ref, alt."""
    genome: Path
    """The FASTA file that its positions are of."""
    model: str
    """Folder of a masked language model whose tokenizer is one of ours, or its name on the Hub."""
    revision: str | None = None
    """Of the model on the Hub."""
    strands: str = "both"
    """both (the mean), + or -."""
    window_tokens: int | None = None
    """Tokens that the model reads at once; as many as it takes by default."""
    apart: int = 16
    """Tokens from one that is masked to the next in a window."""
    tables: bool = False
    """The same marginal from token frequency and from neighbour counts of this genome."""
    pll: bool = False
    """Pseudo-log-likelihoods of the sequence tokenized anew; for indels too."""
    embedding: bool = False
    """How far the vectors of both alleles lie apart."""
    neighbours: int = 8
    """Tokens on each side of those that differ which are scored or averaged too."""
    classifier: str | None = None
    """A fine-tuned classifier of the same vocabulary."""
    classifier_bp: int = 300
    """Bases around an allele that it reads."""
    calibrate: int = 0
    """Stretches of 1,500 bases whose single-base variants are the background; 0 for none."""
    rename: bool = False
    """Take chromosomes of the file for those of the genome that their names seem to mean: 1 for chr1. The output
    keeps the names of the file."""
    allow_mismatches: bool = False
    """Go on where more than 1 % of the references differ from the genome."""


@dataclass(frozen=True, kw_only=True)
class Scored:
    """What a run of `score_variants` did."""

    n_records: int
    kinds: dict[str, int]
    """Alleles of each kind, and of those left out for each reason."""
    n_scored: dict[str, int]
    """Alleles that have each score."""


def score_variants(
    plan: ScorePlan, output: Path, *, overwrite: bool = False, shard: Shard | None = None
) -> Scored | ShardWritten:
    """Write the variants of a file with their scores; a stopped run goes on from OUTPUT.partial.

    Memory: the text of the file a few times over, 1 kB an allele, and 2.5 bytes a base of the longest chromosome.

    Args:
        plan: What to score.
        output: .vcf, .vcf.gz, .parquet or .tsv.
        overwrite: Replace it if it is there.
        shard: Write this part alone; see `_internals.shards`. Runs of 10,000 records stay together.

    Raises:
        InputError: If a file or model cannot be used, or `output` may not be written.
    """
    require_not_an_input(output, [plan.variants, plan.genome, plan.model])
    if shard is not None:
        return _score_shard(plan, output, shard, overwrite=overwrite)
    with only_writer(output):
        remove_finished(output)
        require_replaceable(output, overwrite=overwrite)
        opened = _Opened.of(plan, output)
        return opened.write(output, 0, len(opened.file.records.chroms), overwrite=overwrite)


def _score_shard(plan: ScorePlan, output: Path, shard: Shard, *, overwrite: bool) -> ShardWritten:
    opened = _Opened.of(plan, output)
    runs = row_runs(len(opened.file.records.chroms), RECORDS_A_RUN)

    def write(path: Path, units: range) -> int:
        first, last = (runs[units.start].start, runs[units.stop - 1].stop) if units else (0, 0)
        return opened.write(path, first, last, overwrite=overwrite).n_records

    options = dict(opened.scorer.provenance)
    inputs = {"variants": opened.variants_sha256, "genome": options.pop("genome_sha256")}
    origin = Origin(
        kind=KIND, suffix=ending_of(output), inputs=inputs, vocabulary_sha256=options.pop("vocabulary_sha256"),
        options=options,
    )
    costs = [run.stop - run.start for run in runs]
    return write_shard(output, shard, origin, costs=costs, write=write, overwrite=overwrite)


@dataclass(frozen=True)
class _Opened:
    """All that a plan needs, read and checked."""

    scorer: "Scorer"
    file: VariantFile
    alleles: Alleles
    variants_sha256: str

    @classmethod
    def of(cls, plan: ScorePlan, output: Path) -> "_Opened":
        strands_of(plan.strands)
        file = read_variants(plan.variants)
        genome = ReferenceGenome(plan.genome)
        scorer = Scorer(plan, genome)
        require_writable_form(file, list(scorer.descriptions), output)
        records = renamed(file.records, genome) if plan.rename else file.records
        alleles = checked_alleles(records, genome, allow_mismatches=plan.allow_mismatches)
        return cls(scorer, file, alleles, sha256_of_files([plan.variants]))

    def write(self, path: Path, first: int, last: int, *, overwrite: bool) -> Scored:
        """Write a run of the records, from the parts that a stopped run has left."""
        some, alleles = self.file.part(first, last), self.alleles.of_records(first, last)
        scorer = self.scorer
        what = scorer.provenance | {"variants_sha256": self.variants_sha256}
        parts = PartialArrays(path, what, overwrite=overwrite)
        scores = scorer.scores(alleles, parts)
        parts.finish()
        write_variants(some, alleles, scores, scorer.descriptions, scorer.provenance, path)
        parts.remove()
        n_scored = {name: int(np.isfinite(values).sum()) for name, values in scores.items()}
        return Scored(n_records=last - first, kinds=alleles.counts(), n_scored=n_scored)


def join_shards(shards: Gathered, output: Path, *, overwrite: bool) -> None:
    """Write the file that shards of `score_variants` make, byte for byte that without shards."""
    require_not_an_input(output, [shards.folder])
    require_replaceable(output, overwrite=overwrite)
    ending = ending_of(output)
    with atomic_write(output) as beside:
        if ending == ".parquet":
            join_parquet(shards.paths, beside)
        elif ending == ".vcf.gz":
            join_packed(shards.paths, beside)
        else:
            n_lines = n_header_lines(shards.paths[0]) if ending == ".vcf" else 1
            join_lines(shards.paths, beside, n_header_lines=n_lines)


class Scorer:
    """All that a plan asks for, ready to score alleles.

    Args:
        plan: What to score.
        genome: The open genome.

    Raises:
        InputError: If a model cannot be used, or a number of the plan is out of its range.
    """

    def __init__(self, plan: ScorePlan, genome: ReferenceGenome) -> None:
        if plan.neighbours < 0 or plan.classifier_bp < 1 or plan.calibrate < 0:
            raise InputError(
                f"neighbours is {plan.neighbours}, classifier_bp {plan.classifier_bp}, calibrate "
                f"{plan.calibrate}; they are at least 0, 1 and 0."
            )
        self._plan = plan
        self._genome = genome
        self._dna = DnaModel.opened(plan.model, plan.revision)
        self._encoder: Encoder = encoder_of(self._dna, plan.model)
        grid = MaskGrid.for_model(self._dna, window_tokens=plan.window_tokens, apart=plan.apart)
        if (plan.pll or plan.embedding) and grid.window_tokens < 2 * plan.neighbours + _FEWEST_CHANGED:
            raise InputError(
                f"{plan.neighbours} neighbours on each side and {_FEWEST_CHANGED} tokens between do not fit into "
                f"{grid.window_tokens} window_tokens; take fewer neighbours or longer windows."
            )
        self._marginals = MarginalScorer(self._encoder)
        self._haplotypes = HaplotypeScorer(self._encoder, grid, plan.neighbours)
        self._predictors: dict[str, Predictor] = {"": ModelPredictor(self._dna, grid)}
        self._classifier = classifier_like(plan.classifier, self._encoder, plan.model) if plan.classifier else None
        if plan.tables:
            tables = tables_of_genome(plan.genome, self._encoder)
            self._predictors |= dict(zip(("frequency", "neighbours"), tables, strict=True))
        self._grid = grid

    @cached_property
    def provenance(self) -> dict[str, str]:
        """What the scores follow from, as text."""
        plan = self._plan
        identity = identity_of_model(plan.model, plan.revision)
        of_classifier = identity_of_model(plan.classifier, None) if plan.classifier else {}
        known = {
            "version": version("grover-hf"), "model": plan.model, "model_revision": identity["revision"],
            "model_sha256": identity["sha256"], "vocabulary_sha256": self._encoder.vocabulary_sha256,
            "genome": self._genome.path.name, "genome_sha256": self._genome.sha256(),
            "strands": plan.strands, "window_tokens": self._grid.window_tokens, "apart": self._grid.apart,
            "neighbours": plan.neighbours, "classifier": plan.classifier, "calibrate": plan.calibrate,
            "classifier_revision": of_classifier.get("revision"), "classifier_sha256": of_classifier.get("sha256"),
            "classifier_bp": plan.classifier_bp, "rename": plan.rename or None,
            "scores": ",".join(self.descriptions),
        }
        return {name: str(value) for name, value in known.items() if value is not None}

    @property
    def descriptions(self) -> dict[str, str]:
        """What each score is, by its name, in the order of the columns."""
        plan = self._plan
        where = f"natural logarithm, strand {plan.strands}"
        found = {
            "llr": f"log p(alt) - log p(ref) by base marginals over all tokens; {where}",
            "minus_llr": "-llr",
            "abs_llr": "absolute value of llr",
            "llr_left": f"as llr, over tokens that spell the reference before the variant; {where}",
            "llr_both": f"as llr, over tokens that spell the reference but for the variant; {where}",
            "llr_token": f"log P(token with alt) - log P(token with ref), token borders fixed; {where}",
        }
        if plan.calibrate:
            found["llr_calibrated"] = "llr less the mean of its pentanucleotide class in the genome"
        if plan.tables:
            found["llr_frequency"] = "llr by token frequency alone"
            found["llr_neighbours"] = "llr by counts of neighbouring tokens alone"
        if plan.pll:
            found["pll_per_base"] = f"pseudo-log-likelihood a base, tokenized anew, alt less ref; {where}"
            found["retokenization_per_base"] = "what of pll_per_base other token borders alone give"
        if plan.embedding:
            found["embedding_distance"] = "Euclidean distance of the mean vectors around both alleles"
        if self._classifier:
            for label in self._classifier.model.config.id2label.values():
                found[class_key(str(label))] = f"probability of class {label}, alt less ref".replace('"', "'")
        return found

    def scores(self, alleles: Alleles, parts: PartialArrays) -> Arrays:
        """Return the scores of alleles, by name, each (n,); NaN where there is none.

        Args:
            alleles: What to score; those of other kinds get none.
            parts: Where finished parts are put, and taken from.
        """
        strands = strands_of(self._plan.strands)
        sums = {name: np.where(alleles.scored, 0.0, np.nan) for name in self._computed}
        with progress_bar(total=int(alleles.scored.sum()) * len(strands), what="variants") as bar:
            for chrom, pieces in _pieces(alleles):
                for strand in strands:
                    tokens = None
                    for number, rows in pieces:
                        name = f"part-{number:05}-{_STRAND_NAMES[strand]}"
                        if name not in parts:
                            # Once a strand, and not at all where a stopped run has all of it.
                            tokens = tokens or self._strand(chrom, strand)
                            parts.save(name, self._of_strand(tokens, alleles.placed(rows)))
                        for key, values in parts.load(name).items():
                            sums[key][rows] += values / len(strands)
                        bar.update(len(rows))
        raw: Arrays = dict(sums)
        if self._plan.calibrate:
            raw["llr_calibrated"] = self._calibrated(alleles, raw[ALL], parts)
        raw |= {"llr": raw[ALL], "minus_llr": -raw[ALL], "abs_llr": np.abs(raw[ALL])}
        raw |= {f"llr_{name}": raw[name] for name in (LEFT, BOTH, TOKEN)}
        return {name: raw[name] for name in self.descriptions}

    def _strand(self, chrom: str, strand: str) -> StrandTokens:
        return StrandTokens.of(self._genome, chrom, self._encoder, strand)

    @property
    def _computed(self) -> list[str]:
        """Names of what is computed on each strand; the other scores follow from it."""
        return [ALL, LEFT, BOTH, TOKEN, *(name for name in self.descriptions if name not in _DERIVED)]

    def _of_strand(self, strand: StrandTokens, alleles: Placed) -> Arrays:
        """Return all scores of alleles, given on the forward strand, on one strand, by name, each (n,)."""
        if strand.strand == "-":
            alleles = alleles.reversed(strand.codes.size)
        found: Arrays = dict(self._marginals.scores(self._predictors[""], strand, alleles))
        for name in ("frequency", "neighbours"):
            if name in self._predictors:
                found[f"llr_{name}"] = self._marginals.scores(self._predictors[name], strand, alleles)[ALL]
        if self._plan.pll or self._plan.embedding:
            pairs = self._haplotypes.pairs(strand, alleles)
            if self._plan.pll:
                found |= self._haplotypes.log_likelihoods(self._dna, pairs)
            if self._plan.embedding:
                found["embedding_distance"] = self._haplotypes.embedding_distances(self._dna, pairs)
        if self._classifier:
            found |= self._haplotypes.class_differences(
                self._classifier, strand, alleles, self._plan.classifier_bp
            )
        return found

    def _calibrated(
        self, alleles: Alleles, llr: NDArray[np.float64], parts: PartialArrays
    ) -> NDArray[np.float64]:
        """Return LLRs less the mean of their classes."""
        if "background" not in parts:
            parts.save("background", {"means": background(self._genome, self._mean_llr, self._plan.calibrate)})
        means = parts.load("background")["means"]
        calibrated = np.full(len(alleles), np.nan)
        for chrom, rows in _by_chromosome(alleles, np.flatnonzero(alleles.kinds == SNV)):
            alts = base_codes("".join(alleles.alts[rows].tolist()))
            classes = pentanucleotide_classes(self._genome.codes(chrom), alleles.starts[rows], alts)
            calibrated[rows] = llr[rows] - np.where(classes >= 0, means[classes], np.nan)
        return calibrated

    def _mean_llr(self, chrom: str, alleles: Placed) -> NDArray[np.float64]:
        """Return the LLR of alleles of a chromosome, the mean of the strands, shape (n,)."""
        total = np.zeros(len(alleles.starts))
        for strand in strands_of(self._plan.strands):
            tokens = self._strand(chrom, strand)
            on_strand = alleles if strand == "+" else alleles.reversed(tokens.codes.size)
            total += self._marginals.scores(self._predictors[""], tokens, on_strand)[ALL]
        return total / len(strands_of(self._plan.strands))


def _by_chromosome(alleles: Alleles, rows: NDArray[np.int64]) -> list[tuple[str, NDArray[np.int64]]]:
    """Return each chromosome, by name, with its rows by place; one sort, however many contigs there are."""
    if not rows.size:
        return []
    codes, names = pd.factorize(alleles.chroms[rows], sort=True)
    order = np.lexsort((alleles.starts[rows], codes))
    borders = np.flatnonzero(np.diff(codes[order])) + 1
    return list(zip(names.tolist(), np.split(rows[order], borders), strict=True))


def _pieces(alleles: Alleles) -> Iterator[tuple[str, list[tuple[int, NDArray[np.int64]]]]]:
    """Yield each chromosome with the numbers and rows of its parts, by place: neighbours share windows."""
    number = 0
    for chrom, of_chrom in _by_chromosome(alleles, np.flatnonzero(alleles.scored)):
        parts = np.split(of_chrom, np.arange(_ALLELES_A_PART, len(of_chrom), _ALLELES_A_PART))
        yield chrom, list(enumerate(parts, number))
        number += len(parts)
