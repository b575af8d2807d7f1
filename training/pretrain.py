"""Pretrain a model on masked tokens: `accelerate launch -m training.pretrain --config RECIPE`."""

import dataclasses
import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers
from transformers import (
    EvalPrediction,
    PreTrainedModel,
    PrinterCallback,
    Trainer,
    TrainerCallback,
    TrainerControl,
    TrainerState,
    TrainingArguments,
)

# The last of these are nearly those of a fine-tuning: both trainings use the same rooms, and each says which.
from grover_hf._internals.files import atomic_folder
from grover_hf._internals.progress import bars_on_terminals_only, on_a_terminal
from grover_hf.corpus.facts import DatasetFacts, choose_config
from grover_hf.corpus.row_choice import evenly_spaced_rows
from grover_hf.corpus.window_store import open_windows
from grover_hf.errors import InputError
from grover_hf.hub.cards import masked_example, pretrained_card
from grover_hf.masking import IGNORED, LOSS_WEIGHTS, MaskingCollator
from grover_hf.metrics.masked_token import by_repeat, masked_token_metrics
from grover_hf.metrics.report import DatasetIdentity, PretrainedModel, PretrainingReport, write_metrics
from grover_hf.tokenization.encoding import Encoder
from grover_hf.tokenization.export import load_encoder, write_tokenizer_files
from training.data.padding_free import PaddingFreeCollator
from training.data.window_batches import WholeBatches, WindowDataset
from training.masked_model import begin, digest_of_given, new_masked_model
from training.runs.checkpoints import is_sealed, newest_whole, read_manifest
from training.runs.cost import warn_of_days_on_a_cpu
from training.runs.device import say_device
from training.runs.folder import (
    JsonLinesLog,
    begin_run,
    is_begun,
    only_training,
    require_own_run,
    require_same_run,
    science_of,
)
from training.runs.launch import (
    batch_shape,
    memory_explained,
    require_processes,
    run_script,
    sigterm_noted,
    world_size,
)
from training.runs.push import Destination, PushAtSave
from training.runs.recipe import recipe_field, recipe_from_command_line
from training.runs.trainer_arguments import TrainingRecipe, trainer_arguments, with_warmup
from training.trainers.loss import global_cross_entropy
from training.trainers.resumable import ResumableTrainer

_CONTENTS = ("metrics.json", "log.jsonl", "checkpoints", "model", "evaluation", "context")
_HEADS = {"bert": "cls", "modernbert": "head"}
"""By architecture: the module that hidden states go through to become logits, or the first one."""


@dataclass(frozen=True, kw_only=True)
class PretrainRecipe(TrainingRecipe):
    """Everything that a pretraining depends on."""

    dataset: str = recipe_field("folder of windows, made by `grover build genome-windows`")
    tokenizer: str = recipe_field("folder of the tokenizer, or a merges file")
    size: str = recipe_field("size of the model: base, small or tiny")
    max_steps: int = recipe_field("optimizer steps")
    dropout: float = recipe_field("dropout of hidden layers and attention")
    p_select: float = recipe_field("share of tokens to predict")
    p_mask: float = recipe_field("share of those that become [MASK]")
    p_random: float = recipe_field("share of those that become a random token")
    dataset_config: str | None = recipe_field("its configuration; else bpe-600, or the only one", default=None)
    architecture: str = recipe_field("bert, as in the paper, or modernbert", default="bert")
    initialization: str = recipe_field(
        "weights to begin with: stock, neighbour_heads, neighbour_counts (docs/training.md)", default="stock"
    )
    tie_embeddings: bool = recipe_field("the output embedding is that of the input, as in BERT", default=True)
    init_from: str | None = recipe_field("folder of a model to begin from, of the same vocabulary", default=None)
    repeat_weight: float = recipe_field("how much masked tokens in lower case count in the loss", default=1.0)
    seed: int = recipe_field("seed for weights, order of windows, masks and dropout", default=0)
    save_steps: int = recipe_field("steps between checkpoints; 0 for none", default=0)
    keep_checkpoints: int = recipe_field("how many checkpoints stay", default=2)
    group_by_length: bool = recipe_field("windows of a batch are about equally long", default=True)
    padding_free: bool = recipe_field("batches without padding; needs transformers 5", default=False)
    attention: str = recipe_field("attention of transformers: sdpa, eager, flash_attention_2", default="sdpa")
    fused_optimizer: bool = recipe_field("AdamW in one kernel", default=True)
    torch_compile: bool = recipe_field("compile the model; the first steps take a minute more", default=False)
    eval_windows: int | None = recipe_field("test windows to evaluate on; all if not given", default=None)
    push_to: str | None = recipe_field("repository on the Hub for every checkpoint and the model", default=None)
    push_license: str | None = recipe_field("the Hub's identifier of the licence there", default=None)
    push_private: bool = recipe_field("make that repository private", default=False)


