"""`grover tokenize-regions`: the tokens of many regions, as their genome has them, to Parquet, TSV or BED12."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal, NamedTuple, Protocol

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from grover_hf._internals.files import atomic_write, sha256_of_file
from grover_hf._internals.gathering import Gathered, join_lines, join_parquet
from grover_hf._internals.outputs import only_writer, require_not_an_input, require_writable
from grover_hf._internals.progress import progress_bar
from grover_hf._internals.shards import Origin, Shard, ShardWritten, write_shard
from grover_hf.corpus.region import tokenize_each
from grover_hf.corpus.token_lookup import IntervalTokens
from grover_hf.corpus.tokenized_genome import TokenizedGenome
from grover_hf.errors import InputError
from grover_hf.genome import Interval, ReferenceGenome
from grover_hf.genome.annotations import read_regions, require_same_names

KIND = "tokens of regions"
_COMPRESSION = "zstd"
_AT_ONCE, _BASES_AT_ONCE = 20_000, 20_000_000
_TSV = (
    "chrom", "start", "end", "name", "strand", "token_strand", "partial_start", "partial_end", "starts", "ends",
    "tokens",
)
_BEGINS = {".parquet": "PAR1", ".tsv": "\t".join(_TSV), ".bed": "# tokens of grover"}
"""How a file of each kind begins."""

Strands = Literal["forward", "reverse", "both", "own"]
"""Which tokens of a region: of one strand, of both (the forward strand's first), or of the region's own strand."""


class Written(NamedTuple):
    """What was written."""

    n_regions: int
    n_tokens: int
    n_without: int
    """Regions without any token: in N."""


class _Sources(NamedTuple):
    """Where tokens come from: of the forward strand, and of the reverse one."""

    corpus: TokenizedGenome
    genome: ReferenceGenome


class Row(NamedTuple):
    """A region and its tokens."""

    chrom: str
    start: int
    end: int
    name: str
    strand: str
    tokens: IntervalTokens


class Writer(Protocol):
    """Writes rows, some at a time."""

    def __call__(self, rows: list[Row]) -> None: ...


def tokenize_regions(  # noqa: PLR0913 - the options of the command
    regions: Path, genome: Path, tokenizer: str | Path, output: Path, *, inside: bool = False,
    strand: Strands = "forward", overwrite: bool = False, shard: Shard | None = None,
) -> Written | ShardWritten:
    """Write the tokens of each region, in the order of the file; the genome is tokenized once, into the cache.

    Tokens of the reverse strand come from the bases around each region (`grover_hf.corpus.region`), in the order
    in which that strand is read.

    Args:
        regions: A BED file, or a table with `chrom`, `start`, `end`.
        genome: A FASTA file.
        tokenizer: A tokenizer folder, a merges file, or "kmer-K".
        output: `.parquet` (lists of ids, starts and ends), `.tsv`, or `.bed` (BED12, a block for each token).
        inside: Drop tokens that reach out of a region.
        strand: Which tokens: `own` are those of the region's strand, the forward one where it has none.
        overwrite: Replace what is in `output`.
        shard: Write this part alone; see `_internals.shards`. Runs of 20,000 regions stay together.

    Raises:
        InputError: If a file cannot be used, a region is not in the genome, or `output` may not be replaced.
    """
    if output.suffix not in _BEGINS:
        raise InputError(f"{output} ends in {output.suffix!r}; it must end in {', '.join(_BEGINS)}.")
    require_not_an_input(output, [regions, genome, tokenizer])
    if shard is None:
        with only_writer(output):
            _require_writable(output, overwrite=overwrite)
            table, sources = _opened(regions, genome, tokenizer)
            return _write(output, list(some_at_a_time(table)), sources, strand, inside=inside)
    table, sources = _opened(regions, genome, tokenizer)
    runs = list(some_at_a_time(table))
    origin = Origin(
        kind=KIND, suffix=output.suffix,
        inputs={"regions": sha256_of_file(regions), "genome": sources.corpus.facts.genome.sha256},
        vocabulary_sha256=sources.corpus.vocabulary_sha256, options={"inside": inside, "strand": strand},
    )

    def write(path: Path, units: range) -> int:
        return _write(path, runs[units.start : units.stop], sources, strand, inside=inside).n_regions

    return write_shard(output, shard, origin, costs=list(map(len, runs)), write=write, overwrite=overwrite)


def join_shards(shards: Gathered, output: Path, *, overwrite: bool) -> None:
    """Write the file that shards of `tokenize_regions` make, byte for byte that without shards."""
    require_not_an_input(output, [shards.folder])
    _require_writable(output, overwrite=overwrite)
    with atomic_write(output) as beside:
        if output.suffix == ".parquet":
            join_parquet(shards.paths, beside, compression=_COMPRESSION)
        else:
            join_lines(shards.paths, beside, n_header_lines=1)


def _opened(regions: Path, genome: Path, tokenizer: str | Path) -> tuple[pd.DataFrame, _Sources]:
    table = read_regions(regions)
    corpus = TokenizedGenome.cached(genome, tokenizer)
    require_in_genome(table, corpus, regions, genome)
    return table, _Sources(corpus, ReferenceGenome(genome))


def _write(
    output: Path, runs: list[pd.DataFrame], sources: _Sources, strand: Strands, *, inside: bool
) -> Written:
    n_regions, n_tokens, n_without = sum(map(len, runs)), 0, 0
    with atomic_write(output) as beside, progress_bar(total=n_regions, what="regions") as bar:
        with _WRITERS[output.suffix](beside, sources.corpus) as write:
            for run in runs:
                rows = _rows(run, sources, strand, inside=inside)
                write(rows)
                lengths = np.array([len(row.tokens.input_ids) for row in rows])
                of_regions = lengths.reshape(-1, 2 if strand == "both" else 1).sum(1)
                n_tokens, n_without = n_tokens + int(lengths.sum()), n_without + int((of_regions == 0).sum())
                bar.update(len(run))
    return Written(n_regions, n_tokens, n_without)


def _require_writable(output: Path, *, overwrite: bool) -> None:
    require_writable(output, overwrite=overwrite, begins=_BEGINS[output.suffix])
    if output.suffix == ".parquet" and output.exists():
        _require_own_parquet(output)


def _require_own_parquet(path: Path) -> None:
    """Raise `InputError` if a Parquet file holds no tokens of regions: all of them begin alike."""
    try:
        schema = pq.read_schema(path)
    except (OSError, pa.ArrowInvalid):
        schema = pa.schema([])
    if "input_ids" not in schema.names or b"grover.vocabulary_sha256" not in (schema.metadata or {}):
        raise InputError(
            f"{path} is not replaced: it holds no tokens of regions, so this command did not make it. Name "
            "another --output, or remove it yourself."
        )


def require_in_genome(
    table: pd.DataFrame, corpus: TokenizedGenome | ReferenceGenome, regions: Path, genome: Path
) -> None:
    """Raise `InputError` if a region is not in the genome, and offer names that seem meant.

    Args:
        table: Regions, as `read_regions` gives them.
        corpus: The genome, tokenized or not.
        regions: Their file, for the error.
        genome: Its file, for the error.
    """
    require_same_names(table["chrom"].unique().tolist(), list(corpus.sizes), what=str(regions), genome=str(genome))
    odd = outside_genome(table, corpus)
    if odd.any():
        row = table.iloc[int(odd.argmax())]
        size = corpus.sizes.get(row["chrom"])
        why = f"{row['chrom']} has {size:,} bp" if size else f"there is no {row['chrom']}"
        where = f"{row['chrom']}:{row['start']}-{row['end']}"
        raise InputError(
            f"{regions}: {where} is not in {genome}: {why}. {int(odd.sum())} of {len(table):,} regions are not."
        )


def outside_genome(table: pd.DataFrame, corpus: TokenizedGenome | ReferenceGenome) -> NDArray[np.bool_]:
    """Return which regions have an unknown chromosome or end past it, shape (n,)."""
    sizes = table["chrom"].map(corpus.sizes)
    outside: NDArray[np.bool_] = (sizes.isna() | (table["end"] > sizes)).to_numpy()
    return outside


def some_at_a_time(table: pd.DataFrame, n_bases: int | None = None) -> Iterator[pd.DataFrame]:
    """Yield the regions of a table in parts of so many, or of so many bases, that their tokens fit into memory."""
    n_bases = n_bases or _BASES_AT_ONCE
    ends = (table["end"] - table["start"]).cumsum().to_numpy()
    first = 0
    while first < len(table):
        before = int(ends[first - 1]) if first else 0
        last = int(np.searchsorted(ends, before + n_bases, side="right"))
        last = min(max(first + 1, last), first + _AT_ONCE)
        yield table.iloc[first:last]
        first = last


def _rows(run: pd.DataFrame, sources: _Sources, strand: Strands, *, inside: bool) -> list[Row]:
    columns = (run[name].tolist() for name in ("chrom", "start", "end", "name", "strand"))
    return [
        Row(chrom, start, end, name, own, tokens)
        for chrom, start, end, name, own in zip(*columns, strict=True)
        for tokens in _tokens(Interval(chrom, start, end), own, sources, strand, inside=inside)
    ]


def _tokens(
    interval: Interval, own: str, sources: _Sources, strand: Strands, *, inside: bool
) -> Iterator[IntervalTokens]:
    if strand in ("forward", "both") or (strand == "own" and own != "-"):
        yield sources.corpus.tokens_in(interval, inside=inside)
    if strand in ("reverse", "both") or (strand == "own" and own == "-"):
        for tokens in tokenize_each(sources.genome, [interval], sources.corpus.encoder, strand="-"):
            yield tokens.inside(interval) if inside else tokens


class _Parquet:
    """Rows as row groups; ids as lists of uint16."""

    def __init__(self, path: Path, corpus: TokenizedGenome) -> None:
        text, number = pa.string(), pa.int64()
        facts = {"vocabulary_sha256": corpus.vocabulary_sha256, "genome_sha256": corpus.facts.genome.sha256}
        self._schema = pa.schema(
            [("chrom", text), ("start", number), ("end", number), ("name", text), ("strand", text),
             ("token_strand", text), ("input_ids", pa.list_(pa.uint16())),
             ("starts", pa.list_(number)), ("ends", pa.list_(number)), ("partial_start", pa.bool_()),
             ("partial_end", pa.bool_())],
            metadata={f"grover.{name}": value for name, value in facts.items()},
        )
        self._writer = pq.ParquetWriter(path, self._schema, compression=_COMPRESSION)

    def __enter__(self) -> Writer:
        return self._write

    def __exit__(self, *_: object) -> None:
        self._writer.close()

    def _write(self, rows: list[Row]) -> None:
        lengths = [len(row.tokens.input_ids) for row in rows]
        offsets = pa.array(np.concatenate([[0], np.cumsum(lengths)]), pa.int32())

        def lists(name: str, dtype: Any) -> pa.ListArray:
            values = [np.empty(0, dtype), *(getattr(row.tokens, name) for row in rows)]
            return pa.ListArray.from_arrays(offsets, np.concatenate(values, dtype=dtype))

        columns = list(zip(*(row[:5] for row in rows), strict=True))
        arrays = [
            *columns, [row.tokens.strand for row in rows],
            lists("input_ids", np.uint16), lists("starts", np.int64), lists("ends", np.int64),
            [row.tokens.partial_start for row in rows], [row.tokens.partial_end for row in rows],
        ]
        self._writer.write_table(pa.table(
            [pa.array(array, field.type) for array, field in zip(arrays, self._schema, strict=True)],
            schema=self._schema,
        ))


class _Lines:
    """Rows as lines of text."""

    def __init__(self, path: Path, header: str, line: Callable[[Row], str | None]) -> None:
        self._file = open(path, "w", encoding="utf-8")  # noqa: SIM115 - closed by __exit__
        self._file.write(f"{header}\n")
        self._line = line

    def __enter__(self) -> Writer:
        return self._write

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def _write(self, rows: list[Row]) -> None:
        lines = (self._line(row) for row in rows)
        self._file.writelines(f"{line}\n" for line in lines if line is not None)


def _tsv(path: Path, corpus: TokenizedGenome) -> _Lines:
    tokens = corpus.encoder.tokens

    def line(row: Row) -> str:
        found = row.tokens
        lists = (",".join(map(str, values.tolist())) for values in (found.starts, found.ends))
        spelled = " ".join(tokens[token] for token in found.input_ids.tolist())
        flags = (int(found.partial_start), int(found.partial_end))
        return "\t".join(map(str, (*row[:5], found.strand, *flags, *lists, spelled)))

    return _Lines(path, _BEGINS[".tsv"], line)


def _bed(path: Path, corpus: TokenizedGenome) -> _Lines:
    def line(row: Row) -> str | None:
        found = row.tokens
        if not len(found.input_ids):
            # BED has no line without a block.
            return None
        in_order = np.argsort(found.starts)
        first, last = int(found.starts.min()), int(found.ends.max())
        sizes, starts = (values[in_order].tolist() for values in (found.ends - found.starts, found.starts - first))
        fields = (
            row.chrom, first, last, row.name or ".", 0, found.strand, max(first, row.start), min(last, row.end),
            "0", len(sizes), ",".join(map(str, sizes)), ",".join(map(str, starts)),
        )
        return "\t".join(map(str, fields))

    return _Lines(path, f"{_BEGINS['.bed']}: {corpus.encoder.name}, {corpus.vocabulary_sha256[:12]}", line)


_WRITERS: dict[str, Callable[[Path, TokenizedGenome], Any]] = {".parquet": _Parquet, ".tsv": _tsv, ".bed": _bed}
