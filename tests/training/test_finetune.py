import dataclasses
import itertools
import json
import os
import re
import shutil
import signal
import subprocess
from pathlib import Path

import numpy as np
import psutil
import pytest
import torch
from datasets import Dataset, DatasetDict, load_dataset
from huggingface_hub import HfApi
from safetensors.torch import load_file, save_file
from sklearn.metrics import matthews_corrcoef
from transformers import (
    AutoModelForMaskedLM,
    AutoModelForSequenceClassification,
    AutoTokenizer,
    BertForMaskedLM,
    BertForSequenceClassification,
    EsmConfig,
    EsmForMaskedLM,
    pipeline,
)

from dataset_builders.build import prepare
from dataset_builders.classification.builder import plan
from grover_hf.corpus.facts import read_facts
from grover_hf.errors import InputError
from grover_hf.inference.input_rules import InputRules
from grover_hf.metrics.predictions import read_predictions
from grover_hf.model import grover_config, weights_sha256
from grover_hf.tokenization.bpe_encoding import GenomeEncoder
from grover_hf.tokenization.export import save_tokenizer, write_tokenizer_files
from grover_hf.tokenization.kmer import KmerEncoder
from training.data.tasks import collator, open_task, read_examples
from training.finetune import FinetuneRecipe, finetune
from training.runs.launch import Preempted, explained_out_of_memory, scheduler_type
from training.runs.recipe import RECIPES, read_recipe
from training.trainers.classification import FinetuneTrainer, mean_over_windows


def save_model(encoder, folder, config_class=grover_config, model_class=BertForMaskedLM, **changes):
    torch.manual_seed(0)
    model_class(config_class(len(encoder.tokens), **changes)).save_pretrained(folder)
    write_tokenizer_files(encoder, folder)
    return folder


@pytest.fixture(scope="session")
def task(simulated_merges, tmp_path_factory):
    """Sequences whose class is whether they begin with A or T: a model learns it in some steps."""
    folder = tmp_path_factory.mktemp("task")
    rng = np.random.default_rng(0)
    lines = ["sequence\tlabel\tsplit"]
    for i in range(240):
        first = "AT"[rng.integers(2)] * 12 if i % 2 else "GC"[rng.integers(2)] * 12
        split = ("train", "train", "train", "validation", "test")[i // 2 % 5]
        lines.append(f"{first}{''.join(rng.choice(list('ACGT'), 40))}\t{('gc', 'at')[i % 2]}\t{split}")
    (folder / "begins.tsv").write_text("\n".join(lines) + "\n")
    save_tokenizer(GenomeEncoder(simulated_merges), folder / "tokenizer")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GROVER_CACHE", str(folder / "cache"))
        made = plan(folder / "begins.tsv", tokenizer=folder / "tokenizer", split_by="column")
        return prepare(made, folder / "begins")


@pytest.fixture(scope="session")
def tiny_model(simulated_merges, tmp_path_factory):
    return save_model(GenomeEncoder(simulated_merges), tmp_path_factory.mktemp("tiny"), size="tiny")


@pytest.fixture
def recipe(task, tiny_model, tmp_path):
    def make(**changes) -> FinetuneRecipe:
        defaults = {
            "dataset": str(task), "model": str(tiny_model), "output": str(tmp_path / "run"), "learning_rate": 1e-3,
            "batch_size": 16, "per_device_batch_size": 16, "epochs": 1, "patience": 0, "warmup_steps": 2,
            "seeds": [0], "dropout": 0.0,
        }
        return read_recipe(FinetuneRecipe, "small_cpu", "finetune", {**defaults, **changes})

    return make


def test_a_run_learns_and_writes_what_the_contract_says(recipe, tmp_path, task):
    report = finetune(recipe(epochs=8, seeds=[3, 5]))
    run = tmp_path / "run"
    assert report.as_dict() == json.loads((run / "metrics.json").read_text())
    assert sorted(path.name for path in run.iterdir()) == [
        "log.jsonl", "metrics.json", "model", "predictions.npz", "recipe.yaml"
    ]
    assert report.metrics["mcc"] > 0.8
    each = [training.metrics["mcc"] for training in report.seeds]
    assert [training.seed for training in report.seeds] == [3, 5]
    assert report.metrics["mcc"] == pytest.approx(np.mean(each))
    assert report.standard_deviation["mcc"] == pytest.approx(np.std(each, ddof=1))
    assert report.ci95["mcc"][0] <= report.metrics["mcc"] <= report.ci95["mcc"][1]
    assert report.dataset.sha256 == read_facts(task, report.dataset.config).sha256
    predictions = read_predictions(run)
    assert predictions.labels.tolist() == load_dataset(str(task), split="test")["label"][:]
    assert [matthews_corrcoef(predictions.labels, p) for p in predictions.predicted] == pytest.approx(each)
    card = (run / "model" / "README.md").read_text()
    assert f"| mcc | {report.metrics['mcc']:.4f} |" in card
    assert {json.loads(line)["seed"] for line in (run / "log.jsonl").read_text().splitlines()} == {3, 5}


def test_the_model_folder_gives_the_predictions_of_its_best_seed(recipe, tmp_path, task):
    report = finetune(recipe(epochs=2, seeds=[0, 1]))
    model = AutoModelForSequenceClassification.from_pretrained(tmp_path / "run" / "model").eval()
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "run" / "model")
    assert model.config.id2label == {0: "at", 1: "gc"}
    # What transformers 5 would write by itself, 4 does not know.
    config = json.loads((tmp_path / "run" / "model" / "tokenizer_config.json").read_text())
    assert config["tokenizer_class"] == "PreTrainedTokenizerFast"
    sequences = load_dataset(str(task), split="test")["sequence"][:]
    with torch.no_grad():
        logits = model(**tokenizer(sequences, return_tensors="pt", padding=True)).logits
    best = int(np.argmax([training.validation_mcc for training in report.seeds]))
    expected = read_predictions(tmp_path / "run").probabilities[best]
    np.testing.assert_allclose(torch.softmax(logits, 1), expected, atol=1e-5)
    answer = pipeline("text-classification", model=str(tmp_path / "run" / "model"), device="cpu")(sequences[0])
    assert answer[0]["label"] in ("at", "gc")


