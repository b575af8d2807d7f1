"""`MergeTable`: the merges of a byte-pair encoding, in the order learnt, and their file."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from grover_hf._internals.files import atomic_write
from grover_hf.errors import InputError
from grover_hf.genome.letters import BASES
from grover_hf.tokenization.identity import vocabulary_sha256
from grover_hf.tokenization.special_tokens import SPECIAL_TOKENS

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

HEADER = "#version: 0.2"
"""The first line of a merges file, as `tokenizers` writes it; ours adds `key=value` facts."""

_WITH_FACTS = re.compile(re.escape(HEADER) + r"( \w+=\S+)+")
# Other programs may write their name after a dash; what has to do with our facts was damaged.
_WITHOUT_FACTS = re.compile(r"#version: [\d.]+( - (?!.*(=|sha256|cycles)).*)?")

Merge = tuple[str, str]


@dataclass(frozen=True, repr=False)
class MergeTable:
    """The merges of a byte-pair encoding over A, C, G, T, in the order learnt.

    Token ids: the five special tokens 0-4, A C G T 5-8, then one id a merge, in order.

    Raises:
        InputError: If a merge uses a token that no earlier merge made, spells a token that is
            there already, or holds a letter other than A, C, G, T.

    Examples:
        >>> from grover_hf import MergeTable
        >>> merges = MergeTable.read("quickstart/merges.txt")
        >>> merges.vocab_size
        609
        >>> merges.merges[:3]
        (('A', 'A'), ('T', 'T'), ('T', 'G'))
        >>> merges.first(100).tokens[5:12]
        ('A', 'C', 'G', 'T', 'AA', 'TT', 'TG')
    """

    merges: tuple[Merge, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "merges", tuple((left, right) for left, right in self.merges))
        known = set(BASES)
        for cycle, (left, right) in enumerate(self.merges, 1):
            for token in (left, right):
                if not token or set(token) - set(BASES):
                    raise InputError(f"merge {cycle} has {token!r}, which is not a word over A, C, G, T.")
                if token not in known:
                    raise InputError(
                        f"merge {cycle} ({left} {right}) needs {token!r}, which no earlier merge "
                        "makes: lines are missing or were reordered."
                    )
            if left + right in known:
                raise InputError(f"merge {cycle} ({left} {right}) makes {left + right!r} again.")
            known.add(left + right)

    def __len__(self) -> int:
        return len(self.merges)

    def __repr__(self) -> str:
        """Say how many merges and ids there are, and which vocabulary it is."""
        return f"MergeTable({len(self)} merges, {self.vocab_size} token ids, sha256 {self.vocabulary_sha256[:12]})"

    @property
    def n_cycles(self) -> int:
        """Number of merges, which is the number of cycles of the training."""
        return len(self.merges)

    @cached_property
    def tokens(self) -> tuple[str, ...]:
        """All token strings in id order, the special ones first."""
        return SPECIAL_TOKENS + tuple(BASES) + tuple(left + right for left, right in self.merges)

    @property
    def vocab_size(self) -> int:
        """Number of ids: 5 special tokens + 4 bases + one a merge (609 for 600 cycles)."""
        return len(self.tokens)

    @cached_property
    def vocabulary_sha256(self) -> str:
        """The digest that corpora, datasets and checkpoints carry."""
        return vocabulary_sha256(self.tokens)

    def first(self, n_cycles: int) -> MergeTable:
        """Return the table after the first `n_cycles` cycles: what a shorter training gives.

        Raises:
            InputError: If there are fewer merges than asked for.
        """
        if not 0 <= n_cycles <= len(self):
            raise InputError(f"{n_cycles} cycles were asked for; the table has {len(self)}.")
        return MergeTable(self.merges[:n_cycles])

    def to_tokenizer(self) -> PreTrainedTokenizerFast:
        """Return the tokenizer of transformers with the same ids; `grover export-tokenizer` saves the same.

        >>> MergeTable((("T", "G"), ("C", "A"))).to_tokenizer().tokenize("TGCACC")
        ['TG', 'CA', 'C', 'C']
        """
        from grover_hf.tokenization.fast_tokenizer import as_pretrained, bpe_backend

        return as_pretrained(bpe_backend(self.tokens, self.merges))

    @classmethod
    def read(cls, path: str | Path) -> MergeTable:
        """Read a merges file: a `#version` line, then a merge a line.

        Raises:
            InputError: If the file is missing, cut short, reordered, or of another alphabet. A
                cut at a line's end, or an exchange of lines that is possible by itself, shows
                where the first line carries the facts that `write` puts there.
        """
        merges, facts = read_merge_lines(Path(path))
        try:
            table = cls(tuple(merges))
        except InputError as error:
            raise InputError(f"{path}: {error}") from None
        if not facts:
            return table
        if facts.keys() != {"cycles", "vocabulary_sha256"}:
            raise InputError(
                f"{path}: its first line has {', '.join(facts)} where cycles and vocabulary_sha256 belong: it was "
                "changed, or its training is not done (`grover train-bpe` goes on with it)."
            )
        if facts["cycles"] != str(len(table)):
            raise InputError(
                f"{path} should hold {facts['cycles']} merges and holds {len(table)}: it was cut "
                "short or changed; copy or make it again."
            )
        if facts["vocabulary_sha256"] != table.vocabulary_sha256:
            raise InputError(f"{path} was changed after it was written: its merges do not give its digest.")
        return table

    def write(self, path: str | Path) -> None:
        """Write the merges file; its first line carries the number of cycles and the digest."""
        facts = {"cycles": str(len(self)), "vocabulary_sha256": self.vocabulary_sha256}
        with atomic_write(Path(path)) as beside:
            beside.write_text(header_line(facts) + merge_lines(self.merges))


def header_line(facts: dict[str, str]) -> str:
    """Return the first line of a merges file."""
    return " ".join([HEADER, *(f"{key}={value}" for key, value in facts.items())]) + "\n"


def merge_lines(merges: Iterable[Merge]) -> str:
    """Return merges as lines of two tokens with a space between."""
    return "".join(f"{left} {right}\n" for left, right in merges)


def read_merge_lines(path: Path) -> tuple[list[Merge], dict[str, str]]:
    """Return the merges and the facts of the first line, without asking whether they make sense."""
    try:
        text = path.read_text(encoding="ascii")
    except FileNotFoundError:
        raise InputError(f"There is no merges file {path}.") from None
    except IsADirectoryError:
        raise InputError(f"{path} is a folder; name the merges file in it.") from None
    except UnicodeDecodeError:
        raise InputError(f"{path} is not a merges file over A, C, G, T: it is not plain text.") from None
    lines = text.split("\n")
    if not lines[0].startswith("#version"):
        raise InputError(f"{path} is not a merges file: its first line is not '#version: ...'.")
    if lines[-1]:
        raise InputError(f"{path} ends in the middle of line {len(lines)}: it was cut short.")
    facts = dict(re.findall(r" (\w+)=(\S+)", lines[0])) if _WITH_FACTS.fullmatch(lines[0]) else {}
    if not facts and not _WITHOUT_FACTS.fullmatch(lines[0]):
        raise InputError(f"{path}: its first line was changed after it was written; copy or make it again.")
    merges = []
    for number, line in enumerate(lines[1:-1], 2):
        parts = line.split(" ")
        if len(parts) != 2:
            raise InputError(f"{path}, line {number}: {line!r} is not two tokens with a space between.")
        merges.append((parts[0], parts[1]))
    return merges, facts
