"""Files of variants: VCF, and tables with chrom, pos, ref, alt. All other fields stay as they are.

VCF is read and written as text, so that no field is changed on the way: only INFO gets more keys.
"""

import contextlib
import csv
import gzip
import itertools
import re
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from grover_hf._internals.files import atomic_write
from grover_hf._internals.shards import row_runs
from grover_hf.errors import InputError, shorten
from grover_hf.genome.annotations import LARGEST_POSITION, read_table, text_lines
from grover_hf.variants.alleles import Alleles, Records

ENDINGS = (".vcf", ".vcf.gz", ".parquet", ".tsv")
RECORDS_A_RUN = 10_000
"""Records that stay together where several jobs make one output."""
_NEEDED = ("chrom", "pos", "ref", "alt")
_KIND = "variant_kind"
_N_FIXED = 8
_STRUCTURE = re.compile(r'[<>"\r\n]')
"""What would be read as more than text in a header."""
_INFO_ID = re.compile(r"##INFO=<ID=([^,>]+)")
Scores = Mapping[str, NDArray[np.float64]]


@dataclass(frozen=True, eq=False)
class VariantFile:
    """A file of variants, in memory: its records, and all else to write it again."""

    records: Records
    header: tuple[str, ...]
    """Lines of a VCF up to that of the column names; empty for a table."""
    lines: tuple[str, ...]
    """Records of a VCF as they stand; empty for a table."""
    table: pd.DataFrame
    """Columns of a table; of a VCF chrom, pos, id, ref, alt."""
    schema: pa.Schema
    """Their types."""

    @property
    def is_vcf(self) -> bool:
        """Whether it is a VCF file."""
        return bool(self.header)

    def part(self, first: int, last: int) -> "VariantFile":
        """Return some of the records, with the whole header."""
        one, some = self.records, slice(first, last)
        records = Records(
            one.path, one.places[some], one.chroms[some], one.positions[some], one.refs[some], one.alts[some]
        )
        table = self.table.iloc[some].reset_index(drop=True)
        return VariantFile(records, self.header, self.lines[some], table, self.schema)


def ending_of(path: Path) -> str:
    """Return which of `ENDINGS` a path has.

    Raises:
        InputError: If it has none of them.
    """
    for ending in ENDINGS:
        if path.name.lower().endswith(ending):
            return ending
    raise InputError(f"{path} must end in {', '.join(ENDINGS)}.")


def read_variants(path: Path) -> VariantFile:
    """Read a VCF file (plain or gzip, by its content), or a table (TSV, CSV or Parquet) with chrom, pos, ref, alt.

    Positions count from 1, as in VCF, in tables too.

    Raises:
        InputError: If it cannot be read or lacks a column, or a position is not a number.
    """
    if path.name.lower().endswith(".parquet"):
        table = _read_parquet(path)
        # pandas may have noted an index, which is a column like any other here.
        return _from_table(path, table.to_pandas(ignore_metadata=True), table.schema.remove_metadata())
    if re.search(r"\.(tsv|csv|txt)(\.gz)?$", path.name.lower()):
        columns = read_table(path)
        return _from_table(path, columns, _texts(columns))
    return _read_vcf(path)


def write_variants(
    file: VariantFile, alleles: Alleles, scores: Scores, descriptions: Mapping[str, str],
    provenance: Mapping[str, str], output: Path,
) -> None:
    """Write the records of a file with scores, in its order.

    Args:
        file: What was read.
        alleles: Its alleles.
        scores: By name, each (n_alleles,); NaN where there is none.
        descriptions: What each score is, for the header of a VCF.
        provenance: What made the scores.
        output: Its ending says the form; a VCF can only be written from a VCF.
    """
    ending = ending_of(output)
    with atomic_write(output) as beside:
        if ending.startswith(".vcf"):
            with _open_text(beside, packed=ending == ".vcf.gz") as out:
                for line in _vcf_lines(file, alleles, scores, descriptions, provenance):
                    out.write((line + "\n").encode())
        elif ending == ".parquet":
            _write_parquet(beside, file, alleles, scores, provenance)
        else:
            _write_tsv(beside, _table_of(file, alleles, scores), list(scores))


def require_replaceable(output: Path, *, overwrite: bool) -> None:
    """Raise `InputError` if a file is there and may not be replaced: scored variants of ours alone ever are."""
    if not output.exists():
        return
    if output.is_dir():
        raise InputError(f"{output} is a folder; name another --output.")
    if not overwrite:
        raise InputError(f"{output} is there already; name another --output, or say --overwrite.")
    if not _is_ours(output):
        raise InputError(
            f"{output} is not replaced: it holds no scores of variants, so this command did not make it. Name "
            "another --output, or remove it yourself."
        )


