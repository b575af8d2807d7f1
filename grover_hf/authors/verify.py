"""`grover verify-tokenizer`: is a vocabulary the authors', and if not, how far is it from theirs?

A digest can show that it is theirs. For any other vocabulary, the paper's numbers tell how much the two have
in common. Numbers are compared as numbers, rounded as the paper rounds them.
"""

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from grover_hf.analysis.vocabulary.table import Vocabulary, compare_with_paper, vocabulary_of
from grover_hf.authors.known_files import (
    KNOWN_FILES,
    N_CYCLES,
    base_order_in_vocab_txt,
    bases_of_merged_types,
    gives_tokenizer_json,
)
from grover_hf.authors.vocabulary import read_authors_vocabulary
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
    """How a vocabulary compares with the authors'."""

    findings: list[Finding]
    identical: bool
    """Whether a digest shows that tokens and ids are the authors'."""
    verdict: str


def verify_tokenizer(path: str | Path, corpus: str | Path | None = None) -> Verification:
    """Compare a byte-pair vocabulary with the authors'.

    Args:
        path: A merges file, or a tokenizer folder: of ours, or laid out as the authors'.
        corpus: A genome tokenized with it; without one, frequencies are not compared.

    Raises:
        InputError: If it is not a byte-pair vocabulary, or the corpus has another one.
    """
    merges, bases, same_file = _read(Path(path))
    genome = None if corpus is None else TokenizedGenome.open(corpus, GenomeEncoder(merges))
    if genome is not None:
        genome.require_whole()
    order = base_order_in_vocab_txt(merges)
    same_ids = same_file or order == bases
    same_merges = same_file or (order is not None and gives_tokenizer_json(merges, order))
    findings = [
        _of_digest("vocab.txt", same_ids),
        # Where the tokens are the same, a missing digest shows nothing: the layout may be another.
        _of_digest("tokenizer.json", same_merges or (None if same_ids else False)),
        *_of_merges(merges),
        *_of_paper(vocabulary_of(merges.tokens, genome)),
    ]
    if same_ids:
        verdict = _identical(same_merges=same_merges)
    elif order is not None:
        verdict = (
            "differs in ids alone: the tokens are the authors' (SHA-256 of vocab.txt), but the ids of their bases "
            f"are in the order {order}, here {bases}."
        )
    else:
        verdict = _differs(merges, findings, more_to_compare=genome is None)
    return Verification(findings, same_ids, verdict)


def _read(path: Path) -> tuple[MergeTable, str, bool]:
    """Return merges, the bases in the order of their ids, and whether it is the authors' own file."""
    if not path.is_dir():
        return MergeTable.read(path), BASES, False
    vocabulary = read_authors_vocabulary(path)
    digest = hashlib.sha256((path / "tokenizer.json").read_bytes()).hexdigest()
    return vocabulary.merges, vocabulary.bases, digest == KNOWN_FILES["tokenizer.json"].sha256


def _of_digest(name: str, agrees: bool | None) -> Finding:  # noqa: FBT001 - the value of the field
    texts = {True: "the same", False: "another", None: "not found in the layouts tried"}
    return Finding(f"SHA-256 of {name}", f"{KNOWN_FILES[name].sha256[:12]}...", texts[agrees], agrees)


def _of_merges(merges: MergeTable) -> Iterator[Finding]:
    """Compare what the sizes of the authors' files tell, and the tokens that the paper names."""
    n_ids = N_SPECIAL + len(BASES) + N_CYCLES
    yield Finding("token ids", f"{n_ids}", f"{merges.vocab_size}", merges.vocab_size == n_ids)
    fewest, most = bases_of_merged_types()
    n_bases = _bases_of_merged_types(merges)
    yield Finding(
        "bases of all merged types", f"{fewest:,} to {most:,}", f"{n_bases:,}", fewest <= n_bases <= most
    )
    first = " ".join(merges.merges[0]) if merges.merges else "none"
    yield Finding("first merge", "T T", first, first == "T T")
    for token in _NAMED_TOKENS:
        is_there = token in merges.tokens
        yield Finding(f"{token} is a token", "yes", "yes" if is_there else "no", is_there)


def _bases_of_merged_types(merges: MergeTable) -> int:
    return sum(len(left + right) for left, right in merges.merges)


def _of_paper(vocabulary: Vocabulary) -> Iterator[Finding]:
    """Compare each value of the paper's table."""
    for line in compare_with_paper(vocabulary):
        for value in line.values:
            yield Finding(line.quantity.format(value.label), value.paper, value.ours, value.agrees)


def _identical(*, same_merges: bool) -> str:
    return "identical: tokens and ids are the authors' (SHA-256 of vocab.txt), " + (
        "and so are the merges (SHA-256 of tokenizer.json)." if same_merges
        else "but that the merges join the same pairs is not shown: the layout of the authors' tokenizer.json is "
        "inferred, and none that was tried has its digest."
    )


def _differs(merges: MergeTable, findings: list[Finding], *, more_to_compare: bool) -> str:
    judged = [finding.agrees for finding in findings if finding.agrees is not None]
    more = ", and more can be compared with --corpus" if more_to_compare else ""
    fewest, most = bases_of_merged_types()
    return (
        f"differs: {sum(judged)} of {len(judged)} values agree{more}; the merged types have "
        f"{_bases_of_merged_types(merges):,} bases in all, the authors' {fewest:,} to {most:,}. "
        "Which merges differ cannot be said: the authors' list is not part of this package."
    )
