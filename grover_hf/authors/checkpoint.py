"""The authors' checkpoint, `PoetschLab/GROVER`, without its traps: loaded, or written as a clean folder.

Nothing in its files is trusted: weights are read without running what a pickle may hold, and a file
that is laid out otherwise than is known is refused, not guessed at.
"""

import copy
import datetime
import json
import pickle
import re
import tempfile
import warnings
from pathlib import Path
from typing import Any, NamedTuple

import huggingface_hub
import torch
from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError
from safetensors.torch import load_file
from transformers import BatchEncoding, BertConfig, BertForMaskedLM, PreTrainedTokenizerFast

import model_card
from grover_hf._internals.files import atomic_folder, sha256_of_file
from grover_hf._internals.outputs import only_writer, require_writable
from grover_hf.authors.known_files import KNOWN_FILES, REVISION
from grover_hf.authors.vocabulary import (
    N_CHECKED,
    AuthorsVocabulary,
    read_authors_vocabulary,
    write_authors_tokenizer,
)
from grover_hf.errors import InputError, shorten
from grover_hf.hub.cards import render_card
from grover_hf.hub.transport import transport_errors
from grover_hf.metrics.report import versions
from grover_hf.model import grover_config
from grover_hf.tokenization.identity import vocabulary_sha256
from grover_hf.tokenization.special_tokens import SPECIAL_TOKENS

SOURCE = "PoetschLab/GROVER"
SHORT_BP = 50
"""Below it tokens change markedly, says the authors' README."""

_WEIGHTS = ("model.safetensors", "pytorch_model.bin")
# The repository holds 18 GB of tokenized chromosomes besides.
_WANTED = (*KNOWN_FILES, "model.safetensors")
_MARKER = "conversion.json"
_CONTENTS = ("*.json", "model.safetensors", "README.md")
_KEPT_FIELDS = (
    "hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size", "hidden_act",
    "hidden_dropout_prob", "attention_probs_dropout_prob", "initializer_range", "layer_norm_eps",
    "max_position_embeddings", "type_vocab_size", "pad_token_id",
)
_UNUSED = ("bert.pooler.dense.weight", "bert.pooler.dense.bias")
_TIED = {
    "cls.predictions.decoder.weight": "bert.embeddings.word_embeddings.weight",
    "cls.predictions.decoder.bias": "cls.predictions.bias",
}
_SPECIAL = re.compile("|".join(map(re.escape, SPECIAL_TOKENS)))


class WarningTokenizer(PreTrainedTokenizerFast):
    """Warns of sequences below 50 bases; saved, it is a plain `PreTrainedTokenizerFast`.

    A tokenizer that is files alone cannot warn: what is saved or converted says it in the card.
    """

    def __call__(self, text: Any = None, *args: Any, **kwargs: Any) -> BatchEncoding:
        _warn_if_short(text)
        encoding: BatchEncoding = super().__call__(text, *args, **kwargs)
        return encoding

    def encode(self, text: Any, *args: Any, **kwargs: Any) -> Any:
        _warn_if_short(text)
        return super().encode(text, *args, **kwargs)

    def save_pretrained(self, *args: Any, **kwargs: Any) -> tuple[str, ...]:
        # transformers writes the name of the class into the files, and 4 cannot load one it does not know.
        plain: PreTrainedTokenizerFast = copy.copy(self)
        plain.__class__ = PreTrainedTokenizerFast
        return tuple(plain.save_pretrained(*args, **kwargs))


class PublishedModel(NamedTuple):
    """The authors' model and tokenizer."""

    model: BertForMaskedLM
    tokenizer: PreTrainedTokenizerFast


def load_authors_checkpoint(source: str | Path = SOURCE, *, revision: str | None = None) -> PublishedModel:
    """Load the authors' checkpoint, repaired: the same weights, and the same ids for every sequence.

    The tokenizer has 609 entries, as the model has rows; it declares the five special tokens, reads
    lower case as upper case, and warns of a sequence below 50 bases, whose tokens differ from those
    it has in the genome. The model is in evaluation mode, in float32.

    Args:
        source: A name on the Hub, or a folder with its files.
        revision: Commit, tag or branch on the Hub; name a commit for what must stay the same.

    Raises:
        InputError: If there is no such source, or its files are not laid out as the authors' are
            known to be; see `read_authors_vocabulary`.

    Examples:
        `GROVER` is a folder with the files of the authors' repository; without it they come from the Hub.

        >>> from grover_hf import load_authors_checkpoint
        >>> model, tokenizer = load_authors_checkpoint("GROVER")
        >>> model.config.vocab_size, len(tokenizer)
        (609, 609)
    """
    checkpoint = _read_checkpoint(source, revision)
    with tempfile.TemporaryDirectory() as folder:
        write_authors_tokenizer(checkpoint.vocabulary, Path(folder))
        settings = json.loads((Path(folder) / "tokenizer_config.json").read_text())
        del settings["tokenizer_class"]
        tokenizer = WarningTokenizer(tokenizer_file=str(Path(folder) / "tokenizer.json"), **settings)
    return PublishedModel(checkpoint.model, tokenizer)