def _is_ours(path: Path) -> bool:
    ending = ending_of(path)
    try:
        if ending == ".parquet":
            return _KIND in (schema := pq.read_schema(path)).names and b"grover.scores" in (schema.metadata or {})
        with gzip.open(path, "rb") if ending == ".vcf.gz" else open(path, "rb") as file:
            if ending == ".tsv":
                return _KIND.encode() in file.readline().rstrip().split(b"\t")
            header = itertools.takewhile(lambda line: line.startswith(b"#"), file)
            return any(line.startswith(b"##grover_hf_scores=") for line in header)
    except (OSError, EOFError, zlib.error, pa.ArrowInvalid):
        return False


def require_writable_form(file: VariantFile, names: Sequence[str], output: Path) -> None:
    """Raise `InputError` if the output cannot hold the records of a file with scores of these names."""
    if ending_of(output).startswith(".vcf"):
        if not file.is_vcf:
            raise InputError(f"{output} cannot be VCF: {file.records.path} is a table; name a .parquet or .tsv.")
        there = {match[1] for line in file.header if (match := _INFO_ID.match(line))}
    else:
        there = set(file.table.columns)
        names = [_KIND, *names]
    if doubled := [name for name in names if name in there]:
        how = f" (bcftools annotate --remove INFO/{doubled[0]})" if file.is_vcf else ""
        raise InputError(
            f"{file.records.path} has {doubled[0]} already: is it an output of this command? Take the file that "
            f"it was made from, or drop the field{how}."
        )
    if ending_of(output) == ".vcf.gz":
        _pysam()


def _read_vcf(path: Path) -> VariantFile:
    lines = text_lines(path)
    n_header = next((number for number, (_, line) in enumerate(lines) if not line.startswith("#")), len(lines))
    header = [line for _, line in lines[:n_header]]
    if not header or not header[0].startswith("##fileformat=VCF"):
        raise InputError(
            f"{path} is no VCF: its first line is not ##fileformat=VCF... A table needs the ending .tsv, .csv or "
            ".parquet, and columns chrom, pos, ref, alt."
        )
    if not header[-1].startswith("#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO"):
        raise InputError(f"{path} is no VCF: its header does not end with the line #CHROM POS ID REF ALT ...")
    n_columns = header[-1].count("\t") + 1
    rows, body = [], []
    for number, line in lines[n_header:]:
        fields = line.split("\t", _N_FIXED)
        here = line.count("\t") + 1
        if here != n_columns:
            raise InputError(f"{path}, line {number} has {here} columns, where the header has {n_columns}.")
        rows.append(fields[:5])
        body.append((number, line))
    columns = [list(column) for column in zip(*rows, strict=True)] if rows else [[]] * 5
    table = pd.DataFrame(dict(zip(("chrom", "pos", "id", "ref", "alt"), columns, strict=True)), dtype=object)
    places = [f"{path}, line {number}" for number, _ in body]
    records = _records(path, table, places)
    table = table.assign(pos=records.positions)
    return VariantFile(records, tuple(header), tuple(line for _, line in body), table, _texts(table))


def _texts(table: pd.DataFrame) -> pa.Schema:
    return pa.schema([(name, pa.string()) for name in table.columns])


def _read_parquet(path: Path) -> pa.Table:
    try:
        return pq.read_table(path)
    except (OSError, pa.ArrowException) as error:
        raise InputError(f"{path} cannot be read as Parquet: {' '.join(str(error).split())}") from error


def _from_table(path: Path, table: pd.DataFrame, schema: pa.Schema) -> VariantFile:
    if missing := [name for name in _NEEDED if name not in table.columns]:
        raise InputError(
            f"{path} has no column {missing[0]}; it has {shorten([str(name) for name in table.columns])}. A table "
            "of variants has chrom, pos (from 1, as in VCF), ref and alt."
        )
    places = [f"{path}, row {row}" for row in range(1, len(table) + 1)]
    for name in ("chrom", "ref", "alt"):
        if bad := [row for row, value in enumerate(table[name].tolist()) if not isinstance(value, str)]:
            raise InputError(f"{places[bad[0]]}: {name} is {table[name].iloc[bad[0]]!r}, not text.")
    several = table["alt"].str.contains(",", regex=False).to_numpy(bool)
    if several.any():
        row = int(several.argmax())
        raise InputError(f"{places[row]}: alt is {table['alt'].iloc[row]!r}; a row has one alternative.")
    records = _records(path, table, places)
    return VariantFile(records, (), (), table.assign(pos=records.positions), schema)


