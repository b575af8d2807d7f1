"""Pretrain a model on masked tokens: `accelerate launch -m training.pretrain --config RECIPE`."""

import dataclasses
import itertools
import shutil
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pyarrow.compute as pc
import torch
import transformers
from transformers import (
    BertForMaskedLM,
    EvalPrediction,
    PrinterCallback,
    Trainer,
    TrainerCallback,
    TrainerControl,
    TrainerState,
    TrainingArguments,
)

from grover_hf.corpus.facts import choose_config
from grover_hf.errors import InputError
from grover_hf.files import folder_written_whole, refuse_existing
from grover_hf.hub.cards import pretrained_card
from grover_hf.masking import IGNORED, Example, MaskingCollator
from grover_hf.metrics.masked_token import masked_token_metrics
from grover_hf.metrics.report import versions, write_metrics
from grover_hf.model import grover_config
from grover_hf.progress import bars_on_terminals_only
from grover_hf.tokenization.encoding import Encoder
from grover_hf.tokenization.export import load_encoder, write_tokenizer_files
from grover_hf.tokenization.vocabulary import require_same_vocabulary
from training.checkpoints import newest_whole, read_manifest
from training.guarded_trainer import GuardedTrainer
from training.launch import (
    batch_shape,
    memory_explained,
    require_positive,
    require_processes,
    run_script,
    world_size,
)
from training.loss import global_cross_entropy
from training.push import Destination, PushAtSave
from training.recipe import recipe_field, recipe_from_command_line
from training.run_folder import JsonLinesLog, require_same_run, science_of, write_recipe
from training.trainer_arguments import TrainingRecipe, trainer_arguments


@dataclass(frozen=True, kw_only=True)
class PretrainRecipe(TrainingRecipe):
    """Everything that a pretraining depends on."""

    dataset: str = recipe_field("folder of windows, made by `grover build genome-windows`")
    tokenizer: str = recipe_field("folder of the tokenizer, or a merges file")
    size: str = recipe_field("of the model: base, small or tiny")
    max_steps: int = recipe_field("optimizer steps")
    dropout: float = recipe_field("of hidden layers and attention")
    p_select: float = recipe_field("share of tokens to predict")
    p_mask: float = recipe_field("share of those that become [MASK]")
    p_random: float = recipe_field("share of those that become a random token")
    dataset_config: str | None = recipe_field("its configuration; else bpe-600, or the only one", default=None)
    seed: int = recipe_field("of weights, order of windows, masks, dropout", default=0)
    save_steps: int = recipe_field("steps between checkpoints; 0 for none", default=0)
    keep_checkpoints: int = recipe_field("how many of them stay", default=2)
    eval_windows: int | None = recipe_field("test windows to evaluate on; all if not given", default=None)
    push_to: str | None = recipe_field("repository on the Hub for every checkpoint and the model", default=None)
    push_license: str | None = recipe_field("the Hub's identifier of the licence there", default=None)
    push_private: bool = recipe_field("make that repository private", default=False)


class WindowDataset(torch.utils.data.Dataset[Example]):
    """Windows by key: key = epoch * number of windows + number of the window.

    The epoch is part of the key, so that masks follow from what the sampler asks for, and
    workers, ranks and a resumed run need no common state.
    """

    def __init__(self, windows: datasets.Dataset) -> None:
        self._windows = windows.select_columns("input_ids").with_format("numpy")

    def __len__(self) -> int:
        return len(self._windows)

    def __getitem__(self, key: int) -> Example:
        epoch, example = divmod(int(key), len(self))
        return {"input_ids": self._windows[example]["input_ids"], "example": example, "epoch": epoch}


