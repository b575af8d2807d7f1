"""`TokenizedGenome`: a genome as token ids in a memory-mapped folder, with true coordinates.

    corpus.json      format, names, sizes and digests
    ids.uint16       all token ids, little-endian, segment after segment
    segments.npy     int64 (n_segments, 4): chromosome number, start, end, first token
    anchors.npy      int64: genome position of every 128th token
    soft_masked.bits a bit a token, of genomes with lower case: most of its bases are (`soft_mask`)
    tokenizer/       the tokenizer, as AutoTokenizer loads it

Only A, C, G and T belong to tokens: N, and with k-mers the tail of a segment, belong to none.
Tokens are those of the forward strand.
"""

import hashlib
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from grover_hf._internals.files import atomic_folder, cache_dir, file_key, sha256_of_files
from grover_hf._internals.outputs import only_writer, require_writable
from grover_hf._internals.progress import progress_bar
from grover_hf.corpus.corpus_facts import (
    CORPUS_FILE,
    FORMAT,
    Chromosome,
    CorpusFacts,
    GenomeFacts,
    Organism,
    read_corpus_facts,
    write_corpus_facts,
)
from grover_hf.corpus.soft_mask import SOFT_MASK_FILE, BitWriter, mostly_covered, n_bytes, unpacked
from grover_hf.corpus.token_lookup import (
    IntervalTokens,
    TokenLookup,
    TokensOfEach,
    anchor_offsets,
    gather_tokens,
    unsound_arrays,
)
from grover_hf.errors import InputError, shorten
from grover_hf.genome.acgt import NOT_ACGT, acgt_segments, base_codes
from grover_hf.genome.chromosome_names import require_chromosome
from grover_hf.genome.intervals import Interval
from grover_hf.genome.reference import ReferenceGenome, update_genome_digest
from grover_hf.tokenization.encoding import Encoder
from grover_hf.tokenization.export import TOKENIZER_FILES, encoder_named, load_encoder, save_tokenizer
from grover_hf.tokenization.identity import require_same_vocabulary
from grover_hf.tokenization.special_tokens import UNK_ID
from grover_hf.tokenization.vocabulary import spelled

_BASES_A_TASK = 1 << 20
_SEGMENTS_A_TASK = 4_096
_TASKS_A_THREAD = 4
"""What threads are given at once: a million short segments must not wait in memory all together."""
ARRAYS = ("ids.uint16", "segments.npy", "anchors.npy")
"""The files beside `corpus.json`, and the folder `tokenizer`."""
CONTENTS = (*ARRAYS, SOFT_MASK_FILE, "tokenizer", *(f"tokenizer/{name}" for name in TOKENIZER_FILES))