class PretrainTrainer(ResumableTrainer):
    """The Trainer, with the order of windows keyed by (seed, epoch), and the head at masked positions alone.

    Args:
        batches: The order of windows in an epoch of the train dataset.
        trainer: As for `ResumableTrainer`.
    """

    def __init__(self, *, batches: WholeBatches, **trainer: Any) -> None:
        super().__init__(compute_loss_func=self._loss_of_batch, **trainer)
        self._batches = batches
        self.add_callback(_EpochOfBatches(batches))
        # In a hook, and not past the model's forward, so that several processes still share the gradients.
        self.model.get_submodule(_HEADS[self.model.config.model_type]).register_forward_pre_hook(self._states_at_masked)

    def compute_loss(self, model: Any, inputs: dict[str, Any], *args: Any, **kwargs: Any) -> Any:
        """Compute logits of the masked positions alone: the others are nearly all of them, and lead nowhere."""
        self._masked = inputs["labels"] != IGNORED
        self._weights = inputs.pop(LOSS_WEIGHTS, None)
        return super().compute_loss(model, inputs, *args, **kwargs)

    def _loss_of_batch(self, outputs: Any, labels: torch.Tensor, num_items_in_batch: Any = None) -> torch.Tensor:
        return global_cross_entropy(outputs, labels, num_items_in_batch, weights=self._weights)

    def get_batch_samples(self, *args: Any, **kwargs: Any) -> Any:
        """Return the batches of a step, and what its loss is divided by: masked tokens, or their weights."""
        batches, n_items = super().get_batch_samples(*args, **kwargs)
        if batches and LOSS_WEIGHTS in batches[0]:
            own = sum(batch[LOSS_WEIGHTS].sum() for batch in batches)
            n_items = self.accelerator.gather(own.to(self.args.device)).sum()
        return batches, n_items

    def _states_at_masked(self, head: torch.nn.Module, states: tuple[torch.Tensor]) -> Any:
        return (states[0][self._masked],) if head.training else None

    def _get_train_sampler(self, train_dataset: Any = None) -> torch.utils.data.Sampler[int]:
        return self._batches

    def examples_of_step(self) -> str:
        epoch, numbers = self._batches.batch_of_step(self.state.global_step)
        return f"the train windows {', '.join(map(str, numbers))} in epoch {epoch}"

    def log(self, logs: dict[str, float], *args: Any, **kwargs: Any) -> None:
        # It is a mean over batches, not over masked tokens; perplexity follows from that one.
        logs.pop("test_loss", None)
        super().log(logs, *args, **kwargs)


class _EpochOfBatches(TrainerCallback):
    """Tells the batches the epoch: in a resumed run of several processes the Trainer cannot reach them."""

    def __init__(self, batches: WholeBatches) -> None:
        self._batches = batches

    def on_epoch_begin(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **kwargs: Any
    ) -> None:
        self._batches.set_epoch(int((state.epoch or 0.0) + 1e-6))


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


def pretrain(recipe: PretrainRecipe) -> PretrainingReport | None:
    """Run a pretraining; return what `metrics.json` says, None in all processes but the first.

    SIGTERM ends it after its step; once it is trained, it is evaluated and written all the same.
    """
    arguments = _checked_launch(recipe)
    with sigterm_noted() as sigterm, only_training(Path(recipe.output), arguments):
        return _pretrain(recipe, arguments, sigterm)


