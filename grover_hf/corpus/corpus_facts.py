"""`corpus.json`: what a tokenized genome was made from. Written by `TokenizedGenome.build`, read by all."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from grover_hf._internals.records import plain, read_json_object, record_of
from grover_hf.errors import InputError

CORPUS_FILE = "corpus.json"
FORMAT = 3
_OWN_DIGEST = "facts_sha256"


@dataclass(frozen=True, kw_only=True)
class Organism:
    """Whose genome it is, as far as its owner has said."""

    species: str | None = None
    """Such as "Homo sapiens"."""
    assembly: str | None = None
    """Such as "hg19"."""
    taxon: int | None = None
    """Number in NCBI's taxonomy: 9606 for humans."""

    def __str__(self) -> str:
        """Return what is known as a card says it, such as "Homo sapiens (taxon 9606), hg19"."""
        taxon = None if self.taxon is None else f"taxon {self.taxon}"
        species = f"{self.species} ({taxon})" if self.species and taxon else self.species or taxon
        return ", ".join(part for part in (species, self.assembly) if part)


@dataclass(frozen=True, kw_only=True)
class GenomeFacts:
    """A genome's identity."""

    name: str
    """Name of the FASTA file."""
    sha256: str
    """Digest of names and bases."""
    organism: Organism | None = None


@dataclass(frozen=True, kw_only=True)
class Chromosome:
    """A chromosome of a tokenized genome."""

    name: str
    size: int
    """In bp."""


@dataclass(frozen=True, kw_only=True)
class CorpusFacts:
    """What a tokenized genome is: names, sizes and digests."""

    format: int
    tokenizer: str
    """Name of the encoder, such as "bpe-600"."""
    vocabulary_sha256: str
    genome: GenomeFacts
    chromosomes: tuple[Chromosome, ...]
    n_tokens: int
    n_bases: int
    """A, C, G and T."""
    n_tail_bases: int
    """Those of them that belong to no token: with k-mers, the tails of segments."""
    n_ambiguous: int
    """IUPAC letters other than A, C, G, T and N."""
    sha256: str
    """Digest of the arrays."""
    n_soft_masked: int | None = None
    """Tokens with more lower-case bases than others; None for a genome without lower case, or one that was
    tokenized before this was noted."""
    soft_masked_sha256: str | None = None
    """Digest of the bits that say which."""

    @property
    def bases_a_token(self) -> float:
        """The mean length of a token in bases."""
        return (self.n_bases - self.n_tail_bases) / self.n_tokens


def write_corpus_facts(folder: Path, facts: CorpusFacts) -> None:
    """Write `corpus.json` into the folder of a tokenized genome."""
    content = plain(facts)
    content[_OWN_DIGEST] = _digest(content)
    (folder / CORPUS_FILE).write_text(json.dumps(content, indent=2) + "\n")


def read_corpus_facts(folder: str | Path) -> CorpusFacts:
    """Return what `write_corpus_facts` wrote.

    Raises:
        InputError: If the folder is not a tokenized genome, has another format, or the file is damaged or
            was changed.
    """
    path = Path(folder) / CORPUS_FILE
    try:
        content = read_json_object(path)
        # Another format may lack any field, or mean something else by it.
        if content.get("format") != FORMAT:
            raise InputError(f"{path} has format {content.get('format')}; this version reads {FORMAT}.")
        facts = record_of(CorpusFacts, content, path)
        if content.pop(_OWN_DIGEST, None) != _digest(content):
            raise InputError(f"{path} was changed after it was written.")
        return facts
    except FileNotFoundError:
        raise InputError(
            f"{folder} is not a tokenized genome: it has no {CORPUS_FILE}. `grover tokenize` makes one."
        ) from None
    except InputError as error:
        raise InputError(f"{error} Make it again with `grover tokenize`.") from None


def _digest(content: Mapping[str, Any]) -> str:
    """Return the digest of what the file says, however it is laid out."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
