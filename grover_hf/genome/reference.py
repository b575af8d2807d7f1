"""`ReferenceGenome`: a FASTA file, read by name and coordinate, or a chromosome at a time.

pyfaidx indexes the file and fetches intervals. A whole chromosome is read past it, straight into
base codes: blocks of whole lines from the file, one compiled pass over each, no Python string.
"""

import fnmatch
import hashlib
import itertools
import logging
import re
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NoReturn

import numpy as np
import pyfaidx
from numpy.typing import NDArray

from grover_hf._internals.compilation import cached_njit
from grover_hf._internals.files import atomic_write, cache_dir, file_key, file_state
from grover_hf._internals.progress import on_a_terminal, progress_bar
from grover_hf.errors import InputError, shorten
from grover_hf.genome.acgt import acgt_segments
from grover_hf.genome.chromosome_names import require_chromosome
from grover_hf.genome.fasta_index import (
    FastaRecord,
    index_text,
    index_tiles,
    lines_fit,
    make_index,
    mapped,
    read_index,
)
from grover_hf.genome.gzip_files import GZIP_MAGIC, inflate
from grover_hf.genome.intervals import Interval
from grover_hf.genome.letters import IUPAC, NOT_DNA, reverse_complement

logger = logging.getLogger(__name__)

_DIGITS = "0123456789"
_MIN_LENGTH = re.compile(r"min=([0-9]+)")
PRIMARY = (*(str(n) for n in range(1, 23)), "X", "Y")
"""The chromosomes that the paper counts, without the "chr" of UCSC names."""

Letters = NDArray[np.uint8]

_BLOCK_BYTES = 1 << 21
_LARGE_BYTES = 100_000_000
_KNOWN = np.frombuffer((IUPAC + IUPAC.lower()).encode(), np.uint8)
_AMBIGUOUS = _KNOWN[~np.isin(_KNOWN, np.frombuffer(b"ACGTNacgtn", np.uint8))]
# Bit 5 of an ASCII letter is its case.
_UPPER, _LOWER, _A, _C, _G, _T, _N = (np.uint8(x) for x in (0xDF, 0x20, *b"ACGTN"))