def _pretrain(
    recipe: PretrainRecipe, arguments: TrainingArguments, sigterm: threading.Event
) -> PretrainingReport | None:
    inputs = _open_inputs(recipe, arguments)
    model = new_masked_model(recipe, inputs.encoder)
    for name, windows in (("train", inputs.train), ("test", inputs.test)):
        _require_room(windows, model.config.max_position_embeddings, f"{recipe.dataset}, {name}")
    if arguments.process_index == 0 and arguments.device.type == "cpu":
        warn_of_days_on_a_cpu(recipe, inputs.train.lengths, len(inputs.encoder.tokens), arguments.world_size)
    depends_on = _what_it_depends_on(recipe, inputs.facts, arguments.world_size)
    checkpoint, destination = _prepare_folder(recipe, depends_on, arguments)
    if checkpoint is None:
        begin(model, recipe, inputs.train.store)
    trainer = _trainer(recipe, inputs, model, arguments, depends_on)
    trainer.sigterm = sigterm
    report = _report(recipe, inputs, model, arguments.world_size)
    example = masked_example(inputs.test.longest_window(), inputs.encoder.tokens)
    if destination is not None:
        complete = partial(_complete_checkpoint, inputs.encoder, recipe, report, example)
        trainer.add_callback(PushAtSave(destination, complete))
    with memory_explained(arguments.per_device_train_batch_size, recipe.batch_size):
        trainer.train_from(checkpoint)
        metrics = _evaluate(trainer)
    finished = None
    if trainer.is_world_process_zero():
        finished = report(training_seconds=trainer.progress.seconds, metrics=metrics)
        _write_results(recipe, inputs.encoder, trainer, finished, example)
        if destination is not None:
            destination.push(Path(recipe.output))
    trainer.accelerator.wait_for_everyone()
    return finished


@dataclass(frozen=True)
class _Inputs:
    """What a pretraining reads."""

    encoder: Encoder
    facts: DatasetFacts
    """Facts of the dataset's configuration."""
    train: WindowDataset
    test: WindowDataset


def _checked_launch(recipe: PretrainRecipe) -> TrainingArguments:
    """Return the Trainer's arguments for a recipe and a launch that go together; say on what it computes."""
    shape = batch_shape(recipe.batch_size, recipe.per_device_batch_size, world_size())
    arguments = _training_arguments(recipe, *shape)
    require_processes(
        wanted=recipe.processes, bf16=recipe.bf16, joined=arguments.world_size, n_gpu=arguments.n_gpu
    )
    say_device(arguments)
    return arguments


def _open_inputs(recipe: PretrainRecipe, arguments: TrainingArguments) -> _Inputs:
    """Open tokenizer and windows, which must be of one vocabulary and at least a batch."""
    encoder = load_encoder(recipe.tokenizer)
    facts = _facts(recipe, encoder)
    with arguments.main_process_first(desc="windows"):
        train, test = _open_windows(recipe, facts)
    if len(train) < recipe.batch_size:
        raise InputError(
            f"{recipe.dataset} has {len(train)} train windows, fewer than a batch of {recipe.batch_size}."
        )
    if recipe.repeat_weight != 1 and train.store.soft_mask is None:
        raise InputError(
            f"repeat_weight is {recipe.repeat_weight}, but {recipe.dataset} ({facts.config}) does not say which "
            "tokens are in repeats. They are the lower-case letters of a soft-masked FASTA file: take one, then "
            "`grover tokenize` and `grover build genome-windows` again; or say --repeat-weight 1."
        )
    return _Inputs(encoder, facts, train, test)


def _prepare_folder(
    recipe: PretrainRecipe, depends_on: dict[str, Any], arguments: TrainingArguments
) -> tuple[Path | None, Destination | None]:
    """Make the folder of the run, or find the checkpoint to go on from; return that, and where to push to."""
    run, first = Path(recipe.output), arguments.process_index == 0
    with arguments.main_process_first(desc="output folder"):
        checkpoint = _checkpoint(recipe, run, depends_on, warn=first) if recipe.resume else None
        if first and not recipe.resume:
            given = [recipe.dataset, recipe.tokenizer, *([recipe.init_from] if recipe.init_from else [])]
            require_own_run(run, recipe, contents=_CONTENTS, inputs=given)
        destination = _destination(recipe) if first else None
        if first and checkpoint is None:
            # Checkpoints of the old run must not be resumed from.
            begin_run(run, dataclasses.asdict(recipe))
    return checkpoint, destination


