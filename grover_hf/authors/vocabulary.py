"""The vocabulary of the authors' checkpoint, `PoetschLab/GROVER`: reading it, and repairing it.

Its tokenizer.json has 610 entries where the model has 609 rows: the last is the empty token, and
four of its 604 merges join a base with it. It upper-cases nothing, so that every lower-case base is
[UNK], and three of the five special tokens are declared. Without the empty token and what needs it,
all ids stay: `read_authors_vocabulary` holds the two against each other and refuses what differs.
"""

from __future__ import annotations

import dataclasses
import itertools
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer

from grover_hf.errors import InputError
from grover_hf.genome.letters import BASES
from grover_hf.tokenization.bpe_encoding import GenomeEncoder
from grover_hf.tokenization.export import write_tokenizer_files
from grover_hf.tokenization.fast_tokenizer import first_difference
from grover_hf.tokenization.merges import Merge, MergeTable
from grover_hf.tokenization.special_tokens import N_SPECIAL, SPECIAL_TOKENS

N_CHECKED = 1_000
"""Random sequences whose ids must stay, besides each token alone."""

_STEPS = {
    "normalizer": "lower case is read as upper case",
    "pre_tokenizer": "each letter other than A, C, G, T is a word of its own, and one [UNK]",
    "decoder": "tokens are decoded without spaces between them",
}


@dataclass(frozen=True)
class AuthorsVocabulary:
    """Their vocabulary without the empty token: the same ids for every sequence over A, C, G, T, N."""

    merges: MergeTable
    bases: str
    """A, C, G, T in the order of their ids, 5 to 8."""
    repairs: tuple[str, ...]
    """What differs from their tokenizer, a sentence each."""

    @property
    def tokens(self) -> tuple[str, ...]:
        """All token strings in id order, the special ones first."""
        return SPECIAL_TOKENS + tuple(self.bases) + self.merges.tokens[N_SPECIAL + len(BASES) :]


def read_authors_vocabulary(folder: Path) -> AuthorsVocabulary:
    """Read the tokenizer.json of a folder and show that its repair changes no id.

    A file that needs no repair, such as one that `grover convert-authors` wrote, is read as well.

    Args:
        folder: With tokenizer.json, and special_tokens_map.json if there is one.

    Raises:
        InputError: If there is no tokenizer.json, it is not a byte-pair encoding of DNA, its ids are
            not the special tokens, the bases in any order and the merges in theirs, or the
            repaired tokenizer gives other ids.
    """
    path = folder / "tokenizer.json"
    try:
        text = path.read_text()
        content = json.loads(text)
        kind, vocab = str(content["model"]["type"]), content["model"]["vocab"]
        ids = {token: int(i) for token, i in vocab.items()}
        listed = [_pair(merge) for merge in content["model"]["merges"]] if kind == "BPE" else []
    except FileNotFoundError:
        raise InputError(f"{folder} has no tokenizer.json.") from None
    except (ValueError, KeyError, TypeError, AttributeError):
        raise InputError(f"{path} is not a tokenizer file, or was cut short.") from None
    if kind != "BPE":
        raise InputError(f"{path} is not a byte-pair encoding but {kind}.")
    identities = sorted(left for left, right in listed if not right)
    if identities not in ([], list(BASES)):
        raise InputError(f"{path} joins {identities} with nothing; in the authors' it is A, C, G and T.")
    try:
        merges = MergeTable(tuple(merge for merge in listed if merge[1]))
    except InputError as error:
        raise InputError(f"{path}: {error}") from None

    repairs = []
    tokens = sorted(ids, key=ids.__getitem__)
    if tokens[-1:] == [""]:
        repairs.append(f"the empty token, id {ids['']}, for which the model has no row, is taken out")
        tokens.pop()
    if identities:
        repairs.append("the four merges of a base with the empty token are taken out")
    bases = "".join(tokens[N_SPECIAL : N_SPECIAL + len(BASES)])
    vocabulary = AuthorsVocabulary(merges, bases, ())
    _require_layout(path, tokens, ids, vocabulary)
    clean = clean_backend(vocabulary)
    _require_same_ids(path, Tokenizer.from_str(text), clean, vocabulary)
    steps = json.loads(clean.to_str())
    repairs += [repair for step, repair in _STEPS.items() if content.get(step) != steps[step]]
    undeclared = [token for token in SPECIAL_TOKENS if token not in _declared_tokens(folder)]
    if undeclared:
        repairs.append(f"{' and '.join(undeclared)} are declared as special tokens")
    return dataclasses.replace(vocabulary, repairs=tuple(repairs))