def convert_authors_checkpoint(
    source: str | Path, output: str | Path, *, revision: str | None = None, overwrite: bool = False
) -> dict[str, Any]:
    """Write the repaired checkpoint as a folder that AutoModel and AutoTokenizer load, with its card.

    Args:
        source: A name on the Hub, or a folder with its files.
        output: The folder to write.
        revision: Commit, tag or branch on the Hub.
        overwrite: Replace a conversion that is there.

    Returns:
        The content of `conversion.json`: source, digests, repairs, versions.

    Raises:
        InputError: As `load_authors_checkpoint`; or if `output` is there and may not be replaced.
    """
    output = Path(output)
    given = [source] if Path(source).is_dir() else []
    require_writable(output, overwrite=overwrite, marker=_MARKER, contents=_CONTENTS, inputs=given)
    checkpoint = _read_checkpoint(source, revision)
    with only_writer(output), atomic_folder(output) as folder:
        checkpoint.model.save_pretrained(folder)
        write_authors_tokenizer(checkpoint.vocabulary, folder)
        conversion = _facts(checkpoint)
        (folder / _MARKER).write_text(json.dumps(conversion, indent=2) + "\n")
        (folder / "README.md").write_text(render_card(model_card.CONVERTED, {"conversion": conversion}))
    return conversion


class _Checkpoint(NamedTuple):
    source: str
    commit: str | None
    folder: Path
    model: BertForMaskedLM
    vocabulary: AuthorsVocabulary
    repairs: list[str]


def _read_checkpoint(source: str | Path, revision: str | None) -> _Checkpoint:
    folder, commit = _files_of(source, revision)
    vocabulary = read_authors_vocabulary(folder)
    config, dropped = _read_config(folder / "config.json", len(vocabulary.tokens))
    model, repairs = _read_model(folder, config)
    repairs = [f"tokenizer: {repair}" for repair in vocabulary.repairs] + repairs
    if dropped:
        repairs.append(f"config.json: {', '.join(dropped)} are left out")
    return _Checkpoint(str(source) if commit else folder.name, commit, folder, model, vocabulary, repairs)


def _files_of(source: str | Path, revision: str | None) -> tuple[Path, str | None]:
    """Return the folder with the files, and the commit if they are the Hub's."""
    if Path(source).is_dir():
        if revision is not None:
            raise InputError(f"{source} is a folder; a revision ({revision}) is of a repository on the Hub.")
        return Path(source).resolve(), None
    at = f"{source} at {revision}" if revision else f"{source}"
    try:
        found = huggingface_hub.snapshot_download(str(source), revision=revision, allow_patterns=list(_WANTED))
    except HFValidationError:
        raise InputError(f"{source} is neither a folder nor a name on the Hub, such as {SOURCE}.") from None
    except LocalEntryNotFoundError as error:
        raise InputError(
            f"The Hub cannot be reached, and the cache does not have {at}: name a folder with its files."
        ) from error
    except HfHubHTTPError as error:
        raise InputError(f"The Hub does not give {at}: {str(error).splitlines()[0]}") from error
    except transport_errors() as error:
        raise InputError(f"The connection broke while {at} was fetched; the same again goes on.") from error
    return Path(found), Path(found).name


def _read_config(path: Path, n_tokens: int) -> tuple[BertConfig, list[str]]:
    """Return the architecture, and the names of the fields that say nothing about it."""
    try:
        stated = dict(json.loads(path.read_text()))
    except FileNotFoundError:
        raise InputError(f"{path.parent} has no config.json.") from None
    except ValueError:
        raise InputError(f"{path} is damaged: it is not JSON.") from None
    missing = [name for name in ("model_type", "vocab_size", *_KEPT_FIELDS) if name not in stated]
    if missing:
        raise InputError(f"{path} lacks {shorten(missing)}.")
    if stated["model_type"] != "bert" or stated.get("is_decoder"):
        raise InputError(f"{path} is not of a BERT encoder, but of {stated['model_type']!r}.")
    if stated["vocab_size"] != n_tokens:
        raise InputError(f"{path} has vocab_size {stated['vocab_size']}; the tokenizer has {n_tokens} tokens.")
    config: Any = grover_config(n_tokens, **{name: stated[name] for name in _KEPT_FIELDS})
    config.architectures = ["BertForMaskedLM"]
    return config, sorted(stated.keys() - {*_KEPT_FIELDS, "model_type", "vocab_size", "architectures"})