def _trainer(
    recipe: PretrainRecipe, inputs: _Inputs, model: PreTrainedModel, arguments: TrainingArguments,
    depends_on: dict[str, Any],
) -> PretrainTrainer:
    encoder, train = inputs.encoder, inputs.train

    def compute_metrics(prediction: EvalPrediction) -> dict[str, Any]:
        masked = np.asarray(prediction.label_ids) != IGNORED
        nll, rank = prediction.predictions[masked].T
        metrics = masked_token_metrics(
            nll, rank.astype(np.int64), prediction.label_ids[masked], encoder.token_lengths
        )
        return metrics | by_repeat(nll, rank, inputs.test.soft_masked(*np.nonzero(masked)))

    collator = MaskingCollator(
        vocab_size=len(encoder.tokens), seed=recipe.seed, p_select=recipe.p_select, p_mask=recipe.p_mask,
        p_random=recipe.p_random, repeat_weight=recipe.repeat_weight,
    )
    trainer = PretrainTrainer(
        model=model,
        args=arguments,
        data_collator=PaddingFreeCollator(padded=collator) if recipe.padding_free else collator,
        train_dataset=train,
        eval_dataset=inputs.test,
        compute_metrics=compute_metrics,
        preprocess_logits_for_metrics=nll_and_rank,
        callbacks=[JsonLinesLog(Path(recipe.output))],
        batches=WholeBatches(
            train.lengths, recipe.batch_size, seed=recipe.seed, group_by_length=recipe.group_by_length
        ),
        run=depends_on,
        keep_checkpoints=recipe.keep_checkpoints,
    )
    # log.jsonl has what the Trainer would print.
    trainer.remove_callback(PrinterCallback)
    return trainer


def _report(
    recipe: PretrainRecipe, inputs: _Inputs, model: PreTrainedModel, processes: int
) -> Callable[..., PretrainingReport]:
    """Return the report of the run, which wants its scores."""
    return partial(
        PretrainingReport,
        task="masked-token",
        model=PretrainedModel(size=recipe.size, parameters=model.num_parameters()),
        dataset=DatasetIdentity.of_facts(inputs.facts),
        split="test",
        n_windows=len(inputs.test),
        processes=processes,
        seed=recipe.seed,
        ci95={},
    )


def _write_results(
    recipe: PretrainRecipe, encoder: Encoder, trainer: PretrainTrainer, report: PretrainingReport, example: str
) -> None:
    """Write the model with its card, and `metrics.json`; print the scores."""
    run, metrics = Path(recipe.output), report.metrics
    card = pretrained_card(report, dataclasses.asdict(recipe), encoder.name, example)
    _write_model(trainer, encoder, run, card)
    # The last file, for it says that the run is finished.
    write_metrics(run, report)
    if metrics["n_masked"]:
        print(
            f"{run}: masked-token accuracy {metrics['accuracy']:.4f} (top 10 %: "
            f"{metrics['accuracy_top_10_percent']:.4f}), perplexity {metrics['perplexity']:.1f}"
        )


def _destination(recipe: PretrainRecipe) -> Destination | None:
    if recipe.push_to is None:
        return None
    return Destination.of(recipe.push_to, recipe.push_license, private=recipe.push_private)


def _complete_checkpoint(
    encoder: Encoder, recipe: PretrainRecipe, report: Callable[..., PretrainingReport], example: str,
    folder: Path, step: int,
) -> None:
    """Add tokenizer and card to the weights of a training that goes on."""
    write_tokenizer_files(encoder, folder)
    card = pretrained_card(report(metrics={}, step=step), dataclasses.asdict(recipe), encoder.name, example)
    (folder / "README.md").write_text(card)


def _facts(recipe: PretrainRecipe, encoder: Encoder) -> DatasetFacts:
    config, facts = choose_config(recipe.dataset, recipe.dataset_config)
    facts.require_vocabulary(
        encoder.vocabulary_sha256, what=f"{recipe.dataset} ({config})", other=f"the tokenizer {recipe.tokenizer}",
    )
    bars_on_terminals_only()
    if not on_a_terminal():
        transformers.utils.logging.disable_progress_bar()
    return facts


def _open_windows(recipe: PretrainRecipe, facts: DatasetFacts) -> tuple[WindowDataset, WindowDataset]:
    """Return the windows to train on, and those to evaluate on."""
    splits = open_windows(recipe.dataset, facts)
    if missing := [name for name in ("train", "test") if name not in splits]:
        raise InputError(
            f"{recipe.dataset} ({facts.config}) has no split {', '.join(missing)}; it has {', '.join(splits)}."
        )
    if recipe.eval_windows is None:
        return WindowDataset(splits["train"]), WindowDataset(splits["test"])
    if recipe.eval_windows < 1:
        raise InputError(f"eval_windows is {recipe.eval_windows}; it is 1 or more, or not given for all.")
    rows = evenly_spaced_rows(len(splits["test"]), recipe.eval_windows)
    return WindowDataset(splits["train"]), WindowDataset(splits["test"], rows)


