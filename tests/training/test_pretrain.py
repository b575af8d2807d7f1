import json
import shutil
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import yaml
from datasets import Dataset, concatenate_datasets, load_dataset
from transformers import AutoModelForMaskedLM, AutoTokenizer, BertForMaskedLM, pipeline

from grover_hf.errors import InputError
from grover_hf.masking import IGNORED
from tests.oracles import masked_batch
from tests.training.launches import largest_difference, logged, weights, windows_like
from training.pretrain import nll_and_rank, pretrain
from training.runs.launch import batch_shape
from training.trainers.loss import global_cross_entropy


def test_a_run_writes_what_the_contract_says(recipe):
    report = pretrain(recipe())
    run = Path(recipe().output)
    assert report.as_dict() == json.loads((run / "metrics.json").read_text())
    for name in ("recipe.yaml", "log.jsonl", "model/model.safetensors", "model/tokenizer.json", "model/README.md"):
        assert (run / name).exists(), name
    metrics = report.metrics
    assert 0 <= metrics["accuracy"] <= metrics["accuracy_top_10_percent"] <= 1
    assert len(metrics["accuracy_top_k"]) == 60
    # Near the start the model knows no more than the frequencies, and no less than nothing.
    assert 100 < metrics["perplexity"] < 609
    assert report.schema == 1
    assert len(report.dataset.vocabulary_sha256) == len(report.dataset.sha256) == 64
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
    raw = BertForMaskedLM(model.config)
    raw.load_state_dict(weights(recipe().output), strict=False)
    raw.tie_weights()
    ids = torch.tensor([[2, *range(5, 100), 3]])
    with torch.no_grad():
        assert torch.equal(model.eval()(ids).logits, raw.eval()(ids).logits)


def test_overwriting_a_run_removes_its_checkpoints(recipe, tmp_path):
    pretrain(recipe(save_steps=2))
    pretrain(recipe(overwrite=True, max_steps=1))
    assert not list((tmp_path / "run").rglob("checkpoint-*"))
    with pytest.raises(InputError, match="no whole checkpoint to go on from"):
        pretrain(recipe(resume=True, max_steps=1))


def test_damaged_windows_and_too_few_are_refused(recipe, inputs, tmp_path):
    with pytest.raises(InputError, match="fewer than a batch of 4096"):
        pretrain(recipe(batch_size=4096))
    with pytest.raises(InputError, match="eval_windows is 0"):
        pretrain(recipe(eval_windows=0))
    with pytest.raises(InputError, match="keep_checkpoints is 0; it is 1 or more"):
        pretrain(recipe(keep_checkpoints=0))
    shutil.copytree(inputs["dataset"], tmp_path / "windows")
    parquet = next((tmp_path / "windows").rglob("*train*.parquet"))
    parquet.write_bytes(parquet.read_bytes()[:-9])
    with pytest.raises(InputError, match="damaged or were changed"):
        pretrain(recipe(dataset=str(tmp_path / "windows")))


def test_windows_without_a_test_split_are_refused(recipe, inputs, tmp_path):
    without = windows_like(tmp_path / "windows", inputs, lambda splits: {"train": splits["train"]})
    with pytest.raises(InputError, match="has no split test; it has train"):
        pretrain(recipe(dataset=without))
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("name", ["train", "test"])
def test_windows_longer_than_the_model_are_refused(recipe, inputs, tmp_path, name):
    def lengthen(splits):
        split = splits[name]
        long = {"input_ids": [7] * 511, "soft_masked": [False] * 511}
        longer = Dataset.from_list([split[0] | long], split.features)
        return splits | {name: concatenate_datasets([split, longer])}

    with pytest.raises(InputError, match=f"{name}: a window has 511 tokens; a model of 512 positions takes 510"):
        pretrain(recipe(dataset=windows_like(tmp_path / "windows", inputs, lengthen)))
    assert not (tmp_path / "run").exists()


def test_a_batch_that_does_not_fit_names_a_smaller_one_with_the_same_global_batch(recipe, monkeypatch):
    def full(*_, **__):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 9 GiB")

    monkeypatch.setattr("training.pretrain.PretrainTrainer.training_step", full)
    with pytest.raises(InputError, match="--per_device_batch_size 2: batch_size stays 8, by accumulation of 4"):
        pretrain(recipe())


def test_a_batch_without_masked_tokens_has_no_loss_and_no_gradient(recipe):
    pretrain(recipe(p_select=1e-9, max_steps=2))
    assert logged(recipe().output, "loss") == logged(recipe().output, "grad_norm") == [0, 0]


