"""What a genome is annotated with: tracks, repeats, genes, and its own lower case."""

import hashlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from grover_hf._internals.files import sha256_of_file
from grover_hf._internals.progress import progress_bar
from grover_hf.corpus.tokenized_genome import TokenizedGenome
from grover_hf.errors import InputError
from grover_hf.genome import ReferenceGenome
from grover_hf.genome.bulk_rows import read_bulk_bed
from grover_hf.genome.reference import update_genome_digest
from grover_hf.interpretation.annotation.genes import gene_elements, read_genes
from grover_hf.interpretation.annotation.places import COLUMNS, GenomeLine, annotated
from grover_hf.interpretation.annotation.repeats import read_repeats
from grover_hf.interpretation.annotation.segments import UNKNOWN, Segments

SOFT_MASKED = "soft-masked"
MOST_NAMES = 200
"""Annotations of one track; each is a column."""
_BED_ENDINGS = (".gz", ".bgz", ".bed", ".narrowPeak", ".broadPeak")


@dataclass(frozen=True, kw_only=True)
class Track:
    """A BED file, as one annotation or as one for each name in its column 4."""

    path: Path
    name: str = ""
    """Of the annotation. With `by_name` it stands before the names of the file, if it is not empty."""
    by_name: bool = False

    @classmethod
    def parse(cls, text: str, *, by_name: bool = False) -> "Track":
        """Return what `NAME=FILE` or `FILE` means. Without a name a track has that of its file.

        Examples:
            >>> from grover_hf.interpretation.annotation.sources import Track
            >>> Track.parse("CpG island=hg19.cpg.bed.gz").name, Track.parse("tracks/hg19.cpg.bed.gz").name
            ('CpG island', 'hg19.cpg')
        """
        name, equals, file = text.partition("=")
        if not equals or Path(text).exists():
            name, file = "", text
        path = Path(file)
        if not name and not by_name:
            name = path.name
            for ending in _BED_ENDINGS:
                name = name.removesuffix(ending)
        if not file or not (name or by_name):
            raise InputError(f"{text!r} names no track: say NAME=FILE, or a file.")
        return cls(path=path, name=name.strip(), by_name=by_name)


@dataclass(frozen=True, kw_only=True)
class Sources:
    """The files that annotations come from."""

    tracks: Sequence[Track] = ()
    repeats: Path | None = None
    """See `repeats.read_repeats`."""
    genes: Path | None = None
    """See `genes.read_genes`."""
    soft_masked: Path | None = None
    """The FASTA file that the corpus was made of: its lower case."""

    @property
    def paths(self) -> list[Path]:
        """All files that are read."""
        others = (self.repeats, self.genes, self.soft_masked)
        return [track.path for track in self.tracks] + [path for path in others if path is not None]


class Source(NamedTuple):
    """A file that was read, and what it gave."""

    path: Path
    sha256: str
    annotations: list[str]


class Annotations(NamedTuple):
    """All annotations, and where they come from."""

    segments: dict[str, Segments]
    sources: list[Source]


def read_annotations(sources: Sources, corpus: TokenizedGenome, line: GenomeLine) -> Annotations:
    """Read all sources, file by file.

    Args:
        sources: Files, one or more.
        corpus: The genome that they are of.
        line: The same.

    Raises:
        InputError: If there is no source, one cannot be used or is not of this genome, or two annotations have
            one name.
    """
    if not sources.paths:
        raise InputError(
            "There is nothing to annotate with: name --track, --by-name, --repeats, --genes or --soft-masked."
        )
    found: dict[str, Segments] = {}
    read: list[Source] = []
    with progress_bar(total=len(sources.paths), what="reading tracks", unit=" files") as bar:
        for path, segments in _each(sources, corpus, line):
            if doubled := [name for name in segments if name in found]:
                earlier = next(source.path for source in read if doubled[0] in source.annotations)
                raise InputError(
                    f"{path} and {earlier} both give the annotation {doubled[0]!r}; name one of them otherwise, "
                    "as in NAME=FILE."
                )
            found |= segments
            read.append(Source(path, sha256_of_file(path), list(segments)))
            bar.update()
    return Annotations(found, read)


def _each(
    sources: Sources, corpus: TokenizedGenome, line: GenomeLine
) -> Iterator[tuple[Path, dict[str, Segments]]]:
    """Yield each file with what it gives; of one file at a time are there rows in memory."""
    for track in sources.tracks:
        yield track.path, line.segments(line.kept(read_track(track), track.path))
    if sources.repeats is not None:
        yield sources.repeats, line.segments(line.kept(read_repeats(sources.repeats), sources.repeats))
    if sources.genes is not None:
        yield sources.genes, gene_elements(line.kept(read_genes(sources.genes), sources.genes), line)
    if sources.soft_masked is not None:
        yield sources.soft_masked, {SOFT_MASKED: _soft_masked(sources.soft_masked, corpus, line)}


def read_track(track: Track) -> pd.DataFrame:
    """Read a BED file.

    Returns:
        `chrom, start, end, strand, annotation`, a row for each interval.

    Raises:
        InputError: As `read_bulk_bed`; or if annotations are to be names, and a row has none, or there are more
            than `MOST_NAMES`.
    """
    rows = read_bulk_bed(track.path)
    if not track.by_name:
        return annotated(rows, track.name)
    names = rows["name"].cat.categories
    if "" in names:
        raise InputError(
            f"{track.path} has rows without a name in column 4, from which --by-name takes the annotation; "
            "--track takes all rows for one."
        )
    if len(names) > MOST_NAMES:
        raise InputError(
            f"{track.path} has {len(names):,} names in column 4, such as {names[0]!r}; --by-name takes "
            f"{MOST_NAMES} at most, each an annotation. --track takes all rows for one, --repeats pools by class."
        )
    prefix = f"{track.name} " if track.name else ""
    in_order = rows["name"].cat.reorder_categories(sorted(names, key=_by_number))
    annotation = in_order.cat.rename_categories(lambda name: f"{prefix}{name}")
    return rows.assign(annotation=annotation)[COLUMNS]


def _by_number(name: str) -> list[tuple[int, str]]:
    """Return a key by which E2 stands before E10."""
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split("([0-9]+)", name)]


def _soft_masked(path: Path, corpus: TokenizedGenome, line: GenomeLine) -> Segments:
    """Return the lower case of the FASTA file that a corpus was made of."""
    genome = ReferenceGenome(path, corpus.chromosomes)
    digest = hashlib.sha256()
    starts, ends = [np.empty(0, np.int64)], [np.empty(0, np.int64)]
    for chrom in genome.chromosomes:
        codes, lower_case = genome.codes_and_case(chrom)
        update_genome_digest(digest, chrom, codes)
        first = line.first_bases[chrom]
        starts.append(first + lower_case[:, 0])
        ends.append(first + lower_case[:, 1])
    if digest.hexdigest() != corpus.facts.genome.sha256:
        made_of = corpus.facts.genome.name
        raise InputError(f"{path} is not the genome of {corpus.shown}, which was made of {made_of}.")
    places = np.concatenate(starts)
    if not places.size:
        raise InputError(f"{path} has no lower case: its repeats are not marked. Take --repeats.")
    return Segments.of(places, np.concatenate(ends), np.full(places.size, UNKNOWN, np.uint8))