class ReferenceGenome:
    """A genome in a FASTA file: plain, gzip or bgzip.

    A compressed file is inflated once into the cache (see `grover_hf._internals.files`), and the index is
    made there on first use; nothing is written beside the user's file. An index that stands beside the file is
    used if it fits the file (`fasta_index.index_tiles`), and else passed over.

    Args:
        path: The FASTA file.
        chromosomes: Which records to keep, in file order: None for all; "primary" for those of 1-22, X and Y that
            the file has (with or without "chr"); names, or patterns with * and ?. One with "!" before it is left
            out, and so is with "min=N" what has fewer than N bases.

    Raises:
        InputError: If the file is missing, empty, truncated, ragged, or not FASTA; if two records
            have one name; if a name in `chromosomes` is not in the file, or none is left.

    Examples:
        The quickstart leaves a simulated genome; your own FASTA file does as well.

        >>> from grover_hf import Interval, ReferenceGenome
        >>> genome = ReferenceGenome("quickstart/simulated.fa")
        >>> genome.sizes
        {'sim1': 2500000, 'sim2': 1500000, 'sim3': 1000000}
        >>> genome.fetch(Interval("sim1", 500_000, 500_012))
        'CCCTGCTAACTC'
        >>> genome.fetch(Interval("sim1", 500_000, 500_012, "-"))
        'GAGTTAGCAGGG'
        >>> genome.codes("sim1")[500_000:500_005]    # A 0, C 1, G 2, T 3, anything else 4
        array([1, 1, 1, 3, 2], dtype=uint8)
    """

    def __init__(self, path: str | Path, chromosomes: str | Sequence[str] | None = None) -> None:
        self.path = Path(path)
        self._plain, index, self._records = _open_file(self.path)
        self._state = file_state(self._plain)
        with warnings.catch_warnings():
            # That an index is older than its file, which does not matter to one that fits.
            warnings.filterwarnings("ignore", "Index file .* is older", RuntimeWarning)
            self._fasta = pyfaidx.Faidx(str(self._plain), indexname=str(index), rebuild=False, as_raw=True)
        self._checked = set(self._records) if index.parent == cache_dir() / "fasta" else set()
        """Records whose lines are known to end where the index says."""
        sizes = {name: record.size for name, record in self._records.items()}
        names = choose_chromosomes(sizes, chromosomes, self.path)
        self.sizes: dict[str, int] = {name: self._records[name].size for name in names}
        """Bases of each chromosome, by name, in the order of the file."""
        self.chromosomes: list[str] = names
        self.n_ambiguous: dict[str, int] = {}
        """IUPAC codes other than N in the chromosomes that have been read."""
        self._warned_of_iupac = False
        self._segments: dict[str, NDArray[np.int64]] = {}

    def __repr__(self) -> str:
        """Say which file it is, and how much of it is read."""
        n_bases = sum(self.sizes.values())
        return f"ReferenceGenome({str(self.path)!r}, {shorten(self.chromosomes, 3)}; {n_bases:,} bases)"

    def fetch(self, interval: Interval) -> str:
        """Return the upper-case letters of `interval`; of a "-" interval the reverse complement.

        Raises:
            InputError: If the chromosome is unknown, the interval ends past it or holds a letter that is not
                an IUPAC nucleotide letter, or the file has changed since it was opened.
        """
        self.require(interval)
        if not len(interval):
            return ""
        if interval.chrom not in self._checked:
            # The index is another's: a line that ends elsewhere would shift all bases behind it.
            if not lines_fit(self._records[interval.chrom], mapped(self._plain)):
                raise InputError(_uneven(self.path, interval.chrom))
            self._checked.add(interval.chrom)
        try:
            letters = str(self._fasta.fetch(interval.chrom, interval.start + 1, interval.end)).upper()
        except UnicodeDecodeError as error:
            raise InputError(f"{self.path}, record {interval.chrom}: it is not text: {error}") from error
        # pyfaidx reads on where the last line ends with fewer bytes than the others.
        letters = letters[: len(interval)]
        if odd := NOT_DNA.search(letters):
            self._refuse_letter(interval.chrom, interval.start + odd.start(), odd.group())
        return letters if interval.strand == "+" else reverse_complement(letters)

    def codes(self, chrom: str) -> NDArray[np.uint8]:
        """Return the base codes of a whole chromosome, shape (size,), uint8.

        Raises:
            InputError: If the chromosome is unknown, or holds a letter that is not an IUPAC
                nucleotide code (with record, line and letter), or the file has changed since
                it was opened.
        """
        return self._codes(chrom, None)

    def codes_and_case(self, chrom: str) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
        """Return what `codes` and `soft_masked` do, from one reading.

        Raises:
            InputError: As `codes`.
        """
        lower_case: list[NDArray[np.int64]] = []
        codes = self._codes(chrom, lower_case)
        # Blocks are read by threads: in any order.
        borders = np.concatenate([np.empty(0, np.int64), *sorted(lower_case, key=lambda block: int(block[0]))])
        # A run that goes on in the next block is one.
        goes_on = np.zeros(borders.size, np.bool_)
        goes_on[1:-1:2] = goes_on[2::2] = borders[1:-1:2] == borders[2::2]
        return codes, borders[~goes_on].reshape(-1, 2)

    def _codes(self, chrom: str, lower_case: list[NDArray[np.int64]] | None) -> NDArray[np.uint8]:
        """Return base codes; lower-case runs of each block that has some are added to a list, if there is one."""
        self.require(Interval(chrom, 0, 0))
        codes = np.empty(self.sizes[chrom], np.uint8)

        def convert(first: int, last: int, letters: Callable[[], Letters]) -> int:
            part = codes[first:last]
            if lower_case is not None and np.bitwise_or.reduce(part) & _LOWER:
                lower_case.append(first + _lower_case_runs(part))
            return self._count_ambiguous(chrom, first, letters()) if _letters_to_codes(part) else 0

        n_other = sum(self._read_letters(chrom, codes, convert))
        self.n_ambiguous[chrom] = n_other
        if n_other and not self._warned_of_iupac:
            self._warned_of_iupac = True
            logger.warning(
                "%s: %s has %d ambiguous bases other than N; like N, they end a segment. "
                "Those of other chromosomes are counted, not reported.", self.path, chrom, n_other,
            )
        return codes

    def segments(self, chrom: str) -> NDArray[np.int64]:
        """Return the N-free segments of a chromosome, shape (n_segments, 2), as [start, end).

        It is read once, and its segments kept.
        """
        self.require(Interval(chrom, 0, 0))
        if chrom not in self._segments:
            self._segments[chrom] = acgt_segments(self.codes(chrom))
            self._segments[chrom].flags.writeable = False
        return self._segments[chrom]

    def soft_masked(self, chrom: str) -> NDArray[np.int64]:
        """Return the lower-case stretches of a chromosome, shape (n, 2), as [start, end).

        Every lower-case letter counts, a lower-case n too.
        """
        return self.codes_and_case(chrom)[1]

    def sha256(self) -> str:
        """Return the digest of the chosen chromosomes: names and base codes, in file order.

        It does not change with line length, case or compression.
        """
        digest = hashlib.sha256()
        for chrom in self.chromosomes:
            update_genome_digest(digest, chrom, self.codes(chrom))
        return digest.hexdigest()

    def require(self, interval: Interval) -> None:
        """Raise `InputError` if the genome has no such interval, or the file has changed since it was opened."""
        require_chromosome(interval.chrom, self.sizes, self.path)
        if interval.end > self.sizes[interval.chrom]:
            raise InputError(
                f"{interval} ends past {interval.chrom}, which has {self.sizes[interval.chrom]} bp "
                f"in {self.path}."
            )
        if file_state(self._plain) != self._state:
            raise InputError(f"{self.path} was changed since it was opened; open it again.")

    def _read_letters(
        self, chrom: str, out: Letters, convert: Callable[[int, int, Callable[[], Letters]], int]
    ) -> Iterator[int]:
        """Fill `out` with the letters of a chromosome, block by block on two threads.

        Right after a block [first, last), while it is in the processor's cache, `convert` turns
        its letters into something else; what it returns is yielded, in order. Its last argument
        gives the letters again, as they stand in the file.
        """
        record = self._records[chrom]
        n_bases, n_bytes = record.line_bases, record.line_bytes
        lines_a_block = max(1, _BLOCK_BYTES // max(1, n_bytes))
        n_lines = -(-out.size // n_bases) if out.size else 0
        line_end = np.frombuffer(b"\r\n"[2 - (n_bytes - n_bases) :], np.uint8)

        def read(line: int) -> int:
            first = line * n_bases
            last = min(out.size, first + lines_a_block * n_bases)
            n_full, rest = divmod(last - first, n_bases)
            block = np.empty(n_full * n_bytes + rest, np.uint8)
            with open(self._plain, "rb", buffering=0) as file:
                file.seek(record.offset + line * n_bytes)
                n_read = file.readinto(block.data)
            # The last line of a record may end otherwise, or with the file.
            is_last_full = last == out.size and not rest
            if n_read < block.size - (n_bytes - n_bases if is_last_full else 0):
                raise InputError(f"{self.path} is shorter than its index says; was it changed?")
            lines = block[: n_full * n_bytes].reshape(n_full, n_bytes)
            if (lines[: n_full - is_last_full, n_bases:] != line_end).any():
                raise InputError(_uneven(self.path, chrom))
            out[first : last - rest].reshape(n_full, n_bases)[:] = lines[:, :n_bases]
            last_line = block[block.size - rest :]
            out[last - rest : last] = last_line
            return convert(first, last, lambda: np.append(lines[:, :n_bases], last_line))

        with ThreadPoolExecutor(2) as threads:
            # Threads are for chromosomes; scaffolds of one block are read faster without.
            run = map if n_lines <= lines_a_block else threads.map
            yield from run(read, range(0, n_lines, lines_a_block))

    def _count_ambiguous(self, chrom: str, first: int, letters: Letters) -> int:
        """Count IUPAC codes other than ACGTN in letters from position `first`; any other letter is an error."""
        known = np.isin(letters, _KNOWN)
        if not known.all():
            odd = int(np.argmin(known))
            self._refuse_letter(chrom, first + odd, chr(letters[odd]))
        return int(np.isin(letters, _AMBIGUOUS).sum())

    def _refuse_letter(self, chrom: str, position: int, letter: str) -> NoReturn:
        if letter in "\r\n":
            raise InputError(_uneven(self.path, chrom))
        record = self._records[chrom]
        with open(self._plain, "rb") as file:
            header = file.read(record.offset).count(b"\n")
        raise InputError(
            f"{self.path}, record {chrom}, line {header + position // record.line_bases + 1}: "
            f"{letter!r} is not a nucleotide letter ({IUPAC}, in either case). RNA needs T for "
            "U, and gaps must be N."
        )


def _uneven(path: Path, chrom: str) -> str:
    return (
        f"{path}, record {chrom}: its lines differ in length (the last may be shorter), or its index is that of "
        "another file; if there is a .fai beside it, remove it."
    )


def update_genome_digest(digest: "hashlib._Hash", chrom: str, codes: NDArray[np.uint8]) -> None:
    """Add a chromosome to the digest that `ReferenceGenome.sha256` gives."""
    digest.update(f">{chrom}\0{codes.size}\0".encode())
    digest.update(codes.data)


def choose_chromosomes(sizes: dict[str, int], wanted: str | Sequence[str] | None, path: Path) -> list[str]:
    """Return the names of the records that are meant, in the order of the file; see `ReferenceGenome`.

    Args:
        sizes: Of all records, in bp, in the order of the file.
        wanted: None for all.
        path: The file, for errors.

    Raises:
        InputError: If a name is not there, or none is left.
    """
    asked = [wanted] if isinstance(wanted, str) else [] if wanted is None else list(wanted)
    chosen: set[str] = set()
    left_out: set[str] = set()
    shortest = 0
    n_included = 0
    for word in asked:
        if word in sizes:
            chosen.add(word)
        elif word.startswith("!"):
            left_out.update(_meant(word[1:], sizes, path))
            continue
        elif word.startswith("min="):
            match = _MIN_LENGTH.fullmatch(word)
            if match is None:
                raise InputError(f"{word} has no whole number of bases; min=100000 leaves out what is shorter.")
            shortest = max(shortest, int(match[1]))
            continue
        else:
            chosen.update(_meant(word, sizes, path))
        n_included += 1
    if not n_included:
        chosen = set(sizes)
    names = [name for name in sizes if name in chosen and name not in left_out and sizes[name] >= shortest]
    if asked and not names:
        raise InputError(f"{path} has no record left of {', '.join(asked)}; it has {shorten(list(sizes))}.")
    return names


def _meant(word: str, sizes: dict[str, int], path: Path) -> list[str]:
    """Return the records that a name, a pattern or "primary" stands for."""
    if word in sizes:
        return [word]
    if word == "all":
        return list(sizes)
    if word == "primary":
        primary = [name for name in sizes if name.removeprefix("chr") in PRIMARY]
        # Others have a chromosome X, or a Roman ten, or 4, too.
        if 2 * sum(sizes[name] for name in primary) < sum(sizes.values()):
            raise InputError(f"{path} {_instead_of_primary(sizes, primary)}")
        return primary
    if not set("*?") & set(word):
        require_chromosome(word, sizes, path)
    found = [name for name in sizes if fnmatch.fnmatchcase(name, word)]
    if not found:
        raise InputError(f"{path} has no record that {word} fits; it has {shorten(list(sizes))}.")
    return found


def _instead_of_primary(sizes: dict[str, int], primary: list[str]) -> str:
    """Return what to write for a genome whose chromosomes are not, or not for the most part, 1-22, X and Y."""
    has = f"has no more than {', '.join(primary)} of" if primary else "has none of"
    longest = sorted(sizes, key=lambda name: -sizes[name])[:5]
    shown = ", ".join(f"{name} ({sizes[name]:,} bp)" for name in longest)
    if len(sizes) == 1:
        return f"{has} the chromosomes 1-22, X, Y; it has {shown} alone. Take all: leave --chromosomes out."
    # The letters that all of them begin with.
    columns = itertools.takewhile(lambda column: len(set(column)) == 1, zip(*longest, strict=False))
    pattern = "".join(column[0] for column in columns).rstrip(_DIGITS) or longest[0].rstrip(_DIGITS)
    fits_several = pattern and sum(name.startswith(pattern) for name in sizes) > 1
    or_pattern = f"; or a pattern, such as '{pattern}*'" if fits_several else ""
    return (
        f"{has} the chromosomes 1-22, X, Y; the longest are {shown}. Name those that you mean, such as "
        f"{','.join(longest[:4])}{or_pattern}; or min=N, for records of N bases or more; or take all."
    )


def _open_file(path: Path) -> tuple[Path, Path, dict[str, FastaRecord]]:
    """Return the plain file, its index, and the records by name; what is missing is made in the cache."""
    packed = _is_gzip(path)
    folder, key = cache_dir() / "fasta", file_key(path)
    plain, made_here = folder / f"{key}.fa" if packed else path, folder / f"{key}.fai"
    if plain.exists() and plain.stat().st_size:
        data = mapped(plain)
        for index in (made_here,) if packed else (Path(f"{path}.fai"), made_here):
            records = read_index(index)
            if records and index_tiles(records, data):
                in_order = sorted(records, key=lambda record: record.offset)
                return plain, index, {record.name: record for record in in_order}
    if packed:
        bar = progress_bar(total=path.stat().st_size, what=f"inflating {path.name}", unit="B", scale=True)
        with atomic_write(plain) as beside, bar:
            inflate(path, beside, bar)
    if plain.stat().st_size > _LARGE_BYTES and on_a_terminal():
        print(f"indexing {path.name}, once ...", file=sys.stderr)
    if not plain.stat().st_size:
        raise InputError(f"{path} holds nothing; a FASTA file starts with a line '>name'.")
    records = make_index(mapped(plain), path)
    with atomic_write(made_here) as beside:
        beside.write_text(index_text(records), encoding="utf-8")
    return plain, made_here, {record.name: record for record in records}


def _is_gzip(path: Path) -> bool:
    try:
        with open(path, "rb") as file:
            magic = file.read(2)
    except FileNotFoundError:
        raise InputError(f"There is no file {path}.") from None
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}.") from error
    if not magic:
        raise InputError(f"{path} is empty; a FASTA file starts with a line '>name'.")
    if magic != GZIP_MAGIC and path.suffix.lower() in (".gz", ".bgz", ".bz2", ".zip"):
        raise InputError(f"{path} is named like a compressed file but is not gzip; rename or repack it.")
    return magic == GZIP_MAGIC


@cached_njit
def _letters_to_codes(letters: Letters) -> bool:
    """Turn letters into base codes in place; say whether one is none of ACGTN, in either case.

    Bits 1 and 2 of the letter instead of a table, and a flag instead of a count: so it is SIMD.
    """
    odd = np.uint8(0)
    for i in range(letters.size):
        letter = letters[i] & _UPPER
        code = (letter >> np.uint8(1)) & np.uint8(3)
        code ^= code >> np.uint8(1)
        other = np.uint8((letter != _A) & (letter != _C) & (letter != _G) & (letter != _T))
        odd |= other & np.uint8(letter != _N)
        letters[i] = (code & (other - np.uint8(1))) | (other << np.uint8(2))
    return bool(odd)


@cached_njit
def _lower_case_runs(letters: Letters) -> NDArray[np.int64]:
    """Return where runs of lower-case letters begin and end, one after another, shape (2 * n_runs,)."""
    n_borders = 0
    before = np.uint8(0)
    for i in range(letters.size):
        case = letters[i] & _LOWER
        n_borders += case != before
        before = case
    borders = np.full(n_borders + n_borders % 2, letters.size, np.int64)
    k = 0
    before = np.uint8(0)
    for i in range(letters.size):
        case = letters[i] & _LOWER
        if case != before:
            borders[k] = i
            k += 1
        before = case
    return borders
