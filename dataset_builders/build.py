"""Prepare any dataset: a folder of Parquet and a card, which `load_dataset` reads and the Hub takes.

    DIR/README.md                      the card, made from the facts of all configurations
    DIR/<configuration>/facts.json     digests, seed, counts
    DIR/<configuration>/*.parquet      a shard or more for each split
"""

import hashlib
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

import datasets

import grover_hf
from grover_hf.corpus.facts import read_all_facts, write_facts
from grover_hf.files import cache_dir, folder_written_whole, refuse_existing, written_whole
from grover_hf.hub.cards import render_card

_SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"),
          (10_000_000, "1M<n<10M"), (100_000_000, "10M<n<100M"))


def build_genome_windows(
    corpus: str | Path, folder: str | Path, *, tilings: int = 1, seed: int = 0, overwrite: bool = False
) -> Path:
    """Cut a tokenized genome into pretraining windows; return the folder of the dataset.

    Args:
        corpus: A folder made by `grover tokenize`.
        folder: Where the dataset goes; the configuration is named after the tokenizer.
        tilings: How often the genome is cut, each time with another seed.
        seed: Of the window lengths and of the split.
        overwrite: Replace the configuration if it is there.

    Raises:
        InputError: If the corpus cannot be used or the configuration is there already.
    """
    from dataset_builders.genome_windows import builder
    from grover_hf.corpus.tokenized_genome import TokenizedGenome

    opened = TokenizedGenome.open(corpus)
    settings = {"corpus": str(corpus), "tilings": tilings, "seed": seed}
    inputs = {"corpus": opened.facts, "tilings": tilings, "seed": seed}
    return prepare(
        builder.GenomeWindows, builder.NAME, opened.encoder.name, folder, version=builder.VERSION,
        card=builder.CARD, vocabulary_sha256=opened.vocabulary_sha256, settings=settings,
        inputs=inputs, overwrite=overwrite,
    )


def prepare(
    builder_class: type[datasets.DatasetBuilder], dataset_name: str, config_name: str,
    folder: str | Path, *, version: str, card: Path, vocabulary_sha256: str, settings: dict[str, Any],
    inputs: dict[str, Any], overwrite: bool = False,
) -> Path:
    """Run a builder class and write a configuration of a dataset, then the card of the dataset.

    Args:
        builder_class: A `datasets` builder whose configuration has the dict `facts`.
        dataset_name: Name of the task; it keeps the caches of the builders apart.
        config_name: Name of the configuration, such as "bpe-600".
        folder: Where the dataset goes.
        version: Of the builder's code.
        card: Template of the card.
        vocabulary_sha256: Of the tokenizer.
        settings: Fields of the builder's configuration.
        inputs: What the rows depend on, digests in place of paths; it identifies the build.
        overwrite: Replace the configuration if it is there.
    """
    folder = Path(folder)
    refuse_existing(folder / config_name, overwrite=overwrite)
    fingerprint = hashlib.sha256(json.dumps([inputs, version], sort_keys=True).encode()).hexdigest()
    cache = cache_dir() / "datasets"
    cache.mkdir(parents=True, exist_ok=True)
    facts: dict[str, Any] = {}
    with tempfile.TemporaryDirectory(dir=cache) as scratch:
        builder = builder_class(
            cache_dir=scratch, dataset_name=dataset_name, config_name=config_name,
            hash=fingerprint, version=datasets.Version(version), facts=facts, **settings,
        )
        with folder_written_whole(folder / config_name) as beside:
            _download_and_prepare(builder, beside)
            facts |= {
                "dataset": dataset_name,
                "config": config_name,
                "version": version,
                "fingerprint": fingerprint,
                "vocabulary_sha256": vocabulary_sha256,
                "splits": {name: split.num_examples for name, split in builder.info.splits.items()},
                "versions": {"grover-hf": grover_hf.__version__, "datasets": datasets.__version__},
                **{key: value for key, value in inputs.items() if key not in facts},
            }
            write_facts(beside, facts)
    _write_card(folder, card)
    return folder


def _download_and_prepare(builder: datasets.DatasetBuilder, folder: Path) -> None:
    bars_were_on = not datasets.are_progress_bars_disabled()
    if not sys.stdout.isatty():
        datasets.disable_progress_bars()
    try:
        builder.download_and_prepare(str(folder), file_format="parquet")
    finally:
        if bars_were_on:
            datasets.enable_progress_bars()
    for path in folder.iterdir():
        if path.suffix != ".parquet":
            path.unlink()
    for path in folder.parent.glob(f"{folder.name}*.lock"):
        path.unlink()


def _write_card(folder: Path, card: Path) -> None:
    configs = read_all_facts(folder)
    n_rows = sum(sum(config["splits"].values()) for config in configs.values())
    facts = {
        "configs": configs,
        "default_config": "bpe-600" if "bpe-600" in configs else next(iter(configs)),
        "size_category": next((name for limit, name in _SIZES if n_rows < limit), "100M<n<1B"),
    }
    with written_whole(folder / "README.md") as beside:
        beside.write_text(render_card(card, facts))
