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
from collections.abc import Collection
from pathlib import Path
from typing import Any

import datasets

import grover_hf
from dataset_builders.task import Task
from grover_hf._internals.files import atomic_folder, atomic_write, cache_dir, sha256_of_files
from grover_hf._internals.outputs import (
    names_in,
    only_writer,
    remove_left_overs_in,
    require_not_an_input,
    require_writable,
    scratch_folder,
)
from grover_hf._internals.progress import on_a_terminal
from grover_hf.corpus.facts import dataset_facts, default_config, read_all_facts, write_facts
from grover_hf.corpus.rows import require_plain_name
from grover_hf.errors import InputError
from grover_hf.hub.cards import read_card, render_card

_SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"),
          (10_000_000, "1M<n<10M"), (100_000_000, "10M<n<100M"))


def prepare(task: Task, folder: str | Path, *, overwrite: bool = False) -> Path:
    """Run a builder and write a configuration of a dataset, then the card of the dataset.

    Args:
        task: What to build: `plan(...)` of a builder's file.
        folder: Where the dataset goes; it is returned.
        overwrite: Replace the configuration if it is there.

    Raises:
        InputError: If the inputs cannot be used, the configuration is there already, or the folder
            holds another dataset.
    """
    folder = Path(folder)
    require_plain_name(folder)
    with only_writer(folder):
        remove_left_overs_in(folder)
        known = _require_own_folder(folder, task)
        if known and not _is_card_of(folder, known):
            # A build was killed before its last step.
            _write_card(folder, task.card)
        require_writable(folder / task.config, overwrite=overwrite, marker="facts.json", contents=["*.parquet"])
        task.require_whole()
        try:
            _build(task, folder)
        except BaseException:
            # An empty folder, of a build that failed; one with other configurations stays.
            with contextlib.suppress(OSError):
                folder.rmdir()
            raise
        _write_card(folder, task.card)
    return folder


def _require_own_folder(folder: Path, task: Task) -> Collection[str]:
    """Return the configurations of a folder; refuse one that is an input, or holds anything else."""
    require_not_an_input(folder, task.places)
    known = read_all_facts(folder)
    for facts in known.values():
        if facts.dataset != task.dataset:
            raise InputError(f"{folder} holds {facts.dataset}, not {task.dataset}; name another --output.")
    if not known and folder.exists() and (folder.is_file() or names_in(folder)):
        raise InputError(f"{folder} is there and does not hold a dataset of ours; name another --output.")
    return known


def _build(task: Task, folder: Path) -> None:
    inputs = task.inputs
    identity = json.dumps([inputs, task.version], sort_keys=True)
    fingerprint = hashlib.sha256(identity.encode()).hexdigest()
    of_rows: dict[str, Any] = {}
    with scratch_folder(cache_dir() / "datasets") as scratch:
        # Without a name and a hash of their own, all builders share one cache folder, since all
        # stand in files called builder.py, and hand out each other's rows.
        builder = task.builder_class(
            cache_dir=str(scratch), dataset_name=task.dataset, config_name=task.config, hash=fingerprint,
            version=datasets.Version(task.version), task=task, facts=of_rows,
        )
        with atomic_folder(folder / task.config) as beside:
            _download_and_prepare(builder, beside)
            facts = {
                "dataset": task.dataset,
                "builder": task.builder_class.__name__,
                "config": task.config,
                "version": task.version,
                "sha256": sha256_of_files(sorted(beside.glob("*.parquet"))),
                "vocabulary_sha256": task.vocabulary_sha256,
                "splits": {name: split.num_examples for name, split in builder.info.splits.items()},
                "versions": {"grover-hf": grover_hf.__version__, "datasets": datasets.__version__},
            }
            write_facts(beside, dataset_facts({**inputs, **of_rows, **facts}, beside))


def _download_and_prepare(builder: datasets.DatasetBuilder, folder: Path) -> None:
    bars_were_on = not datasets.are_progress_bars_disabled()
    if not on_a_terminal():
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


def _is_card_of(folder: Path, configs: Collection[str]) -> bool:
    """Say whether a folder has a card, and of just these configurations."""
    try:
        metadata, _ = read_card((folder / "README.md").read_text(encoding="utf-8"))
    except (OSError, ValueError, InputError):
        return False
    listed = metadata.get("configs", [])
    return isinstance(listed, list) and {config.get("config_name") for config in listed} == set(configs)


def _write_card(folder: Path, card: Path) -> None:
    configs = read_all_facts(folder)
    n_rows = sum(sum(config.splits.values()) for config in configs.values())
    facts = {
        "configs": {name: config.as_dict() for name, config in configs.items()},
        "default_config": default_config(configs) or next(iter(configs)),
        "size_category": next((name for limit, name in _SIZES if n_rows < limit), "100M<n<1B"),
    }
    with atomic_write(folder / "README.md") as beside:
        beside.write_text(render_card(card, facts))
