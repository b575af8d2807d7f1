"""A vocabulary as a folder that `AutoTokenizer` loads, on transformers 4 and 5, without remote code.

The writer and the reader of that folder are both here. `tokenizer_class` is
`PreTrainedTokenizerFast`, the name that both versions know: without it, a BERT config beside the
tokenizer makes transformers choose WordPiece, and every sequence silently becomes [UNK].
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from grover_hf._internals.files import atomic_folder
from grover_hf.errors import InputError
from grover_hf.tokenization.bpe_encoding import GenomeEncoder
from grover_hf.tokenization.encoding import Encoder
from grover_hf.tokenization.fast_tokenizer import SETTINGS, SPECIAL_NAMES
from grover_hf.tokenization.kmer import KmerEncoder
from grover_hf.tokenization.merges import MergeTable
from grover_hf.tokenization.special_tokens import SPECIAL_TOKENS

_OF_THIS_MACHINE = {"_name_or_path", "name_or_path", "is_local"}


def save_tokenizer(encoder: Encoder, folder: str | Path) -> None:
    """Write the folder that `AutoTokenizer.from_pretrained` reads; an existing one is replaced."""
    with atomic_folder(Path(folder)) as beside:
        write_tokenizer_files(encoder, beside)


def write_tokenizer_files(encoder: Encoder, folder: Path) -> None:
    """Write the tokenizer's files into an existing folder, a model's folder say."""
    encoder.backend().save(str(folder / "tokenizer.json"))
    config = {**SETTINGS, "tokenizer_class": "PreTrainedTokenizerFast"}
    special = {name: SETTINGS[name] for name in SPECIAL_NAMES}
    for name, content in (("tokenizer_config", config), ("special_tokens_map", special)):
        (folder / f"{name}.json").write_text(json.dumps(content, indent=2, sort_keys=True) + "\n")


def portable_config(config: dict[str, Any]) -> dict[str, Any]:
    """Return a `tokenizer_config.json`, or a model's config, for all versions and all machines.

    Transformers 5 writes a class that 4 does not know, and both may write the folder they read from.
    """
    made = {name: value for name, value in config.items() if name not in _OF_THIS_MACHINE}
    if made.get("tokenizer_class") == "TokenizersBackend":
        made["tokenizer_class"] = "PreTrainedTokenizerFast"
        made.pop("backend", None)
    return made


def load_encoder(path: str | Path) -> Encoder:
    """Return the encoder of a tokenizer folder that we wrote, or of a merges file.

    Raises:
        InputError: If there is no tokenizer, or its ids are not laid out as ours.
    """
    path = Path(path)
    if path.is_file():
        return GenomeEncoder(MergeTable.read(path))
    try:
        content = json.loads((path / "tokenizer.json").read_text())
        model = content["model"]
    except FileNotFoundError:
        raise InputError(f"{path} is not a tokenizer folder: it has no tokenizer.json.") from None
    except (json.JSONDecodeError, KeyError, TypeError):
        raise InputError(f"{path / 'tokenizer.json'} is not a tokenizer file, or was cut short.") from None
    ids = sorted(model["vocab"], key=model["vocab"].__getitem__)
    encoder: Encoder
    if model["type"] == "BPE":
        merges = (merge.split(" ") if isinstance(merge, str) else merge for merge in model["merges"])
        encoder = GenomeEncoder(MergeTable(tuple((left, right) for left, right in merges)))
    else:
        encoder = KmerEncoder(len(ids[-1]))
    if tuple(ids) != encoder.tokens:
        raise InputError(
            f"{path} has ids in another order than ours, which is {' '.join(SPECIAL_TOKENS)}, "
            "then A C G T and the merges, or then all k-mers in alphabetical order."
        )
    return encoder


def encoder_named(name: str | Path) -> Encoder:
    """Return the encoder of "kmer-K", or of a tokenizer folder or merges file."""
    prefix, _, k = str(name).partition("-")
    return KmerEncoder(int(k)) if prefix == "kmer" and k.isdigit() else load_encoder(name)


def vocabulary_encoder(merges: Path | None, n_cycles: int | None, k: int | None) -> Encoder:
    """Return the encoder of a merges file, of its first cycles, or of k-mers: one of the two.

    Raises:
        InputError: If both or none are given, or `n_cycles` without merges.
    """
    if (merges is None) == (k is None) or (k is not None and n_cycles is not None):
        raise InputError("Name a merges file (and --cycles, if you like), or --kmer K; not both.")
    if merges is None:
        assert k is not None
        return KmerEncoder(k)
    table = MergeTable.read(merges)
    return GenomeEncoder(table if n_cycles is None else table.first(n_cycles))
