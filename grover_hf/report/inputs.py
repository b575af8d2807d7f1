"""What a report is of: the runs, scores, window maps and tracks below some folders."""

import csv
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray

from grover_hf.analysis.vocabulary.table import Vocabulary, vocabulary_of
from grover_hf.corpus.corpus_facts import CorpusFacts
from grover_hf.corpus.tokenized_genome import TokenizedGenome
from grover_hf.errors import InputError
from grover_hf.metrics.report import (
    BaselineReport,
    EvaluationReport,
    FinetuningReport,
    PretrainingReport,
    ProbeReport,
    read_metrics,
)
from grover_hf.tracks.files import TRACKS_FILE

METRICS, LOG, PER_TOKEN, MAP, CORPUS = "metrics.json", "log.jsonl", "per_token.csv", "map.parquet", "corpus.json"
TaskReport = FinetuningReport | ProbeReport | BaselineReport


@dataclass(frozen=True, eq=False)
class Pretraining:
    """A pretraining that was found."""

    folder: Path
    report: PretrainingReport
    recipe: dict[str, Any]
    losses: list[tuple[int, float]]
    """Step and training loss, in nats a token."""


@dataclass(frozen=True, eq=False)
class Evaluation:
    """An evaluation of a pretrained model beside counting."""

    folder: Path
    report: EvaluationReport
    types: list[dict[str, str]]
    """Lines of the table of token types, as text; empty if there is no table."""


@dataclass(frozen=True, eq=False)
class Corpus:
    """A tokenized genome."""

    folder: Path
    facts: CorpusFacts
    tokenizer: str
    vocabulary: Vocabulary


@dataclass(frozen=True, eq=False)
class Found:
    """Everything that a report shows."""

    pretrainings: list[Pretraining]
    evaluations: list[Evaluation]
    tasks: list[tuple[Path, TaskReport]]
    corpora: list[Corpus]
    maps: list[Path]
    """Files of window maps."""
    tracks: list[Path]
    """Folders of tracks in bigWig."""


def find(folders: Sequence[Path]) -> Found:
    """Return what is below some folders.

    Args:
        folders: Runs, folders of scores, a quickstart, or folders that hold any of them.

    Raises:
        InputError: If a folder is not there, a file in it is damaged, or there is nothing to show.
    """
    for folder in folders:
        if not folder.is_dir():
            raise InputError(f"There is no folder {folder}.")
    # Tracks in bedGraph are text, which nothing here looks through for a stretch.
    tracks = [path.parent for path in _below(folders, TRACKS_FILE) if any(path.parent.glob("*.bw"))]
    found = Found([], [], [], [], _below(folders, MAP), tracks)
    for path in _below(folders, METRICS):
        report = read_metrics(path.parent)
        if isinstance(report, PretrainingReport):
            found.pretrainings.append(_pretraining(path.parent, report))
        elif isinstance(report, EvaluationReport):
            found.evaluations.append(Evaluation(path.parent, report, _lines(path.parent / PER_TOKEN)))
        elif isinstance(report, TaskReport):
            found.tasks.append((path.parent, report))
    found.corpora.extend(_corpus(path.parent) for path in _below(folders, CORPUS))
    if not (found.pretrainings or found.evaluations or found.tasks or found.corpora or found.maps or found.tracks):
        raise InputError(
            f"There is nothing to show below {', '.join(map(str, folders))}: no {METRICS}, no tokenized genome, "
            "no window map, no tracks."
        )
    return found


def _below(folders: Sequence[Path], name: str) -> list[Path]:
    """Return the files of a name, each once; what is being written, or a checkpoint, is left out."""
    paths = set()
    for folder in folders:
        for path in folder.rglob(name):
            # The user's own folder may lie below one that begins with a dot.
            inside = path.relative_to(folder).parts
            if "checkpoints" not in inside and not any(part.startswith(".") for part in inside):
                paths.add(path)
    return sorted(paths)


def _pretraining(folder: Path, report: PretrainingReport) -> Pretraining:
    try:
        recipe = yaml.safe_load((folder / "recipe.yaml").read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise InputError(f"{folder / 'recipe.yaml'} cannot be read: {' '.join(str(error).split())}") from error
    if not isinstance(recipe, dict):
        raise InputError(f"{folder / 'recipe.yaml'} is not a recipe: it has no fields.")
    return Pretraining(folder, report, recipe, _losses(folder / LOG))


def _losses(path: Path) -> list[tuple[int, float]]:
    if not path.exists():
        return []
    losses = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        try:
            entry = json.loads(line)
        except json.JSONDecodeError as error:
            raise InputError(f"{path}, line {number} is not JSON: {error}.") from error
        # Other lines are of evaluations, and of the end.
        if "loss" in entry and "step" in entry:
            losses.append((int(entry["step"]), float(entry["loss"])))
    return losses


def _lines(path: Path) -> list[dict[str, str]]:
    if not path.exists():
        return []
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def _corpus(folder: Path) -> Corpus:
    corpus = TokenizedGenome.open(folder)
    return Corpus(folder, corpus.facts, corpus.encoder.name, vocabulary_of(corpus.encoder.tokens, corpus))


def is_of(evaluation: Evaluation, run: Pretraining) -> bool:
    """Return whether an evaluation is of a training: `grover evaluate` writes it into the run's folder."""
    return run.folder in evaluation.folder.parents


def base_shares(vocabulary: Vocabulary) -> NDArray[np.float64]:
    """Return the shares of A, C, G, T in the genome that is counted and in the types that occur, shape (2, 4)."""
    assert vocabulary.counts is not None
    per_type = np.array([[token.count(base) for base in "ACGT"] for token in vocabulary.tokens], np.int64)
    genome, types = vocabulary.counts @ per_type, per_type[vocabulary.counts > 0].sum(0)
    return np.stack([genome / genome.sum(), types / types.sum()])
