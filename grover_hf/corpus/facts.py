"""`facts.json`: what a dataset configuration was made from. Written by builders, read by training."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from grover_hf._internals.files import sha256_of_files
from grover_hf.errors import InputError

_NAME = "facts.json"


def write_facts(config_folder: Path, facts: dict[str, Any]) -> None:
    """Write the facts into the folder of a configuration."""
    (config_folder / _NAME).write_text(json.dumps(facts, indent=2) + "\n")


def read_facts(folder: str | Path, config_name: str) -> dict[str, Any]:
    """Return the facts of one configuration of a dataset.

    Raises:
        InputError: If the folder has no such configuration.
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


def choose_config(folder: str | Path, config_name: str | None) -> tuple[str, dict[str, Any]]:
    """Return name and facts of a configuration of a dataset, whose files must be whole.

    Args:
        folder: Of the dataset.
        config_name: None for the default (see `default_config`).

    Raises:
        InputError: If it is no dataset of ours, has no such configuration, or several to choose
            from; or if its files are not those it was made with.
    """
    known = read_all_facts(folder)
    if not known:
        raise InputError(f"{folder} is no dataset made by `grover build`: it has no facts.json.")
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
    if sha256_of_files(files) != read_facts(folder, config_name)["sha256"]:
        raise InputError(
            f"{folder}: the Parquet files of {config_name} are damaged or were changed; build it again."
        )


def read_all_facts(folder: str | Path) -> dict[str, dict[str, Any]]:
    """Return the facts of all configurations of a dataset, by name."""
    paths = sorted(Path(folder).glob(f"*/{_NAME}"))
    return {path.parent.name: _read(path) for path in paths}


def _read(path: Path) -> dict[str, Any]:
    try:
        facts = json.loads(path.read_text())
    except ValueError:
        facts = None
    if not isinstance(facts, dict) or not {"dataset", "config", "sha256"} <= facts.keys():
        raise InputError(f"{path} is damaged: build {path.parent} again, with --overwrite.")
    return facts
