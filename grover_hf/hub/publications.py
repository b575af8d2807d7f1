"""What is published of each kind of folder: which files, with which card, after which checks.

Only files that are named here leave: no optimizer, no `training_args.bin`, no lock, no script of the
user's, no recipe with paths of this machine.
"""

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

import model_card
from grover_hf._internals.files import sha256_of_file
from grover_hf._internals.records import plain, read_json_object
from grover_hf.corpus.corpus_facts import CORPUS_FILE, read_corpus_facts
from grover_hf.corpus.facts import read_all_facts, require_whole_files
from grover_hf.corpus.soft_mask import SOFT_MASK_FILE
from grover_hf.corpus.tokenized_genome import ARRAYS, TokenizedGenome
from grover_hf.errors import InputError, shorten
from grover_hf.hub.cards import REPOSITORY_TO_BE, read_card, render_card, write_card
from grover_hf.hub.metadata import metadata_problems
from grover_hf.hub.publish import Publication
from grover_hf.hub.sentence_files import SENTENCE_FILES, sentence_files
from grover_hf.inference.endpoint_source import handler_requirements, handler_source
from grover_hf.tokenization.export import TOKENIZER_FILES, load_encoder, portable_config
from grover_hf.tracks.files import TRACKS_FILE

_TOKENIZER_FILES = (*TOKENIZER_FILES, "vocab.txt")
_WEIGHTS = ("model.safetensors", "model-*-of-*.safetensors", "model.safetensors.index.json")
_MODEL_FILES = ("config.json", "generation_config.json", *_WEIGHTS, *_TOKENIZER_FILES)
_PICKLED_WEIGHTS = ("pytorch_model*.bin", "adapter_model.bin")
_CORPUS_FILES = (CORPUS_FILE, *ARRAYS, SOFT_MASK_FILE)
_SERVED = ("ForMaskedLM", "ForSequenceClassification")


@dataclass(frozen=True)
class License:
    """What a publication is licensed under."""

    name: str
    """The Hub's identifier: "apache-2.0", "cc-by-4.0"; "other" for one that it does not list."""
    other_name: str | None = None
    """Name of a licence that the Hub does not list."""
    link: str | None = None
    """To its text: an address, or a file in the repository."""

    @property
    def metadata(self) -> dict[str, str]:
        """The fields of a card."""
        given = {"license": self.name, "license_name": self.other_name, "license_link": self.link}
        return {field: value for field, value in given.items() if value is not None}


def model_publication(run: str | Path, repo: str, license_: License | None = None) -> Publication:
    """Return the publication of a model: weights, tokenizer, card, and the endpoint's handler.

    Args:
        run: The folder of a run, or its `model` folder, or what `grover convert-authors` made.
        repo: NAMESPACE/NAME.
        license_: If None, the card must name one.

    Raises:
        InputError: If anything is missing or wrong: tokenizer, its size beside the embedding, weights
            that are pickled or not finite, code of the model's own, facts of the card, the licence.
    """
    folder = _model_folder(Path(run))
    _require_safe_weights(folder)
    config = _read_config(folder)
    _require_plain_transformers(folder, config)
    _require_sound(folder, config)
    files = _present(folder, _MODEL_FILES)
    files |= {name: _portable(folder / name) for name in ("config.json", "tokenizer_config.json")}
    files["README.md"] = _card(folder, "model", repo, license_)
    if config["architectures"][0].endswith("ForMaskedLM") and "hidden_size" in config:
        files |= sentence_files(config, read_json_object(folder / "tokenizer_config.json"))
    if config["architectures"][0].endswith(_SERVED):
        files |= {"handler.py": handler_source().encode(), "requirements.txt": handler_requirements().encode()}
    return Publication(
        what="model", kind="model", repo=repo, files=files,
        title=f"{config['architectures'][0]}, its tokenizer and its card",
        replaced=(*_MODEL_FILES, *_PICKLED_WEIGHTS, *SENTENCE_FILES, "handler.py", "requirements.txt"),
    )


