"""Learn the merges of a byte-pair encoding from whole genomes, exactly, in bounded memory.

The rule, which is that of `tokenizers` with every segment as one word: each cycle takes the most
frequent pair of adjacent tokens (every adjacent occurrence counts, also the overlapping ones of a
run), of equally frequent ones that with the smaller (left id, right id), where ids follow A < C <
G < T and then the order learnt; and replaces its occurrences from left to right. The paper does
not give a tie rule.

Two stages give exactly that, fast:

1. *The first merges, proved from counts* (`_proven_merges`). They cost most, because they touch
   most of the genome. So they are guessed on a sample; the genome is encoded with the guess
   once; and merges are taken back in the table of its adjacent token pairs: undoing a merge is
   adding a row and a column. That gives the exact pair counts before each of the first cycles,
   and so the true merges, until one comes that the guess does not allow for; the next guess
   goes on from there. A few rounds prove as many as are worth it. Nothing depends on how good a guess is.
2. *The rest, by position lists* (`_TokenSequence`). The genome is encoded with the merges of
   stage 1; each frequent pair has the sorted list of its positions, so that a cycle touches only
   the places that it changes. Rare pairs get their lists when their turn comes near.

A run that was stopped goes on the same way: its merges so far take the place of stage 1.
"""

import hashlib
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from grover_hf.compiled import compiled
from grover_hf.errors import InputError
from grover_hf.files import refuse_existing
from grover_hf.genome.acgt import BASES, acgt_segments, base_codes
from grover_hf.genome.reference import ReferenceGenome, update_genome_digest
from grover_hf.progress import progress_bar
from grover_hf.tokenization.bpe_automaton import compatible_pairs
from grover_hf.tokenization.bpe_encoding import GenomeEncoder
from grover_hf.tokenization.merges import Merge, MergeTable, header_line, merge_lines, read_merge_lines
from grover_hf.tokenization.special_tokens import N_SPECIAL

MAX_CYCLES = (1 << 16) - N_SPECIAL - len(BASES) - 1
"""Token ids are uint16, and one id separates segments while training."""

# Chosen by measurement on 26.7 Mbp of hg38 (benchmarks/bpe_training.py): about 60 proven merges
# halve the number of tokens; each further one is cheaper to learn by position lists.
_GUESSED_MERGES = 64
_ENOUGH_SHARE = 0.75
_ROUNDS = 6
_SAMPLE_SHARE = 1 / 24
_SAMPLE_BLOCK_BP = 10_000
_SAMPLE_MAX_BP = 24_000_000
# A pair gets a list when it is at least this share as frequent as the most frequent one ...
_LISTED_SHARE = 0.1
# ... and all lists together may hold this many positions a base, at 4 bytes each: the ceiling of
# memory. See `train_bpe`.
_POSITIONS_PER_BASE = 0.45

Source = ReferenceGenome | str | bytes


def train_bpe(
    genome: Source | Sequence[Source], n_cycles: int = 600, *, partial: Path | None = None,
    n_threads: int = 2,
) -> MergeTable:
    """Learn `n_cycles` merges from one or more genomes; see the module for the rule.

    A segment (a stretch without N) is one word: no token crosses its ends.

    Memory: at most about 5 bytes a base of A, C, G, T, and 4 bytes a base of the longest segment
    for each thread, above what the libraries take.

    Args:
        genome: Genomes, or sequences as strings of letters; several are trained on together.
        n_cycles: How many merges to learn. Fewer are returned if no pair is left to merge.
        partial: A file that takes each merge as it is learnt. If it is there already, from the
            same genome, the training goes on from its merges and ends with the identical table.
        n_threads: Threads for encoding.

    Raises:
        InputError: If there is no A, C, G or T; if `n_cycles` is not in [1, 65526]; if `partial`
            comes from another genome.
    """
    if not 1 <= n_cycles <= MAX_CYCLES:
        raise InputError(f"{n_cycles} cycles were asked for; 1 to {MAX_CYCLES} are possible.")
    sources = [genome] if isinstance(genome, ReferenceGenome | str | bytes) else list(genome)
    segments, genome_sha256 = _segments_of(sources)
    if not segments:
        raise InputError("There is no A, C, G or T to learn from: every base is N or there is none.")
    log = _MergeLog(partial, genome_sha256)
    merges = log.known[:n_cycles]
    bar = progress_bar(total=n_cycles, what="learning merges", unit="merge")
    if not merges:
        merges = _proven_merges(segments, min(n_cycles, _GUESSED_MERGES), n_threads)
    log.add(merges[len(log.known) :])
    bar.update(len(merges))
    if len(merges) < n_cycles:
        sequence = _encoded(segments, MergeTable(tuple(merges)), n_cycles, n_threads)

        def learnt(merge: Merge) -> None:
            log.add([merge])
            bar.update()

        merges = sequence.learn(n_cycles, learnt)
    bar.close()
    log.close()
    return MergeTable(tuple(merges))