@dataclass(frozen=True, eq=False, repr=False)
class TokenizedGenome:
    """A tokenized genome on disk; make one with `build`, read one with `open`.

    Examples:
        >>> from grover_hf import Interval, TokenizedGenome
        >>> corpus = TokenizedGenome.open("quickstart/corpus")
        >>> tokens = corpus.tokens_in(Interval("sim1", 500_000, 500_020))
        >>> [corpus.encoder.tokens[i] for i in tokens.input_ids]
        ['CCCTG', 'CTAACTC', 'TTGCC', 'TTAGTC']
        >>> tokens.starts.tolist()
        [500000, 500005, 500012, 500017]
        >>> tokens.partial_end    # the last token ends after the interval
        True
    """

    path: Path
    facts: CorpusFacts
    encoder: Encoder
    input_ids: NDArray[np.uint16]
    """All token ids, shape (n_tokens,), memory-mapped."""
    segments: NDArray[np.int64]
    """Chromosome number, start, end, first token of each segment, shape (n_segments, 4)."""
    anchors: NDArray[np.int64]
    soft_mask: NDArray[np.uint8] | None
    """A bit a token, memory-mapped; None where no lower case is known."""

    def __repr__(self) -> str:
        """Say where it is, and how much is in it."""
        n_bases, n_tokens = sum(self.sizes.values()), self.input_ids.size
        return (
            f"TokenizedGenome({str(self.path)!r}, {shorten(self.chromosomes, 3)}; {n_bases:,} bases, "
            f"{n_tokens:,} tokens of {self.encoder.name})"
        )

    @property
    def shown(self) -> str:
        """What it is called in messages: its folder; the name of its FASTA file where that is in the cache."""
        return self.facts.genome.name if cache_dir() in self.path.parents else str(self.path)

    @cached_property
    def chromosomes(self) -> list[str]:
        """Names of the chromosomes, in the order of their numbers."""
        return [chromosome.name for chromosome in self.facts.chromosomes]

    @cached_property
    def sizes(self) -> dict[str, int]:
        """Size of each chromosome in bp, by name."""
        return {chromosome.name: chromosome.size for chromosome in self.facts.chromosomes}

    @property
    def vocabulary_sha256(self) -> str:
        """The digest of the vocabulary that the ids belong to."""
        return self.facts.vocabulary_sha256

    @classmethod
    def build(
        cls, genome: ReferenceGenome, encoder: Encoder, path: str | Path, *, overwrite: bool = False,
        n_threads: int = 2, organism: Organism | None = None,
    ) -> "TokenizedGenome":
        """Tokenize a genome, chromosome by chromosome, into a new folder.

        Memory: about 2 bytes a base of the longest chromosome, and 5 bytes a base of the longest
        segment for each thread.

        Args:
            genome: The genome; those of its chromosomes that were chosen.
            encoder: The tokenizer.
            path: The new folder.
            overwrite: Replace a tokenized genome that is there.
            n_threads: Segments that are tokenized at once.
            organism: Whose genome it is, for the cards of all that is made from it.

        Raises:
            InputError: If `path` exists and may not be replaced, or there is no A, C, G or T.
        """
        path = Path(path)
        require_writable(path, overwrite=overwrite, marker=CORPUS_FILE, contents=CONTENTS)
        with only_writer(path):
            _write_corpus(genome, encoder, path, n_threads, organism)
        return cls.open(path)

    @classmethod
    def open(cls, path: str | Path, tokenizer: Encoder | None = None) -> "TokenizedGenome":
        """Open a tokenized genome; nothing but its index is read.

        Args:
            path: The folder.
            tokenizer: If given, the vocabulary that the ids must belong to.

        Raises:
            InputError: If the folder is not a tokenized genome, is incomplete, or has another
                vocabulary than `tokenizer`.
        """
        path = Path(path)
        facts = read_corpus_facts(path)
        ids_path = path / "ids.uint16"
        if not ids_path.exists() or ids_path.stat().st_size != 2 * facts.n_tokens:
            raise InputError(f"{ids_path} does not hold {facts.n_tokens} tokens: it is incomplete.")
        encoder = load_encoder(path / "tokenizer")
        have = facts.vocabulary_sha256
        require_same_vocabulary(have, encoder.vocabulary_sha256, what=str(path), other=f"{path}/tokenizer")
        if tokenizer is not None:
            require_same_vocabulary(
                have, tokenizer.vocabulary_sha256, what=str(path), other=f"the tokenizer {tokenizer.name}"
            )
        try:
            segments, anchors = (
                np.load(path / f"{name}.npy", allow_pickle=False, mmap_mode="r").view(np.ndarray)
                for name in ("segments", "anchors")
            )
        except Exception as error:
            # Damaged headers make numpy raise whatever it meets.
            raise InputError(f"{path} is damaged ({error}); make it again with `grover tokenize`.") from None
        if len({chromosome.name for chromosome in facts.chromosomes}) < len(facts.chromosomes):
            raise InputError(f"{path} is damaged: two chromosomes have one name; make it again.")
        sizes = np.array([chromosome.size for chromosome in facts.chromosomes], float)
        if wrong := unsound_arrays(segments, anchors, sizes, facts.n_tokens):
            raise InputError(f"{path} is damaged (it has {wrong}); make it again with `grover tokenize`.")
        soft_mask = None
        if facts.n_soft_masked is not None:
            mask_path = path / SOFT_MASK_FILE
            if not mask_path.exists() or mask_path.stat().st_size != n_bytes(facts.n_tokens):
                raise InputError(f"{mask_path} does not hold {facts.n_tokens} bits: it is incomplete.")
            soft_mask = np.memmap(mask_path, np.uint8, "r")
        return cls(path, facts, encoder, np.memmap(ids_path, "<u2", "r"), segments, anchors, soft_mask)

    def require_whole(self) -> None:
        """Raise `InputError` if the arrays are not those that the folder was made with; reads them all."""
        sound = sha256_of_files([self.path / name for name in ARRAYS]) == self.facts.sha256
        if self.soft_mask is not None:
            sound &= sha256_of_files([self.path / SOFT_MASK_FILE]) == self.facts.soft_masked_sha256
        if not sound:
            raise InputError(f"{self.path}: its tokens are damaged or were changed; make it again.")

    @classmethod
    def cached(cls, genome: str | Path, tokenizer: Encoder | str | Path) -> "TokenizedGenome":
        """Return a FASTA file tokenized, from the cache if it was tokenized before.

        Args:
            genome: The file.
            tokenizer: An encoder, a tokenizer folder, a merges file, or "kmer-K".

        Raises:
            InputError: If the FASTA file or the tokenizer cannot be used.
        """
        encoder = encoder_named(tokenizer)
        key = f"{FORMAT}-{file_key(Path(genome))}-{encoder.vocabulary_sha256[:16]}"
        path = cache_dir() / "corpora" / key
        with only_writer(path, wait=True):
            try:
                return cls.open(path, encoder)
            except InputError:
                # It is not there, or was damaged: the cache may be emptied at any time.
                _write_corpus(ReferenceGenome(genome), encoder, path, n_threads=2, organism=None)
        return cls.open(path, encoder)

    def tokens_in(self, interval: Interval, *, inside: bool = False) -> IntervalTokens:
        """Return every token that overlaps an interval, as tokenized in the genome's context.

        Args:
            interval: Where to look; its strand is ignored. `tokenize_region` has the reverse strand's tokens.
            inside: Drop tokens that reach out of the interval.

        Raises:
            InputError: If the chromosome is unknown or the interval ends past it.
        """
        segments = np.arange(*self._segments_overlapping(interval))
        starts, ends = (np.full(segments.size, at) for at in (interval.start, interval.end))
        ranges = self._lookup.ranges(segments, starts, ends)
        input_ids = np.concatenate(
            [np.empty(0, np.uint16), *(self.input_ids[a:b] for a, b in ranges[:, :2].tolist())]
        )
        self.require_known(input_ids)
        lengths = self.encoder.token_lengths[input_ids].astype(np.int64)
        n_tokens = ranges[:, 1] - ranges[:, 0]
        before = np.cumsum(lengths) - lengths
        first = np.cumsum(n_tokens) - n_tokens
        some = n_tokens > 0
        starts = before + np.repeat(ranges[some, 2] - before[first[some]], n_tokens[some])
        ends = starts + lengths
        partial_start = bool(starts.size and starts[0] < interval.start)
        partial_end = bool(ends.size and ends[-1] > interval.end)
        tokens = IntervalTokens(input_ids, starts, ends, partial_start, partial_end, self.vocabulary_sha256)
        return tokens.inside(interval) if inside else tokens

    def tokens_in_each(
        self, chroms: Sequence[str] | NDArray[Any], starts: NDArray[np.integer], ends: NDArray[np.integer]
    ) -> TokensOfEach:
        """Return the tokens that overlap each of many intervals, as `tokens_in` would one by one.

        Args:
            chroms: Names of chromosomes, shape (n,).
            starts: Starts of intervals, shape (n,).
            ends: Ends of intervals, shape (n,).

        Raises:
            InputError: If the tokens of no single segment cover an interval (see `segments_holding`).
        """
        segments = self.segments_holding(chroms, starts, ends)
        if (segments < 0).any():
            at = int(np.argmin(segments))
            raise InputError(
                f"{chroms[at]}:{starts[at]}-{ends[at]} is not covered by the tokens of one segment of "
                f"{self.shown}."
            )
        ranges = self._lookup.ranges(segments, starts, ends)
        n_tokens = ranges[:, 1] - ranges[:, 0]
        offsets = np.concatenate([[0], np.cumsum(n_tokens)])
        input_ids = gather_tokens(self.input_ids.view(np.ndarray), ranges, np.empty(offsets[-1], np.uint16))
        self.require_known(input_ids)
        return TokensOfEach(input_ids, offsets, ranges[:, 2], ranges[:, 3])

    def segments_holding(
        self, chroms: Sequence[str] | NDArray[Any], starts: NDArray[np.integer], ends: NDArray[np.integer]
    ) -> NDArray[np.int64]:
        """Return the segment whose tokens cover each interval whole, shape (n,); -1 where none do."""
        codes, names = pd.factorize(np.asarray(chroms, object))
        chrom_of = np.array([self._numbers.get(name, -1) for name in names], np.int64)[codes]
        holding = np.full(len(chrom_of), -1, np.int64)
        covered_ends = self._lookup.covered_ends if self.facts.n_tail_bases else self.segments[:, 2]
        in_order = np.argsort(chrom_of, kind="stable")
        borders = np.flatnonzero(np.diff(chrom_of[in_order])) + 1
        for rows in np.split(in_order, borders):
            if not rows.size or chrom_of[rows[0]] < 0:
                continue
            first, last = self._segments_of(chrom_of[rows[0]])
            if first == last:
                continue
            before = np.searchsorted(self.segments[first:last, 1], starts[rows], side="right") - 1
            held = (before >= 0) & (ends[rows] <= covered_ends[first:last][before])
            holding[rows[held]] = first + before[held]
        return holding

    def codes(self, chrom: str) -> NDArray[np.uint8]:
        """Return the base codes of a whole chromosome, shape (size,), uint8; 4 where no token is.

        Raises:
            InputError: If the chromosome is unknown.
        """
        self._segments_overlapping(Interval(chrom, 0, 0))
        codes = np.full(self.sizes[chrom], NOT_ACGT, np.uint8)
        for segment in range(*self._segments_of(self._numbers[chrom])):
            input_ids, (_, start, end, _) = self.segment_ids(segment), self.segments[segment].tolist()
            self.require_known(input_ids)
            letters = spelled(self.encoder.tokens, input_ids)
            if letters.size > end - start:
                raise InputError(f"{self.path} is damaged: {chrom}:{start}-{end} has {letters.size} bases.")
            codes[start : start + letters.size] = base_codes(letters.tobytes())
        return codes

    def require_known(self, input_ids: NDArray[np.uint16]) -> None:
        """Raise `InputError` if ids are none of the vocabulary's."""
        if input_ids.max(initial=0) >= len(self.encoder.tokens):
            raise InputError(f"{self.path}: its tokens are damaged or were changed; make it again.")

    def segment_ids(self, segment: int) -> NDArray[np.uint16]:
        """Return the ids of a segment, memory-mapped."""
        return self.input_ids[self._lookup.first_tokens[segment] : self._lookup.first_tokens[segment + 1]]

    def soft_masked(self, first: int, last: int) -> NDArray[np.bool_]:
        """Return which tokens from number `first` to `last`, exclusive, are mostly in lower case, shape (n,).

        Raises:
            InputError: If no lower case is known.
        """
        if self.soft_mask is None:
            raise InputError(f"{self.path} does not say what is lower case in its genome, or nothing is.")
        return unpacked(self.soft_mask, first, last)

    def starts_of(self, segment: int, tokens: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the genome positions where tokens of a segment start; see `TokenLookup.starts_of`."""
        return self._lookup.starts_of(segment, tokens)

    @cached_property
    def _lookup(self) -> TokenLookup:
        return TokenLookup(self.input_ids, self.encoder.token_lengths, self.segments, self.anchors)

    @cached_property
    def _numbers(self) -> dict[str, int]:
        return {name: number for number, name in enumerate(self.chromosomes)}

    def _segments_of(self, number: int) -> tuple[int, int]:
        """Return the first segment of a chromosome and the one after its last."""
        first, last = np.searchsorted(self.segments[:, 0], [number, number + 1]).tolist()
        return first, last

    def _segments_overlapping(self, interval: Interval) -> tuple[int, int]:
        sizes = self.sizes
        require_chromosome(interval.chrom, sizes, self.shown)
        if interval.end > sizes[interval.chrom]:
            raise InputError(f"{interval} ends past {interval.chrom}, which has {sizes[interval.chrom]} bp.")
        first, last = self._segments_of(self._numbers[interval.chrom])
        starts, ends = self.segments[first:last, 1], self.segments[first:last, 2]
        if not len(interval):
            return 0, 0
        return (
            int(first + np.searchsorted(ends, interval.start, side="right")),
            int(first + np.searchsorted(starts, interval.end, side="left")),
        )


def _write_corpus(
    genome: ReferenceGenome, encoder: Encoder, path: Path, n_threads: int, organism: Organism | None
) -> None:
    """Tokenize a genome into a folder, which replaces one that is there."""
    with atomic_folder(path) as beside:
        facts = write_arrays(genome, encoder, beside, n_threads)
        known = None if organism == Organism() else organism
        write_corpus_facts(beside, replace(facts, genome=replace(facts.genome, organism=known)))


def write_arrays(
    genome: ReferenceGenome, encoder: Encoder, folder: Path, n_threads: int, *, may_be_empty: bool = False
) -> CorpusFacts:
    """Write arrays and tokenizer; return what they are.

    Raises:
        InputError: If there is no token, unless there may be none: in one of many parts of a genome.
    """
    digest = hashlib.sha256()
    rows: list[tuple[int, int, int, int]] = []
    anchors: list[NDArray[np.int64]] = []
    n_tokens = n_bases = n_tail_bases = 0
    bar = progress_bar(total=sum(genome.sizes.values()), what="tokenizing", unit="bp", scale=True)
    with (
        bar, open(folder / "ids.uint16", "wb") as out, open(folder / SOFT_MASK_FILE, "wb") as bits,
        ThreadPoolExecutor(n_threads) as threads,
    ):
        soft_mask = BitWriter(bits)
        for number, chrom in enumerate(genome.chromosomes):
            codes, lower_case = genome.codes_and_case(chrom)
            update_genome_digest(digest, chrom, codes)
            spans = acgt_segments(codes)
            encoded = _encoded(threads, _TASKS_A_THREAD * n_threads, encoder, codes, spans)
            for (start, end), input_ids in zip(spans.tolist(), encoded, strict=True):
                if input_ids[-1] == UNK_ID:
                    input_ids = input_ids[:-1]
                lengths = encoder.token_lengths[input_ids]
                n_bases += end - start
                n_tail_bases += end - start - int(lengths.sum(dtype=np.int64))
                if not input_ids.size:
                    continue
                rows.append((number, start, end, n_tokens))
                soft_mask.add(mostly_covered(start, lengths, lower_case))
                offsets = anchor_offsets(lengths, n_tokens)
                if offsets.size:
                    anchors.append(start + offsets)
                out.write(input_ids.astype("<u2", copy=False).data)
                n_tokens += input_ids.size
            bar.update(codes.size)
        soft_mask.finish()
    if not soft_mask.n_true:
        (folder / SOFT_MASK_FILE).unlink()
    if not n_tokens and not may_be_empty:
        raise InputError(f"{genome.path} has no A, C, G or T in {shorten(genome.chromosomes)}.")
    np.save(folder / "segments.npy", np.array(rows, np.int64).reshape(-1, 4))
    np.save(folder / "anchors.npy", np.concatenate([np.empty(0, np.int64), *anchors]))
    save_tokenizer(encoder, folder / "tokenizer")
    return CorpusFacts(
        format=FORMAT,
        tokenizer=encoder.name,
        vocabulary_sha256=encoder.vocabulary_sha256,
        genome=GenomeFacts(name=genome.path.name, sha256=digest.hexdigest()),
        chromosomes=tuple(Chromosome(name=name, size=size) for name, size in genome.sizes.items()),
        n_tokens=n_tokens,
        n_bases=n_bases,
        n_tail_bases=n_tail_bases,
        n_ambiguous=sum(genome.n_ambiguous.values()),
        sha256=sha256_of_files([folder / name for name in ARRAYS]),
        n_soft_masked=soft_mask.n_true or None,
        soft_masked_sha256=sha256_of_files([folder / SOFT_MASK_FILE]) if soft_mask.n_true else None,
    )


def _encoded(
    threads: ThreadPoolExecutor, n_tasks: int, encoder: Encoder, codes: NDArray[np.uint8], spans: NDArray[np.int64]
) -> Iterator[NDArray[np.uint16]]:
    """Yield the ids of each segment, in order, with a bounded number of tasks under way."""

    def encode(first: int, last: int) -> list[NDArray[np.uint16]]:
        return [encoder.encode_segment(codes[start:end]) for start, end in spans[first:last].tolist()]

    # A task is as many segments as have so many bases together, or so many segments.
    n_before = np.cumsum(spans[:, 1] - spans[:, 0])
    tasks: deque[Future[list[NDArray[np.uint16]]]] = deque()
    first = 0
    while first < len(spans):
        done = n_before[first - 1] if first else 0
        last = int(np.searchsorted(n_before, done + _BASES_A_TASK, side="right"))
        last = min(max(last, first + 1), first + _SEGMENTS_A_TASK)
        tasks.append(threads.submit(encode, first, last))
        first = last
        if len(tasks) >= n_tasks:
            yield from tasks.popleft().result()
    while tasks:
        yield from tasks.popleft().result()
