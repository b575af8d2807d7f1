"""Fine-tune a model on a task: `accelerate launch -m training.finetune --config RECIPE`."""

import dataclasses
import json
import shutil
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import transformers
from numpy.typing import NDArray
from sklearn.metrics import matthews_corrcoef
from transformers import (
    EarlyStoppingCallback,
    EvalPrediction,
    PrinterCallback,
    Trainer,
    TrainingArguments,
)

from grover_hf._internals.files import atomic_folder, atomic_write
from grover_hf._internals.progress import on_a_terminal
from grover_hf._internals.records import plain, read_json_object, record_of
from grover_hf.errors import InputError
from grover_hf.hub.cards import finetuned_card
from grover_hf.inference.input_rules import InputRules
from grover_hf.metrics.classification import classification_metrics, mean_intervals
from grover_hf.metrics.predictions import predictions_of, read_predictions, together, write_predictions
from grover_hf.metrics.report import DatasetIdentity, FinetunedModel, FinetuningReport, Training, write_metrics
from grover_hf.tokenization.export import portable_config
from training.classifier import count_parameters, model_identity, new_model, open_model, with_lora
from training.data.tasks import (
    Examples,
    Task,
    collator,
    examples_sha256,
    open_task,
    read_examples,
)
from training.runs.device import say_device
from training.runs.folder import (
    JsonLinesLog,
    begin_run,
    has_inputs,
    is_begun,
    only_training,
    read_inputs,
    require_own_run,
    require_same_run,
)
from training.runs.launch import (
    batch_shape,
    memory_explained,
    require_processes,
    run_script,
    scheduler_type,
    sigterm_noted,
    world_size,
)
from training.runs.recipe import recipe_field, recipe_from_command_line
from training.runs.trainer_arguments import TrainingRecipe, trainer_arguments, with_warmup
from training.trainers.classification import FinetuneTrainer, logits_of_rows, scores_of_rows
from training.trainers.loss import global_cross_entropy

_CONTENTS = ("metrics.json", "log.jsonl", "predictions.npz", "seeds", "checkpoints", "model")


@dataclass(frozen=True, kw_only=True)
class FinetuneRecipe(TrainingRecipe):
    """Everything that a fine-tuning depends on."""

    dataset: str = recipe_field("folder made by `grover build`, or a dataset with sequence and label on the Hub")
    model: str = recipe_field("folder or Hub name of a pretrained model")
    epochs: int = recipe_field("passes over the train rows, at most")
    patience: int = recipe_field("stop after so many evaluations without a better validation MCC; 0 for never")
    seeds: list[int] = recipe_field("a training each: of the new head, the order of rows, dropout")  # noqa: RUF009
    dataset_config: str | None = recipe_field("its configuration; else bpe-600, or the only one", default=None)
    revision: str | None = recipe_field("of a model on the Hub", default=None)
    trust_remote_code: bool = recipe_field("run the code of a Hub model; needs a revision", default=False)
    retokenize: bool = recipe_field("read `sequence` with the model's own tokenizer", default=False)
    random_weights: bool = recipe_field("the model's architecture without its weights: the control", default=False)
    long_input: str = recipe_field("inputs longer than the model: error or windows", default="error")
    max_tokens: int | None = recipe_field("the longest input, with special tokens; else the model's", default=None)
    dropout: float | None = recipe_field("of hidden layers and attention; the model's if not given", default=None)
    lora_rank: int = recipe_field("train low-rank changes of the weights alone; 0 to train all", default=0)


def finetune(recipe: FinetuneRecipe) -> FinetuningReport | None:
    """Run a fine-tuning, a training a seed; return what `metrics.json` says, None in all processes but the first.

    SIGTERM ends it after a step; a seed that is trained is scored and kept all the same.
    """
    arguments = _checked_launch(recipe)
    with sigterm_noted() as sigterm, only_training(Path(recipe.output), arguments):
        return _finetune(recipe, arguments, sigterm)