def train_bpe_to_file(
    genomes: Sequence[str | Path], output: str | Path, *, n_cycles: int = 600,
    chromosomes: str | Sequence[str] | None = None, n_threads: int = 2, overwrite: bool = False,
) -> MergeTable:
    """Learn merges from FASTA files and write them; go on from `OUTPUT.partial` if it is there.

    Args:
        genomes: FASTA files, trained on together.
        output: The merges file; until it is whole, the merges stand in `OUTPUT.partial`.
        n_cycles: How many merges to learn.
        chromosomes: As for `ReferenceGenome`, of every file.
        n_threads: Threads for encoding.
        overwrite: Replace `output` if it is there.

    Raises:
        InputError: As `train_bpe` and `ReferenceGenome`; and if fewer merges were left to learn.
    """
    output = Path(output)
    refuse_existing(output, overwrite=overwrite)
    opened = [ReferenceGenome(genome, chromosomes) for genome in genomes]
    output.parent.mkdir(parents=True, exist_ok=True)
    partial = output.with_name(f"{output.name}.partial")
    merges = train_bpe(opened, n_cycles, partial=partial, n_threads=n_threads)
    if len(merges) < n_cycles:
        raise InputError(
            f"After {len(merges)} merges no two tokens are adjacent any more; ask for --cycles {len(merges)}."
        )
    merges.write(output)
    partial.unlink()
    return merges


class _MergeLog:
    """The file that takes the merges as they are learnt."""

    def __init__(self, path: Path | None, genome_sha256: str) -> None:
        self.known: list[Merge] = []
        self._file = None
        if path is None:
            return
        header = header_line({"genome_sha256": genome_sha256})
        if path.exists():
            self.known = _resumed(path, genome_sha256)
        # Written anew: a kill in the middle of a line leaves half a merge behind.
        path.write_text(header + merge_lines(self.known))
        self._file = open(path, "a")

    def add(self, merges: Iterable[Merge]) -> None:
        if self._file:
            self._file.write(merge_lines(merges))
            self._file.flush()

    def close(self) -> None:
        if self._file:
            self._file.close()


def _resumed(path: Path, genome_sha256: str) -> list[Merge]:
    text = path.read_text()
    whole = text[: text.rfind("\n") + 1]
    if not whole:
        return []
    if whole != text:
        path.write_text(whole)
    merges, facts = read_merge_lines(path)
    if facts.get("genome_sha256") != genome_sha256:
        raise InputError(
            f"{path} was begun on another genome or other chromosomes; remove it, or name another "
            "output, to begin anew."
        )
    return list(MergeTable(tuple(merges)).merges)


def _segments_of(sources: Sequence[Source]) -> tuple[list[NDArray[np.uint8]], str]:
    """Return the base codes of all segments, and a digest of the sources in their order."""
    digest = hashlib.sha256()
    segments = []
    for number, source in enumerate(sources):
        if isinstance(source, ReferenceGenome):
            names = source.chromosomes
            bar = progress_bar(total=sum(source.sizes.values()), what="reading", unit="bp", scale=True)
        else:
            names, bar = [str(number)], progress_bar(what="reading")
        for chrom in names:
            codes = source.codes(chrom) if isinstance(source, ReferenceGenome) else base_codes(source)
            update_genome_digest(digest, chrom, codes)
            # Copies: a view would keep the whole chromosome, N runs too, in memory.
            segments += [codes[start:end].copy() for start, end in acgt_segments(codes)]
            bar.update(codes.size)
        bar.close()
    return segments, digest.hexdigest()


