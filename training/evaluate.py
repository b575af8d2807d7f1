"""Judge a pretrained model on masked tokens, beside what counting tells: `python -m training.evaluate RUN`.

Beside the model stand two predictors that see the same input at the same masked tokens, and were counted on the
windows that the model was trained on: how often each token occurs, and a table of the tokens on both sides
(`grover_hf.baselines.neighbour_counts`). A model that does not beat the table has learnt no more than it.

OUTPUT/metrics.json                   scores with 95 % intervals by resampling windows, differences, digests
OUTPUT/per_token.csv                  accuracy and AUC of each type of token
OUTPUT/accuracy.png, per_token.png    like the paper's Fig. 2d and 3f-g
"""

import argparse
import dataclasses
import sys
import time
import typing
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow.parquet as pq
import torch
import transformers
import yaml
from numpy.typing import NDArray
from transformers import AutoModelForMaskedLM

from grover_hf._internals.files import atomic_folder, require_writable
from grover_hf._internals.progress import progress_bar
from grover_hf.analysis.figure_style import require_matplotlib
from grover_hf.baselines.neighbour_counts import (
    Corruption,
    NeighbourCounts,
    NeighbourModel,
    Seen,
    TokenFrequency,
    Weights,
    choose_weights,
    count_neighbours,
    seen_at,
)
from grover_hf.corpus.facts import choose_config
from grover_hf.corpus.splits import Places, bases_also_in, block_split
from grover_hf.corpus.window_store import WindowStore, open_windows
from grover_hf.errors import InputError
from grover_hf.masking import IGNORED, MaskingCollator
from grover_hf.metrics.per_token import PredictionTally, per_token
from grover_hf.metrics.report import read_metrics, write_metrics
from grover_hf.metrics.window_bootstrap import WindowResamples
from grover_hf.model import weights_sha256
from grover_hf.tokenization.encoding import Encoder
from grover_hf.tokenization.export import load_encoder
from grover_hf.tokenization.identity import require_same_vocabulary
from grover_hf.tokenization.special_tokens import MASK_ID
from training.data.window_batches import WindowDataset
from training.evaluation.report import (
    FREQUENCY,
    MODEL,
    NEIGHBOURS,
    PER_TOKEN,
    Judged,
    report,
    summary,
    write_tables,
)
from training.runs.launch import require_positive, run_script, world_size
from training.runs.recipe import recipe_field

_DATASET = "genome_windows"
_HELD_OUT_SHARE = 0.05
_HELD_OUT_BP = 50_000
_HELD_OUT_WINDOWS = 2_000
_HELD_OUT_TOKENS = 20_000


@dataclass(frozen=True, kw_only=True)
class EvaluationPlan:
    """What to judge, and on what."""

    run: str = recipe_field("folder of a pretraining; or of a model alone, with --dataset and the masking")
    dataset: str | None = recipe_field("windows to judge on; else those of the run", default=None)
    dataset_config: str | None = recipe_field("their configuration; else bpe-600, or the only one", default=None)
    trained_on: str | None = recipe_field("where the run's own windows are, if they were moved", default=None)
    output: str | None = recipe_field("folder for the results; else RUN/evaluation/CONFIG", default=None)
    windows: int | None = recipe_field("how many test windows, evenly spaced; else all", default=None)
    passes: int = recipe_field("how often each window is masked, each time elsewhere", default=1)
    p_select: float | None = recipe_field("share of tokens to predict; else the run's", default=None)
    p_mask: float | None = recipe_field("share of those that become [MASK]; else the run's", default=None)
    p_random: float | None = recipe_field("share of those that become random; else the run's", default=None)
    seed: int | None = recipe_field("of masks and resampling; else the run's", default=None)
    batch_size: int = recipe_field("windows at once", default=16)
    bf16: bool = recipe_field("compute in bfloat16", default=False)
    overwrite: bool = recipe_field("replace the results that are there", default=False)


