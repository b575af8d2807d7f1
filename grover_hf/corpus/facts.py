"""`facts.json`: what a dataset configuration was made from. Written by builders, read by all."""

import dataclasses
import glob
import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from grover_hf._internals.files import sha256_of_files
from grover_hf._internals.records import plain, read_json_object, record_of
from grover_hf.corpus.corpus_facts import CorpusFacts, GenomeFacts
from grover_hf.errors import InputError
from grover_hf.tokenization.identity import require_same_vocabulary

_NAME = "facts.json"


@dataclass(frozen=True, kw_only=True)
class GenomeOfSeveral:
    """One of the genomes of a dataset that has several."""

    corpus: CorpusFacts
    weight: float
    """As it was given; the share of its train windows that are rows is this over the largest of all genomes."""
    splits: dict[str, int]
    """Rows, by split."""
    block_bp: int | None = None
    """Bases of a block, where rows are split by block."""


@dataclass(frozen=True, kw_only=True)
class DatasetFacts:
    """A configuration of a dataset: what it is, what it was made from, and how many rows came of it."""

    dataset: str
    """Name of the task."""
    builder: str
    """Name of the builder's class."""
    config: str
    version: str
    """Version of the builder's code."""
    sha256: str
    """Digest of the Parquet files."""
    vocabulary_sha256: str | None
    """None for rows without token ids."""
    splits: dict[str, int]
    """Rows, by split."""
    versions: dict[str, str]
    """Versions of the packages that it was made with."""
    subset: str | None = None
    """The task of a benchmark that has several."""
    corpus: CorpusFacts | None = None
    """The tokenized genome that it was made from; None if there is none, or there are several."""
    genomes: dict[str, GenomeOfSeveral] | None = None
    """Several tokenized genomes that it was made from, by the name that rows have of them."""
    n_given: int | None = None
    """Rows before any was dropped."""
    dropped: dict[str, int] | None = None
    """Rows that could not be used, by reason."""
    details: dict[str, Any] = field(default_factory=dict)
    """What else the builder says, for its own card."""

    @property
    def task(self) -> str:
        """What scores on it are called: the subset of a benchmark, else the dataset's name."""
        return self.subset or self.dataset

    @property
    def genomes_by_name(self) -> dict[str, GenomeFacts]:
        """The genomes that the rows are of, by name; a single one has the name "".

        Raises:
            InputError: If they were not made from a tokenized genome.
        """
        if self.genomes is not None:
            return {name: genome.corpus.genome for name, genome in self.genomes.items()}
        if self.corpus is None:
            raise InputError(f"{self.dataset} ({self.config}) was not made from a tokenized genome.")
        return {"": self.corpus.genome}

    def require_vocabulary(self, sha256: str, *, what: str, other: str) -> None:
        """Raise `InputError` if the rows have no token ids, or those of another vocabulary.

        Args:
            sha256: Digest of the vocabulary that they must have.
            what: What the dataset is called in an error.
            other: What the vocabulary is of.
        """
        if self.vocabulary_sha256 is None:
            raise InputError(f"{what} has sequences without token ids; build it with --tokenizer.")
        require_same_vocabulary(self.vocabulary_sha256, sha256, what=what, other=other)

    def as_dict(self) -> dict[str, Any]:
        """Return the content of `facts.json`, as templates of cards take it."""
        content = plain(self)
        details = content.pop("details")
        return {**content, **details}


_OWN = {field.name for field in dataclasses.fields(DatasetFacts)} - {"details"}


def dataset_facts(content: dict[str, Any], place: str | Path) -> DatasetFacts:
    """Return the facts that the content of `facts.json` holds.

    Raises:
        InputError: If a field is missing or wrong; it names `place` and the field.
    """
    details = {name: value for name, value in content.items() if name not in _OWN}
    own = {name: value for name, value in content.items() if name in _OWN}
    return record_of(DatasetFacts, {**own, "details": details}, place)


def write_facts(config_folder: Path, facts: DatasetFacts) -> None:
    """Write the facts into the folder of a configuration."""
    (config_folder / _NAME).write_text(json.dumps(facts.as_dict(), indent=2) + "\n")


def read_facts(folder: str | Path, config_name: str) -> DatasetFacts:
    """Return the facts of one configuration of a dataset.

    Raises:
        InputError: If the folder has no such configuration, or its facts are damaged.
    """
    facts = read_all_facts(folder)
    if config_name not in facts:
        raise InputError(
            f"{folder} has no dataset configuration {config_name!r}; it has {', '.join(facts) or 'none'}."
        )
    return facts[config_name]


def default_config(names: Iterable[str]) -> str | None:
    """Return the configuration that is meant where none is named, or None if that cannot be said.

    It is `bpe-600`; else the only one; else the only one that is named after a tokenizer alone, with
    the paper's variant and split.
    """
    names = list(names)
    for candidates in (["bpe-600"] if "bpe-600" in names else [], names, [n for n in names if "." not in n]):
        if len(candidates) == 1:
            return candidates[0]
    return None


def choose_config(folder: str | Path, config_name: str | None) -> tuple[str, DatasetFacts]:
    """Return name and facts of a configuration of a dataset, whose files must be whole.

    Args:
        folder: Folder of the dataset.
        config_name: None for the default (see `default_config`).

    Raises:
        InputError: If the folder is not a dataset of ours, has no such configuration, or several to
            choose from; or if its files are not those it was made with.
    """
    known = read_all_facts(folder)
    if not known:
        raise InputError(f"{folder} is not a dataset made by `grover build`: it has no {_NAME}.")
    if config_name is None:
        config_name = default_config(known)
    if config_name is None:
        raise InputError(f"{folder} has the configurations {', '.join(known)}; say which.")
    facts = read_facts(folder, config_name)
    require_whole_files(folder, config_name)
    return config_name, facts


def require_whole_files(folder: str | Path, config_name: str) -> None:
    """Raise `InputError` if the Parquet files of a configuration are not those it was made with."""
    files = sorted((Path(folder) / config_name).glob("*.parquet"))
    if sha256_of_files(files) != read_facts(folder, config_name).sha256:
        raise InputError(
            f"{folder}: the Parquet files of {config_name} are damaged or were changed; build it again."
        )


def read_all_facts(folder: str | Path) -> dict[str, DatasetFacts]:
    """Return the facts of all configurations of a dataset, by name.

    Raises:
        InputError: If those of one are damaged.
    """
    paths = sorted(Path(folder).glob(f"*/{_NAME}"))
    # What is being written, or was left by a build that was killed, begins with a dot.
    return {path.parent.name: _read(path) for path in paths if not path.parent.name.startswith(".")}


def split_files(folder: str | Path, facts: DatasetFacts) -> dict[str, list[Path]]:
    """Return the Parquet files of each split of a configuration that has any, in order.

    Raises:
        InputError: If there is a file of another split.
    """
    place = Path(folder) / facts.config
    files = {split: sorted(place.glob(f"*-{glob.escape(split)}*.parquet")) for split in facts.splits}
    if left := sorted(set(place.glob("*.parquet")).difference(*files.values())):
        raise InputError(f"{left[0]} belongs to no split that the facts name: {', '.join(facts.splits)}.")
    return {split: paths for split, paths in files.items() if paths}


def _read(path: Path) -> DatasetFacts:
    try:
        return dataset_facts(read_json_object(path), path)
    except InputError as error:
        raise InputError(f"{error} Build {path.parent} again, with --overwrite.") from None
