"""A dataset's options, written once: a frozen dataclass from which its builder, digests and name follow.

`datasets` replaces `pathlib.Path` in every file that holds a builder's class, so that `isinstance(path, Path)`
is false there. This file has none: those are in `task_builder`.
"""

import dataclasses
import inspect
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import KW_ONLY, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from grover_hf._internals.files import sha256_of_files
from grover_hf._internals.records import plain
from grover_hf.corpus.tokenized_genome import TokenizedGenome
from grover_hf.errors import InputError
from grover_hf.tokenization.encoding import Encoder
from grover_hf.tokenization.export import encoder_named

if TYPE_CHECKING:
    import datasets


FILE = {"is": "file"}
"""Marks a field that names a file whose content the rows depend on."""
OPENED = {"is": "opened"}
"""Marks a field for a genome, a corpus or a tokenizer, open or by its path, and what belongs to it."""


@dataclass(frozen=True)
class Task(ABC):
    """The options of a dataset. Subclasses add fields, and say what they are called and made from.

    A field is a file, something that is opened, or a choice: a plain value that stands in `facts.json`.
    """

    builder_class: ClassVar[type["datasets.DatasetBuilder"]]
    """A `task_builder.TaskBuilder`, which imports this file."""
    version: ClassVar[str] = "1.0.0"
    """Version of the builder's code."""

    @property
    def card(self) -> Path:
        """Template of the card; it stands beside the builder."""
        return Path(inspect.getfile(type(self))).parent / "README.md"

    @property
    @abstractmethod
    def dataset(self) -> str:
        """Name of the dataset; it keeps the caches of the builders apart."""

    @property
    @abstractmethod
    def config(self) -> str:
        """Name of the configuration, such as "bpe-600"."""

    @property
    @abstractmethod
    def vocabulary_sha256(self) -> str | None:
        """Digest of the vocabulary of the rows' token ids; None for rows without."""

    @property
    @abstractmethod
    def inputs(self) -> dict[str, Any]:
        """What the rows depend on, with digests in place of paths; it identifies the build."""

    @property
    def choices(self) -> dict[str, Any]:
        """The fields that are plain values."""
        return {name: value for name, (kind, value) in self._fields().items() if kind is None}

    @property
    def files(self) -> list[Path]:
        """The files that were named."""
        return [Path(value) for kind, value in self._fields().values() if kind == "file" and value is not None]

    @property
    def files_read(self) -> dict[str, Any]:
        """Names and digest of the files, as they stand in `facts.json`."""
        return {"files": [path.name for path in self.files], "files_sha256": sha256_of_files(self.files)}

    @property
    def places(self) -> list[Path]:
        """All files and folders that are read: nothing may be written over them."""
        given = (getattr(value, "path", value) for kind, value in self._fields().values() if kind is not None)
        return [Path(value) for value in given if isinstance(value, str | Path) and Path(value).exists()]

    def require_whole(self) -> None:  # noqa: B027 - most have nothing to look after
        """Raise `InputError` if something that is read was changed since it was made."""

    def _fields(self) -> dict[str, tuple[str | None, Any]]:
        fields = dataclasses.fields(self)
        return {field.name: (field.metadata.get("is"), getattr(self, field.name)) for field in fields}


@dataclass(frozen=True)
class CorpusTask(Task):
    """The options of a dataset that is made from a tokenized genome, whose tokenizer reads the sequences."""

    splits_by: ClassVar[tuple[str, ...]]
    """How rows can be split; the paper's way first, which has no name."""

    corpus: TokenizedGenome | str | Path = field(metadata=OPENED)
    """A tokenized genome, or a folder made by `grover tokenize`."""
    _: KW_ONLY
    split_by: str = "random"
    """One of `splits_by`."""
    seed: int = 0
    """Seed of the split, and of all else that is drawn."""

    def __post_init__(self) -> None:
        require_split(self.split_by, self.splits_by)

    @cached_property
    def opened(self) -> TokenizedGenome:
        """The tokenized genome."""
        return opened_corpus(self.corpus)

    @property
    def variant(self) -> str:
        """What the configuration is called after the tokenizer; "" for the paper's."""
        return ""

    def require_whole(self) -> None:
        self.opened.require_whole()

    @property
    def config(self) -> str:
        return configuration_name(self.opened.encoder.name, self.variant, self.split_by, self.splits_by)

    @property
    def vocabulary_sha256(self) -> str:
        return self.opened.vocabulary_sha256

    @property
    def inputs(self) -> dict[str, Any]:
        files = self.files_read if self.files else {}
        return {"corpus": plain(self.opened.facts), **files, **self.choices}