def _finetune(
    recipe: FinetuneRecipe, arguments: TrainingArguments, sigterm: threading.Event
) -> FinetuningReport | None:
    run = Path(recipe.output)
    inputs = _open_inputs(recipe, run)
    with arguments.main_process_first(desc="output folder"):
        if arguments.process_index == 0:
            _prepare_folder(recipe, run, inputs.identity)
    for seed in recipe.seeds:
        if not (run / "seeds" / f"{seed}.json").exists():
            _train_seed(inputs, run, seed, arguments, sigterm)
    return None if arguments.process_index else _write_report(recipe, run, inputs, arguments.world_size)


@dataclass(frozen=True, eq=False)
class _Inputs:
    """What a fine-tuning reads."""

    recipe: FinetuneRecipe
    """With the commit of the model that all seeds begin with, and the warm-up of so many steps."""
    task: Task
    examples: dict[str, Examples]
    config: Any
    """The model's configuration."""
    tokenizer: Any
    rules: InputRules
    weights: dict[str, str | None]
    """Commit or digest of the model's weights."""
    n_parameters: dict[str, int]

    @property
    def identity(self) -> dict[str, str | None]:
        """What a run that goes on must find again: the rows and the weights."""
        rows = self.task.facts.sha256 if self.task.facts else examples_sha256(self.examples)
        return {"rows": rows, **self.weights}


def _checked_launch(recipe: FinetuneRecipe) -> TrainingArguments:
    """Return the Trainer's arguments for a recipe and a launch that go together; say on what it computes."""
    _check(recipe)
    arguments = _training_arguments(recipe, recipe.seeds[0])
    require_processes(
        wanted=recipe.processes, bf16=recipe.bf16, joined=arguments.world_size, n_gpu=arguments.n_gpu
    )
    say_device(arguments)
    if not on_a_terminal():
        transformers.utils.logging.disable_progress_bar()
    return arguments