def test_the_same_recipe_gives_the_same_numbers_and_another_seed_others(recipe, tmp_path):
    first = finetune(recipe())
    again = finetune(recipe(output=str(tmp_path / "again")))
    other = finetune(recipe(output=str(tmp_path / "other"), seeds=[1]))
    assert first.metrics == again.metrics
    assert first.metrics["auroc"] != other.metrics["auroc"]


def test_the_best_weights_by_validation_are_tested_and_patience_ends_a_training(recipe):
    report = finetune(recipe(epochs=30, patience=2, learning_rate=1e-3))
    steps_an_epoch = 9
    assert report.seeds[0].steps < 30 * steps_an_epoch
    assert report.seeds[0].validation_mcc > 0.9


def test_random_weights_leave_the_pretrained_ones_out(recipe, tiny_model, tmp_path):
    rate = 1e-9
    finetune(recipe(learning_rate=rate))
    finetune(recipe(learning_rate=rate, random_weights=True, output=str(tmp_path / "control")))
    name = "bert.encoder.layer.0.attention.self.query.weight"
    pretrained = load_file(tiny_model / "model.safetensors")[name]
    kept, control = (load_file(tmp_path / run / "model" / "model.safetensors")[name] for run in ("run", "control"))
    torch.testing.assert_close(kept, pretrained, atol=1e-5, rtol=0)
    assert (control - pretrained).abs().max() > 0.01


def test_ids_of_another_vocabulary_are_refused_unless_the_sequences_are_to_be_read(recipe, tmp_path):
    other = save_model(KmerEncoder(4), tmp_path / "kmer", size="tiny")
    with pytest.raises(InputError, match=r"has ids of vocabulary .* Say --retokenize to"):
        finetune(recipe(model=str(other)))
    report = finetune(recipe(model=str(other), retokenize=True))
    assert report.dataset.retokenized


def test_a_model_of_another_architecture_reads_sequences_with_its_own_tokenizer(recipe, tmp_path):
    # As the Nucleotide Transformer: an ESM with 6-mers.
    def esm(vocab_size):
        return EsmConfig(
            vocab_size=vocab_size, hidden_size=32, num_hidden_layers=1, num_attention_heads=2,
            intermediate_size=64, max_position_embeddings=128, pad_token_id=0, mask_token_id=4,
            position_embedding_type="rotary",
        )

    folder = save_model(KmerEncoder(6), tmp_path / "esm", config_class=esm, model_class=EsmForMaskedLM)
    report = finetune(recipe(model=str(folder), retokenize=True, dropout=None))
    assert report.model.parameters > 0
    assert 0 <= report.metrics["auroc"] <= 1