def tokenizer_publication(folder: str | Path, repo: str, license_: License | None = None) -> Publication:
    """Return the publication of a tokenizer folder of ours, with a card made from its vocabulary.

    Raises:
        InputError: If it is not a tokenizer folder of ours, or there is no licence.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise InputError(f"{folder} is not a folder; `grover export-tokenizer` makes one of a merges file.")
    encoder = load_encoder(folder)
    _load(folder, lambda: _auto_tokenizer(folder))
    files = _present(folder, _TOKENIZER_FILES)
    files["tokenizer_config.json"] = _portable(folder / "tokenizer_config.json")
    in_corpus = (folder.parent / CORPUS_FILE).exists()
    genome = plain(read_corpus_facts(folder.parent).genome) if in_corpus else None
    card = render_card(model_card.TOKENIZER, {"encoder": encoder, "genome": genome})
    files["README.md"] = _finished(card, "model", repo, license_)
    return Publication(
        what="tokenizer", kind="model", repo=repo, title=f"Tokenizer {encoder.name}", files=files,
        replaced=_TOKENIZER_FILES,
    )


def dataset_publication(folder: str | Path, repo: str, license_: License | None = None) -> Publication:
    """Return the publication of a dataset made by `grover build`: all its configurations and its card.

    Raises:
        InputError: If it is no such dataset, its files were changed, or there is no licence.
    """
    folder = Path(folder)
    configs = read_all_facts(folder)
    if not configs:
        raise InputError(f"{folder} is not a dataset made by `grover build`: it has no facts.json.")
    files: dict[str, Path | bytes] = {}
    for config in configs:
        require_whole_files(folder, config)
        of_config = _present(folder / config, ("facts.json", "*.parquet"))
        files |= {f"{config}/{name}": path for name, path in of_config.items()}
    card = files["README.md"] = _card(folder, "dataset", repo, license_)
    named = {config["config_name"] for config in read_card(card.decode())[0].get("configs", [])}
    if named != set(configs):
        raise InputError(
            f"{folder / 'README.md'} names the configurations {', '.join(sorted(named))}, the folder has "
            f"{', '.join(configs)}: build one of them again, which makes the card."
        )
    name = next(iter(configs.values())).dataset
    return Publication(
        what="dataset", kind="dataset", repo=repo, title=f"{name}: {', '.join(configs)}", files=files,
        replaced=tuple(f"{config}/*.parquet" for config in configs),
    )


def corpus_publication(folder: str | Path, repo: str, license_: License | None = None) -> Publication:
    """Return the publication of a tokenized genome, as a dataset repository to download whole.

    Raises:
        InputError: If it is not a tokenized genome, its arrays were changed, or there is no licence.
    """
    corpus = TokenizedGenome.open(folder)
    corpus.require_whole()
    files = _present(corpus.path, _CORPUS_FILES)
    of_tokenizer = _present(corpus.path / "tokenizer", _TOKENIZER_FILES)
    files |= {f"tokenizer/{name}": path for name, path in of_tokenizer.items()}
    chrom, start, end, _ = corpus.segments[0].tolist()
    # Quoted as Python: a FASTA file may have any name in it.
    example = f"Interval({json.dumps(corpus.chromosomes[chrom])}, {start}, {min(end, start + 300)})"
    card = render_card(model_card.CORPUS, {"facts": plain(corpus.facts), "example": example})
    files["README.md"] = _finished(card, "dataset", repo, license_)
    title = f"{corpus.facts.genome.name} in tokens of {corpus.facts.tokenizer}"
    replaced = (*_CORPUS_FILES, *(f"tokenizer/{name}" for name in _TOKENIZER_FILES))
    return Publication(what="corpus", kind="dataset", repo=repo, title=title, files=files, replaced=replaced)


def tracks_publication(folder: str | Path, repo: str, license_: License | None = None) -> Publication:
    """Return the publication of browser tracks, as a dataset repository whose `hub.txt` a browser opens.

    Raises:
        InputError: If it holds no tracks, a file is missing or was changed, or there is no licence.
    """
    folder = Path(folder)
    try:
        facts = read_json_object(folder / TRACKS_FILE)
    except FileNotFoundError:
        raise InputError(f"{folder} holds no tracks: it has no {TRACKS_FILE}.") from None
    files: dict[str, Path | bytes] = {TRACKS_FILE: folder / TRACKS_FILE}
    for name, sha256 in facts["files"].items():
        if not (folder / name).is_file() or sha256_of_file(folder / name) != sha256:
            raise InputError(f"{folder / name} is missing or was changed; make the tracks again.")
        files[name] = folder / name
    card = render_card(model_card.TRACKS, {"facts": facts, "has_hub": "hub.txt" in files})
    files["README.md"] = _finished(card, "dataset", repo, license_)
    title = f"Tracks of {facts['genome']}"
    replaced = (TRACKS_FILE, "hub.txt", "*.bw", "*.bedGraph")
    return Publication(what="tracks", kind="dataset", repo=repo, title=title, files=files, replaced=replaced)


PUBLICATIONS = {
    "model": model_publication,
    "tokenizer": tokenizer_publication,
    "dataset": dataset_publication,
    "corpus": corpus_publication,
    "tracks": tracks_publication,
}
"""By what is published."""


def _present(folder: Path, patterns: Iterable[str]) -> dict[str, Path | bytes]:
    """Return the files of a folder by name; a link out of the folder is an error, for its content is another's."""
    files: dict[str, Path | bytes] = {}
    for path in (path for pattern in patterns for path in sorted(folder.glob(pattern))):
        if folder.resolve() not in path.resolve().parents:
            raise InputError(f"{path} is a link out of the folder, to {path.resolve()}; put the file there.")
        files[path.name] = path
    return files


