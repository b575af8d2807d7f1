"""`grover verify-tokenizer`: is a vocabulary the authors', and if not, how far is it from theirs?

A digest can show that it is theirs. Of any other, what the paper says of the vocabulary tells how much
the two have in common.
"""

import hashlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from grover_hf.analysis.vocabulary.table import Row, Vocabulary, vocabulary_of, vocabulary_table
from grover_hf.authors.known_files import (
    KNOWN_FILES,
    N_CYCLES,
    base_order_in_vocab_txt,
    bases_of_merged_types,
    gives_tokenizer_json,
)
from grover_hf.authors.vocabulary import read_published_vocabulary
from grover_hf.corpus.tokenized_genome import TokenizedGenome
from grover_hf.genome.letters import BASES
from grover_hf.tokenization.bpe_encoding import GenomeEncoder
from grover_hf.tokenization.merges import MergeTable
from grover_hf.tokenization.special_tokens import N_SPECIAL

_NAMED_TOKENS = ("ATTACAGGC", "TGTAATCCCAGC", "TTTAGG")
"""The best and the worst predicted (Results, "The optimized vocabulary for DNA language training")."""


class Finding(NamedTuple):
    """A value of the authors', ours, and whether they agree; None where that cannot be said."""

    quantity: str
    authors: str
    ours: str
    agrees: bool | None


class Verification(NamedTuple):
    """What was found of a vocabulary."""

    findings: list[Finding]
    identical: bool
    """Whether a digest shows that tokens and ids are the authors'."""
    verdict: str


def verify_tokenizer(path: str | Path, corpus: str | Path | None = None) -> Verification:
    """Compare a byte-pair vocabulary with the authors'.

    Args:
        path: A merges file, or a tokenizer folder: of ours, or laid out as the authors'.
        corpus: A genome tokenized with it; without one nothing is said of frequencies.

    Raises:
        InputError: If it is no byte-pair vocabulary, or the corpus has another.
    """
    merges, bases, same_file = _read(Path(path))
    genome = None if corpus is None else TokenizedGenome.open(corpus, GenomeEncoder(merges))
    order = base_order_in_vocab_txt(merges)
    same_ids = same_file or order == bases
    same_merges = same_file or (order is not None and gives_tokenizer_json(merges, order))
    findings = [
        _of_digest("vocab.txt", same_ids),
        # Of the same tokens, that no inferred layout has the digest shows nothing.
        _of_digest("tokenizer.json", same_merges or (None if same_ids else False)),
        *_of_merges(merges),
        *_of_table(vocabulary_of(merges.tokens, genome)),
    ]
    if same_ids:
        verdict = _identical(same_merges=same_merges)
    elif order is not None:
        verdict = (
            "differs in ids alone: the tokens are the authors' (SHA-256 of vocab.txt), but the ids of their bases "
            f"are in the order {order}, here {bases}."
        )
    else:
        verdict = _differs(findings)
    return Verification(findings, same_ids, verdict)


def _read(path: Path) -> tuple[MergeTable, str, bool]:
    """Return merges, the bases in the order of their ids, and whether it is the authors' own file."""
    if not path.is_dir():
        return MergeTable.read(path), BASES, False
    vocabulary = read_published_vocabulary(path)
    digest = hashlib.sha256((path / "tokenizer.json").read_bytes()).hexdigest()
    return vocabulary.merges, vocabulary.bases, digest == KNOWN_FILES["tokenizer.json"].sha256


def _of_digest(name: str, agrees: bool | None) -> Finding:  # noqa: FBT001 - the value of the field
    said = {True: "the same", False: "another", None: "not found in the layouts tried"}
    return Finding(f"SHA-256 of {name}", f"{KNOWN_FILES[name].sha256[:12]}...", said[agrees], agrees)


def _of_merges(merges: MergeTable) -> Iterator[Finding]:
    """Compare what the sizes of the authors' files tell, and the tokens that the paper names."""
    n_ids = N_SPECIAL + len(BASES) + N_CYCLES
    yield Finding("token ids", f"{n_ids}", f"{merges.vocab_size}", merges.vocab_size == n_ids)
    fewest, most = bases_of_merged_types()
    n_bases = sum(len(left + right) for left, right in merges.merges)
    fits = fewest <= n_bases <= most
    yield Finding("bases of all merged types", f"{fewest:,} to {most:,}", f"{n_bases:,}", fits)
    first = " ".join(merges.merges[0]) if merges.merges else "none"
    yield Finding("first merge", "T T", first, first == "T T")
    for token in _NAMED_TOKENS:
        there = token in merges.tokens
        yield Finding(f"{token} is a token", "yes", "yes" if there else "no", there)


def _of_table(vocabulary: Vocabulary) -> Iterator[Finding]:
    """Compare each value of the paper's table."""
    for row in vocabulary_table(vocabulary):
        for quantity, paper, ours in _one_by_one(row):
            yield Finding(quantity, paper, ours, _agrees(paper, ours))


def _one_by_one(row: Row) -> list[Row]:
    """Return a row for each number of a row such as "types of 2 / 4 bases", "10 / ~82", "10 / 89"."""
    lengths = re.search(r"\d+( / \d+)+", row.quantity)
    papers, ours = row.paper.split(" / "), row.ours.split(" / ")
    if lengths is None or len(papers) != len(ours):
        return [row]
    return [
        Row(row.quantity.replace(lengths[0], length), *values)
        for length, *values in zip(lengths[0].split(" / "), papers, ours, strict=True)
    ]


def _agrees(paper: str, ours: str) -> bool | None:
    """Compare two values as they are printed, words in any order; None if they are not of a kind.

    "~82" leaves room for one more or less in its last digit that is not 0.
    """
    if "--corpus" in ours or paper.startswith("most"):
        return None
    if not paper.startswith("~"):
        return sorted(paper.split()) == sorted(ours.split())
    digits = re.sub(r"\D", "", paper)
    room: int = 10 ** (len(digits) - len(digits.rstrip("0")))
    return abs(int(ours.replace(",", "")) - int(digits)) <= room


def _identical(*, same_merges: bool) -> str:
    return "identical: tokens and ids are the authors' (SHA-256 of vocab.txt), " + (
        "and so are the merges (SHA-256 of tokenizer.json)." if same_merges
        else "but that the merges join the same pairs is not shown: the layout of the authors' tokenizer.json is "
        "inferred, and none that was tried has its digest."
    )


def _differs(findings: list[Finding]) -> str:
    judged = [finding.agrees for finding in findings if finding.agrees is not None]
    more = ", and more can be compared with --corpus" if any("--corpus" in one.ours for one in findings) else ""
    n_bases = next(finding for finding in findings if finding.quantity.startswith("bases of all"))
    return (
        f"differs: {sum(judged)} of {len(judged)} values agree{more}; the merged types have {n_bases.ours} bases "
        f"in all, the authors' {n_bases.authors}. Which merges differ cannot be said: the authors' list is not "
        "part of this package."
    )
