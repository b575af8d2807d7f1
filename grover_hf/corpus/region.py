"""The tokens of a region as its genome would have them, from a stretch of the FASTA file around it."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from grover_hf.corpus.token_lookup import IntervalTokens
from grover_hf.errors import InputError
from grover_hf.genome import Interval, ReferenceGenome
from grover_hf.genome.acgt import acgt_segments, base_codes
from grover_hf.tokenization.bpe_context import MORE_LEFT, PROVEN, fewest_bases, tokens_of
from grover_hf.tokenization.bpe_encoding import GenomeEncoder
from grover_hf.tokenization.encoding import Encoder
from grover_hf.tokenization.export import encoder_named
from grover_hf.tokenization.kmer import KmerEncoder

Strand = Literal["+", "-"]

_FIRST_FLANK, _TIMES = 64, 4


def tokenize_region(
    genome: ReferenceGenome | str | Path, interval: Interval, tokenizer: Encoder | str | Path, *,
    strand: Strand = "+",
) -> IntervalTokens:
    """Return every token that overlaps a region, as in the tokenized chromosome, without tokenizing that.

    As much of the genome around the region is read as proves its tokens, 64 bases on each side at first. Mostly
    that is enough; in long simple repeats more is read until it is, up to the next N or the chromosome's end,
    where segments begin and end. With k-mers, whose tokens count from the start of their segment, the whole
    chromosome is read, once for each open genome.

    `bases_left` and `bases_right` of what is returned say how much decides them.

    The tokens of the reverse strand are those of the chromosome's reverse complement, another tokenization. They
    come in the order in which that is read, with the positions of the forward strand.

    Args:
        genome: An open genome, or a FASTA file.
        interval: The region; its own strand is ignored.
        tokenizer: An encoder, a tokenizer folder, a merges file, or "kmer-K".
        strand: The strand whose tokens are wanted.

    Raises:
        InputError: If the genome or the tokenizer cannot be used, or the region is not in the genome.

    Examples:
        >>> import tempfile
        >>> from grover_hf import train_bpe
        >>> from grover_hf.genome.synthetic import simulate_genome
        >>> folder = tempfile.TemporaryDirectory()
        >>> genome = ReferenceGenome(simulate_genome(f"{folder.name}/genome.fa", 200_000))
        >>> encoder = GenomeEncoder(train_bpe(genome, 100))
        >>> tokens = tokenize_region(genome, Interval("sim1", 20_000, 20_030), encoder)
        >>> bool(tokens.starts[0] <= 20_000 and 20_030 <= tokens.ends[-1])
        True
        >>> tokens = tokenize_region(genome, Interval("sim1", 20_000, 20_030), encoder, strand="-")
        >>> bool(tokens.starts[-1] <= 20_000 and 20_030 <= tokens.ends[0])
        True
    """
    genome, encoder = _opened(genome, tokenizer)
    return _tokenized(genome, interval, encoder, strand, measure=True)


def tokenize_each(
    genome: ReferenceGenome | str | Path, intervals: Iterable[Interval], tokenizer: Encoder | str | Path, *,
    strand: Strand = "+",
) -> Iterator[IntervalTokens]:
    """Yield the tokens of each of many regions, as `tokenize_region` does, without `bases_left` and `bases_right`.

    What decides the tokens is not searched for, which makes it about four times as fast.
    """
    genome, encoder = _opened(genome, tokenizer)
    for interval in intervals:
        yield _tokenized(genome, interval, encoder, strand, measure=False)


def _opened(
    genome: ReferenceGenome | str | Path, tokenizer: Encoder | str | Path
) -> tuple[ReferenceGenome, GenomeEncoder | KmerEncoder]:
    genome = genome if isinstance(genome, ReferenceGenome) else ReferenceGenome(genome)
    encoder = encoder_named(tokenizer)
    if not isinstance(encoder, GenomeEncoder | KmerEncoder):
        raise InputError(f"{encoder!r} is no encoder of byte pairs or k-mers.")
    return genome, encoder


class _StrandOfChromosome(NamedTuple):
    """A chromosome as one of its strands is read: of the reverse one, position 0 is the chromosome's last base."""

    genome: ReferenceGenome
    chrom: str
    strand: Strand

    @property
    def size(self) -> int:
        return self.genome.sizes[self.chrom]

    def turned(self, start: int, end: int) -> tuple[int, int]:
        """Turn positions of the strand into those of the forward strand, or back."""
        return (start, end) if self.strand == "+" else (self.size - end, self.size - start)

    def codes(self, start: int, end: int) -> NDArray[np.uint8]:
        return base_codes(self.genome.fetch(Interval(self.chrom, *self.turned(start, end), self.strand)))

    def segments(self) -> NDArray[np.int64]:
        of_forward = self.genome.segments(self.chrom)
        return of_forward if self.strand == "+" else self.size - of_forward[::-1, ::-1]