class _Windows(NamedTuple):
    """A configuration of a dataset of windows."""

    folder: Path
    config: str
    facts: dict[str, Any]

    def split(self, name: str) -> tuple[WindowStore, Places]:
        """Return the token ids of a split, and where its windows lie."""
        stores = open_windows(self.folder, self.config, self.facts)
        if name not in stores or not len(stores[name]):
            raise InputError(f"{self.folder} ({self.config}) has no split {name}; it has {', '.join(stores)}.")
        shards = sorted((self.folder / self.config).glob(f"*-{name}*.parquet"))
        table = pq.ParquetDataset(shards).read(["chrom", "start", "end"]).to_pandas()
        return stores[name], Places(*(table[column].to_numpy() for column in ("chrom", "start", "end")))

    def identity(self) -> dict[str, Any]:
        """Return what `metrics.json` says of it."""
        facts = {name: self.facts[name] for name in ("config", "vocabulary_sha256", "sha256")}
        return {"name": self.facts["dataset"], **facts, "genome": self.facts["corpus"]["genome"]}


class _Subject(NamedTuple):
    """What is judged."""

    model: Path
    recipe: dict[str, Any] | None
    """Of its pretraining; None for a model alone."""
    trained_on: _Windows
    """Its train windows are those that baselines are counted on."""
    judged: _Windows


def evaluate(plan: EvaluationPlan) -> dict[str, Any]:
    """Judge a model; write the results and return the content of `metrics.json`.

    Windows of the first tiling alone are judged: others are the same sequence again, and intervals would
    come out too narrow. Masks are those of the training's own evaluation, if that was on the same windows.

    Memory: that of `count_neighbours`; for each of the three predictors 64 kB a type and 8 bytes a masked
    token; the logits of one batch, never more.

    Raises:
        InputError: If the run, the windows or an option cannot be used.
    """
    started = time.perf_counter()
    _check(plan)
    subject = _subject(plan)
    encoder = load_encoder(subject.model)
    for windows in (subject.judged, subject.trained_on):
        require_same_vocabulary(
            windows.facts["vocabulary_sha256"], encoder.vocabulary_sha256,
            what=f"{windows.folder} ({windows.config})", other=f"the model {subject.model}",
        )
    output = Path(plan.output or subject.model.parent / "evaluation" / subject.judged.config)
    read = [subject.model, subject.judged.folder, subject.trained_on.folder]
    require_writable(output, overwrite=plan.overwrite, marker=PER_TOKEN, inputs=read)
    collator = _collator(plan, subject.recipe, len(encoder.tokens))
    test, places = subject.judged.split("test")
    rows = _chosen_rows(places, plan.windows)
    chosen = WindowDataset(test, rows)
    model = _open_model(subject.model, encoder, int(chosen.lengths.max()))

    train, train_places = subject.trained_on.split("train")
    counts, weights = _counted(train, train_places, collator)
    corruption = Corruption(1 - collator.p_mask - collator.p_random, collator.p_random)
    baselines: dict[str, NeighbourModel | TokenFrequency] = {
        NEIGHBOURS: NeighbourModel(counts, weights, corruption),
        FREQUENCY: TokenFrequency(counts.singles, corruption),
    }
    judged = _judge(model, baselines, chosen, collator, plan)
    scores = report(judged, encoder)
    content = {
        "task": "masked-token",
        "model": {
            "kind": "pretrained", "name": plan.run, "sha256": weights_sha256(subject.model),
            "parameters": model.num_parameters(),
        },
        "dataset": subject.judged.identity(),
        "split": "test",
        "n_windows": len(rows),
        "masking": {
            "p_select": collator.p_select, "p_mask": collator.p_mask, "p_random": collator.p_random,
            "passes": plan.passes,
        },
        "trained_on": subject.trained_on.identity() if subject.recipe else None,
        "share_of_bases_seen_in_training": _share_seen(subject, places, rows, train_places),
        **scores,
        "neighbour_weights": weights._asdict(),
        "seed": collator.seed,
        "seconds": time.perf_counter() - started,
    }
    with atomic_folder(output) as beside:
        write_tables(beside, judged, scores, encoder, counts.singles)
        return write_metrics(beside, content)