def _read_model(folder: Path, config: BertConfig) -> tuple[BertForMaskedLM, list[str]]:
    """Return the model with the weights of the folder, and what was changed in them."""
    path = _weights_file(folder)
    weights = _load_weights(path)
    repairs = [] if path.suffix == ".safetensors" else [f"{path.name}: written as safetensors"]
    unused = [name for name in _UNUSED if weights.pop(name, None) is not None]
    if unused:
        repairs.append(f"{path.name}: {' and '.join(unused)}, which the masked model does not use, are left out")
    model = BertForMaskedLM(config).eval()
    _require_tied(path, weights)
    _require_fitting(path, weights, model.state_dict())
    model.load_state_dict(weights)
    return model, repairs


def _weights_file(folder: Path) -> Path:
    for name in _WEIGHTS:
        if (folder / name).exists():
            return folder / name
    raise InputError(f"{folder} has no weights: neither {' nor '.join(_WEIGHTS)}.")


def _load_weights(path: Path) -> dict[str, torch.Tensor]:
    try:
        weights = load_file(path) if path.suffix == ".safetensors" else torch.load(
            path, map_location="cpu", weights_only=True
        )
    except pickle.UnpicklingError as error:
        # torch's own message advises to run what the file holds.
        raise InputError(f"{path} holds more than weights, or is damaged. None of it was run.") from error
    except OSError:
        raise
    except MemoryError as error:
        raise InputError(f"{path} does not fit into the memory, or is damaged.") from error
    except Exception as error:
        # Damaged bytes make the unpickler raise anything.
        raise InputError(f"{path} is damaged, or was cut short: copy or download it again.") from error
    if not isinstance(weights, dict) or not all(isinstance(one, torch.Tensor) for one in weights.values()):
        raise InputError(f"{path} is not a table of names and weights.")
    return dict(weights)


def _require_tied(path: Path, weights: dict[str, torch.Tensor]) -> None:
    """Fill in the output weights, which are those of the input; refuse others."""
    for name, original in _TIED.items():
        if original in weights and not torch.equal(weights.setdefault(name, weights[original]), weights[original]):
            raise InputError(f"{path}: {name} is not {original}, which it should be one with.")


def _require_fitting(path: Path, weights: dict[str, torch.Tensor], wanted: dict[str, torch.Tensor]) -> None:
    missing, unknown = sorted(wanted.keys() - weights.keys()), sorted(weights.keys() - wanted.keys())
    if missing or unknown:
        raise InputError(
            f"{path} is not of the model in config.json: it lacks {shorten(missing) or 'nothing'}, and has "
            f"beyond it {shorten(unknown) or 'nothing'}."
        )
    for name, values in weights.items():
        if values.shape != wanted[name].shape:
            raise InputError(
                f"{path}: {name} has shape {tuple(values.shape)}; config.json and the tokenizer want "
                f"{tuple(wanted[name].shape)}."
            )
        if not values.is_floating_point() or not values.isfinite().all():
            raise InputError(f"{path}: {name} has values that are not finite numbers.")


def _facts(checkpoint: _Checkpoint) -> dict[str, Any]:
    weights = _weights_file(checkpoint.folder).name
    present = [name for name in _WANTED if (checkpoint.folder / name).exists()]
    files = {
        name: sha256_of_file(checkpoint.folder / name)
        for name in present if name not in _WEIGHTS or name == weights
    }
    theirs = {name for name in files.keys() & KNOWN_FILES.keys() if files[name] == KNOWN_FILES[name].sha256}
    return {
        "source": checkpoint.source,
        "commit": checkpoint.commit,
        "files": {name: {"sha256": digest, "published": name in theirs} for name, digest in files.items()},
        "published_source": SOURCE,
        "published_commit": REVISION,
        "is_published": {"config.json", "tokenizer.json", weights} <= theirs,
        "repairs": checkpoint.repairs,
        "parameters": checkpoint.model.num_parameters(),
        "n_tokens": len(checkpoint.vocabulary.tokens),
        "vocabulary_sha256": vocabulary_sha256(checkpoint.vocabulary.tokens),
        "n_compared": N_CHECKED,
        "versions": versions(),
        "date": datetime.date.today().isoformat(),
    }


def _warn_if_short(text: Any) -> None:
    """Warn if a sequence, or one of several, has some bases and fewer than `SHORT_BP`."""
    sequences = [text] if isinstance(text, str) else text if isinstance(text, list | tuple) else []
    lengths = [len(_SPECIAL.sub("", one)) for one in sequences if isinstance(one, str)]
    if any(0 < length < SHORT_BP for length in lengths):
        warnings.warn(
            f"A sequence of fewer than {SHORT_BP} bases has tokens that differ much from those in its genome: "
            "give it with about 100 bases of flank on each side.",
            stacklevel=3,
        )