def test_a_dataset_that_others_made_needs_sequence_and_label_alone(recipe, tmp_path, task):
    rows = load_dataset(str(task))
    columns = ("sequence", "label")
    plain = DatasetDict({n: Dataset.from_dict({c: s[c][:] for c in columns}) for n, s in rows.items()})
    for name, split in plain.items():
        (tmp_path / "plain").mkdir(exist_ok=True)
        split.to_parquet(tmp_path / "plain" / f"{name}.parquet")
    report = finetune(recipe(dataset=str(tmp_path / "plain")))
    assert report.dataset.sha256 is None
    without = plain.remove_columns("label")
    (tmp_path / "without").mkdir()
    for name, split in without.items():
        split.to_parquet(tmp_path / "without" / f"{name}.parquet")
    with pytest.raises(InputError, match="has no column label"):
        open_task(str(tmp_path / "without"), None)


def test_longer_inputs_than_the_model_takes_are_refused_or_cut_into_windows_and_averaged(recipe, task, tiny_model):
    with pytest.raises(InputError, match="inputs have more than the 6 tokens .* say --long_input windows"):
        finetune(recipe(max_tokens=8))
    with pytest.raises(InputError, match="max_tokens is 513; the model takes 512 tokens"):
        finetune(recipe(max_tokens=513))
    opened = open_task(str(task), None)
    tokenizer = AutoTokenizer.from_pretrained(tiny_model)
    rules = InputRules.of(AutoModelForMaskedLM.from_pretrained(tiny_model), tokenizer, max_tokens=8)
    examples = read_examples(opened, tokenizer, rules, retokenize=False, windows=True)["test"]
    ids = opened.splits["test"]["input_ids"][:]
    for row, whole in enumerate(ids):
        windows = [examples[i] for i in np.flatnonzero(examples.row == row)]
        batch = collator(rules)(windows)
        assert batch["input_ids"].shape[1] <= 8
        assert batch["input_ids"][:, 0].tolist() == [2] * len(windows)
        assert set(np.concatenate([window["input_ids"] for window in windows]).tolist()) == set(whole)
    report = finetune(recipe(max_tokens=8, long_input="windows", epochs=2))
    assert report.n_rows == len(ids)


def test_logits_of_windows_are_averaged_by_row():
    logits = np.array([[1.0, 3.0], [3.0, 5.0], [7.0, 1.0]])
    assert mean_over_windows(logits, np.array([0, 0, 1])).tolist() == [[2, 4], [7, 1]]


def test_lora_trains_a_part_and_leaves_a_plain_model(recipe, tmp_path, tiny_model):
    report = finetune(recipe(lora_rank=4, learning_rate=1e-2, epochs=2, seeds=[0, 1]))
    # Two matrices of 4 x 128 for query and value in each of two layers; pooler and head are trained whole.
    assert report.model.trained == 2 * 2 * 2 * 4 * 128 + (128 * 128 + 128) + (2 * 128 + 2)
    best = int(np.argmax([training.validation_mcc for training in report.seeds]))
    folders = tiny_model, tmp_path / "run" / "model"
    before, after = (load_file(folder / "model.safetensors") for folder in folders)
    query, key = (f"bert.encoder.layer.0.attention.self.{name}.weight" for name in ("query", "key"))
    assert torch.linalg.matrix_rank(after[query] - before[query], rtol=1e-4) == 4
    assert torch.equal(after[key], before[key])
    model = AutoModelForSequenceClassification.from_pretrained(tmp_path / "run" / "model").eval()
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "run" / "model")
    sequences = load_dataset(recipe().dataset, split="test")["sequence"][:]
    with torch.no_grad():
        logits = model(**tokenizer(sequences, return_tensors="pt", padding=True)).logits
    np.testing.assert_allclose(
        torch.softmax(logits, 1), read_predictions(tmp_path / "run").probabilities[best], atol=1e-4
    )


def test_a_batch_that_does_not_fit_names_a_smaller_one_with_the_same_global_batch(recipe, monkeypatch):
    def full(*_):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 9 GiB")

    monkeypatch.setattr("training.finetune.FinetuneTrainer.train", full)
    with pytest.raises(InputError, match="--per_device_batch_size 8: batch_size stays 16, by accumulation"):
        finetune(recipe())
    assert explained_out_of_memory(RuntimeError("shapes differ"), 16, 16) is None
    assert "one example already" in str(explained_out_of_memory(MemoryError(), 1, 16))