def _open_inputs(recipe: FinetuneRecipe, run: Path) -> _Inputs:
    """Open the task and the model, which must go together."""
    task = open_task(recipe.dataset, recipe.dataset_config)
    pinned = _pinned(recipe, run)
    config, tokenizer = open_model(pinned, task.class_names)
    model = new_model(pinned, config, tokenizer)
    rules = InputRules.of(model, tokenizer, max_tokens=recipe.max_tokens)
    n_parameters = count_parameters(with_lora(model, recipe.lora_rank) if recipe.lora_rank else model)
    examples = read_examples(
        task, tokenizer, rules, retokenize=recipe.retokenize, windows=recipe.long_input == "windows"
    )
    weights = model_identity(pinned)
    # What the name on the Hub stands for may change between seeds.
    pinned = dataclasses.replace(pinned, revision=weights["revision"])
    pinned = with_warmup(pinned, recipe.epochs * -(-len(examples["train"]) // recipe.batch_size))
    return _Inputs(pinned, task, examples, config, tokenizer, rules, weights, n_parameters)


def _train_seed(
    inputs: _Inputs, run: Path, seed: int, arguments: TrainingArguments, sigterm: threading.Event
) -> None:
    """Train from one seed, score the test rows, and keep what came of it."""
    trainer = _trainer(inputs, run, seed)
    trainer.sigterm = sigterm
    with memory_explained(arguments.per_device_train_batch_size, inputs.recipe.batch_size):
        trainer.train()
        # The Trainer would score the test rows as if they were those of validation.
        trainer.compute_metrics = None
        logits = trainer.predict(inputs.examples["test"]).predictions
    if trainer.is_world_process_zero():
        _write_training(trainer, inputs.tokenizer, run, seed, scores_of_rows(inputs.examples["test"], logits))
    trainer.accelerator.wait_for_everyone()


def _pinned(recipe: FinetuneRecipe, run: Path) -> FinetuneRecipe:
    """Return the recipe with the commit of the model that its run began with, if it goes on."""
    if not recipe.resume or recipe.revision is not None or not has_inputs(run):
        return recipe
    return dataclasses.replace(recipe, revision=read_inputs(run)["revision"])


def _prepare_folder(recipe: FinetuneRecipe, run: Path, reads: dict[str, str | None]) -> None:
    """Make the folder of the run, or see that it is one to go on with."""
    fields = dataclasses.asdict(recipe)
    if recipe.resume:
        if not (run / "recipe.yaml").exists():
            raise InputError(f"{run} has no recipe.yaml: there is no run to go on with.")
        if not is_begun(run, fields):
            # A kill may have come before they went.
            shutil.rmtree(run / "seeds", ignore_errors=True)
            raise InputError(f"{run} is finished: it has metrics.json.")
        require_same_run(run, read_inputs(run), reads)
        return
    inputs = [path for path in (recipe.dataset, recipe.model) if Path(path).exists()]
    require_own_run(run, recipe, contents=_CONTENTS, inputs=inputs)
    begin_run(run, fields, reads)


def _write_training(
    trainer: Trainer, tokenizer: Any, run: Path, seed: int, tested: tuple[NDArray[np.int64], NDArray[np.float32]]
) -> None:
    """Keep what a seed gave, so that a stopped run goes on after it; its weights, if they are the best so far."""
    labels, probabilities = tested
    metrics = classification_metrics(labels, probabilities)
    best_mcc, steps = trainer.state.best_metric, trainer.state.global_step
    # An epoch has an evaluation, and a training an epoch.
    validation_mcc = -1.0 if best_mcc is None else best_mcc
    if validation_mcc > max((training.validation_mcc for training in _trainings(run)), default=-np.inf):
        _write_weights(trainer, tokenizer, run)
    write_predictions(run / "seeds", predictions_of(labels, probabilities), f"{seed}.npz")
    with atomic_write(run / "seeds" / f"{seed}.json") as beside:
        of_seed = Training(seed=seed, validation_mcc=validation_mcc, steps=steps, metrics=metrics)
        beside.write_text(json.dumps(plain(of_seed)))
    shutil.rmtree(run / "checkpoints", ignore_errors=True)
    predicted = set(probabilities.argmax(1).tolist())
    note = f"; it always says class {predicted.pop()}" if len(predicted) == 1 else ""
    print(
        f"{run}, seed {seed}: {steps} steps, validation MCC {validation_mcc:.3f}, test MCC {metrics['mcc']:.3f}"
        f"{note}", flush=True,
    )


def _trainings(run: Path) -> list[Training]:
    """Return what the finished seeds gave."""
    return [record_of(Training, read_json_object(path), path) for path in (run / "seeds").glob("*.json")]


def _check(recipe: FinetuneRecipe) -> None:
    if recipe.long_input not in ("error", "windows"):
        raise InputError(f"long_input is {recipe.long_input!r}; it is error or windows.")
    scheduler_type(recipe.scheduler)
    if not recipe.seeds or len(set(recipe.seeds)) != len(recipe.seeds):
        raise InputError(f"seeds are {recipe.seeds}; one or more are needed, each once.")
    if recipe.trust_remote_code and recipe.revision is None:
        raise InputError(
            "trust_remote_code runs what stands in the model's repository: say which revision you have read, "
            "--revision COMMIT."
        )


def _trainer(inputs: _Inputs, run: Path, seed: int) -> FinetuneTrainer:
    recipe, examples = inputs.recipe, inputs.examples
    transformers.set_seed(seed)
    model = new_model(recipe, inputs.config, inputs.tokenizer)
    if recipe.lora_rank:
        model = with_lora(model, recipe.lora_rank)

    def compute_metrics(prediction: EvalPrediction) -> dict[str, float]:
        labels, logits = logits_of_rows(examples["validation"], prediction.predictions)
        predicted = logits.argmax(1)
        return {
            "mcc": float(matthews_corrcoef(labels, predicted)), "accuracy": float((predicted == labels).mean()),
        }

    trainer = FinetuneTrainer(
        model=model,
        args=_training_arguments(recipe, seed),
        data_collator=collator(inputs.rules),
        rules=inputs.rules,
        train_dataset=examples["train"],
        eval_dataset=examples["validation"],
        compute_loss_func=global_cross_entropy,
        compute_metrics=compute_metrics,
        callbacks=[
            JsonLinesLog(run, seed=seed),
            *([EarlyStoppingCallback(recipe.patience)] if recipe.patience else []),
        ],
    )
    trainer.remove_callback(PrinterCallback)
    return trainer


def _training_arguments(recipe: FinetuneRecipe, seed: int) -> TrainingArguments:
    device_batch, accumulation = batch_shape(recipe.batch_size, recipe.per_device_batch_size, world_size())
    return TrainingArguments(
        **trainer_arguments(recipe, seed=seed, device_batch=device_batch, accumulation=accumulation),
        num_train_epochs=recipe.epochs,
        per_device_eval_batch_size=4 * device_batch,
        eval_strategy="epoch",
        save_strategy="epoch",
        save_total_limit=1,
        save_only_model=True,
        load_best_model_at_end=True,
        metric_for_best_model="mcc",
        greater_is_better=True,
        logging_steps=50,
    )


def _write_weights(trainer: Trainer, tokenizer: Any, run: Path) -> None:
    model: Any = trainer.accelerator.unwrap_model(trainer.model)
    if hasattr(model, "merge_and_unload"):
        model = model.merge_and_unload()
    with atomic_folder(run / "model") as folder:
        model.save_pretrained(folder)
        tokenizer.save_pretrained(folder)
        config = folder / "tokenizer_config.json"
        config.write_text(json.dumps(portable_config(json.loads(config.read_text())), indent=2) + "\n")


def _write_report(recipe: FinetuneRecipe, run: Path, inputs: _Inputs, processes: int) -> FinetuningReport:
    """Write scores of all seeds, predictions and card."""
    task = inputs.task
    of_model: dict[str, Any] = {**inputs.weights, **inputs.n_parameters}
    by_seed = {training.seed: training for training in _trainings(run)}
    trainings = [by_seed[seed] for seed in recipe.seeds]
    predictions = together([read_predictions(run / "seeds", f"{seed}.npz") for seed in recipe.seeds])
    write_predictions(run, predictions)
    labels = predictions.labels
    intervals = mean_intervals(labels, predictions.predicted, rng=np.random.default_rng(0))
    by_metric = {name: [training.metrics[name] for training in trainings] for name in trainings[0].metrics}
    values = {name: float(np.mean(scores)) for name, scores in by_metric.items()}
    several = len(trainings) > 1
    spread = {name: float(np.std(scores, ddof=1)) if several else None for name, scores in by_metric.items()}
    report = FinetuningReport(
        task=task.facts.task if task.facts else task.name,
        model=FinetunedModel(
            name=recipe.model, random_weights=recipe.random_weights, lora_rank=recipe.lora_rank, **of_model
        ),
        dataset=_dataset_identity(task, retokenized=recipe.retokenize),
        split="test",
        n_rows=len(labels),
        metrics=values,
        standard_deviation=spread,
        ci95=intervals,
        seed=recipe.seeds[0],
        seeds=trainings,
        processes=processes,
    )
    card = finetuned_card(report, dataclasses.asdict(recipe), task.class_names)
    (run / "model" / "README.md").write_text(card)
    # The last file, for it says that the run is finished.
    write_metrics(run, report)
    shutil.rmtree(run / "seeds")
    low, high = intervals["mcc"]
    print(f"{run}: test MCC {values['mcc']:.3f} ({low:.3f} to {high:.3f}), mean of {len(trainings)} seeds")
    return report


def _dataset_identity(task: Task, *, retokenized: bool) -> DatasetIdentity:
    if task.facts is not None:
        return DatasetIdentity.of_facts(task.facts, retokenized=retokenized)
    return DatasetIdentity(
        name=task.name, config=task.config, sha256=None, vocabulary_sha256=None, retokenized=retokenized
    )


def main(arguments: Sequence[str] | None = None) -> None:
    """Read the recipe and run it."""
    run_script(
        lambda: finetune(recipe_from_command_line(FinetuneRecipe, "finetune", arguments)),
        when_stopped="stopped; the seeds that are finished are kept: the same command with --resume true goes on",
    )


if __name__ == "__main__":
    main()