@dataclass(frozen=True)
class BenchmarkTask(Task):
    """The options of a task of a benchmark: sequences without coordinates, with or without token ids."""

    benchmark: ClassVar[str]
    """What it is called in errors."""
    labels: ClassVar[dict[str, tuple[str, ...]]]
    """Names of the classes, by task."""
    suffixes: ClassVar[tuple[str, ...]]
    """Endings of the files of a split; the ones in front are looked for first."""
    splits: ClassVar[tuple[str, ...]]
    """As the files are called."""

    source: str | Path = field(metadata=OPENED)
    """The folder of the benchmark's files; those of a task are in a folder of its name."""
    subset: str
    """The task."""
    _: KW_ONLY
    tokenizer: Encoder | str | Path | None = field(default=None, metadata=OPENED)
    """A tokenizer, "kmer-K", a tokenizer folder or a merges file, for token ids; None for sequences alone."""

    def __post_init__(self) -> None:
        if self.subset not in self.labels:
            known = ", ".join(self.labels)
            raise InputError(f"{self.benchmark} has no human task {self.subset!r}; it has {known}.")
        for split in self.splits:
            self.file_of(split)

    @property
    def class_names(self) -> tuple[str, ...]:
        """Names of the classes, in the order of their numbers."""
        return self.labels[self.subset]

    @cached_property
    def encoder(self) -> Encoder | None:
        """The tokenizer, if there is one."""
        return None if self.tokenizer is None else opened_encoder(self.tokenizer)

    @property
    def config(self) -> str:
        return "sequences" if self.encoder is None else self.encoder.name

    @property
    def vocabulary_sha256(self) -> str | None:
        return None if self.encoder is None else self.encoder.vocabulary_sha256

    @property
    def files(self) -> list[Path]:
        return [self.file_of(split) for split in self.splits]

    def file_of(self, split: str) -> Path:
        """Return the file of a split.

        Raises:
            InputError: If there is none.
        """
        folder = Path(self.source) / self.subset
        for suffix in self.suffixes:
            if (path := folder / f"{split}{suffix}").exists():
                return path
        first, *others = self.suffixes
        raise InputError(
            f"There is no {folder / split}{first}, nor a file that ends in {', '.join(others)}; `grover fetch` "
            "says where to get it."
        )


def require_split(split_by: str, splits_by: Sequence[str]) -> None:
    """Raise `InputError` if there is no such split."""
    if split_by not in splits_by:
        raise InputError(f"There is no split by {split_by!r}; there are {', '.join(splits_by)}.")


def configuration_name(
    tokenizer: str, variant: str, split_by: str = "random", splits_by: Sequence[str] = ("random",)
) -> str:
    """Return `<tokenizer>[.<variant>][.by-<split>]`; the paper's variant is "", its split the first: no name."""
    parts = [tokenizer, variant, "" if split_by == splits_by[0] else f"by-{split_by}"]
    return ".".join(part for part in parts if part)


def opened_corpus(corpus: TokenizedGenome | str | Path) -> TokenizedGenome:
    """Return a tokenized genome that is open, or that a folder holds."""
    return corpus if isinstance(corpus, TokenizedGenome) else TokenizedGenome.open(corpus)


def opened_encoder(tokenizer: Encoder | str | Path) -> Encoder:
    """Return a tokenizer that is open, or that a name, folder or file stands for."""
    return encoder_named(tokenizer) if isinstance(tokenizer, str | Path) else tokenizer