class _Found(NamedTuple):
    """Tokens in the positions of their strand."""

    input_ids: NDArray[np.uint16]
    starts: NDArray[np.int64]
    bases_before: int
    bases_after: int


def _tokenized(
    genome: ReferenceGenome, interval: Interval, encoder: GenomeEncoder | KmerEncoder, strand: Strand, *,
    measure: bool,
) -> IntervalTokens:
    if strand not in ("+", "-"):
        raise InputError(f"strand is {strand!r}; it is '+' or '-'.")
    genome.require(interval)
    chromosome = _StrandOfChromosome(genome, interval.chrom, strand)
    region = chromosome.turned(interval.start, interval.end)
    if isinstance(encoder, KmerEncoder):
        found = _kmers(chromosome, region, encoder)
    else:
        found = _byte_pairs(chromosome, region, encoder, measure=measure)
    starts, ends = found.starts, found.starts + encoder.token_lengths[found.input_ids]
    decide: tuple[int | None, int | None] = (found.bases_before, found.bases_after) if measure else (None, None)
    if strand == "-":
        starts, ends = chromosome.size - ends, chromosome.size - starts
        decide = decide[::-1]
    return IntervalTokens(
        found.input_ids, starts, ends,
        partial_start=bool((starts < interval.start).any()), partial_end=bool((ends > interval.end).any()),
        bases_left=decide[0], bases_right=decide[1], vocabulary_sha256=encoder.vocabulary_sha256, strand=strand,
    )


def _byte_pairs(
    chromosome: _StrandOfChromosome, region: tuple[int, int], encoder: GenomeEncoder, *, measure: bool
) -> _Found:
    flanks = [_FIRST_FLANK, _FIRST_FLANK]
    while True:
        found = _with_flanks(chromosome, region, encoder, *flanks, measure=measure)
        if not isinstance(found, int):
            return found
        flanks[0 if found == MORE_LEFT else 1] *= _TIMES


def _with_flanks(
    chromosome: _StrandOfChromosome, region: tuple[int, int], encoder: GenomeEncoder, left: int, right: int, *,
    measure: bool,
) -> _Found | int:
    """Return the tokens of a region by so many bases on each side, or which side has to be longer."""
    size = chromosome.size
    first, last = max(0, region[0] - left), min(size, region[1] + right)
    codes = chromosome.codes(first, last)
    low, high = region[0] - first, region[1] - first
    ids, starts = [np.empty(0, np.uint16)], [np.empty(0, np.int64)]
    context = [0, 0]
    for run in acgt_segments(codes).tolist():
        part = max(low, run[0]) - run[0], min(high, run[1]) - run[0]
        if part[0] >= part[1]:
            continue
        stretch = codes[run[0] : run[1]]
        begins, ends = run[0] > 0 or first == 0, run[1] < codes.size or last == size
        proven = tokens_of(encoder, stretch, part, begins=begins, ends=ends)
        if proven.outcome != PROVEN:
            return proven.outcome
        lengths = encoder.token_lengths[proven.input_ids].astype(np.int64)
        ids.append(proven.input_ids)
        starts.append(first + run[0] + proven.first + np.cumsum(lengths) - lengths)
        if measure:
            decide = fewest_bases(encoder, stretch, part, begins=begins, ends=ends)
            context = [max(known, more) for known, more in zip(context, decide, strict=True)]
    return _Found(np.concatenate(ids), np.concatenate(starts), *context)


def _kmers(chromosome: _StrandOfChromosome, region: tuple[int, int], encoder: KmerEncoder) -> _Found:
    ids, starts = [np.empty(0, np.uint16)], [np.empty(0, np.int64)]
    bases_before, k = 0, encoder.k
    segments = chromosome.segments()
    overlapping = slice(
        np.searchsorted(segments[:, 1], region[0], side="right"), np.searchsorted(segments[:, 0], region[1])
    )
    for start, end in segments[overlapping].tolist() if region[0] < region[1] else []:
        first = (max(region[0], start) - start) // k
        last = min(-(-(min(region[1], end) - start) // k), (end - start) // k)
        if first < last:
            ids.append(encoder.encode_segment(chromosome.codes(start + first * k, start + last * k)))
            starts.append(start + k * np.arange(first, last))
        # Where k-mers begin follows from where the segment does.
        bases_before = max(bases_before, region[0] - start)
    return _Found(np.concatenate(ids), np.concatenate(starts), bases_before, 0)
