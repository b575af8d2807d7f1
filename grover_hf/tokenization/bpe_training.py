"""Learn the merges of a byte-pair encoding from whole genomes, exactly, in bounded memory.

The rule, which is that of `tokenizers` with every segment as one word: each cycle takes the most
frequent pair of adjacent tokens (every adjacent occurrence counts, also the overlapping ones of a
run), of equally frequent ones that with the smaller (left id, right id), where ids follow A < C <
G < T and then the order learnt; and replaces its occurrences from left to right. The paper does
not give a tie rule.

Two stages give exactly that, fast:

1. *The first merges, proved from counts* (`proven_merges`). They cost most, because they touch
   most of the genome. So they are guessed on a sample; the genome is encoded with the guess
   once; and merges are taken back in the table of its adjacent token pairs: undoing a merge is
   adding a row and a column. That gives the exact pair counts before each of the first cycles,
   and so the true merges, until one comes that the guess does not allow for; the next guess
   goes on from there. A few rounds prove as many as are worth it. Nothing depends on how good a guess is.
2. *The rest, by position lists* (`incremental_bpe`). The genome is encoded with the merges of
   stage 1; each frequent pair has the sorted list of its positions, so that a cycle touches only
   the places that it changes. Rare pairs get their lists when their turn comes near.

A run that was stopped goes on the same way: its merges so far take the place of stage 1.
"""

import hashlib
from collections.abc import Iterable, Sequence
from pathlib import Path

from grover_hf._internals.files import atomic_write
from grover_hf._internals.outputs import only_writer, require_writable
from grover_hf._internals.progress import progress_bar
from grover_hf.errors import InputError
from grover_hf.genome.acgt import acgt_segments, base_codes
from grover_hf.genome.reference import ReferenceGenome, update_genome_digest
from grover_hf.tokenization.incremental_bpe import Codes, token_sequence
from grover_hf.tokenization.merges import HEADER, Merge, MergeTable, header_line, merge_lines, read_merge_lines
from grover_hf.tokenization.proven_merges import GUESSED_MERGES, proven_merges

MAX_CYCLES = 20_000
"""Pair counts are a table of cycles x cycles: 3.2 GB for so many. The paper scans 5,000."""

Source = ReferenceGenome | str | bytes


def train_bpe(
    genome: Source | Sequence[Source], n_cycles: int = 600, *, partial: Path | None = None,
    n_threads: int = 2,
) -> MergeTable:
    """Learn `n_cycles` merges from one or more genomes; see the module for the rule.

    A segment (a stretch without N) is one word: no token crosses its ends.

    Memory, above what the libraries take: at most about 5 bytes a base of A, C, G, T; 4 bytes a
    base of the longest segment for each thread; 10 bytes times the square of the cycles. Sequence
    that is one perfect repeat takes up to 14 bytes a base: every second base begins the same pair.

    Args:
        genome: Genomes, or sequences as strings of letters; several are trained on together.
        n_cycles: How many merges to learn. Fewer are returned if no pair is left to merge.
        partial: A file that takes each merge as it is learnt. If it is there already, from the
            same genome, the training goes on from its merges and ends with the identical table.
        n_threads: Threads for encoding.

    Raises:
        InputError: If there is no A, C, G or T; if `n_cycles` is not in [1, 20000]; if `partial`
            comes from another genome.

    Examples:
        >>> from grover_hf import ReferenceGenome, train_bpe
        >>> train_bpe("TTATTATTACCNTTA", n_cycles=2).merges    # TA and TT are equally frequent; A comes first
        (('T', 'A'), ('T', 'TA'))
        >>> len(train_bpe(ReferenceGenome("quickstart/simulated.fa"), n_cycles=600))
        600
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
        merges = proven_merges(segments, min(n_cycles, GUESSED_MERGES), n_threads)
    log.add(merges[len(log.known) :])
    bar.update(len(merges))
    if len(merges) < n_cycles:
        sequence = token_sequence(segments, MergeTable(tuple(merges)), n_cycles, n_threads)

        def learnt(merge: Merge) -> None:
            log.add([merge])
            bar.update()

        merges = sequence.learn(n_cycles, learnt)
    bar.close()
    log.close()
    return MergeTable(tuple(merges))


def train_bpe_to_file(
    genomes: Sequence[str | Path | ReferenceGenome], output: str | Path, *, n_cycles: int = 600,
    chromosomes: str | Sequence[str] | None = None, n_threads: int = 2, overwrite: bool = False,
) -> MergeTable:
    """Learn merges from FASTA files and write them; go on from `OUTPUT.partial` if it is there.

    Args:
        genomes: FASTA files, or genomes that are open, trained on together.
        output: The merges file; until it is whole, the merges stand in `OUTPUT.partial`.
        n_cycles: How many merges to learn.
        chromosomes: As for `ReferenceGenome`, of every file that is not open yet.
        n_threads: Threads for encoding.
        overwrite: Replace `output` if it is there, and begin anew.

    Raises:
        InputError: As `train_bpe` and `ReferenceGenome`; and if fewer merges were left to learn.
    """
    output = Path(output)
    paths = [genome.path if isinstance(genome, ReferenceGenome) else genome for genome in genomes]
    require_writable(output, overwrite=overwrite, begins=f"{HEADER} cycles=", inputs=paths)
    with only_writer(output):
        return _train_to_file(genomes, output, n_cycles, chromosomes, n_threads=n_threads, overwrite=overwrite)


def _train_to_file(
    genomes: Sequence[str | Path | ReferenceGenome], output: Path, n_cycles: int,
    chromosomes: str | Sequence[str] | None, *, n_threads: int, overwrite: bool,
) -> MergeTable:
    opened = [one if isinstance(one, ReferenceGenome) else ReferenceGenome(one, chromosomes) for one in genomes]
    output.parent.mkdir(parents=True, exist_ok=True)
    partial = output.with_name(f"{output.name}.partial")
    if overwrite:
        partial.unlink(missing_ok=True)
    merges = train_bpe(opened, n_cycles, partial=partial, n_threads=n_threads)
    if len(merges) < n_cycles:
        partial.unlink()
        raise InputError(
            f"After {len(merges)} merges no two tokens are adjacent any more; ask for --cycles {len(merges)}."
        )
    merges.write(output)
    # A run that was stopped on the way to more cycles than these can still be gone on with.
    if partial.read_text().count("\n") <= n_cycles + 1:
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
        with atomic_write(path) as beside:
            beside.write_text(header + merge_lines(self.known))
        self._file = open(path, "a")  # noqa: SIM115 - it stays open while merges are learnt

    def add(self, merges: Iterable[Merge]) -> None:
        if self._file:
            self._file.write(merge_lines(merges))
            self._file.flush()

    def close(self) -> None:
        if self._file:
            self._file.close()


def _resumed(path: Path, genome_sha256: str) -> list[Merge]:
    text = path.read_text(encoding="ascii", errors="replace")
    whole = text[: text.rfind("\n") + 1]
    if not whole:
        return []
    if whole != text:
        path.write_text(whole, encoding="utf-8")
    try:
        merges, facts = read_merge_lines(path)
        table = MergeTable(tuple(merges))
    except InputError as error:
        raise InputError(f"{path} is damaged ({error}); remove it to begin anew.") from None
    if facts.get("genome_sha256") != genome_sha256:
        raise InputError(
            f"{path} was begun on another genome or other chromosomes; remove it, or name another "
            "output, to begin anew."
        )
    return list(table.merges)


def _segments_of(sources: Sequence[Source]) -> tuple[list[Codes], str]:
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
