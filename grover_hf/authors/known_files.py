"""What is known of the files of `PoetschLab/GROVER`, and whether a vocabulary would give the same.

The files themselves are not part of this package. Their sizes and digests are known, which is enough
to show that a vocabulary is the authors'.
"""

import hashlib
import itertools
import json
from collections.abc import Iterator
from typing import NamedTuple

from grover_hf.genome.letters import BASES
from grover_hf.tokenization.merges import MergeTable
from grover_hf.tokenization.special_tokens import N_SPECIAL, SPECIAL_TOKENS

REVISION = "6b223110f0d6963e849f55bc2a2f3cff0e38c7a4"
"""The commit whose files are known."""


class KnownFile(NamedTuple):
    """A file that the authors published."""

    n_bytes: int
    sha256: str


KNOWN_FILES = {
    "config.json": KnownFile(1_109, "de60db6f5cb476d9f38630517abec87803e32a87672ace7946b5cf82f68ac5de"),
    "pytorch_model.bin": KnownFile(
        348_488_361, "81fa4ee056e65ff1c06c32512589f3ba3bcb9d054960f35f634b9cf6da7aadda"
    ),
    "special_tokens_map.json": KnownFile(
        77, "894589f317dfaaa10cbb6e467380b89bb848fe99f60ff6863ce120d81d71eff4"
    ),
    "tokenizer.json": KnownFile(24_637, "86b51bd8ecfc52cdc04f9f6787a2bd64fc5784709e7fd988b82d2e97348f9afd"),
    "tokenizer_config.json": KnownFile(
        314, "8c6c05d4a32b1235387c4d2a546bce640d7889f74d4b8cc6c8da549641e97517"
    ),
    "vocab.txt": KnownFile(3_848, "affab9041e04e027bbcd359648e0fbc8af1610e58a16dc7954a81fd4b28f4e76"),
}
"""Files at `REVISION`, by name; a third party published their digests."""

N_CYCLES = 600
_LONGEST_END = 3


def bases_of_merged_types() -> tuple[int, int]:
    """Return the fewest and the most bases that the merged types have in all, by the size of vocab.txt."""
    most = KNOWN_FILES["vocab.txt"].n_bytes - len("\n".join([*SPECIAL_TOKENS, *BASES])) - N_CYCLES
    return most - _LONGEST_END, most


def base_order_in_vocab_txt(merges: MergeTable) -> str | None:
    """Return the order of A, C, G, T with which these tokens give the authors' vocab.txt; None if none does.

    The file has a token a line, in id order. How it ends is not known, for the last token is empty: every
    end of white space and quotes that its size has room for is tried, and every order of the bases.
    """
    n_bytes, sha256 = KNOWN_FILES["vocab.txt"]
    room = n_bytes - len("\n".join(merges.tokens))
    if not 0 <= room <= _LONGEST_END:
        return None
    for order in map("".join, itertools.permutations(BASES)):
        body = "\n".join(_tokens(merges, order))
        for end in itertools.product("\n\r\t \"'", repeat=room):
            if _sha256(body + "".join(end)) == sha256:
                return order
    return None


def gives_tokenizer_json(merges: MergeTable, bases: str) -> bool:
    """Say whether these merges give the authors' tokenizer.json; False shows nothing.

    How it is laid out is inferred from its size: what `tokenizers` 0.15 to 0.19 wrote of a byte-pair
    encoding with [CLS] and [SEP] around it and nothing else, which for 3,207 bases of merged types has
    24,637 bytes.

    Args:
        merges: The merge table.
        bases: A, C, G, T in the order of their ids.
    """
    return any(_sha256(text) == KNOWN_FILES["tokenizer.json"].sha256 for text in _tokenizer_jsons(merges, bases))


def _tokenizer_jsons(merges: MergeTable, bases: str) -> Iterator[str]:
    plain = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
    model = {
        "type": "BPE", "dropout": None, "unk_token": "[UNK]", "continuing_subword_prefix": None,
        "end_of_word_suffix": None, "fuse_unk": False, "byte_fallback": False, "ignore_merges": False,
        "vocab": {token: i for i, token in enumerate([*_tokens(merges, bases), ""])},
        "merges": [*(f"{base} " for base in bases), *(f"{left} {right}" for left, right in merges.merges)],
    }
    for second in (0, 1):
        first = [_piece("[CLS]", 0), _piece("A", 0), _piece("[SEP]", 0)]
        content = {
            "version": "1.0", "truncation": None, "padding": None,
            "added_tokens": [{"id": i, "content": token, **plain} for i, token in enumerate(SPECIAL_TOKENS)],
            "normalizer": None, "pre_tokenizer": None,
            "post_processor": {
                "type": "TemplateProcessing", "single": first,
                "pair": [*first, _piece("B", second), _piece("[SEP]", second)],
                "special_tokens": {
                    token: {"id": token, "ids": [SPECIAL_TOKENS.index(token)], "tokens": [token]}
                    for token in ("[CLS]", "[SEP]")
                },
            },
            "decoder": None,
            "model": model,
        }
        yield json.dumps(content, indent=2)


def _piece(name: str, type_id: int) -> dict[str, dict[str, str | int]]:
    kind = "SpecialToken" if name in SPECIAL_TOKENS else "Sequence"
    return {kind: {"id": name, "type_id": type_id}}


def _tokens(merges: MergeTable, bases: str) -> list[str]:
    return [*SPECIAL_TOKENS, *bases, *merges.tokens[N_SPECIAL + len(BASES) :]]


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