def _check(plan: EvaluationPlan) -> None:
    require_positive(passes=plan.passes, batch_size=plan.batch_size, windows=plan.windows or 1)
    if world_size() > 1:
        raise InputError(
            f"{world_size()} processes were started; an evaluation is one: python -m training.evaluate RUN."
        )
    require_matplotlib()
    if not sys.stdout.isatty():
        transformers.utils.logging.disable_progress_bar()


def _subject(plan: EvaluationPlan) -> _Subject:
    """Return the model, its recipe, the windows that it was trained on and those to judge it on."""
    run = Path(plan.run)
    if run.name == "model" and (run.parent / "recipe.yaml").exists():
        run = run.parent
    if not (run / "recipe.yaml").exists() and (run / "config.json").exists():
        if plan.dataset is None or plan.output is None:
            raise InputError(
                f"{run} is a model without a run: say --output, and --dataset, whose train windows are counted."
            )
        windows = _windows(plan.dataset, plan.dataset_config)
        return _Subject(run, None, windows, windows)
    try:
        recipe = yaml.safe_load((run / "recipe.yaml").read_text())
    except (FileNotFoundError, NotADirectoryError):
        raise InputError(f"{run} is neither a run (no recipe.yaml) nor a model (no config.json).") from None
    if "p_select" not in recipe:
        raise InputError(f"{run} is no pretraining: its recipe masks no tokens.")
    if not (run / "model" / "config.json").exists():
        raise InputError(f"{run} has no model: its pretraining is not finished.")
    known = read_metrics(run)["dataset"]
    folder = plan.trained_on or recipe["dataset"]
    if not Path(folder).exists():
        raise InputError(f"{run} was trained on {folder}, which is not there; say --trained_on FOLDER.")
    trained_on = _windows(folder, known["config"])
    build = trained_on.facts["sha256"]
    if build != known["sha256"]:
        raise InputError(
            f"{run} was trained on build {known['sha256'][:12]} of {known['config']}; {folder} has {build[:12]}, "
            "which may be split otherwise. Say --trained_on FOLDER with the first."
        )
    if plan.dataset is None and plan.dataset_config is None:
        return _Subject(run / "model", recipe, trained_on, trained_on)
    return _Subject(run / "model", recipe, trained_on, _windows(plan.dataset or folder, plan.dataset_config))


def _windows(folder: str, config_name: str | None) -> _Windows:
    config, facts = choose_config(folder, config_name)
    if facts["dataset"] != _DATASET:
        raise InputError(f"{folder} holds {facts['dataset']}; masked tokens are those of windows of a genome.")
    return _Windows(Path(folder), config, facts)


def _collator(plan: EvaluationPlan, recipe: dict[str, Any] | None, vocab_size: int) -> MaskingCollator:
    """Return the masking: what the plan says, else what the recipe of the training says."""
    values: dict[str, Any] = {name: getattr(plan, name) for name in ("p_select", "p_mask", "p_random", "seed")}
    of_training = recipe or {"seed": 0}
    values = {name: of_training.get(name) if value is None else value for name, value in values.items()}
    if missing := [name for name, value in values.items() if value is None]:
        raise InputError(f"{plan.run} has no recipe: say --{' and --'.join(missing)}.")
    return MaskingCollator(vocab_size=vocab_size, **values)


def _open_model(folder: Path, encoder: Encoder, longest: int) -> Any:
    """Return the model, ready on the device; it must have room for the windows and know the vocabulary."""
    model = AutoModelForMaskedLM.from_pretrained(folder)
    n_positions, n_rows = model.config.max_position_embeddings, model.config.vocab_size
    if longest + 2 > n_positions:
        raise InputError(
            f"A window has {longest} tokens; {folder} has {n_positions} positions and takes {n_positions - 2}, "
            "beside [CLS] and [SEP]."
        )
    if n_rows < len(encoder.tokens):
        raise InputError(f"{folder} knows {n_rows} ids; its tokenizer has {len(encoder.tokens)}.")
    return model.eval().to("cuda" if torch.cuda.is_available() else "cpu")


