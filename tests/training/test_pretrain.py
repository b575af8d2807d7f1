import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForMaskedLM, AutoTokenizer, BertForMaskedLM, pipeline

from grover_hf.errors import InputError
from grover_hf.masking import IGNORED
from training.launch import batch_shape
from training.loss import global_cross_entropy
from training.pretrain import (
    EpochSampler,
    WindowDataset,
    nll_and_rank,
    pretrain,
)


def weights(run):
    return load_file(Path(run) / "model" / "model.safetensors")


def largest_difference(first, second):
    assert first.keys() == second.keys()
    return max(float((first[name] - second[name]).abs().max()) for name in first)


def losses(run):
    lines = [json.loads(line) for line in (Path(run) / "log.jsonl").read_text().splitlines()]
    return [line["loss"] for line in lines if "loss" in line], [line.get("grad_norm") for line in lines]


def test_a_run_writes_what_the_contract_says(recipe):
    report = pretrain(recipe())
    run = Path(recipe().output)
    assert report == json.loads((run / "metrics.json").read_text())
    for name in ("recipe.yaml", "log.jsonl", "model/model.safetensors", "model/tokenizer.json", "model/README.md"):
        assert (run / name).exists(), name
    metrics = report["metrics"]
    assert 0 <= metrics["accuracy"] <= metrics["accuracy_top_10_percent"] <= 1
    assert len(metrics["accuracy_top_k"]) == 60
    # Near the start the model knows no more than the frequencies, and no less than nothing.
    assert 100 < metrics["perplexity"] < 609
    assert report["schema"] == 1
    assert len(report["dataset"]["vocabulary_sha256"]) == len(report["dataset"]["sha256"]) == 64
    card = (run / "model" / "README.md").read_text()
    assert f"| perplexity | {metrics['perplexity']:.1f} |" in card
    assert card.startswith("---\nlibrary_name: transformers\n")


def test_the_model_folder_loads_through_auto_classes_without_remote_code(recipe):
    pretrain(recipe(max_steps=2))
    folder = Path(recipe().output) / "model"
    model = AutoModelForMaskedLM.from_pretrained(folder)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    assert type(model) is BertForMaskedLM
    assert len(tokenizer) == model.config.vocab_size == 609
    found = pipeline("fill-mask", model=str(folder), device="cpu")("ACGTTTGA[MASK]GGCATTACA")
    assert all(set(answer["token_str"]) <= set("ACGT[]PADUNKMSEL") for answer in found)


@pytest.mark.parametrize("changes", [{"per_device_batch_size": 8}, {"per_device_batch_size": 2}])
def test_accumulation_changes_neither_loss_nor_weights(recipe, tmp_path, changes):
    # BERT's own loss would come out too large by the number of accumulation steps.
    pretrain(recipe(output=str(tmp_path / "a"), p_select=0.022))
    pretrain(recipe(output=str(tmp_path / "b"), p_select=0.022, **changes))
    np.testing.assert_allclose(losses(tmp_path / "a")[0], losses(tmp_path / "b")[0], rtol=1e-5)
    assert largest_difference(weights(tmp_path / "a"), weights(tmp_path / "b")) < 1e-5


def test_a_resumed_run_equals_a_straight_one_bit_for_bit(recipe, tmp_path):
    settings = {"max_steps": 6, "save_steps": 3, "dropout": 0.1, "scheduler": "constant", "warmup_steps": 0}
    pretrain(recipe(output=str(tmp_path / "straight"), **settings))
    pretrain(recipe(output=str(tmp_path / "halves"), **{**settings, "max_steps": 3}))
    pretrain(recipe(output=str(tmp_path / "halves"), resume=True, **settings))
    assert largest_difference(weights(tmp_path / "straight"), weights(tmp_path / "halves")) == 0


