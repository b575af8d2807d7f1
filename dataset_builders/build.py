"""Prepare any dataset: a folder of Parquet and a card, which `load_dataset` reads and the Hub takes.

DIR/README.md                      the card, made from the facts of all configurations
DIR/<configuration>/facts.json     digests, seed, counts
DIR/<configuration>/*.parquet      a shard or more for each split

The card gives each configuration a description with the digest of its files. `load_dataset` of a
folder keeps its cache by the folder's last name and the card alone, so without it a rebuilt
dataset, or another one of the same name, would silently give the rows of the first.
"""

import contextlib
import hashlib
import json
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import datasets

import grover_hf
from grover_hf._internals.files import (
    atomic_folder,
    atomic_write,
    cache_dir,
    require_not_an_input,
    require_writable,
    sha256_of_files,
)
from grover_hf.corpus.facts import default_config, read_all_facts, write_facts
from grover_hf.errors import InputError
from grover_hf.hub.cards import render_card

_SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"),
          (10_000_000, "1M<n<10M"), (100_000_000, "10M<n<100M"))


@dataclass(frozen=True, kw_only=True)
class Plan:
    """A configuration of a dataset to be made."""

    builder_class: type[datasets.DatasetBuilder]
    """Its configuration class has a dict `facts`, which the builder fills for the card."""
    dataset: str
    """Name of the task; it keeps the caches of the builders apart."""
    config: str
    """Name of the configuration, such as "bpe-600"."""
    version: str
    """Of the builder's code."""
    card: Path
    """Template of the card."""
    vocabulary_sha256: str | None
    settings: dict[str, Any]
    """Fields of the builder's configuration."""
    inputs: dict[str, Any]
    """What the rows depend on, with digests in place of paths; it identifies the build."""


def prepare(plan: Plan, folder: str | Path, *, overwrite: bool = False) -> Path:
    """Run a builder and write a configuration of a dataset, then the card of the dataset.

    Args:
        plan: From the function `plan` of a builder.
        folder: Where the dataset goes; it is returned.
        overwrite: Replace the configuration if it is there.

    Raises:
        InputError: If the inputs cannot be used, the configuration is there already, or the folder
            holds another dataset.
    """
    folder = Path(folder)
    _require_own_folder(folder, plan)
    require_writable(folder / plan.config, overwrite=overwrite, marker="facts.json")
    try:
        _build(plan, folder)
    except BaseException:
        # An empty folder, of a build that failed; one with other configurations stays.
        with contextlib.suppress(OSError):
            folder.rmdir()
        raise
    _write_card(folder, plan.card)
    return folder


def _require_own_folder(folder: Path, plan: Plan) -> None:
    """Refuse a folder that is an input, or holds anything but configurations of this dataset."""
    inputs = [value for value in plan.settings.values() if isinstance(value, str) and Path(value).exists()]
    require_not_an_input(folder, inputs)
    known = read_all_facts(folder)
    for facts in known.values():
        if facts["dataset"] != plan.dataset:
            raise InputError(f"{folder} holds {facts['dataset']}, not {plan.dataset}; name another --output.")
    if not known and folder.exists() and (folder.is_file() or any(folder.iterdir())):
        raise InputError(f"{folder} is there and holds no dataset of ours; name another --output.")


def _build(plan: Plan, folder: Path) -> None:
    identity = json.dumps([plan.inputs, plan.version], sort_keys=True)
    fingerprint = hashlib.sha256(identity.encode()).hexdigest()
    cache = cache_dir() / "datasets"
    cache.mkdir(parents=True, exist_ok=True)
    facts: dict[str, Any] = {}
    with tempfile.TemporaryDirectory(dir=cache) as scratch:
        # Without a name and a hash of their own, all builders share one cache folder, since all
        # stand in files called builder.py, and hand out each other's rows.
        builder = plan.builder_class(
            cache_dir=scratch, dataset_name=plan.dataset, config_name=plan.config, hash=fingerprint,
            version=datasets.Version(plan.version), facts=facts, **plan.settings,
        )
        with atomic_folder(folder / plan.config) as beside:
            _download_and_prepare(builder, beside)
            facts |= {
                "dataset": plan.dataset,
                "builder": plan.builder_class.__name__,
                "config": plan.config,
                "version": plan.version,
                "sha256": sha256_of_files(sorted(beside.glob("*.parquet"))),
                "vocabulary_sha256": plan.vocabulary_sha256,
                "splits": {name: split.num_examples for name, split in builder.info.splits.items()},
                "versions": {"grover-hf": grover_hf.__version__, "datasets": datasets.__version__},
                **{key: value for key, value in plan.inputs.items() if key not in facts},
            }
            write_facts(beside, facts)


def _download_and_prepare(builder: datasets.DatasetBuilder, folder: Path) -> None:
    bars_were_on = not datasets.are_progress_bars_disabled()
    if not sys.stdout.isatty():
        datasets.disable_progress_bars()
    try:
        builder.download_and_prepare(str(folder), file_format="parquet")
    finally:
        if bars_were_on:
            datasets.enable_progress_bars()
        for path in folder.parent.glob(f"{folder.name}*.lock"):
            path.unlink()
    for path in folder.iterdir():
        if path.suffix != ".parquet":
            path.unlink()


def _write_card(folder: Path, card: Path) -> None:
    configs = read_all_facts(folder)
    n_rows = sum(sum(config["splits"].values()) for config in configs.values())
    facts = {
        "configs": configs,
        "default_config": default_config(configs) or next(iter(configs)),
        "size_category": next((name for limit, name in _SIZES if n_rows < limit), "100M<n<1B"),
    }
    with atomic_write(folder / "README.md") as beside:
        beside.write_text(render_card(card, facts))