class EpochSampler(torch.utils.data.Sampler[int]):
    """Keys of all windows of an epoch, in an order that depends on (seed, epoch) alone."""

    def __init__(self, n_windows: int, seed: int) -> None:
        self._n_windows = n_windows
        self._seed = seed
        self._epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Called by the Trainer before each epoch, also after a resume."""
        self._epoch = epoch

    def __len__(self) -> int:
        return self._n_windows

    def __iter__(self) -> Iterator[int]:
        order = np.random.default_rng([self._seed, self._epoch]).permutation(self._n_windows)
        return iter((self._epoch * self._n_windows + order).tolist())


class PretrainTrainer(GuardedTrainer):
    """The Trainer, with the order of windows keyed by (seed, epoch)."""

    _sampler: "_WholeBatches"

    def _get_train_sampler(self, train_dataset: Any = None) -> torch.utils.data.Sampler[int]:
        assert isinstance(self.train_dataset, WindowDataset)
        keys = EpochSampler(len(self.train_dataset), self.args.seed)
        self.add_callback(_EpochOfSampler(keys))
        together = self.args.gradient_accumulation_steps * self.args.world_size
        self._sampler = _WholeBatches(keys, self.args.per_device_train_batch_size * together)
        return self._sampler

    def examples_of_step(self) -> str:
        n_windows = len(self.train_dataset)
        epoch, numbers = divmod(np.array(self._sampler.batch_of_step(self.state.global_step)), n_windows)
        return f"the train windows {', '.join(map(str, numbers))} in epoch {epoch[0]}"

    def log(self, logs: dict[str, float], *args: Any, **kwargs: Any) -> None:
        # Its mean over batches is none over masked tokens; perplexity has that.
        logs.pop("test_loss", None)
        super().log(logs, *args, **kwargs)


class _WholeBatches(torch.utils.data.Sampler[int]):
    """The keys of an epoch as far as they fill batches: what is left over depends on no layout."""

    def __init__(self, keys: EpochSampler, batch_size: int) -> None:
        self._keys = keys
        self._batch_size = batch_size

    def __len__(self) -> int:
        return len(self._keys) // self._batch_size * self._batch_size

    def __iter__(self) -> Iterator[int]:
        return itertools.islice(self._keys, len(self))

    def batch_of_step(self, step: int) -> list[int]:
        """Return the keys of a step of the current epoch; steps begin with 1."""
        first = (step - 1) * self._batch_size % len(self)
        return list(self)[first : first + self._batch_size]


class _EpochOfSampler(TrainerCallback):
    """Tells the sampler the epoch: in a resumed run of several processes the Trainer cannot reach it."""

    def __init__(self, sampler: EpochSampler) -> None:
        self._sampler = sampler

    def on_epoch_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        self._sampler.set_epoch(int((state.epoch or 0.0) + 1e-6))


def nll_and_rank(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Reduce logits (B, L, V) to what the metrics need, (B, L, 2): both IGNORED where not masked."""
    masked = labels != IGNORED
    scores, true = logits[masked].float(), labels[masked][:, None]
    nll = torch.nn.functional.cross_entropy(scores, true[:, 0], reduction="none")
    # Ties count against the model: one that finds all tokens equally likely predicts none.
    rank = (scores >= scores.gather(1, true)).sum(1) - 1
    reduced = torch.full((*labels.shape, 2), float(IGNORED), device=logits.device)
    reduced[masked] = torch.stack([nll, rank.float()], 1)
    return reduced