def test_remote_code_needs_a_revision_and_unknown_models_are_named(recipe):
    with pytest.raises(InputError, match="say which revision you have read"):
        finetune(recipe(trust_remote_code=True))
    with pytest.raises(InputError, match="cannot be opened"):
        finetune(recipe(model="/no/such/model"))
    with pytest.raises(InputError, match="long_input is 'cut'"):
        finetune(recipe(long_input="cut"))
    with pytest.raises(InputError, match="The warm-up has 9 steps, but the training has 9 in all"):
        finetune(recipe(warmup_steps=9, warmup_share=None))
    with pytest.raises(InputError, match="epochs is 0; it is 1 or more"):
        finetune(recipe(epochs=0))
    with pytest.raises(InputError, match="scheduler is 'step'; it is linear, cosine, constant"):
        finetune(recipe(scheduler="step"))
    with pytest.raises(InputError, match=r"seeds are \[1, 1\]"):
        finetune(recipe(seeds=[1, 1]))


def test_a_run_that_is_there_is_not_replaced_unasked(recipe):
    finetune(recipe())
    with pytest.raises(InputError, match="is there already"):
        finetune(recipe())
    assert finetune(recipe(overwrite=True, seeds=[1])).seed == 1


@pytest.mark.parametrize("path", sorted((RECIPES / "finetune").glob("*.yaml")), ids=lambda path: path.stem)
def test_every_packaged_recipe_reads_and_has_the_papers_numbers(path):
    recipe = read_recipe(FinetuneRecipe, path.stem, "finetune", {})
    rates = {
        "prom300": 1e-6, "promscan": 1e-6, "ctcf": 1e-6, "next_kmer": 1e-6, "gue": 1e-4,
        "nucleotide_transformer": 1e-5, "small_cpu": 1e-4,
    }
    batches = {"promscan": 8, "ctcf": 16, "next_kmer": 64, "nucleotide_transformer": 8}
    assert recipe.learning_rate == rates[path.stem]
    assert recipe.batch_size == batches.get(path.stem, recipe.batch_size)
    assert (recipe.warmup_steps, recipe.weight_decay) == (50, 0.01)
    assert all(field.metadata["help"] for field in dataclasses.fields(FinetuneRecipe))


def test_a_stopped_run_goes_on_after_the_seeds_that_it_finished(recipe, tmp_path, monkeypatch):
    straight = finetune(recipe(output=str(tmp_path / "straight"), seeds=[0, 1, 2]))
    trained = []

    def stopped(trainer, *_, **__):
        trained.append(trainer.args.seed)
        if len(trained) == 3:
            raise KeyboardInterrupt
        return train(trainer)

    train = FinetuneTrainer.train
    monkeypatch.setattr("training.finetune.FinetuneTrainer.train", stopped)
    with pytest.raises(KeyboardInterrupt):
        finetune(recipe(seeds=[0, 1, 2]))
    with pytest.raises(InputError, match="run is there already, and not finished: say --resume true to go on"):
        finetune(recipe(seeds=[0, 1, 2]))
    with pytest.raises(InputError, match="was begun with another learning_rate"):
        finetune(recipe(seeds=[0, 1, 2], resume=True, learning_rate=1e-5))
    report = finetune(recipe(seeds=[0, 1, 2], resume=True))
    assert trained == [0, 1, 2, 2]
    assert report.metrics == straight.metrics
    first, second = (load_file(tmp_path / run / "model" / "model.safetensors") for run in ("straight", "run"))
    assert all(torch.equal(first[name], second[name]) for name in first)
    with pytest.raises(InputError, match="is finished"):
        finetune(recipe(seeds=[0, 1, 2], resume=True))
    with pytest.raises(InputError, match="no run to go on with"):
        finetune(recipe(output=str(tmp_path / "none"), resume=True))