def _records(path: Path, table: pd.DataFrame, places: Sequence[str]) -> Records:
    positions = pd.to_numeric(table["pos"], errors="coerce").to_numpy(float, na_value=np.nan)
    bad = ~((positions == np.floor(positions)) & (positions >= 0) & (positions <= LARGEST_POSITION))
    if bad.any():
        row = int(bad.argmax())
        given = str(table["pos"].iloc[row])
        raise InputError(f"{places[row]}: the position is {given!r}; it is a whole number from 1 on.")
    return Records(
        str(path), places, table["chrom"].tolist(), positions.astype(np.int64), table["ref"].tolist(),
        table["alt"].tolist(),
    )


def _vcf_lines(
    file: VariantFile, alleles: Alleles, scores: Scores, descriptions: Mapping[str, str],
    provenance: Mapping[str, str],
) -> Iterator[str]:
    yield from file.header[:-1]
    for name, value in provenance.items():
        yield f"##grover_hf_{name}={_STRUCTURE.sub(' ', value)}"
    for name in scores:
        yield f'##INFO=<ID={name},Number=A,Type=Float,Description="{descriptions[name]}">'
    yield file.header[-1]
    firsts = np.searchsorted(alleles.records, np.arange(len(file.lines) + 1)).tolist()
    for line, first, last in zip(file.lines, firsts[:-1], firsts[1:], strict=True):
        fields = line.split("\t", _N_FIXED)
        added = [
            f"{name}={','.join(map(_number, values[first:last].tolist()))}"
            for name, values in scores.items()
            if not np.isnan(values[first:last]).all()
        ]
        if added:
            fields[7] = ";".join([*([] if fields[7] in (".", "") else [fields[7]]), *added])
        yield "\t".join(fields)


def _number(value: float, missing: str = ".") -> str:
    return missing if np.isnan(value) else f"{value:.6g}"


def _write_tsv(path: Path, table: pd.DataFrame, scores: Sequence[str]) -> None:
    """Write a table as text; what is not ours as it is, with no quotes added."""
    table = table.assign(**{name: [_number(value, missing="") for value in table[name]] for name in scores})
    try:
        table.to_csv(path, sep="\t", index=False, quoting=csv.QUOTE_NONE, escapechar=None)
    except csv.Error as error:
        raise InputError(f"A field has a tab or the end of a line in it: name a .parquet ({error}).") from error


def _table_of(file: VariantFile, alleles: Alleles, scores: Scores) -> pd.DataFrame:
    """Return one row an allele: the file's columns, the kind, and the scores."""
    table = file.table.iloc[alleles.records].reset_index(drop=True)
    if file.is_vcf:
        table = table.assign(alt=[alt for alts in file.records.alts for alt in alts.split(",")])
    return table.assign(**{_KIND: alleles.kinds}, **scores)


def _write_parquet(
    path: Path, file: VariantFile, alleles: Alleles, scores: Scores, provenance: Mapping[str, str]
) -> None:
    """Write a row group for each run of records: the same ones, however many jobs write them."""
    given = [field.with_type(pa.int64()) if field.name == "pos" else field for field in file.schema]
    added = [pa.field(_KIND, pa.string()), *(pa.field(name, pa.float32()) for name in scores)]
    schema = pa.schema([*given, *added], {f"grover.{name}": value for name, value in provenance.items()})
    with pq.ParquetWriter(path, schema) as writer:
        for run in row_runs(len(file.records.chroms), RECORDS_A_RUN):
            rows = slice(*np.searchsorted(alleles.records, [run.start, run.stop]).tolist())
            of_run = {name: values[rows] for name, values in scores.items()}
            part = _table_of(file.part(run.start, run.stop), alleles.of_records(run.start, run.stop), of_run)
            # A score that is missing is null, and not a number that is none.
            writer.write_table(pa.table(
                [pa.array(part[field.name], field.type, from_pandas=True) for field in schema], schema=schema
            ), row_group_size=max(1, len(part)))


def n_header_lines(path: Path) -> int:
    """Return how many lines a VCF file begins with before its records."""
    with open(path, "rb") as file:
        return sum(1 for _ in itertools.takewhile(lambda line: line.startswith(b"#"), file))


def join_packed(paths: Sequence[Path], output: Path) -> None:
    """Write bgzip VCF files one after another, with the header once, as one writer would have."""
    with _open_text(output, packed=True) as out:
        for number, path in enumerate(paths):
            with gzip.open(path, "rb") as file:
                for line in file:
                    if not number or not line.startswith(b"#"):
                        out.write(line)


@contextlib.contextmanager
def _open_text(path: Path, *, packed: bool) -> Iterator[IO[bytes]]:
    with (_pysam().BGZFile(str(path), "wb") if packed else open(path, "wb")) as out:
        yield out


def _pysam() -> Any:
    try:
        import pysam
    except ImportError:
        raise InputError(
            "A .vcf.gz (bgzip) needs pysam: pip install 'grover-hf[formats]', or name a .vcf."
        ) from None
    return pysam