def _chosen_rows(places: Places, n_windows: int | None) -> NDArray[np.int64]:
    """Return the rows to judge: of the first tiling, all or so many, evenly spaced."""
    # Rows are in the order of tilings, of chromosomes, of starts: where it begins again, so does a tiling.
    _, first_rows, names = np.unique(np.asarray(places.chroms, str), return_index=True, return_inverse=True)
    chroms = first_rows[names]
    again = (np.diff(chroms) < 0) | ((np.diff(chroms) == 0) & (np.diff(places.starts) < 0))
    n_rows = int(np.argmax(again)) + 1 if again.any() else len(chroms)
    if n_windows is None:
        return np.arange(n_rows)
    return np.linspace(0, n_rows - 1, min(n_windows, n_rows)).astype(np.int64)


def _counted(train: WindowStore, places: Places, collator: MaskingCollator) -> tuple[NeighbourCounts, Weights]:
    """Return the counts of all train windows, and the weights that were best where they were not counted."""
    split = _held_out(places, collator.seed)
    of_others = count_neighbours(train.input_ids, train.borders, collator.vocab_size, used=split == 0)
    rows = np.flatnonzero(split == 1)
    held_out = WindowDataset(
        train, rows[np.linspace(0, len(rows) - 1, min(_HELD_OUT_WINDOWS, len(rows))).astype(np.int64)]
    )
    parts = []
    for number in range(len(held_out)):
        input_ids, at, true = _as_arrays(collator(held_out[number]))
        parts.append((*seen_at(input_ids, at), true))
    *seen, true = (np.concatenate(column) for column in zip(*parts, strict=True))
    some = np.linspace(0, len(true) - 1, min(_HELD_OUT_TOKENS, len(true))).astype(np.int64)
    weights = choose_weights(of_others, Seen(*(column[some] for column in seen)), true[some])
    return count_neighbours(train.input_ids, train.borders, collator.vocab_size), weights


def _held_out(places: Places, seed: int) -> NDArray[np.int64]:
    """Return 1 for train windows to choose weights on, 0 for those that are counted for it, -1 for others."""
    block_bp = max(_HELD_OUT_BP, int((places.ends - places.starts).max()))
    # In a small genome the first seeds may hold out nothing.
    for attempt in range(100):
        split = block_split(places, block_bp=block_bp, seed=seed + attempt, test_share=_HELD_OUT_SHARE)
        if (split == 0).any() and (split == 1).any():
            return split
    raise InputError(
        f"{len(split)} train windows are too few to hold out blocks of {block_bp:,} bp, on which the weights of "
        "the neighbour counts are chosen."
    )


def _batches(
    windows: WindowDataset, collator: MaskingCollator, plan: EvaluationPlan
) -> Iterator[tuple[dict[str, torch.Tensor], NDArray[np.int64]]]:
    """Yield masked windows, and their numbers; windows of about the same length together."""
    by_length = np.argsort(-windows.lengths, kind="stable")
    with progress_bar(total=plan.passes * len(windows), what="windows") as bar:
        for epoch in range(plan.passes):
            for first in range(0, len(windows), plan.batch_size):
                numbers = by_length[first : first + plan.batch_size]
                yield collator(windows.__getitems__((epoch * len(windows) + numbers).tolist())), numbers
                bar.update(len(numbers))