def pretrain(recipe: PretrainRecipe) -> dict[str, Any]:
    """Run a pretraining; return the content of `metrics.json`."""
    run = Path(recipe.output)
    world = world_size()
    require_positive(
        batch_size=recipe.batch_size, per_device_batch_size=recipe.per_device_batch_size,
        max_steps=recipe.max_steps, keep_checkpoints=recipe.keep_checkpoints,
    )
    encoder = load_encoder(recipe.tokenizer)
    splits, dataset_facts = _open_windows(recipe, encoder)
    shape = batch_shape(recipe.batch_size, recipe.per_device_batch_size, world)
    arguments = _training_arguments(recipe, *shape)
    require_processes(
        wanted=recipe.processes, bf16=recipe.bf16, joined=arguments.world_size, n_gpu=arguments.n_gpu
    )
    if len(splits["train"]) < recipe.batch_size:
        raise InputError(
            f"{recipe.dataset} has {len(splits['train'])} train windows, fewer than a batch of "
            f"{recipe.batch_size}."
        )
    config = grover_config(
        len(encoder.tokens), recipe.size,  # type: ignore[arg-type]
        hidden_dropout_prob=recipe.dropout, attention_probs_dropout_prob=recipe.dropout,
    )
    _require_room(splits, config.max_position_embeddings, recipe.dataset)
    depends_on = _what_it_depends_on(recipe, dataset_facts, world)
    first = arguments.process_index == 0
    destination = _destination(recipe) if first else None
    with arguments.main_process_first(desc="output folder"):
        checkpoint = _checkpoint(run, depends_on, warn=first) if recipe.resume else None
        if first and not recipe.resume:
            given = [recipe.dataset, recipe.tokenizer]
            refuse_existing(run, overwrite=recipe.overwrite, marker="recipe.yaml", inputs=given)
            # Checkpoints of the old run must not be resumed from.
            shutil.rmtree(run, ignore_errors=True)
            run.mkdir(parents=True)
            write_recipe(run, dataclasses.asdict(recipe))

    transformers.set_seed(recipe.seed)
    model = BertForMaskedLM(config)

    def compute_metrics(prediction: EvalPrediction) -> dict[str, Any]:
        masked = prediction.label_ids != IGNORED
        nll, rank = prediction.predictions[masked].T
        return masked_token_metrics(
            nll, rank.astype(np.int64), prediction.label_ids[masked], encoder.token_lengths
        )

    trainer = PretrainTrainer(
        model=model,
        args=arguments,
        data_collator=MaskingCollator(
            vocab_size=len(encoder.tokens), seed=recipe.seed, p_select=recipe.p_select,
            p_mask=recipe.p_mask, p_random=recipe.p_random,
        ),
        train_dataset=WindowDataset(splits["train"]),
        eval_dataset=WindowDataset(splits["test"]),
        compute_loss_func=global_cross_entropy,
        compute_metrics=compute_metrics,
        preprocess_logits_for_metrics=nll_and_rank,
        callbacks=[JsonLinesLog(run)],
        run=depends_on,
        keep_checkpoints=recipe.keep_checkpoints,
    )
    report = {
        "task": "masked-token",
        "model": {"size": recipe.size, "parameters": model.num_parameters()},
        "dataset": {
            "name": dataset_facts["dataset"],
            "config": dataset_facts["config"],
            "vocabulary_sha256": dataset_facts["vocabulary_sha256"],
            "sha256": dataset_facts["sha256"],
            "genome": dataset_facts["corpus"]["genome"],
        },
        "split": "test",
        "n_windows": len(splits["test"]),
        "processes": world,
        "seed": recipe.seed,
    }
    if destination is not None:
        trainer.add_callback(PushAtSave(destination, partial(_complete_checkpoint, encoder, recipe, report)))
    # log.jsonl has what the Trainer would print.
    trainer.remove_callback(PrinterCallback)
    with memory_explained(shape[0], recipe.batch_size):
        trainer.train_from(checkpoint)
        metrics = _evaluate(trainer)
    content: dict[str, Any] = {}
    if trainer.is_world_process_zero():
        content = write_metrics(
            run,
            {**report, "training_seconds": trainer.progress.seconds, "metrics": metrics, "ci95": {}},
        )
        _write_model(trainer, encoder, run, dataclasses.asdict(recipe), content)
        if destination is not None:
            destination.push(run)
        if metrics["n_masked"]:
            print(
                f"{run}: masked-token accuracy {metrics['accuracy']:.4f} (top 10 %: "
                f"{metrics['accuracy_top_10_percent']:.4f}), perplexity {metrics['perplexity']:.1f}"
            )
    trainer.accelerator.wait_for_everyone()
    return content


def _destination(recipe: PretrainRecipe) -> Destination | None:
    if recipe.push_to is None:
        return None
    return Destination.of(recipe.push_to, recipe.push_license, private=recipe.push_private)


def _complete_checkpoint(
    encoder: Encoder, recipe: PretrainRecipe, report: dict[str, Any], folder: Path, step: int
) -> None:
    """Write tokenizer and card beside the weights of a training that goes on."""
    write_tokenizer_files(encoder, folder)
    so_far = {**report, "metrics": {}, "step": step, "versions": versions(), "date": date.today().isoformat()}
    (folder / "README.md").write_text(pretrained_card(so_far, dataclasses.asdict(recipe), encoder.name))


def _open_windows(recipe: PretrainRecipe, encoder: Encoder) -> tuple[Any, dict[str, Any]]:
    config, facts = choose_config(recipe.dataset, recipe.dataset_config)
    require_same_vocabulary(
        facts["vocabulary_sha256"], encoder.vocabulary_sha256,
        what=f"{recipe.dataset} ({config})", other=f"the tokenizer {recipe.tokenizer}",
    )
    bars_on_terminals_only()
    if not sys.stdout.isatty():
        transformers.utils.logging.disable_progress_bar()
    try:
        splits = datasets.load_dataset(recipe.dataset, config)
    except (OSError, ValueError) as error:
        raise InputError(f"{recipe.dataset} ({config}) cannot be loaded: {error}") from error
    if missing := [name for name in ("train", "test") if name not in splits]:
        raise InputError(
            f"{recipe.dataset} ({config}) has no split {', '.join(missing)}; it has {', '.join(splits)}."
        )
    if recipe.eval_windows is not None:
        if recipe.eval_windows < 1:
            raise InputError(f"eval_windows is {recipe.eval_windows}; it is 1 or more, or not given for all.")
        # Evenly spaced: the first ones would be the tip of the first chromosome.
        n_windows = len(splits["test"])
        chosen = np.linspace(0, n_windows - 1, min(recipe.eval_windows, n_windows)).astype(int)
        splits["test"] = splits["test"].select(chosen)
    return splits, facts