def _proven_merges(
    segments: Sequence[NDArray[np.uint8]], n_merges: int, n_threads: int
) -> list[Merge]:
    """Return the first merges of the exact training, as many as a few guesses prove."""
    sample = _sample(segments)
    if sum(piece.size for piece in sample) == sum(segment.size for segment in segments):
        return []
    proven: list[Merge] = []
    for _ in range(_ROUNDS):
        if len(proven) >= _ENOUGH_SHARE * n_merges:
            break
        guess = _encoded(sample, MergeTable(tuple(proven)), n_merges, n_threads).learn(n_merges)
        counts = _count_pairs(segments, MergeTable(tuple(guess)), n_threads)
        proven = _proven_part(guess, *counts)
    return proven[:n_merges]


def _sample(segments: Sequence[NDArray[np.uint8]]) -> list[NDArray[np.uint8]]:
    """Return evenly spaced blocks of the genome, or all of it if it is small."""
    n_bases = sum(segment.size for segment in segments)
    wanted = min(_SAMPLE_SHARE * n_bases, _SAMPLE_MAX_BP)
    if wanted < _SAMPLE_BLOCK_BP:
        return list(segments)
    every = int(n_bases / wanted * _SAMPLE_BLOCK_BP)
    sample = []
    ahead = 0
    for segment in segments:
        while ahead < segment.size:
            sample.append(segment[ahead : ahead + _SAMPLE_BLOCK_BP])
            ahead += every
        ahead -= segment.size
    return sample