@pytest.mark.parametrize("per_device_batch_size", [16, 4])
def test_a_loss_that_is_not_finite_ends_a_run_and_names_seed_step_and_rows(
    recipe, monkeypatch, per_device_batch_size
):
    seen, a_step = [], 16 // per_device_batch_size

    class Recorded(FinetuneTrainer):
        def compute_loss(self, model, inputs, *args, **kwargs):
            ids, mask = inputs["input_ids"], inputs["attention_mask"].bool()
            seen.append([tuple(row[of_row].tolist()) for row, of_row in zip(ids, mask, strict=True)])
            loss = super().compute_loss(model, inputs, *args, **kwargs)
            return loss * torch.nan if len(seen) == 3 * a_step else loss

    monkeypatch.setattr("training.finetune.FinetuneTrainer", Recorded)
    made = recipe(seeds=[7], per_device_batch_size=per_device_batch_size)
    with pytest.raises(InputError, match="Step 3: the loss is nan.*a step of seed 7") as error:
        finetune(made)
    rows = re.search(r"the train rows ([\d, ]+)\.", str(error.value))[1].split(", ")
    of_step = sorted(itertools.chain.from_iterable(seen[2 * a_step :]))
    tokenizer = AutoTokenizer.from_pretrained(made.model)
    rules = InputRules.of(AutoModelForMaskedLM.from_pretrained(made.model), tokenizer)
    task = open_task(made.dataset, None)
    train = read_examples(task, tokenizer, rules, retokenize=False, windows=False)["train"]
    assert sorted((2, *train[int(row)]["input_ids"].tolist(), 3) for row in rows) == of_step
    assert len(of_step) == 16


def test_sigterm_ends_a_run_after_its_step_and_it_goes_on_after_the_seeds_that_it_finished(
    recipe, tmp_path, monkeypatch
):
    def after(trainer, loss):
        if trainer.args.seed == 1 and trainer.state.global_step == 1:
            os.kill(os.getpid(), signal.SIGTERM)
        after_step(trainer, loss)

    after_step = FinetuneTrainer.after_step
    straight = finetune(recipe(output=str(tmp_path / "straight"), seeds=[0, 1]))
    with monkeypatch.context() as patch:
        patch.setattr(FinetuneTrainer, "after_step", after)
        with pytest.raises(Preempted, match="after step 2 of seed 1; the seeds that are finished are kept"):
            finetune(recipe(seeds=[0, 1]))
    assert finetune(recipe(seeds=[0, 1], resume=True)).metrics == straight.metrics


@pytest.fixture
def interrupted_in_seed_1(monkeypatch):
    """Begin a run, and interrupt the training of its seed 1 in the first step, after something was done."""

    def begin(made, before=lambda: None):
        def after(trainer, loss):
            if trainer.args.seed == 1:
                before()
                raise KeyboardInterrupt
            after_step(trainer, loss)

        after_step = FinetuneTrainer.after_step
        with monkeypatch.context() as patch:
            patch.setattr(FinetuneTrainer, "after_step", after)
            with pytest.raises(KeyboardInterrupt):
                finetune(made)

    return begin


def test_a_run_does_not_go_on_with_other_rows_or_weights_of_the_same_name(
    recipe, tmp_path, task, tiny_model, interrupted_in_seed_1
):
    rows, model = tmp_path / "plain", Path(shutil.copytree(tiny_model, tmp_path / "tiny"))
    rows.mkdir()
    plain = {name: split.select_columns(["sequence", "label"]) for name, split in load_dataset(str(task)).items()}
    for name, split in plain.items():
        split.to_csv(rows / f"{name}.csv")
    made = recipe(dataset=str(rows), model=str(model), seeds=[0, 1])
    interrupted_in_seed_1(made)
    resumed = dataclasses.replace(made, resume=True)
    plain["train"].select(range(1, len(plain["train"]))).to_csv(rows / "train.csv")
    with pytest.raises(InputError, match="was begun with another rows"):
        finetune(resumed)
    plain["train"].to_csv(rows / "train.csv")
    weights = load_file(model / "model.safetensors")
    others = {name: values + 1 for name, values in weights.items()}
    save_file(others, model / "model.safetensors", {"format": "pt"})
    with pytest.raises(InputError, match="was begun with another sha256"):
        finetune(resumed)
    shutil.copy(tiny_model / "model.safetensors", model)
    assert finetune(resumed).model.sha256 == weights_sha256(tiny_model)