def _card(folder: Path, kind: str, repo: str, license_: License | None) -> bytes:
    try:
        text = (folder / "README.md").read_text()
    except FileNotFoundError:
        raise InputError(f"{folder} has no card, README.md: was its making stopped before the end?") from None
    except UnicodeDecodeError as error:
        raise InputError(f"{folder / 'README.md'} is not text: {error}") from error
    try:
        return _finished(text, kind, repo, license_)
    except InputError as error:
        raise InputError(f"{folder / 'README.md'}: {error}") from None


def _finished(text: str, kind: str, repo: str, license_: License | None) -> bytes:
    """Return a card with its repository's name and licence, whose metadata the Hub will take."""
    metadata, body = read_card(text)
    if license_ is not None:
        stated = {name: metadata[name] for name in ("license", "license_name", "license_link") if name in metadata}
        if stated and stated != license_.metadata:
            raise InputError(f"the card says {stated}, --license says {license_.metadata}: change one of them.")
        metadata |= license_.metadata
    if "license" not in metadata:
        raise InputError("no fact gives its licence; name one, --license apache-2.0 say.")
    if problems := metadata_problems(kind, metadata):
        raise InputError(f"the Hub would refuse its metadata: {' '.join(problems)}")
    for model in metadata.get("model-index", []):
        model["name"] = repo.rpartition("/")[2]
    return write_card(metadata, body.replace(REPOSITORY_TO_BE, repo)).encode()


def _model_folder(run: Path) -> Path:
    for folder in (run / "model", run):
        if (folder / "config.json").is_file():
            return folder
    raise InputError(
        f"{run} holds no model: neither it nor {run / 'model'} has a config.json. Is the training finished?"
    )


def _require_safe_weights(folder: Path) -> None:
    if pickled := sorted({path.name for pattern in _PICKLED_WEIGHTS for path in folder.glob(pattern)}):
        raise InputError(
            f"{folder} has {', '.join(pickled)}: pickled weights can run code where they are loaded, and are not "
            "published. Save the model with safetensors (`save_pretrained` does) and remove them."
        )
    if not _present(folder, _WEIGHTS):
        raise InputError(f"{folder} has no weights, model.safetensors.")


def _read_config(folder: Path) -> dict[str, Any]:
    config = read_json_object(folder / "config.json")
    if not config.get("architectures"):
        raise InputError(f"{folder / 'config.json'} names no architecture; save the model with `save_pretrained`.")
    return config


def _portable(path: Path) -> bytes:
    return (json.dumps(portable_config(read_json_object(path)), indent=2, ensure_ascii=False) + "\n").encode()


def _require_plain_transformers(folder: Path, config: dict[str, Any]) -> None:
    import transformers

    architecture = config["architectures"][0]
    if "auto_map" in config or not isinstance(getattr(transformers, architecture, None), type):
        raise InputError(f"{folder}: {architecture} needs code of its own to load; such models are not published.")
    # Without its config, a BERT model beside it makes transformers read WordPiece: all sequences are [UNK].
    has = {name for name in _TOKENIZER_FILES if (folder / name).is_file()}
    if "tokenizer_config.json" not in has or not has & {"tokenizer.json", "vocab.txt"}:
        raise InputError(
            f"{folder} has no tokenizer (tokenizer_config.json, tokenizer.json); a model is published with one."
        )


def _require_sound(folder: Path, config: dict[str, Any]) -> None:
    """Load model and tokenizer as a user would, and look at every weight."""
    import torch
    import transformers

    opener = getattr(transformers, config["architectures"][0])
    # What is missing would be drawn at random.
    options = {"output_loading_info": True, "use_safetensors": True, "ignore_mismatched_sizes": True}
    _load(folder, lambda: transformers.AutoConfig.from_pretrained(folder))
    model, found = _load(folder, lambda: opener.from_pretrained(folder, **options))
    for what in ("missing_keys", "unexpected_keys", "mismatched_keys"):
        if found[what]:
            names = shorten([str(name) for name in found[what]])
            raise InputError(f"{folder}: its weights do not fit its config ({what.replace('_', ' ')}: {names}).")
    for name, weights in model.state_dict().items():
        if weights.is_floating_point() and not bool(torch.isfinite(weights).all()):
            raise InputError(f"{folder}: the weights {name} are not all finite numbers: the training diverged.")
    tokenizer = _load(folder, lambda: _auto_tokenizer(folder))
    rows = model.get_input_embeddings().weight.shape[0]
    ids = np.array(sorted(tokenizer.get_vocab().values()))
    if len(ids) != rows or ids[-1] != rows - 1:
        raise InputError(
            f"{folder}: the tokenizer has {len(ids)} tokens, the largest id is {ids[-1]}, and the embedding has "
            f"{rows} rows: they do not belong together."
        )


def _auto_tokenizer(folder: Path) -> Any:
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(folder)


def _load(folder: Path, load: Callable[[], Any]) -> Any:
    try:
        return load()
    except Exception as error:
        # Damaged files make transformers, tokenizers and safetensors raise whatever they meet.
        raise InputError(f"{folder} does not load: {type(error).__name__}: {error}") from error
