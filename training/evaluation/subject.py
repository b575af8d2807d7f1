"""What is judged: a model, how it was masked, the windows that it was trained on, those to judge it on."""

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

from grover_hf.corpus.facts import DatasetFacts, choose_config, split_files
from grover_hf.corpus.row_choice import evenly_spaced_rows, rows_of_first_tiling
from grover_hf.corpus.splits import Places, bases_also_in
from grover_hf.corpus.window_store import WindowStore, open_windows
from grover_hf.errors import InputError
from grover_hf.masking import MaskingCollator
from grover_hf.metrics.report import read_metrics
from grover_hf.tokenization.encoding import Encoder
from grover_hf.tokenization.export import load_encoder
from training.evaluation.plan import EvaluationPlan
from training.runs.recipe import read_yaml

_DATASET = "genome_windows"


class PlacedWindows(NamedTuple):
    """Windows of a split, and where they lie."""

    store: WindowStore
    places: Places


@dataclass(frozen=True)
class WindowsConfig:
    """A configuration of a dataset of windows."""

    folder: Path
    config: str
    facts: DatasetFacts

    def split(self, name: str) -> PlacedWindows:
        """Return the windows of a split.

        Raises:
            InputError: If there is no such split, or it is empty.
        """
        stores = open_windows(self.folder, self.facts)
        if name not in stores or not len(stores[name]):
            raise InputError(f"{self.folder} ({self.config}) has no split {name}; it has {', '.join(stores)}.")
        shards = split_files(self.folder, self.facts)[name]
        of_several = ["genome"] if self.facts.genomes is not None else []
        table = pq.ParquetDataset(shards).read([*of_several, "chrom", "start", "end"]).to_pandas()
        if of_several:
            # Two genomes may have a chromosome of one name.
            table["chrom"] = table["genome"] + ":" + table["chrom"]
        places = Places(*(table[column].to_numpy() for column in ("chrom", "start", "end")))
        return PlacedWindows(stores[name], places)

    @property
    def genome_sha256(self) -> dict[str, str]:
        """The digest of each genome that the windows are of, by name."""
        return {name: genome.sha256 for name, genome in self.facts.genomes_by_name.items()}


@dataclass(frozen=True)
class TrainedMasking:
    """How a pretraining masked its windows."""

    p_select: float
    p_mask: float
    p_random: float
    seed: int


@dataclass(frozen=True)
class Subject:
    """What is judged."""

    model: Path
    encoder: Encoder
    masking: TrainedMasking | None
    """Masking of its pretraining; None for a model alone."""
    trained_on: WindowsConfig
    """Its train windows are those that baselines are counted on."""
    judged: WindowsConfig

    def share_seen(self, judged: Places, trained_on: Places) -> float | None:
        """Return the share of the judged bases that lie in train windows; None if that cannot be known."""
        if self.masking is None or self.judged.genome_sha256 != self.trained_on.genome_sha256:
            return None
        return bases_also_in(judged, trained_on) / int((judged.ends - judged.starts).sum())


def subject_of(plan: EvaluationPlan) -> Subject:
    """Return what a plan judges.

    Raises:
        InputError: If the run or the windows cannot be used, or have different vocabularies.
    """
    model, masking, trained_on, judged = _places_of(plan)
    encoder = load_encoder(model)
    for windows in (judged, trained_on):
        windows.facts.require_vocabulary(
            encoder.vocabulary_sha256, what=f"{windows.folder} ({windows.config})", other=f"the model {model}"
        )
    return Subject(model, encoder, masking, trained_on, judged)


def collator_of(plan: EvaluationPlan, subject: Subject) -> MaskingCollator:
    """Return the masking: that of the plan, else that of the training.

    Raises:
        InputError: If neither says it, or the shares cannot be.
    """
    trained = {"seed": 0} if subject.masking is None else dataclasses.asdict(subject.masking)
    values: dict[str, Any] = {}
    for name in ("p_select", "p_mask", "p_random", "seed"):
        wanted = getattr(plan, name)
        values[name] = trained.get(name) if wanted is None else wanted
    if missing := [f"--{name.replace('_', '-')}" for name, value in values.items() if value is None]:
        raise InputError(f"{plan.run} has no recipe: say {' and '.join(missing)}.")
    return MaskingCollator(vocab_size=len(subject.encoder.tokens), **values)


def rows_to_judge(places: Places, n_windows: int | None) -> NDArray[np.int64]:
    """Return the rows to judge: of the first tiling, all or so many, evenly spaced."""
    rows = rows_of_first_tiling(places)
    return rows if n_windows is None else evenly_spaced_rows(len(rows), n_windows)


def _places_of(plan: EvaluationPlan) -> tuple[Path, TrainedMasking | None, WindowsConfig, WindowsConfig]:
    """Return the model's folder, its masking, the windows that it was trained on and those to judge it on."""
    run = Path(plan.run)
    if run.name == "model" and (run.parent / "recipe.yaml").exists():
        run = run.parent
    if not (run / "recipe.yaml").exists() and (run / "config.json").exists():
        if plan.dataset is None or plan.output is None:
            raise InputError(
                f"{run} is a model without a run: say --output, and --dataset, whose train windows are counted."
            )
        windows = _windows(plan.dataset, plan.dataset_config)
        return run, None, windows, windows
    recipe = _recipe(run)
    trained_on = _trained_on(run, plan.trained_on or recipe["dataset"])
    judged = trained_on
    if plan.dataset is not None or plan.dataset_config is not None:
        judged = _windows(plan.dataset or trained_on.folder, plan.dataset_config)
    masking = TrainedMasking(*(recipe[field.name] for field in dataclasses.fields(TrainedMasking)))
    return run / "model", masking, trained_on, judged


def _recipe(run: Path) -> dict[str, Any]:
    """Return the recipe of a pretraining that is finished."""
    try:
        recipe = read_yaml(run / "recipe.yaml")
    except (FileNotFoundError, NotADirectoryError):
        raise InputError(f"{run} is neither a run (no recipe.yaml) nor a model (no config.json).") from None
    if "p_select" not in recipe:
        raise InputError(f"{run} is not a pretraining: its recipe masks no tokens.")
    if not (run / "model" / "config.json").exists():
        raise InputError(f"{run} has no model: its pretraining is not finished.")
    return recipe


def _trained_on(run: Path, folder: str) -> WindowsConfig:
    """Return the windows that a run was trained on, which must be those of the same build."""
    known = read_metrics(run).dataset
    if not Path(folder).exists():
        raise InputError(f"{run} was trained on {folder}, which does not exist; say --trained-on FOLDER.")
    windows = _windows(folder, known.config)
    build = windows.facts.sha256
    if build != known.sha256:
        raise InputError(
            f"{run} was trained on build {str(known.sha256)[:12]} of {known.config}; {folder} has {build[:12]}, "
            "which may be split otherwise. Say --trained-on FOLDER with the first."
        )
    return windows


def _windows(folder: str | Path, config_name: str | None) -> WindowsConfig:
    config, facts = choose_config(folder, config_name)
    if facts.dataset != _DATASET:
        raise InputError(f"{folder} holds {facts.dataset}; masked tokens are those of windows of a genome.")
    return WindowsConfig(Path(folder), config, facts)