def test_a_model_of_the_hub_is_the_same_commit_for_all_seeds_and_when_a_run_goes_on(
    recipe, hub, repo_id, tiny_model, tmp_path, interrupted_in_seed_1
):
    api = HfApi()
    api.create_repo(repo_id)
    first = api.upload_folder(repo_id=repo_id, folder_path=tiny_model).oid
    made = recipe(model=repo_id, seeds=[0, 1])

    def move_on():
        weights = load_file(tiny_model / "model.safetensors")
        save_file({name: values + 1 for name, values in weights.items()}, tmp_path / "w", {"format": "pt"})
        api.upload_file(repo_id=repo_id, path_or_fileobj=tmp_path / "w", path_in_repo="model.safetensors")

    interrupted_in_seed_1(made, move_on)
    assert api.repo_info(repo_id).sha != first
    report = finetune(dataclasses.replace(made, resume=True))
    assert report.model.revision == first
    straight = finetune(recipe(model=str(tiny_model), output=str(tmp_path / "straight"), seeds=[0, 1]))
    assert report.metrics == straight.metrics


@pytest.mark.slow
def test_a_seed_whose_training_has_ended_is_scored_though_sigterm_came(recipe, tmp_path, monkeypatch):
    loading = []

    def terminate():
        # As a scheduler does it: to all processes of the job, by a process that is none of them.
        loaders = [one.pid for one in psutil.Process().children() if one.name() == "pt_data_worker"]
        loading.extend(loaders)
        subprocess.run(["kill", *map(str, [os.getpid(), *loaders])], check=True)

    def after(trainer, loss):
        # Noticed in the next step, which is the last one.
        if trainer.args.seed == 0 and trainer.state.global_step == trainer.state.max_steps - 1:
            terminate()
        after_step(trainer, loss)

    def predicted(trainer, *args, **kwargs):
        if trainer.args.seed == 0:
            terminate()
        return prediction_step(trainer, *args, **kwargs)

    after_step, prediction_step = FinetuneTrainer.after_step, FinetuneTrainer.prediction_step
    # Of many small batches, so that workers are at work.
    few = {"per_device_batch_size": 1, "workers": 1}
    straight = finetune(recipe(output=str(tmp_path / "straight"), **few))
    monkeypatch.setattr(FinetuneTrainer, "after_step", after)
    monkeypatch.setattr(FinetuneTrainer, "prediction_step", predicted)
    assert finetune(recipe(**few)).metrics == straight.metrics
    assert loading
    with pytest.raises(Preempted, match="after step 1 of seed 1"):
        finetune(recipe(output=str(tmp_path / "two"), seeds=[0, 1], **few))


def test_a_model_that_does_not_open_leaves_the_run_that_is_there(recipe, tmp_path):
    finetune(recipe())
    broken = tmp_path / "broken"
    shutil.copytree(recipe().model, broken)
    (broken / "model.safetensors").write_bytes(b"no weights")
    with pytest.raises(Exception, match=r"."):
        finetune(recipe(model=str(broken), overwrite=True))
    assert (tmp_path / "run" / "metrics.json").exists()


def test_the_head_of_another_task_is_refused(recipe, tmp_path, task):
    finetune(recipe())
    other = BertForSequenceClassification(grover_config(609, "tiny", num_labels=5))
    other.save_pretrained(tmp_path / "five")
    AutoTokenizer.from_pretrained(recipe().model).save_pretrained(tmp_path / "five")
    with pytest.raises(InputError, match="has a head of its own; begin with the pretrained one"):
        finetune(recipe(model=str(tmp_path / "five"), output=str(tmp_path / "other")))


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ([0.4, 1.9, 0.0], "has labels of Value"), (["neg", "pos", "neg"], "has labels of Value"),
        ([0, -1, 1], "has the label -1"), ([0, 0, 0], "1 classes, and 1 of them in train"),
        ([0, 2, 0], "labels up to 2, and no row of 1 in train"), ([0, 10**15, 1], "and no row of 2 in train"),
        ([[0], [1], [0]], "has labels of List"),
    ],
)
def test_labels_of_others_that_are_no_classes_are_refused(tmp_path, labels, message):
    (tmp_path / "odd").mkdir()
    for name in ("train", "validation", "test"):
        rows = Dataset.from_dict({"sequence": ["ACGT"] * 3, "label": labels})
        rows.to_parquet(tmp_path / "odd" / f"{name}.parquet")
    with pytest.raises(InputError, match=message):
        open_task(str(tmp_path / "odd"), None)


def test_a_constant_rate_begins_with_the_warm_up():
    assert scheduler_type("constant") == "constant_with_warmup"