def _require_room(splits: Any, n_positions: int, dataset: str) -> None:
    """Raise `InputError` if a window is longer than the model is, with [CLS] and [SEP]."""
    for name, split in splits.items():
        longest = pc.max(pc.list_value_length(split.data.column("input_ids"))).as_py()
        if longest + 2 > n_positions:
            raise InputError(
                f"{dataset}, {name}: a window has {longest} tokens; a model of {n_positions} positions takes "
                f"{n_positions - 2}, beside [CLS] and [SEP]."
            )


def _what_it_depends_on(recipe: PretrainRecipe, facts: dict[str, Any], world: int) -> dict[str, Any]:
    """Return what must be the same when the run goes on: of what is read, the content and not the place."""
    fields = science_of(dataclasses.asdict(recipe))
    read = {
        "dataset": facts["sha256"], "dataset_config": facts["config"], "tokenizer": facts["vocabulary_sha256"],
    }
    return {**fields, **read, "processes": world}


def _checkpoint(run: Path, depends_on: dict[str, Any], *, warn: bool) -> Path:
    """Return the newest whole checkpoint of a run, which must be one of this run.

    Raises:
        InputError: If there is none, it is of another run, or the run is finished.
    """
    newest, torn = newest_whole(run / "checkpoints")
    if torn and warn:
        print(f"warning: passed over, torn or damaged: {', '.join(map(str, torn))}", file=sys.stderr)
    if newest is None:
        raise InputError(
            f"{run}/checkpoints has no whole checkpoint to go on from: the run must begin again, with "
            "--overwrite true; save_steps says how often one is written."
        )
    require_same_run(newest, read_manifest(newest)["run"], depends_on)
    if (run / "metrics.json").exists() and (run / "model").exists():
        raise InputError(f"{run} is finished: it has metrics.json and model.")
    return newest


def _training_arguments(recipe: PretrainRecipe, device_batch: int, accumulation: int) -> TrainingArguments:
    return TrainingArguments(
        **trainer_arguments(recipe, seed=recipe.seed, device_batch=device_batch, accumulation=accumulation),
        max_steps=recipe.max_steps,
        per_device_eval_batch_size=device_batch,
        dataloader_drop_last=True,
        save_strategy="steps" if recipe.save_steps else "no",
        save_steps=recipe.save_steps or 500,
        logging_steps=max(1, recipe.max_steps // 100),
        logging_nan_inf_filter=False,
        ddp_find_unused_parameters=False,
    )


def _evaluate(trainer: Trainer) -> dict[str, Any]:
    # The last batch may be a part; dropping it is right for training alone.
    trainer.args.dataloader_drop_last = False
    found = trainer.evaluate(metric_key_prefix="test")
    ours = {name.removeprefix("test_"): value for name, value in found.items()}
    timing = ("runtime", "samples_per_second", "steps_per_second", "model_preparation_time")
    return {name: value for name, value in ours.items() if name not in ("loss", "epoch", *timing)}


def _write_model(
    trainer: Trainer, encoder: Encoder, run: Path, recipe: dict[str, Any], metrics: dict[str, Any]
) -> None:
    with folder_written_whole(run / "model") as folder:
        trainer.accelerator.unwrap_model(trainer.model).save_pretrained(folder)
        write_tokenizer_files(encoder, folder)
        (folder / "README.md").write_text(pretrained_card(metrics, recipe, encoder.name))


def main(arguments: Sequence[str] | None = None) -> None:
    """Read the recipe and run it."""
    run_script(
        lambda: pretrain(recipe_from_command_line(PretrainRecipe, "pretrain", arguments)),
        when_stopped="stopped; with save_steps, the same command and --resume true go on from the last checkpoint",
    )


if __name__ == "__main__":
    main()
