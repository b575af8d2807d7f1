"""`ReferenceGenome`: a FASTA file, read by name and coordinate, or a chromosome at a time.

pyfaidx indexes the file and fetches intervals. A whole chromosome is read past it, straight into
base codes: blocks of whole lines from the file, one compiled pass over each, no Python string.
"""

import gzip
import hashlib
import logging
import sys
import zlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pyfaidx
from numpy.typing import NDArray

from grover_hf._internals.compilation import cached_njit
from grover_hf._internals.files import atomic_write, cache_dir, file_key
from grover_hf._internals.progress import progress_bar
from grover_hf.errors import InputError, shorten
from grover_hf.genome.acgt import NOT_ACGT, acgt_segments
from grover_hf.genome.intervals import Interval
from grover_hf.genome.letters import IUPAC, reverse_complement

logger = logging.getLogger(__name__)

PRIMARY = (*(str(n) for n in range(1, 23)), "X", "Y")
"""The chromosomes that the paper counts, without the "chr" of UCSC names."""

Letters = NDArray[np.uint8]

_BLOCK_BYTES = 1 << 21
_LARGE_BYTES = 100_000_000
_KNOWN = np.frombuffer((IUPAC + IUPAC.lower()).encode(), np.uint8)
_AMBIGUOUS = _KNOWN[~np.isin(_KNOWN, np.frombuffer(b"ACGTNacgtn", np.uint8))]
# Bit 5 of an ASCII letter is its case.
_UPPER, _A, _C, _G, _T, _N = (np.uint8(x) for x in (0xDF, *b"ACGTN"))