def two_processes(inputs, output, *options):
    command = [
        sys.executable, "-m", "accelerate.commands.launch", "--multi_gpu", "--num_processes", "2",
        "--num_machines", "1", "--mixed_precision", "no", "--dynamo_backend", "no",
        "-m", "training.pretrain", "--config", "tiny_cpu", "--processes", "2",
        "--dataset", inputs["dataset"], "--tokenizer", inputs["tokenizer"], "--output", str(output),
        "--warmup_steps", "1", "--eval_windows", "8", *options,
    ]
    environment = {**os.environ, "ACCELERATE_USE_CPU": "true", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stderr[-3000:]


def test_a_run_of_two_processes_resumed_in_a_later_epoch_equals_a_straight_one(inputs, tmp_path):
    # 160 windows or so in batches of 32: the second epoch begins after about 5 steps.
    settings = ["--batch_size", "32", "--save_steps", "7", "--scheduler", "constant"]
    two_processes(inputs, tmp_path / "halves", *settings, "--max_steps", "7")
    two_processes(inputs, tmp_path / "halves", *settings, "--max_steps", "9", "--resume", "true")
    two_processes(inputs, tmp_path / "straight", *settings, "--max_steps", "9")
    assert json.loads((tmp_path / "halves" / "log.jsonl").read_text().splitlines()[-1])["epoch"] > 1
    assert largest_difference(weights(tmp_path / "straight"), weights(tmp_path / "halves")) == 0


def test_overwriting_a_run_removes_its_checkpoints(recipe, tmp_path):
    pretrain(recipe(save_steps=2))
    pretrain(recipe(overwrite=True, max_steps=1))
    assert not list((tmp_path / "run").rglob("checkpoint-*"))
    with pytest.raises(InputError, match="no checkpoint to resume from"):
        pretrain(recipe(resume=True))


def test_damaged_windows_and_too_few_are_refused(recipe, inputs, tmp_path):
    with pytest.raises(InputError, match="fewer than a batch of 4096"):
        pretrain(recipe(batch_size=4096))
    with pytest.raises(InputError, match="eval_windows is 0"):
        pretrain(recipe(eval_windows=0))
    shutil.copytree(inputs["dataset"], tmp_path / "windows")
    parquet = next((tmp_path / "windows").rglob("*train*.parquet"))
    parquet.write_bytes(parquet.read_bytes()[:-9])
    with pytest.raises(InputError, match="damaged or were changed"):
        pretrain(recipe(dataset=str(tmp_path / "windows")))


def test_a_launch_may_not_ask_for_another_precision_than_the_recipe(recipe, monkeypatch):
    monkeypatch.setenv("ACCELERATE_MIXED_PRECISION", "bf16")
    with pytest.raises(InputError, match="wants bf16 and the recipe has bf16: False"):
        pretrain(recipe())


def test_the_same_seed_gives_the_same_weights_and_another_others(recipe, tmp_path):
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        pretrain(recipe(output=str(tmp_path / name), seed=seed, max_steps=2))
    assert largest_difference(weights(tmp_path / "a"), weights(tmp_path / "b")) == 0
    assert largest_difference(weights(tmp_path / "a"), weights(tmp_path / "c")) > 0


def test_two_processes_train_the_same_model_as_one(recipe, tmp_path, inputs):
    settings = ["--batch_size", "8", "--per_device_batch_size", "4", "--max_steps", "4"]
    two_processes(inputs, tmp_path / "two", *settings)
    assert json.loads((tmp_path / "two" / "metrics.json").read_text())["processes"] == 2
    pretrain(recipe(output=str(tmp_path / "one")))
    np.testing.assert_allclose(losses(tmp_path / "two")[0], losses(tmp_path / "one")[0], rtol=1e-4)
    assert largest_difference(weights(tmp_path / "two"), weights(tmp_path / "one")) < 1e-4

    ids = torch.tensor([[2, *range(5, 100), 3]])
    loaded = AutoModelForMaskedLM.from_pretrained(tmp_path / "two" / "model")
    raw = BertForMaskedLM(loaded.config)
    raw.load_state_dict(weights(tmp_path / "two"), strict=False)
    raw.tie_weights()
    with torch.no_grad():
        assert torch.equal(loaded.eval()(ids).logits, raw.eval()(ids).logits)


def test_a_launch_with_another_number_of_processes_is_refused(recipe):
    with pytest.raises(InputError, match="2 processes should train together; the launch started 1, of which 1"):
        pretrain(recipe(processes=2))


@pytest.mark.parametrize(
    ("batch", "at_most", "world", "shape"),
    [(64, 64, 1, (64, 1)), (64, 64, 8, (8, 1)), (64, 8, 2, (8, 4)), (12, 8, 1, (6, 2)), (7, 3, 1, (1, 7))],
)
def test_the_global_batch_is_kept_whatever_fits_a_device(batch, at_most, world, shape):
    assert batch_shape(batch, at_most, world) == shape


def test_a_batch_that_the_processes_cannot_share_is_refused():
    with pytest.raises(InputError, match="batch_size 9 is no multiple of 2 processes"):
        batch_shape(9, 8, 2)


def test_windows_of_another_vocabulary_are_refused(recipe, tmp_path):
    from grover_hf.tokenization.export import save_tokenizer
    from grover_hf.tokenization.kmer import KmerEncoder

    save_tokenizer(KmerEncoder(4), tmp_path / "kmer")
    with pytest.raises(InputError, match="Tokenize again with the same tokenizer"):
        pretrain(recipe(tokenizer=str(tmp_path / "kmer")))


def test_a_run_that_is_there_is_not_replaced_unasked(recipe, tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "keep.txt").write_text("mine")
    with pytest.raises(InputError, match="is there already"):
        pretrain(recipe())
    assert (tmp_path / "run" / "keep.txt").read_text() == "mine"


def test_a_batch_without_masked_tokens_is_a_zero_and_not_a_nan():
    class Outputs:
        logits = torch.randn(2, 5, 7, requires_grad=True)

    loss = global_cross_entropy(Outputs, torch.full((2, 5), IGNORED), torch.tensor(0))
    loss.backward()
    assert loss.item() == 0
    assert Outputs.logits.grad.abs().max() == 0


def test_rank_counts_likelier_tokens_and_nll_is_the_cross_entropy():
    logits = torch.log(torch.tensor([[[0.5, 0.3, 0.2], [0.5, 0.3, 0.2], [0.1, 0.2, 0.7]]]))
    reduced = nll_and_rank(logits, torch.tensor([[1, IGNORED, 2]]))
    assert reduced[0, :, 1].tolist() == [1, IGNORED, 0]
    torch.testing.assert_close(reduced[0, [0, 2], 0], -torch.log(torch.tensor([0.3, 0.7])))


def test_ties_count_against_the_model():
    logits = torch.zeros(1, 1, 5)
    assert nll_and_rank(logits, torch.tensor([[2]]))[0, 0, 1] == 4


def test_the_sampler_gives_every_window_once_an_epoch_in_another_order():
    sampler = EpochSampler(100, seed=0)
    first = list(sampler)
    sampler.set_epoch(1)
    second = list(sampler)
    assert sorted(first) == list(range(100))
    assert sorted(second) == list(range(100, 200))
    assert [key - 100 for key in second] != first
    assert list(EpochSampler(100, seed=0)) == first


def test_a_key_names_epoch_and_window(inputs):
    from datasets import load_dataset

    windows = WindowDataset(load_dataset(inputs["dataset"], split="train"))
    n = len(windows)
    assert {name: windows[2 * n + 3][name] for name in ("epoch", "example")} == {"epoch": 2, "example": 3}
    assert (windows[2 * n + 3]["input_ids"] == windows[3]["input_ids"]).all()