def _require_room(windows: WindowDataset, n_positions: int, what: str) -> None:
    """Raise `InputError` if a window is longer than the model is, with [CLS] and [SEP]."""
    longest = windows.lengths.max()
    if longest + 2 > n_positions:
        raise InputError(
            f"{what}: a window has {longest} tokens; a model of {n_positions} positions takes "
            f"{n_positions - 2}, and [CLS] and [SEP]."
        )


def _what_it_depends_on(recipe: PretrainRecipe, facts: DatasetFacts, world: int) -> dict[str, Any]:
    """Return what must be the same when the run goes on: the content of what is read, not where it lies."""
    fields = science_of(dataclasses.asdict(recipe))
    read = {
        "dataset": facts.sha256, "dataset_config": facts.config, "tokenizer": facts.vocabulary_sha256,
        "init_from": digest_of_given(recipe),
    }
    return {**fields, **read, "processes": world}


def _checkpoint(recipe: PretrainRecipe, run: Path, depends_on: dict[str, Any], *, warn: bool) -> Path | None:
    """Return the newest whole checkpoint of a run, which must be one of this run; None if there was none yet.

    Raises:
        InputError: If there is no such run, its checkpoints are damaged, or it is finished.
    """
    newest, torn = newest_whole(run / "checkpoints")
    if newest is None and not any(map(is_sealed, torn)) and is_begun(run, dataclasses.asdict(recipe)):
        if warn:
            print(f"{run} was stopped before its first checkpoint: it begins anew", file=sys.stderr)
        return None
    if torn and warn:
        print(f"warning: passed over, torn or damaged: {', '.join(map(str, torn))}", file=sys.stderr)
    if newest is None:
        raise InputError(
            f"{run}/checkpoints has no whole checkpoint to go on from: the run must begin again, with "
            "--overwrite true; save_steps says how often one is written."
        )
    require_same_run(newest, read_manifest(newest)["run"], depends_on)
    if (run / "metrics.json").exists():
        raise InputError(f"{run} is finished: it has metrics.json.")
    return newest


def _training_arguments(recipe: PretrainRecipe, device_batch: int, accumulation: int) -> TrainingArguments:
    recipe = with_warmup(recipe, recipe.max_steps)
    return TrainingArguments(
        **trainer_arguments(recipe, seed=recipe.seed, device_batch=device_batch, accumulation=accumulation),
        max_steps=recipe.max_steps,
        per_device_eval_batch_size=device_batch,
        dataloader_drop_last=True,
        save_strategy="steps" if recipe.save_steps else "no",
        save_steps=recipe.save_steps or 500,
        logging_steps=max(1, recipe.max_steps // 100),
        ddp_find_unused_parameters=False,
        optim="adamw_torch_fused" if recipe.fused_optimizer else "adamw_torch",
        torch_compile=recipe.torch_compile,
    )


def _evaluate(trainer: Trainer) -> dict[str, Any]:
    # Scores are gathered from all processes by rows, which must be windows; and all masked tokens count alike.
    collator: Any = trainer.data_collator
    padded: Any = collator.padded if isinstance(collator, PaddingFreeCollator) else collator
    trainer.data_collator = dataclasses.replace(padded, repeat_weight=1.0)
    # The last batch may be a part; dropping it is right for training alone.
    trainer.args.dataloader_drop_last = False
    scores = trainer.evaluate(metric_key_prefix="test")
    ours = {name.removeprefix("test_"): value for name, value in scores.items()}
    timing = ("runtime", "samples_per_second", "steps_per_second", "model_preparation_time")
    return {name: value for name, value in ours.items() if name not in ("loss", "epoch", *timing)}


def _write_model(trainer: Trainer, encoder: Encoder, run: Path, card: str) -> None:
    with atomic_folder(run / "model") as folder:
        trainer.accelerator.unwrap_model(trainer.model).save_pretrained(folder)
        write_tokenizer_files(encoder, folder)
        (folder / "README.md").write_text(card)


def main(arguments: Sequence[str] | None = None) -> None:
    """Read the recipe and run it."""
    run_script(
        lambda: pretrain(recipe_from_command_line(PretrainRecipe, "pretrain", arguments)),
        when_stopped="stopped; with save_steps, the same command and --resume true go on from the last checkpoint",
    )


if __name__ == "__main__":
    main()