def write_authors_tokenizer(vocabulary: AuthorsVocabulary, folder: Path) -> None:
    """Write the repaired tokenizer's files into an existing folder, as `AutoTokenizer` reads them."""
    write_tokenizer_files(GenomeEncoder(vocabulary.merges), folder)
    clean_backend(vocabulary).save(str(folder / "tokenizer.json"))


def clean_backend(vocabulary: AuthorsVocabulary) -> Tokenizer:
    """Return the tokenizer that we would export, with the bases in their order."""
    backend = json.loads(vocabulary.merges.to_tokenizer().backend_tokenizer.to_str())
    backend["model"]["vocab"] = {token: i for i, token in enumerate(vocabulary.tokens)}
    return Tokenizer.from_str(json.dumps(backend))


def _pair(merge: Any) -> Merge:
    """Return a merge that is stored as "A B", or as two strings."""
    left, right = merge.split(" ") if isinstance(merge, str) else merge
    return str(left), str(right)


def _declared_tokens(folder: Path) -> set[str]:
    """Return the special tokens that the tokenizer's other files declare."""
    declared = set()
    for name in ("special_tokens_map.json", "tokenizer_config.json"):
        if not (folder / name).exists():
            continue
        try:
            stated = dict(json.loads((folder / name).read_text()))
        except ValueError:
            raise InputError(f"{folder / name} is damaged: it is not JSON.") from None
        named = [token for key, token in stated.items() if key.endswith("_token")]
        declared |= {str(token["content"] if isinstance(token, dict) else token) for token in named}
    return declared


def _require_layout(path: Path, tokens: list[str], ids: dict[str, int], want: AuthorsVocabulary) -> None:
    if sorted(ids.values()) != list(range(len(ids))):
        raise InputError(f"{path}: the {len(ids)} ids are not 0 to {len(ids) - 1}, each once.")
    if sorted(want.bases) != list(BASES):
        raise InputError(f"{path}: ids 5 to 8 are {tokens[5:9]}; they should be A, C, G and T, in any order.")
    for i, (token, wanted) in enumerate(itertools.zip_longest(tokens, want.tokens)):
        if token != wanted:
            raise InputError(
                f"{path}: id {i} is {token!r}, where {wanted!r} should be: ids are the special tokens "
                f"{' '.join(SPECIAL_TOKENS)}, the bases, and the merges in their order."
            )


def _require_same_ids(path: Path, raw: Tokenizer, clean: Tokenizer, vocabulary: AuthorsVocabulary) -> None:
    """Hold both tokenizers against each other, on what their settings and steps cannot be judged by."""
    raw.no_padding()
    raw.no_truncation()
    added = raw.get_vocab(with_added_tokens=True).keys() - {*vocabulary.tokens, ""}
    if added:
        raise InputError(f"{path} has added tokens that the model has no row for: {sorted(added)}.")
    # Theirs reads lower case as unknown, which is repaired.
    words = vocabulary.tokens[N_SPECIAL:]
    difference = first_difference(raw, clean, words, n_sequences=N_CHECKED, any_case=False)
    if difference is not None:
        sequence, have, want = difference
        raise InputError(
            f"{path} gives {sequence!r} the ids {have}, and repaired {want}: it has settings that the "
            "authors' is not known to have, and cannot be repaired without changing ids."
        )