class ReferenceGenome:
    """A genome in a FASTA file: plain, gzip or bgzip.

    A compressed file is inflated once into the cache (see `grover_hf._internals.files`), and the index is
    made there on first use; nothing is written beside the user's file. An index that stands
    beside the file and is not older than it is used as it is.

    Args:
        path: The FASTA file.
        chromosomes: Which records to keep: None for all in file order, "primary" for those of
            1-22, X and Y that the file has (with or without "chr"), or their names.

    Raises:
        InputError: If the file is missing, empty, truncated, ragged, or no FASTA; if two records
            have one name; if a name in `chromosomes` is not in the file.

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
        self._plain = _plain_fasta(self.path)
        self._index = _open_index(self.path, self._plain)
        sizes = {name: int(record.rlen) for name, record in self._index.faidx.index.items()}
        self.chromosomes: list[str] = _choose(list(sizes), chromosomes, self.path)
        self.sizes: dict[str, int] = {name: sizes[name] for name in self.chromosomes}
        self.n_ambiguous: dict[str, int] = {}
        """IUPAC codes other than N in the chromosomes that have been read."""
        self._warned_of_iupac = False

    def __repr__(self) -> str:
        return f"ReferenceGenome({str(self.path)!r}, {shorten(self.chromosomes)})"

    def fetch(self, interval: Interval) -> str:
        """Return the upper-case letters of `interval`; of a "-" interval the reverse complement.

        Raises:
            InputError: If the chromosome is unknown or the interval ends past it.
        """
        self._check(interval)
        record = self._index.faidx.fetch(interval.chrom, interval.start + 1, interval.end)
        letters = str(record).upper() if len(interval) else ""
        return letters if interval.strand == "+" else reverse_complement(letters)

    def codes(self, chrom: str) -> NDArray[np.uint8]:
        """Return the base codes of a whole chromosome, shape (size,), uint8.

        Raises:
            InputError: If the chromosome is unknown, or holds a letter that is no IUPAC
                nucleotide code (with record, line and letter), or the file has changed since
                it was opened.
        """
        self._check(Interval(chrom, 0, 0))
        codes = np.empty(self.sizes[chrom], np.uint8)

        def convert(first: int, last: int) -> int:
            return self._count_ambiguous(chrom, first, last) if _letters_to_codes(codes[first:last]) else 0

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
        """Return the N-free segments of a chromosome, shape (n_segments, 2), as [start, end)."""
        return acgt_segments(self.codes(chrom))

    def soft_masked(self, chrom: str) -> NDArray[np.int64]:
        """Return the lower-case stretches of a chromosome, shape (n, 2), as [start, end).

        Every lower-case letter counts, a lower-case n too.
        """
        self._check(Interval(chrom, 0, 0))
        case = np.empty(self.sizes[chrom], np.uint8)

        def convert(first: int, last: int) -> int:
            # Bit 5 of a letter is its case; lower case becomes 0, a "base", and upper case 4.
            case[first:last] = NOT_ACGT * ((case[first:last] & np.uint8(0x20)) == 0)
            return 0

        list(self._read_letters(chrom, case, convert))
        return acgt_segments(case)

    def sha256(self) -> str:
        """Return the digest of the chosen chromosomes: names and base codes, in file order.

        It does not change with line length, case or compression.
        """
        digest = hashlib.sha256()
        for chrom in self.chromosomes:
            update_genome_digest(digest, chrom, self.codes(chrom))
        return digest.hexdigest()

    def _check(self, interval: Interval) -> None:
        if interval.chrom not in self.sizes:
            raise InputError(
                f"{self.path} has no chromosome {interval.chrom!r}; it has "
                f"{shorten(self.chromosomes)}. UCSC names start with 'chr', Ensembl names do not."
            )
        if interval.end > self.sizes[interval.chrom]:
            raise InputError(
                f"{interval} ends past {interval.chrom}, which has {self.sizes[interval.chrom]} bp "
                f"in {self.path}."
            )

    def _read_letters(
        self, chrom: str, out: Letters, convert: Callable[[int, int], int]
    ) -> Iterator[int]:
        """Fill `out` with the letters of a chromosome, block by block on two threads.

        Right after a block [first, last), while it is in the processor's cache, `convert` turns
        its letters into something else; what it returns is yielded, in order.
        """
        record = self._index.faidx.index[chrom]
        lines_a_block = max(1, _BLOCK_BYTES // max(1, record.lenb))
        n_lines = -(-out.size // record.lenc) if out.size else 0

        def read(line: int) -> int:
            first = line * record.lenc
            last = min(out.size, first + lines_a_block * record.lenc)
            n_full, rest = divmod(last - first, record.lenc)
            block = np.empty(n_full * record.lenb + rest, np.uint8)
            with open(self._plain, "rb", buffering=0) as file:
                file.seek(record.offset + line * record.lenb)
                n_read = file.readinto(block.data)
            # The last line of a file needs no newline.
            if n_read < block.size - (record.lenb - record.lenc if last == out.size and not rest else 0):
                raise InputError(f"{self.path} is shorter than its index says; was it changed?")
            lines = block[: n_full * record.lenb].reshape(n_full, record.lenb)
            out[first : last - rest].reshape(n_full, record.lenc)[:] = lines[:, : record.lenc]
            out[last - rest : last] = block[block.size - rest :]
            return convert(first, last)

        with ThreadPoolExecutor(2) as threads:
            # Threads are for chromosomes; scaffolds of one block are read faster without.
            run = map if n_lines <= lines_a_block else threads.map
            yield from run(read, range(0, n_lines, lines_a_block))

    def _count_ambiguous(self, chrom: str, first: int, last: int) -> int:
        """Count IUPAC codes other than ACGTN; any other letter is an error."""
        text = str(self._index.faidx.fetch(chrom, first + 1, last))
        letters = np.frombuffer(text.encode("latin-1", "replace"), np.uint8)
        known = np.isin(letters, _KNOWN)
        if known.all():
            return int(np.isin(letters, _AMBIGUOUS).sum())
        at = int(np.argmin(known))
        record = self._index.faidx.index[chrom]
        with open(self._plain, "rb") as file:
            header = file.read(record.offset).count(b"\n")
        raise InputError(
            f"{self.path}, record {chrom}, line {header + (first + at) // record.lenc + 1}: "
            f"{chr(letters[at])!r} is no nucleotide letter ({IUPAC}, in either case). RNA needs T for "
            "U, and gaps must be N."
        )


def update_genome_digest(digest: "hashlib._Hash", chrom: str, codes: NDArray[np.uint8]) -> None:
    """Add a chromosome to the digest that `ReferenceGenome.sha256` gives."""
    digest.update(f">{chrom}\0{codes.size}\0".encode())
    digest.update(codes.data)


def _choose(names: list[str], wanted: str | Sequence[str] | None, path: Path) -> list[str]:
    if wanted is None:
        return names
    if wanted == "primary":
        primary = [name for name in names if name.removeprefix("chr") in PRIMARY]
        if not primary:
            raise InputError(f"{path} has none of the chromosomes 1-22, X, Y; it has {shorten(names)}.")
        return primary
    asked = [wanted] if isinstance(wanted, str) else list(wanted)
    for name in asked:
        if name not in names:
            raise InputError(
                f"{path} has no chromosome {name!r}; it has {shorten(names)}. "
                "UCSC names start with 'chr', Ensembl names do not."
            )
    return [name for name in names if name in asked]


def _plain_fasta(path: Path) -> Path:
    """Return `path`, or the inflated copy of a gzip or bgzip file, made in the cache if needed."""
    try:
        with open(path, "rb") as file:
            magic = file.read(2)
    except FileNotFoundError:
        raise InputError(f"There is no file {path}.") from None
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}.") from error
    if not magic:
        raise InputError(f"{path} is empty; a FASTA file starts with a line '>name'.")
    if magic != b"\x1f\x8b":
        if path.suffix.lower() in (".gz", ".bgz", ".bz2", ".zip"):
            raise InputError(f"{path} is named like a compressed file but is not gzip; rename or repack it.")
        return path
    plain = cache_dir() / "fasta" / f"{file_key(path)}.fa"
    if plain.exists():
        return plain
    bar = progress_bar(total=path.stat().st_size, what=f"inflating {path.name}", unit="B", scale=True)
    try:
        with atomic_write(plain) as beside, open(path, "rb") as packed, open(beside, "wb") as out, bar:
            with gzip.GzipFile(fileobj=packed) as inflated:
                while block := inflated.read(1 << 22):
                    out.write(block)
                    bar.update(packed.tell() - bar.n)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise InputError(f"{path} is no whole gzip file ({error}); copy or download it again.") from error
    return plain


def _open_index(path: Path, plain: Path) -> pyfaidx.Fasta:
    beside = Path(f"{plain}.fai")
    if plain == path and beside.exists() and beside.stat().st_mtime >= path.stat().st_mtime:
        index = beside
    else:
        index = cache_dir() / "fasta" / f"{file_key(plain)}.fai"
    try:
        if not index.exists():
            if plain.stat().st_size > _LARGE_BYTES and sys.stdout.isatty():
                print(f"indexing {path.name}, once ...", file=sys.stderr)
            with atomic_write(index) as fresh:
                made = pyfaidx.Faidx(str(plain), indexname=str(fresh))
                _require_even_lines(path, plain, made)
                made.close()
        return pyfaidx.Fasta(str(plain), indexname=str(index), as_raw=True, rebuild=False)
    except InputError:
        raise
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is no FASTA file: it is not text.") from error
    except (pyfaidx.FastaIndexingError, ValueError) as error:
        # pyfaidx says which record is ragged, doubled or missing, and names the inflated copy.
        reason = str(error).replace(str(plain), str(path)).strip()
        raise InputError(f"{path} cannot be indexed as FASTA: {reason}") from error


def _require_even_lines(path: Path, plain: Path, index: pyfaidx.Faidx) -> None:
    """Refuse records whose last line is longer than the others, which pyfaidx lets pass.

    Where its arithmetic of lines has a line end, it then finds a base.
    """
    letters = np.memmap(plain, np.uint8, "r")
    for name, record in index.index.items():
        if not record.rlen:
            continue
        n_lines = -(-record.rlen // record.lenc)
        first = record.offset + record.lenb - 1
        line_ends = letters[first : first + (n_lines - 1) * record.lenb : record.lenb]
        if (line_ends != ord("\n")).any():
            raise InputError(f"{path}, record {name}: its lines differ in length (the last may be shorter).")


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