def _judge(
    model: Any, baselines: dict[str, NeighbourModel | TokenFrequency], windows: WindowDataset,
    collator: MaskingCollator, plan: EvaluationPlan,
) -> Judged:
    """Return what the model and the baselines say of the masked tokens."""
    tallies = {name: PredictionTally(collator.vocab_size) for name in (MODEL, *baselines)}
    parts = []
    for batch, numbers in _batches(windows, collator, plan):
        input_ids, at, true = _as_arrays(batch)
        seen = seen_at(input_ids, at)
        parts.append((true, seen.centre == MASK_ID, numbers[np.nonzero(at)[0]]))
        log_p = _log_probabilities(model, batch, bf16=plan.bf16)
        # Rows of embeddings that no token has are left out.
        tallies[MODEL].add(log_p[:, : collator.vocab_size], true)
        for name, baseline in baselines.items():
            tallies[name].add(baseline.log_probabilities(seen), true)
    true, hidden, window = (np.concatenate(column) for column in zip(*parts, strict=True))
    if not true.size:
        raise InputError(f"No token of {len(windows)} windows was masked: take more --windows or --passes.")
    resamples = WindowResamples(window, len(windows), rng=np.random.default_rng(collator.seed))
    types = {name: per_token(tallies[name], true, window, resamples) for name in (MODEL, NEIGHBOURS)}
    return Judged(tallies, true, hidden, resamples, types)


def _as_arrays(batch: dict[str, torch.Tensor]) -> tuple[NDArray[np.int64], NDArray[np.bool_], NDArray[np.int64]]:
    """Return a batch's ids, which of them are to be predicted, and what is true there."""
    labels = batch["labels"].numpy()
    at = labels != IGNORED
    return batch["input_ids"].numpy(), at, labels[at]


@torch.inference_mode()
def _log_probabilities(model: Any, batch: dict[str, torch.Tensor], *, bf16: bool) -> NDArray[np.float32]:
    """Return the logarithms of the probabilities of every id at the masked tokens, shape (n_masked, ids)."""
    device = model.device
    inputs = {name: batch[name].to(device) for name in ("input_ids", "attention_mask")}
    try:
        with torch.autocast(device.type, torch.bfloat16, enabled=bf16):
            logits = model(**inputs).logits[(batch["labels"] != IGNORED).to(device)]
        found: NDArray[np.float32] = torch.log_softmax(logits.float(), -1).cpu().numpy()
    except torch.OutOfMemoryError as error:
        raise InputError("The memory of the device is too small; say a smaller --batch_size.") from error
    return found


def _share_seen(
    subject: _Subject, places: Places, rows: NDArray[np.int64], train_places: Places
) -> float | None:
    """Return the share of the judged bases that lie in train windows; None if that cannot be known."""
    genomes = {windows.facts["corpus"]["genome"]["sha256"] for windows in (subject.judged, subject.trained_on)}
    if subject.recipe is None or len(genomes) > 1:
        return None
    judged = Places(*(np.asarray(column)[rows] for column in places))
    return bases_also_in(judged, train_places) / int((judged.ends - judged.starts).sum())


def plan_from_command_line(arguments: Sequence[str] | None = None) -> EvaluationPlan:
    """Return the plan: RUN, and an option for every other field.

    Args:
        arguments: The command line; None for that of the process.
    """
    parser = argparse.ArgumentParser(prog="python -m training.evaluate", allow_abbrev=False)
    hints = typing.get_type_hints(EvaluationPlan)
    for field in dataclasses.fields(EvaluationPlan):
        hint, text = hints[field.name], field.metadata["help"]
        kind = next((some for some in typing.get_args(hint) if some is not type(None)), hint)
        if field.name == "run":
            parser.add_argument("run", type=kind, help=text)
        elif kind is bool:
            parser.add_argument(f"--{field.name}", action="store_true", help=text)
        else:
            parser.add_argument(f"--{field.name}", type=kind, default=field.default, metavar="VALUE", help=text)
    return EvaluationPlan(**vars(parser.parse_args(arguments)))


def main(arguments: Sequence[str] | None = None) -> None:
    """Read the command line, judge, and print the short table."""
    run_script(
        lambda: print(summary(evaluate(plan_from_command_line(arguments)))),
        when_stopped="stopped; nothing was written",
    )


if __name__ == "__main__":
    main()
