"""A vocabulary as a folder that `AutoTokenizer` loads, on transformers 4 and 5, without remote code.

The writer and the reader of that folder are both here. `tokenizer_class` is
`PreTrainedTokenizerFast`, the name that both versions know: without it, a BERT config beside the
tokenizer makes transformers choose WordPiece, and every sequence silently becomes [UNK].
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer

from grover_hf._internals.files import atomic_folder
from grover_hf._internals.outputs import only_writer, require_writable
from grover_hf._internals.records import read_json_object
from grover_hf.errors import InputError
from grover_hf.tokenization.bpe_encoding import GenomeEncoder
from grover_hf.tokenization.encoding import Encoder
from grover_hf.tokenization.fast_tokenizer import SETTINGS, SPECIAL_NAMES, first_difference
from grover_hf.tokenization.kmer import KmerEncoder
from grover_hf.tokenization.merges import MergeTable
from grover_hf.tokenization.special_tokens import N_SPECIAL, SPECIAL_TOKENS

TOKENIZER_FILES = ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json")
"""What a tokenizer's folder has; the first one marks it."""
_N_CHECKED = 400
"""Sequences on which a tokenizer that is written otherwise must give our ids."""
_CLASS, _CLASS_OF_5 = "PreTrainedTokenizerFast", "TokenizersBackend"
"""What the class for any tokenizer.json is called by transformers 4, which 5 knows too, and by 5 alone."""
_OF_THIS_MACHINE = {"_name_or_path", "name_or_path", "is_local"}


def require_replaceable(folder: Path, *, overwrite: bool, inputs: Iterable[str | Path] = ()) -> None:
    """Raise `InputError` if a folder may not become a tokenizer's: it is there, or not ours.

    Args:
        folder: What will be written.
        overwrite: Whether a tokenizer of ours may be replaced.
        inputs: What is read.
    """
    marker, *others = TOKENIZER_FILES
    require_writable(folder, overwrite=overwrite, marker=marker, contents=others, inputs=inputs)
    if (folder / marker).exists():
        # The three files carry no maker's name, and any tokenizer on the Hub has them.
        try:
            load_encoder(folder)
        except InputError as error:
            raise InputError(
                f"{folder} is not replaced: it is no tokenizer of ours ({error}) Name another --output, or remove "
                "it yourself."
            ) from None


def save_tokenizer(encoder: Encoder, folder: str | Path) -> None:
    """Write the folder that `AutoTokenizer.from_pretrained` reads; an existing one is replaced."""
    with only_writer(Path(folder)), atomic_folder(Path(folder)) as beside:
        write_tokenizer_files(encoder, beside)


def write_tokenizer_files(encoder: Encoder, folder: Path) -> None:
    """Write the tokenizer's files into an existing folder, a model's folder say."""
    file, *settings = TOKENIZER_FILES
    encoder.backend().save(str(folder / file))
    config = {**SETTINGS, "tokenizer_class": _CLASS}
    special = {name: SETTINGS[name] for name in SPECIAL_NAMES}
    for name, content in zip(settings, (config, special), strict=True):
        (folder / name).write_text(json.dumps(content, indent=2, sort_keys=True) + "\n")


def portable_config(config: dict[str, Any]) -> dict[str, Any]:
    """Return a `tokenizer_config.json`, or a model's config, for all versions and all machines.

    Transformers 5 writes a class that 4 does not know, and both may write the folder they read from.
    """
    made = {name: value for name, value in config.items() if name not in _OF_THIS_MACHINE}
    if made.get("tokenizer_class") == _CLASS_OF_5:
        made["tokenizer_class"] = _CLASS
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
    file = path / "tokenizer.json"
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
        vocabulary, kind = dict(content["model"]["vocab"]), content["model"]["type"]
        ids = sorted(vocabulary, key=vocabulary.__getitem__)
        merges = [_pair(merge) for merge in content["model"]["merges"]] if kind == "BPE" else []
        numbers = [vocabulary[token] for token in ids]
        if kind not in ("BPE", "WordLevel"):
            raise ValueError(kind)
    except (FileNotFoundError, NotADirectoryError):
        raise InputError(f"{path} is not a tokenizer folder: it has no tokenizer.json.") from None
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise InputError(
            f"{file} is not a tokenizer file of byte pairs or k-mers, or was cut short."
        ) from None
    try:
        encoder: Encoder = GenomeEncoder(MergeTable(tuple(merges))) if kind == "BPE" else KmerEncoder(len(ids[-1]))
    except (InputError, IndexError) as error:
        raise InputError(f"{file}: its vocabulary is not one of ours: {error}") from None
    if tuple(ids) != encoder.tokens or numbers != list(range(len(ids))):
        raise InputError(
            f"{path} has ids in another order than ours, which is {' '.join(SPECIAL_TOKENS)}, "
            "then A C G T and the merges, or then all k-mers in alphabetical order, from 0 without a gap."
        )
    _require_own_class(path)
    _require_same_ids(file, encoder)
    return encoder


def _pair(merge: Any) -> tuple[str, str]:
    """Return a merge that is stored as "A B", or as two strings."""
    left, right = merge.split(" ") if isinstance(merge, str) else merge
    return str(left), str(right)


def _require_own_class(folder: Path) -> None:
    """Raise `InputError` if the folder's settings make AutoTokenizer take another tokenizer than its file."""
    path = folder / "tokenizer_config.json"
    try:
        settings = read_json_object(path)
    except FileNotFoundError:
        return
    made = settings.get("tokenizer_class", _CLASS)
    if made not in (_CLASS, _CLASS_OF_5):
        raise InputError(f"{path}: its tokenizer_class is {made!r}; it must be {_CLASS} or {_CLASS_OF_5}.")
    added = settings.get("added_tokens_decoder") or {}
    if odd := [token for token in _contents(added) if token not in SPECIAL_TOKENS]:
        raise InputError(f"{path} adds the token {odd[0]!r}, which is not in the vocabulary.")


def _contents(added: Any) -> list[Any]:
    """Return the spellings of the added tokens that transformers wrote."""
    values = added.values() if isinstance(added, dict) else []
    return [value.get("content") if isinstance(value, dict) else value for value in values]


def _require_same_ids(file: Path, encoder: Encoder) -> None:
    """Raise `InputError` if the tokenizer that a file describes gives other ids than our encoder."""
    ours = encoder.backend()
    try:
        stored = Tokenizer.from_file(str(file))
        if stored.to_str() == ours.to_str():
            return
        # Written otherwise, it may still give the same ids; with dropout, only mostly.
        dropout = getattr(stored.model, "dropout", None)
        words = encoder.tokens[N_SPECIAL:]
        if stored.get_vocab_size(with_added_tokens=True) != len(encoder.tokens):
            raise ValueError("it has tokens added that are not in its vocabulary.")
        difference = first_difference(stored, ours, words, n_sequences=_N_CHECKED, any_case=True)
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:
        # tokenizers has no error of its own; where Rust panics, it is not even an Exception.
        raise InputError(f"{file} is not a tokenizer file: {error}") from error
    if dropout or difference is not None:
        example = f", to {difference[0][:40]!r} say" if difference else ""
        raise InputError(
            f"{file} gives other ids than its vocabulary alone would{example}. It has settings that ours has not "
            "(such as dropout, truncation, padding, a normalizer); export the tokenizer again."
        )


def encoder_named(name: Encoder | str | Path) -> Encoder:
    """Return the encoder of "kmer-K", or of a tokenizer folder or merges file; an encoder as it is."""
    if not isinstance(name, str | Path):
        return name
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
