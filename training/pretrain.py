"""Pretrain a model on masked tokens: `accelerate launch -m training.pretrain --config RECIPE`."""

import dataclasses
import shutil
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import datasets
import numpy as np
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
from transformers.trainer_utils import get_last_checkpoint

import model_card
from grover_hf.corpus.facts import choose_config
from grover_hf.errors import InputError
from grover_hf.files import folder_written_whole, refuse_existing
from grover_hf.hub.cards import render_card
from grover_hf.masking import IGNORED, Example, MaskingCollator
from grover_hf.metrics.masked_token import masked_token_metrics
from grover_hf.metrics.report import write_metrics
from grover_hf.model import grover_config
from grover_hf.progress import bars_on_terminals_only
from grover_hf.tokenization.encoding import Encoder
from grover_hf.tokenization.export import load_encoder, write_tokenizer_files
from grover_hf.tokenization.vocabulary import require_same_vocabulary
from training.launch import (
    batch_shape,
    require_positive,
    require_processes,
    run_script,
    scheduler_type,
    world_size,
)
from training.loss import global_cross_entropy
from training.recipe import recipe_field, recipe_from_command_line
from training.run_folder import JsonLinesLog, write_recipe


@dataclass(frozen=True, kw_only=True)
class PretrainRecipe:
    """Everything that a pretraining depends on."""

    dataset: str = recipe_field("folder of windows, made by `grover build genome-windows`")
    tokenizer: str = recipe_field("folder of the tokenizer, or a merges file")
    output: str = recipe_field("folder of the run")
    size: str = recipe_field("of the model: base, small or tiny")
    learning_rate: float = recipe_field("peak learning rate")
    batch_size: int = recipe_field("windows a step, over all processes")
    max_steps: int = recipe_field("optimizer steps")
    per_device_batch_size: int = recipe_field("windows at once on a device, at most; the rest is accumulated")
    warmup_steps: int = recipe_field("steps of linear warm-up")
    dropout: float = recipe_field("of hidden layers and attention")
    p_select: float = recipe_field("share of tokens to predict")
    p_mask: float = recipe_field("share of those that become [MASK]")
    p_random: float = recipe_field("share of those that become a random token")
    dataset_config: str | None = recipe_field("its configuration; else bpe-600, or the only one", default=None)
    scheduler: str = recipe_field("after it: linear, cosine, constant", default="linear")
    adam_beta1: float = recipe_field("of AdamW", default=0.9)
    adam_beta2: float = recipe_field("of AdamW", default=0.999)
    adam_epsilon: float = recipe_field("of AdamW", default=1e-8)
    weight_decay: float = recipe_field("of AdamW", default=0.0)
    max_grad_norm: float = recipe_field("gradients are clipped to this norm", default=1.0)
    seed: int = recipe_field("of weights, order of windows, masks, dropout", default=0)
    bf16: bool = recipe_field("mixed precision", default=False)
    workers: int = recipe_field("processes that load data, a device", default=0)
    save_steps: int = recipe_field("steps between checkpoints; 0 for none", default=0)
    eval_windows: int | None = recipe_field("test windows to evaluate on; all if not given", default=None)
    processes: int | None = recipe_field("how many the launch must have; another number is an error", default=None)
    resume: bool = recipe_field("go on from the last checkpoint in output", default=False)
    overwrite: bool = recipe_field("replace the run that is in output", default=False)


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