def test_the_card_carries_seed_digests_and_versions(recipe, tmp_path):
    report = pretrain(recipe(max_steps=1, seed=11))
    card = (tmp_path / "run" / "model" / "README.md").read_text()
    assert "| seed | 11 |" in card
    dataset = report.dataset
    for digest in (dataset.vocabulary_sha256, dataset.sha256[:16], dataset.genome.sha256):
        assert f"`{digest}`" in card
    assert all(f"{name} {version}" in card for name, version in report.versions.items())


def test_a_launch_may_not_ask_for_another_precision_than_the_recipe(recipe, monkeypatch):
    monkeypatch.setenv("ACCELERATE_MIXED_PRECISION", "bf16")
    with pytest.raises(InputError, match="wants bf16 and the recipe has bf16: False"):
        pretrain(recipe())


def test_the_same_seed_gives_the_same_weights_and_another_others(recipe, tmp_path):
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        pretrain(recipe(output=str(tmp_path / name), seed=seed, max_steps=2))
    assert largest_difference(weights(tmp_path / "a"), weights(tmp_path / "b")) == 0
    assert largest_difference(weights(tmp_path / "a"), weights(tmp_path / "c")) > 0


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
    with pytest.raises(InputError, match="batch_size 9 is not a multiple of 2 processes"):
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


def test_a_weighted_loss_is_the_weighted_sum_over_the_weights_of_the_global_batch():
    rng = np.random.default_rng(0)
    logits = torch.tensor(rng.normal(size=(2, 7, 11)), dtype=torch.float32)
    labels = torch.tensor(rng.integers(0, 11, (2, 7)))
    labels[0, :3] = labels[1, 5] = IGNORED
    weights = torch.tensor(rng.random((2, 7)), dtype=torch.float32) * (labels != IGNORED)
    weighted, counts = 0.0, 0.0
    for row, column in (labels != IGNORED).nonzero().tolist():
        nll = -torch.log_softmax(logits[row, column], 0)[labels[row, column]]
        weighted, counts = weighted + weights[row, column] * nll, counts + weights[row, column]
    outputs = SimpleNamespace(logits=logits)
    torch.testing.assert_close(global_cross_entropy(outputs, labels, weights=weights), weighted / counts)
    torch.testing.assert_close(global_cross_entropy(outputs, labels, 50.0, weights=weights), weighted / 50)
    # Logits of the labelled alone are what a training has.
    of_labelled = SimpleNamespace(logits=logits[labels != IGNORED])
    torch.testing.assert_close(global_cross_entropy(of_labelled, labels, weights=weights), weighted / counts)
    assert global_cross_entropy(outputs, labels, torch.tensor(0.0), weights=weights * 0) == 0


def test_a_weight_of_repeats_wants_windows_that_know_them(recipe, inputs, tmp_path):
    def forget(splits):
        return {name: rows.remove_columns("soft_masked") for name, rows in splits.items()}

    folder = windows_like(tmp_path / "windows", inputs, forget)
    with pytest.raises(InputError, match=r"repeat_weight is 0\.1, but .*windows.* does not say which tokens"):
        pretrain(recipe(dataset=folder, repeat_weight=0.1))
    assert not (tmp_path / "run").exists()
    # Without it they are as good as before, and say nothing of repeats.
    assert "perplexity_in_repeats" not in pretrain(recipe(dataset=folder)).metrics
    with pytest.raises(InputError, match="repeat_weight is -1.0; it is 0 or more"):
        recipe(repeat_weight=-1)


def test_scores_of_repeats_are_those_of_their_masked_tokens(recipe, inputs):
    scores = pretrain(recipe()).metrics
    run = Path(recipe().output)
    rows = load_dataset(inputs["dataset"], split="test")
    chosen = np.linspace(0, len(rows) - 1, 8).astype(int).tolist()
    model = AutoModelForMaskedLM.from_pretrained(run / "model").eval()
    content = yaml.safe_load((run / "recipe.yaml").read_text())
    rates = {name: content[name] for name in ("seed", "p_select", "p_mask", "p_random")}
    nll = {False: [], True: []}
    for number, row in enumerate(chosen):
        batch = masked_batch([(rows[row]["input_ids"], 0, number)], vocab_size=609, **rates)
        labels = batch.pop("labels")
        with torch.no_grad():
            logits = model(**batch).logits[0]
        for column in (labels[0] != IGNORED).nonzero()[:, 0].tolist():
            soft_masked = rows[row]["soft_masked"][column - 1]
            nll[soft_masked].append(-torch.log_softmax(logits[column], 0)[labels[0, column]].item())
    for name, soft_masked in (("in_repeats", True), ("outside_repeats", False)):
        expected = np.exp(np.mean(nll[soft_masked]))
        np.testing.assert_allclose(scores[f"perplexity_{name}"], expected, rtol=1e-4)
    share = len(nll[True]) / (len(nll[True]) + len(nll[False]))
    np.testing.assert_allclose(scores["share_in_repeats"], share)
