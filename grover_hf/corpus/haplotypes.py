"""The tokens of a sequence with an alternative allele in it, as the genome would have them with it."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from grover_hf.corpus.strand_tokens import StrandTokens
from grover_hf.errors import InputError
from grover_hf.tokenization.bpe_context import PROVEN, tokens_of
from grover_hf.tokenization.bpe_encoding import GenomeEncoder
from grover_hf.tokenization.encoding import Encoder
from grover_hf.tokenization.kmer import KmerEncoder

_FIRST_FLANK, _TIMES = 64, 4


class Retokenized(NamedTuple):
    """Which tokens of a strand an allele replaces, and with which."""

    first: int
    """Number of the first token that is another, or ends elsewhere, with the allele."""
    last: int
    """Number of the token after the last."""
    input_ids: NDArray[np.uint16]
    """Those that take their place, shape (n,)."""


def retokenized(
    strand: StrandTokens, encoder: Encoder, start: int, n_ref: int, alt: NDArray[np.uint8]
) -> Retokenized | None:
    """Return the tokens that an allele changes; those before and behind stay as they are.

    Args:
        strand: The tokens without it.
        encoder: Their vocabulary.
        start: Its first base on the strand.
        n_ref: How many bases of the strand it replaces.
        alt: Base codes in their place, shape (n_alt,).

    Returns:
        None if it does not lie in one segment, or k-mers would be shifted up to the end of the segment.
    """
    segment = int(np.searchsorted(strand.segments[:, 0], start, side="right")) - 1
    if segment < 0 or start + max(n_ref, 1) > strand.segments[segment, 1]:
        return None
    if isinstance(encoder, KmerEncoder):
        return _kmers(strand, encoder, start, alt) if len(alt) == n_ref else None
    if not isinstance(encoder, GenomeEncoder):
        raise InputError(f"{encoder!r} is no encoder of byte pairs or k-mers.")
    segment_start, segment_end = strand.segments[segment].tolist()
    places = _all_places(strand.codes[segment_start:segment_end], start - segment_start, n_ref, alt)
    kept = segment_start + places[0], segment_start + places[1]
    flank = _FIRST_FLANK
    while True:
        low, high = max(segment_start, kept[0] - flank), min(segment_end, kept[1] + flank)
        changed = np.concatenate([strand.codes[kept[0] : start], alt, strand.codes[start + n_ref : kept[1]]])
        found = _with_flank(strand, encoder, segment, (low, *kept, high), changed)
        if found is not None:
            return found
        if (low, high) == (segment_start, segment_end):
            # Nothing of the segment stays: all its tokens are others.
            return _whole(strand, encoder, segment, start, n_ref, alt)
        flank *= _TIMES


def _with_flank(
    strand: StrandTokens, encoder: GenomeEncoder, segment: int, places: tuple[int, int, int, int],
    alt: NDArray[np.uint8],
) -> Retokenized | None:
    """Return what changes, if the flank from the first to the last place shows it."""
    low, start, end, high = places
    begins, ends = low == strand.segments[segment, 0], high == strand.segments[segment, 1]
    stretch = np.concatenate([strand.codes[low:start], alt, strand.codes[end:high]])
    if not stretch.size:
        return None
    # What is nearer to an end of the stretch than half a flank is seldom proven.
    part = (0 if begins else (start - low) // 2, stretch.size if ends else stretch.size - (high - end) // 2)
    proven = tokens_of(encoder, stretch, part, begins=begins, ends=ends)
    if proven.outcome != PROVEN:
        return None
    lengths = encoder.token_lengths[proven.input_ids].astype(np.int64)
    new_ends = low + proven.first + np.cumsum(lengths)
    new_starts = new_ends - lengths
    # Of the type of `starts`: else all of them are converted each time.
    first = int(np.searchsorted(strand.starts, np.uint32(new_starts[0])))
    # Behind the allele, positions are those of the strand, but for what it is longer.
    shift = alt.size - (end - start)
    last_numbers = strand.token_over(np.array([new_ends[-1] - 1 - shift]))
    last = int(last_numbers[0]) + 1
    old = np.arange(first, last)
    n_most = min(len(old), len(new_starts))
    same = (strand.starts[old[:n_most]] == new_starts[:n_most]) & (
        strand.input_ids[old[:n_most]] == proven.input_ids[:n_most]
    )
    same &= new_ends[:n_most] <= start
    n_before = n_most if same.all() else int(same.argmin())
    old_back, new_back = old[::-1][:n_most], slice(None, -n_most - 1, -1)
    same = (strand.ends_of(old_back) == new_ends[new_back] - shift) & (
        strand.input_ids[old_back] == proven.input_ids[new_back]
    )
    same &= new_starts[new_back] - shift >= end
    n_behind = min(n_most if same.all() else int(same.argmin()), n_most - n_before)
    if (n_before == 0 and not begins) or (n_behind == 0 and not ends):
        return None
    return Retokenized(first + n_before, last - n_behind, proven.input_ids[n_before : len(new_starts) - n_behind])


def _all_places(codes: NDArray[np.uint8], start: int, n_ref: int, alt: NDArray[np.uint8]) -> tuple[int, int]:
    """Return start and end of the bases in which the same insertion or deletion may be said to lie.

    In TTT the deletion of a T is the same anywhere; what is said of it must not depend on the place in the file,
    which differs between strands.

    Args:
        codes: Base codes of the segment.
        start: Where the allele stands in it.
        n_ref: Bases that it replaces.
        alt: Base codes in their place.
    """
    first, last = start, start + n_ref
    if n_ref and alt.size:
        return first, last
    unit = alt if alt.size else codes[first:last]
    n = 0
    while first > 0 and codes[first - 1] == unit[-1 - n % unit.size]:
        first, n = first - 1, n + 1
    n = 0
    while last < codes.size and codes[last] == unit[n % unit.size]:
        last, n = last + 1, n + 1
    return first, last


def _whole(
    strand: StrandTokens, encoder: Encoder, segment: int, start: int, n_ref: int, alt: NDArray[np.uint8]
) -> Retokenized:
    first, last = strand.segments[segment].tolist()
    codes = np.concatenate([strand.codes[first:start], alt, strand.codes[start + n_ref : last]])
    input_ids = encoder.encode_segment(codes) if codes.size else np.empty(0, np.uint16)
    first_token, last_token = strand.first_tokens[segment : segment + 2].tolist()
    return Retokenized(first_token, last_token, input_ids)


def _kmers(strand: StrandTokens, encoder: KmerEncoder, start: int, alt: NDArray[np.uint8]) -> Retokenized | None:
    tokens = strand.token_over(np.array([start, start + alt.size - 1]))
    if (tokens < 0).any():
        return None
    first, last = tokens.tolist()
    begin, end = int(strand.starts[first]), int(strand.ends_of(tokens[1:])[0])
    codes = strand.codes[begin:end].copy()
    codes[start - begin : start - begin + alt.size] = alt
    return Retokenized(first, last + 1, encoder.encode_segment(codes))