class PretrainTrainer(Trainer):
    """The Trainer, with the order of windows keyed by (seed, epoch)."""

    def _get_train_sampler(self, train_dataset: Any = None) -> torch.utils.data.Sampler[int]:
        assert isinstance(self.train_dataset, WindowDataset)
        sampler = EpochSampler(len(self.train_dataset), self.args.seed)
        self.add_callback(_EpochOfSampler(sampler))
        return sampler


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
        max_steps=recipe.max_steps,
    )
    encoder = load_encoder(recipe.tokenizer)
    splits, dataset_facts = _open_windows(recipe, encoder)
    shape = batch_shape(recipe.batch_size, recipe.per_device_batch_size, world)
    arguments = _training_arguments(recipe, run, *shape)
    require_processes(
        wanted=recipe.processes, bf16=recipe.bf16, joined=arguments.world_size, n_gpu=arguments.n_gpu
    )
    if len(splits["train"]) < recipe.batch_size:
        raise InputError(
            f"{recipe.dataset} has {len(splits['train'])} train windows, fewer than a batch of "
            f"{recipe.batch_size}."
        )
    if recipe.resume and get_last_checkpoint(arguments.output_dir) is None:
        raise InputError(f"{arguments.output_dir} has no checkpoint to resume from; see save_steps.")
    with arguments.main_process_first(desc="output folder"):
        if arguments.process_index == 0:
            if not recipe.resume:
                given = [recipe.dataset, recipe.tokenizer]
                refuse_existing(run, overwrite=recipe.overwrite, marker="recipe.yaml", inputs=given)
                # Checkpoints of the old run must not be resumed from.
                shutil.rmtree(run, ignore_errors=True)
            run.mkdir(parents=True, exist_ok=True)
            write_recipe(run, dataclasses.asdict(recipe))

    transformers.set_seed(recipe.seed)
    model = BertForMaskedLM(
        grover_config(
            len(encoder.tokens), recipe.size,  # type: ignore[arg-type]
            hidden_dropout_prob=recipe.dropout, attention_probs_dropout_prob=recipe.dropout,
        )
    )

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
    )
    # log.jsonl has what the Trainer would print.
    trainer.remove_callback(PrinterCallback)
    trainer.train(resume_from_checkpoint=recipe.resume)
    metrics = _evaluate(trainer)
    content: dict[str, Any] = {}
    if trainer.is_world_process_zero():
        content = write_metrics(
            run,
            {
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
                "metrics": metrics,
                "ci95": {},
                "processes": world,
                "seed": recipe.seed,
            },
        )
        _write_model(trainer, encoder, run, dataclasses.asdict(recipe), content)
        if metrics["n_masked"]:
            print(
                f"{run}: masked-token accuracy {metrics['accuracy']:.4f} (top 10 %: "
                f"{metrics['accuracy_top_10_percent']:.4f}), perplexity {metrics['perplexity']:.1f}"
            )
    trainer.accelerator.wait_for_everyone()
    return content


def _open_windows(recipe: PretrainRecipe, encoder: Encoder) -> tuple[Any, dict[str, Any]]:
    config, facts = choose_config(recipe.dataset, recipe.dataset_config)
    require_same_vocabulary(
        facts["vocabulary_sha256"], encoder.vocabulary_sha256,
        what=f"{recipe.dataset} ({config})", other=f"the tokenizer {recipe.tokenizer}",
    )
    bars_on_terminals_only()
    if not sys.stdout.isatty():
        transformers.utils.logging.disable_progress_bar()
    splits = datasets.load_dataset(recipe.dataset, config)
    if recipe.eval_windows is not None:
        if recipe.eval_windows < 1:
            raise InputError(f"eval_windows is {recipe.eval_windows}; it is 1 or more, or not given for all.")
        # Evenly spaced: the first ones would be the tip of the first chromosome.
        n_windows = len(splits["test"])
        chosen = np.linspace(0, n_windows - 1, min(recipe.eval_windows, n_windows)).astype(int)
        splits["test"] = splits["test"].select(chosen)
    return splits, facts


def _training_arguments(
    recipe: PretrainRecipe, run: Path, device_batch: int, accumulation: int
) -> TrainingArguments:
    return TrainingArguments(
        output_dir=str(run / "checkpoints"),
        max_steps=recipe.max_steps,
        per_device_train_batch_size=device_batch,
        per_device_eval_batch_size=device_batch,
        gradient_accumulation_steps=accumulation,
        learning_rate=recipe.learning_rate,
        lr_scheduler_type=scheduler_type(recipe.scheduler),
        warmup_steps=recipe.warmup_steps,
        adam_beta1=recipe.adam_beta1,
        adam_beta2=recipe.adam_beta2,
        adam_epsilon=recipe.adam_epsilon,
        weight_decay=recipe.weight_decay,
        max_grad_norm=recipe.max_grad_norm,
        bf16=recipe.bf16,
        seed=recipe.seed,
        dataloader_num_workers=recipe.workers,
        dataloader_drop_last=True,
        dataloader_pin_memory=torch.cuda.is_available(),
        save_strategy="steps" if recipe.save_steps else "no",
        save_steps=recipe.save_steps or 500,
        logging_steps=max(1, recipe.max_steps // 100),
        remove_unused_columns=False,
        label_names=["labels"],
        ddp_find_unused_parameters=False,
        report_to="none",
        disable_tqdm=not sys.stdout.isatty(),
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
        facts = {"recipe": recipe, "report": metrics, "tokenizer": encoder.name}
        (folder / "README.md").write_text(render_card(model_card.PRETRAINED, facts))


def main(arguments: Sequence[str] | None = None) -> None:
    """Read the recipe and run it."""
    run_script(
        lambda: pretrain(recipe_from_command_line(PretrainRecipe, "pretrain", arguments)),
        when_stopped="stopped; with save_steps, the same command and --resume true go on from the last checkpoint",
    )


if __name__ == "__main__":
    main()
