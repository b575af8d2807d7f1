"""The tokens of a region as its genome would have them, from a stretch of the FASTA file around it."""

from pathlib import Path

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

_FIRST_FLANK, _TIMES = 64, 4


def tokenize_region(
    genome: ReferenceGenome | str | Path, interval: Interval, tokenizer: Encoder | str | Path
) -> IntervalTokens:
    """Return every token that overlaps a region, as in the tokenized chromosome, without tokenizing that.

    As much of the genome around the region is read as proves its tokens, 64 bases on each side at first. Mostly
    that is enough; in long simple repeats more is read until it is, up to the next N or the chromosome's end,
    where segments begin and end. With k-mers, whose tokens count from the start of their segment, the whole
    chromosome is read.

    `bases_left` and `bases_right` of what is returned say how much decides them.

    Args:
        genome: An open genome, or a FASTA file.
        interval: The region; its strand is ignored, tokens are those of the forward strand.
        tokenizer: An encoder, a tokenizer folder, a merges file, or "kmer-K".

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
    """
    genome = genome if isinstance(genome, ReferenceGenome) else ReferenceGenome(genome)
    encoder = encoder_named(tokenizer) if isinstance(tokenizer, str | Path) else tokenizer
    if isinstance(encoder, KmerEncoder):
        return _kmers(genome, interval, encoder)
    if not isinstance(encoder, GenomeEncoder):
        raise InputError(f"{encoder!r} is no encoder of byte pairs or k-mers.")
    flanks = [_FIRST_FLANK, _FIRST_FLANK]
    while True:
        found = _with_flanks(genome, interval, encoder, *flanks)
        if not isinstance(found, int):
            return found
        flanks[0 if found == MORE_LEFT else 1] *= _TIMES


def _with_flanks(
    genome: ReferenceGenome, interval: Interval, encoder: GenomeEncoder, left: int, right: int
) -> IntervalTokens | int:
    """Return the tokens of a region by so many bases on each side, or which side has to be longer."""
    size = genome.sizes.get(interval.chrom, 0)
    first, last = max(0, interval.start - left), max(interval.end, min(size, interval.end + right))
    codes = base_codes(genome.fetch(Interval(interval.chrom, first, last)))
    low, high = interval.start - first, interval.end - first
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
        decide = fewest_bases(encoder, stretch, part, begins=begins, ends=ends)
        context = [max(known, more) for known, more in zip(context, decide, strict=True)]
    return _tokens(encoder, interval, np.concatenate(ids), np.concatenate(starts), context)


def _kmers(genome: ReferenceGenome, interval: Interval, encoder: KmerEncoder) -> IntervalTokens:
    ids, starts = [np.empty(0, np.uint16)], [np.empty(0, np.int64)]
    codes = genome.codes(interval.chrom)
    # Says whether it ends past the chromosome.
    genome.fetch(interval)
    context = [0, 0]
    for start, end in acgt_segments(codes).tolist():
        low, high = max(interval.start, start), min(interval.end, end)
        if low >= high:
            continue
        first, whole = (low - start) // encoder.k, (end - start) // encoder.k
        last = min(-(-(high - start) // encoder.k), whole)
        places = start + encoder.k * np.arange(first, last)
        ids.append(encoder.encode_segment(codes[start + first * encoder.k : start + last * encoder.k]))
        starts.append(places)
        # Where k-mers begin follows from where the segment does.
        context[0] = max(context[0], interval.start - start)
    return _tokens(encoder, interval, np.concatenate(ids), np.concatenate(starts), context)


def _tokens(
    encoder: Encoder, interval: Interval, input_ids: NDArray[np.uint16], starts: NDArray[np.int64],
    context: list[int],
) -> IntervalTokens:
    ends = starts + encoder.token_lengths[input_ids]
    return IntervalTokens(
        input_ids, starts, ends,
        partial_start=bool(starts.size and starts[0] < interval.start),
        partial_end=bool(ends.size and ends[-1] > interval.end),
        bases_left=context[0], bases_right=context[1], vocabulary_sha256=encoder.vocabulary_sha256,
    )