def _count_pairs(
    segments: Sequence[NDArray[np.uint8]], merges: MergeTable, n_threads: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the counts of adjacent token pairs, (V, V), and of tokens, (V,), ids less specials."""
    encoder = GenomeEncoder(merges)
    n_tokens = merges.vocab_size - N_SPECIAL

    def count(part: list[NDArray[np.uint8]]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        pairs, tokens = np.zeros((n_tokens, n_tokens), np.int64), np.zeros(n_tokens, np.int64)
        for segment in part:
            _add_pairs(encoder.encode_segment(segment), pairs, tokens)
        return pairs, tokens

    with ThreadPoolExecutor(n_threads) as threads:
        counted = list(threads.map(count, _shared_out(segments, n_threads)))
    return sum(pairs for pairs, _ in counted), sum(tokens for _, tokens in counted)  # type: ignore[return-value]


def _shared_out(segments: Sequence[NDArray[np.uint8]], n_parts: int) -> list[list[NDArray[np.uint8]]]:
    """Share segments out so that the parts have about equally many bases."""
    parts: list[list[NDArray[np.uint8]]] = [[] for _ in range(n_parts)]
    sizes = [0] * n_parts
    for segment in sorted(segments, key=len, reverse=True):
        least = sizes.index(min(sizes))
        parts[least].append(segment)
        sizes[least] += segment.size
    return parts


def _proven_part(
    guess: Sequence[Merge], pair_counts: NDArray[np.int64], token_counts: NDArray[np.int64]
) -> list[Merge]:
    """Return the first merges of the exact training, as many as the counts under a guess prove.

    Suppose that the first cycles are proven. Taking back all other merges of the guess gives some
    tokens of the proven table that spell the genome, with their pair counts. If no two tokens
    that are adjacent there would merge (see `bpe_automaton`), they are its encoding, so the counts
    are exact and their maximum is the next merge. Else, or if the guess lacks that merge, the
    counts prove no more.

    Args:
        guess: The merges that the genome was encoded with.
        pair_counts: Adjacent token pairs of that encoding, shape (V, V).
        token_counts: Tokens of that encoding, shape (V,).
    """
    names = [*BASES, *(left + right for left, right in guess)]
    index = {name: i for i, name in enumerate(names)}
    parts = np.array([[0, 0]] * len(BASES) + [[index[x], index[y]] for x, y in guess])
    proven: list[Merge] = []
    known = list(range(len(BASES)))
    while True:
        pairs = _without_merges(pair_counts, token_counts, parts, np.isin(np.arange(len(names)), known))
        pairs = pairs[np.ix_(known, known)]
        compatible, made = compatible_pairs(MergeTable(tuple(proven)))
        if not made.all() or (pairs[~compatible] > 0).any() or not pairs.any():
            return proven
        # argmax takes the first of equals: the smaller left id, then the smaller right id.
        left, right = (names[known[i]] for i in divmod(int(pairs.argmax()), len(known)))
        proven.append((left, right))
        merged = index.get(left + right, -1)
        if merged < 0 or tuple(parts[merged]) != (index[left], index[right]):
            return proven
        known.append(merged)


@compiled
def _without_merges(pair_counts, token_counts, parts, kept):  # type: ignore[no-untyped-def]
    """Return the pair counts after every token that is not kept is split into its parts."""
    pairs, tokens = pair_counts.copy(), token_counts.copy()
    for merged in range(len(parts) - 1, 3, -1):
        if kept[merged]:
            continue
        left, right = parts[merged]
        pairs[right] += pairs[merged]
        pairs[merged] = 0
        pairs[:, left] += pairs[:, merged]
        pairs[:, merged] = 0
        pairs[left, right] += tokens[merged]
        tokens[left] += tokens[merged]
        tokens[right] += tokens[merged]
    return pairs


@compiled
def _add_pairs(input_ids, pairs, tokens):  # type: ignore[no-untyped-def]
    before = input_ids[0] - N_SPECIAL
    tokens[before] += 1
    for i in range(1, input_ids.size):
        token = input_ids[i] - N_SPECIAL
        pairs[before, token] += 1
        tokens[token] += 1
        before = token


def _encoded(
    segments: Sequence[NDArray[np.uint8]], merges: MergeTable, n_cycles: int, n_threads: int
) -> "_TokenSequence":
    """Return the segments as tokens of `merges`, ready to learn more. Empties a list it is given."""
    n_bases = sum(segment.size for segment in segments)
    encoder = GenomeEncoder(merges)

    def encode(segment: NDArray[np.uint8]) -> NDArray[np.uint16]:
        return encoder.encode_segment(segment) - np.uint16(N_SPECIAL) if merges.merges else segment

    separator = np.array([n_cycles + len(BASES)], np.uint16)
    with ThreadPoolExecutor(n_threads) as threads:
        pieces: list[NDArray[np.uint16]] = [separator]
        for tokens in threads.map(encode, segments):
            pieces += [tokens.astype(np.uint16, copy=False), separator]
    return _TokenSequence(np.concatenate(pieces), list(merges.merges), n_cycles, n_bases)


class _TokenSequence:
    """All segments as one array of tokens, and the position lists of its frequent pairs.

    A token of several *slots* stands in its first and in its last one; what is between is not
    read. (So both neighbours of a token are found without links.) `length` counts slots; packing
    the array makes every token one slot long again. Tokens are A C G T 0-3, then the merges;
    `separator` stands between segments and at both ends, and never merges.
    """

    def __init__(
        self, tokens: NDArray[np.uint16], merges: list[Merge], n_cycles: int, n_bases: int
    ) -> None:
        self._tokens = tokens
        self._merges = merges
        self._separator = n_cycles + len(BASES)
        self._counts = np.zeros((self._separator + 1, self._separator + 1), np.int64)
        _add_pairs_from_zero(tokens, self._counts)
        self._forget_separator()
        self._best_right = np.zeros(self._separator + 1, np.int64)
        _find_best_rights(self._counts, self._best_right)
        self._length = np.ones(self._separator + 1, np.int64)
        self._lists: dict[tuple[int, int], NDArray[np.uint32]] = {}
        self._n_positions = 0
        self._max_positions = int(_POSITIONS_PER_BASE * n_bases) + 1
        self._listed_from = 1 << 62
        if tokens.size >= 1 << 32:
            raise InputError(f"{tokens.size} tokens are too many for one training; train on fewer chromosomes.")

    def learn(self, n_cycles: int, learnt: Callable[[Merge], None] = lambda merge: None) -> list[Merge]:
        """Learn until there are `n_cycles` merges in all or no pair is left; return them all."""
        names = [*BASES, *(left + right for left, right in self._merges)]
        while len(self._merges) < n_cycles:
            left, right = _most_frequent(self._counts, self._best_right, len(names))
            count = int(self._counts[left, right])
            if count < 1:
                break
            if count < self._listed_from or self._n_positions > self._max_positions:
                self._make_lists(count)
            self._merge(left, right, len(names))
            merge = (names[left], names[right])
            self._merges.append(merge)
            names.append("".join(merge))
            learnt(merge)
        return self._merges

    def _make_lists(self, best_count: int) -> None:
        """Pack the tokens and list the positions of all pairs that are nearly as frequent as the best."""
        self._lists.clear()
        n_slots = _pack(self._tokens, self._length)
        self._tokens = self._tokens[:n_slots]
        self._length[:] = 1
        self._listed_from = max(1, int(_LISTED_SHARE * best_count))
        counts = np.sort(self._counts[self._counts >= self._listed_from])[::-1]
        affordable = int(np.searchsorted(np.cumsum(counts), self._max_positions // 2, side="right"))
        if affordable < len(counts):
            self._listed_from = min(best_count, int(counts[affordable]) + 1)
        pairs = np.argwhere(self._counts >= self._listed_from)
        ends = np.cumsum(self._counts[pairs[:, 0], pairs[:, 1]])
        begins = np.concatenate([[0], ends[:-1]])
        list_of_pair = np.full(self._counts.shape, -1, np.int16 if len(pairs) < 1 << 15 else np.int32)
        list_of_pair[pairs[:, 0], pairs[:, 1]] = np.arange(len(pairs))
        positions = np.empty(ends[-1], np.uint32)
        _collect_positions(self._tokens, list_of_pair, begins.copy(), positions)
        for (left, right), begin, end in zip(pairs.tolist(), begins.tolist(), ends.tolist(), strict=True):
            self._lists[left, right] = positions[begin:end]
        self._n_positions = positions.size

    def _merge(self, left: int, right: int, merged: int) -> None:
        """Replace the pair everywhere, from left to right; bring counts and lists up to date."""
        positions = self._lists.pop((left, right))
        n_before, n_after = (np.zeros(self._separator + 1, np.int64) for _ in range(2))
        before, after = (np.empty(positions.size, np.uint16) for _ in range(2))
        starts = np.empty(positions.size, np.uint32)
        n_merged = _merge_occurrences(
            self._tokens, positions, left, right, merged, self._length,
            n_before, n_after, before, after, starts,
        )
        self._length[merged] = self._length[left] + self._length[right]
        _update_counts(self._counts, self._best_right, left, right, merged, n_before, n_after)

        lists_before = np.flatnonzero(self._counts[: merged + 1, merged] >= self._listed_from)
        lists_after = np.flatnonzero(self._counts[merged, :merged] >= self._listed_from)
        ends = np.cumsum(np.concatenate([[0], n_before[lists_before], n_after[lists_after]]))
        begin_before, begin_after = (np.full(self._separator + 1, -1, np.int64) for _ in range(2))
        begin_before[lists_before] = ends[: len(lists_before)]
        begin_after[lists_after] = ends[len(lists_before) : -1]
        fresh = np.empty(ends[-1], np.uint32)
        _list_new_pairs(
            n_merged, before, after, starts, self._length, begin_before, begin_after, fresh
        )
        pairs = [(int(x), merged) for x in lists_before] + [(merged, int(y)) for y in lists_after]
        for pair, begin, end in zip(pairs, ends[:-1].tolist(), ends[1:].tolist(), strict=True):
            self._lists[pair] = fresh[begin:end]
        self._n_positions += fresh.size

    def _forget_separator(self) -> None:
        self._counts[self._separator] = self._counts[:, self._separator] = 0


@compiled
def _add_pairs_from_zero(tokens, counts):  # type: ignore[no-untyped-def]
    for i in range(tokens.size - 1):
        counts[tokens[i], tokens[i + 1]] += 1


@compiled
def _find_best_rights(counts, best_right):  # type: ignore[no-untyped-def]
    """Note for each left token its most frequent right token, of equals the smaller."""
    for left in range(counts.shape[0]):
        best_right[left] = np.argmax(counts[left])


@compiled
def _most_frequent(counts, best_right, n_tokens):  # type: ignore[no-untyped-def]
    """Return the most frequent pair; of equals that with the smaller left, then right token."""
    best = 0
    for left in range(1, n_tokens):
        if counts[left, best_right[left]] > counts[best, best_right[best]]:
            best = left
    return best, best_right[best]


@compiled
def _pack(tokens, length):  # type: ignore[no-untyped-def]
    """Make every token one slot long; return how many there are."""
    n_slots = 0
    i = 0
    while i < tokens.size:
        token = tokens[i]
        tokens[n_slots] = token
        n_slots += 1
        i += length[token]
    return n_slots


@compiled
def _collect_positions(tokens, list_of_pair, begins, positions):  # type: ignore[no-untyped-def]
    for i in range(tokens.size - 1):
        k = list_of_pair[tokens[i], tokens[i + 1]]
        if k >= 0:
            positions[begins[k]] = i
            begins[k] += 1


@compiled
def _merge_occurrences(
    tokens, positions, left, right, merged, length, n_before, n_after, before, after, starts
):  # type: ignore[no-untyped-def]
    """Merge what is still a `left` followed by a `right`; note the neighbours met; return how many.

    A position is stale when an earlier cycle, or the occurrence just before in a run, has taken
    one of the two tokens. The first slot of a token that was taken as a right part is overwritten
    with `stale`, so it cannot be mistaken for a start.
    """
    stale = np.uint16(65535)
    n_merged = 0
    for position in positions:
        start = np.int64(position)
        if tokens[start] != left:
            continue
        middle = start + length[left]
        if tokens[middle] != right:
            continue
        end = middle + length[right]
        x, y = tokens[start - 1], tokens[end]
        tokens[middle] = stale
        tokens[start] = merged
        tokens[end - 1] = merged
        n_before[x] += 1
        n_after[y] += 1
        before[n_merged] = x
        after[n_merged] = y
        starts[n_merged] = start
        n_merged += 1
    return n_merged


@compiled
def _update_counts(counts, best_right, left, right, merged, n_before, n_after):  # type: ignore[no-untyped-def]
    """Move the counts of the neighbours' pairs to the merged token.

    In a run of merged tokens the second one finds the first as its neighbour before it, which
    takes back the pair (merged, left) that the first had noted with the neighbour after it.
    """
    separator = counts.shape[0] - 1
    for y in range(separator):
        counts[right, y] -= n_after[y]
        counts[merged, y] += n_after[y]
    for x in range(separator):
        counts[x, left] -= n_before[x]
        counts[x, merged] += n_before[x]
    counts[left, right] = 0
    for x in range(merged + 1):
        if x in (left, right, merged) or (n_before[x] and best_right[x] == left):
            best_right[x] = np.argmax(counts[x])
        elif n_before[x] and counts[x, merged] > counts[x, best_right[x]]:
            best_right[x] = merged


@compiled
def _list_new_pairs(n_merged, before, after, starts, length, begin_before, begin_after, fresh):  # type: ignore[no-untyped-def]
    for k in range(n_merged):
        at = begin_before[before[k]]
        if at >= 0:
            fresh[at] = starts[k] - length[before[k]]
            begin_before[before[k]] += 1
        at = begin_after[after[k]]
        if at >= 0:
            fresh[at] = starts[k]
            begin_after[after[k]] += 1
