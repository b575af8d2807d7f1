"""Switches of speed: none may change what is learnt by more than its tolerance says."""

import functools
import os
from unittest import mock

import numpy as np
import pytest
import torch
import transformers

from grover_hf.errors import InputError
from grover_hf.masking import MaskingCollator, Windows
from grover_hf.model import grover_config
from tests.training import launches
from tests.training.launches import TRANSFORMERS_4, largest_difference, logged, logged_every, weights
from training.data.padding_free import PaddingFreeCollator, padding_free_attention
from training.pretrain import pretrain

N_STEPS = 4
NEEDS_5 = pytest.mark.skipif(TRANSFORMERS_4, reason="needs transformers 5")
# Float32 in another order of additions, through AdamW, is 1e-6 or so after a few steps; bf16 has 8 bits.
SAME, BF16 = {"rtol": 2e-6}, {"rtol": 1e-2}


@pytest.fixture(scope="module")
def trained(inputs, tmp_path_factory):
    """Return losses, folder and scores of a few steps without dropout; keywords change the recipe."""

    @functools.cache
    def train(**changes):
        run = tmp_path_factory.mktemp("run") / "run"
        common = {
            **inputs, "output": str(run), "dropout": 0.0, "max_steps": N_STEPS, "warmup_steps": 1, "batch_size": 4,
            "per_device_batch_size": 4, "eval_windows": 4, "learning_rate": 3e-3,
        }
        # Transformers 4 leaves the precision in the environment.
        with logged_every(1), mock.patch.dict(os.environ):
            report = launches.train("pretrain", common | changes)
        return np.array(logged(run, "loss")), run, report.metrics

    return train


@pytest.mark.parametrize(
    ("switch", "tolerance"),
    [
        pytest.param({"fused_optimizer": False}, SAME, id="optimizer not fused"),
        pytest.param({"attention": "eager"}, SAME, id="eager attention"),
        pytest.param({"padding_free": True}, SAME, id="padding free", marks=NEEDS_5),
        pytest.param({"bf16": True}, BF16, id="bf16"),
        pytest.param({"torch_compile": True}, SAME, id="compiled", marks=pytest.mark.slow),
    ],
)
def test_a_switch_gives_the_same_losses_and_scores(trained, switch, tolerance):
    losses, run, scores = trained()
    switched, switched_run, switched_scores = trained(**switch)
    assert len(losses) == N_STEPS
    # The bar must be one that another training would not pass.
    assert not np.allclose(trained(seed=1)[0], losses, **BF16)
    np.testing.assert_allclose(switched, losses, **tolerance)
    np.testing.assert_allclose(switched_scores["perplexity"], scores["perplexity"], **tolerance)
    assert switched_scores["n_masked"] == scores["n_masked"]
    if tolerance is SAME:
        assert largest_difference(weights(run), weights(switched_run)) < 1e-4


def test_a_gpu_without_bf16_is_named(inputs, tmp_path, monkeypatch):
    for name, found in {"is_available": True, "is_bf16_supported": False, "get_device_name": "Tesla V100"}.items():
        monkeypatch.setattr(torch.cuda, name, lambda found=found, **_: found)
    with pytest.raises(InputError, match="Tesla V100 has no bf16; say --bf16 false"):
        launches.train("pretrain", {**inputs, "output": str(tmp_path / "run"), "bf16": True})


@NEEDS_5
@pytest.mark.parametrize("per_device_batch_size", [4, 2])
def test_windows_of_any_lengths_go_without_padding_however_a_batch_is_shared(trained, per_device_batch_size):
    losses, _, _ = trained(group_by_length=False)
    shared, _, _ = trained(
        group_by_length=False, padding_free=True, per_device_batch_size=per_device_batch_size
    )
    np.testing.assert_allclose(shared, losses, **SAME)


@NEEDS_5
@pytest.mark.parametrize("per_device_batch_size", [4, 2])
def test_repeats_count_as_little_without_padding(trained, per_device_batch_size):
    losses, _, scores = trained(repeat_weight=0.2)
    assert not np.allclose(losses, trained()[0], **SAME)
    shared, _, without_padding = trained(
        repeat_weight=0.2, padding_free=True, per_device_batch_size=per_device_batch_size
    )
    np.testing.assert_allclose(shared, losses, **SAME)
    name = "perplexity_in_repeats"
    np.testing.assert_allclose(without_padding[name], scores[name], rtol=1e-5)


@NEEDS_5
def test_windows_in_a_row_see_only_themselves():
    rng = np.random.default_rng(0)
    lengths = np.array([7, 1, 30, 12])
    borders = np.cumsum([0, *lengths])
    windows = Windows(
        rng.integers(5, 609, borders[-1]).astype(np.uint16), borders[:-1], borders[1:], lengths * 0, np.arange(4)
    )
    padded = MaskingCollator(vocab_size=609, seed=0, p_select=0.5, p_mask=0.8, p_random=0.1)
    rectangle, row = padded(windows), PaddingFreeCollator(padded=padded)(windows)
    assert row["input_ids"].shape == (1, borders[-1] + 2 * len(lengths))
    torch.manual_seed(0)
    model = transformers.BertForMaskedLM(grover_config(609, "tiny")).eval()
    with torch.no_grad():
        expected = model(rectangle["input_ids"], rectangle["attention_mask"]).logits
        model.set_attn_implementation(padding_free_attention("sdpa"))
        row.pop("labels")
        found = model(**row).logits[0]
        # Padded batches are taken as well: the evaluation's.
        torch.testing.assert_close(model(rectangle["input_ids"], rectangle["attention_mask"]).logits, expected)
        torch.testing.assert_close(found, expected[rectangle["attention_mask"].bool()])
        # And what a window says does not change with those beside it.
        row["input_ids"][0, :9] = 5
        torch.testing.assert_close(model(**row).logits[0, 9:], found[9:])


def test_what_cannot_go_without_padding_is_refused(recipe, tmp_path, monkeypatch):
    if not TRANSFORMERS_4:
        with pytest.raises(InputError, match="goes with attention sdpa or flash_attention_2, not with 'eager'"):
            pretrain(recipe(padding_free=True, attention="eager"))
        monkeypatch.setattr("transformers.__version__", "4.57.1")
    with pytest.raises(InputError, match="padding_free needs transformers 5; this is 4.57.1"):
        pretrain(recipe(padding_free=True))
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("name", ["flash_attention_2", "fast"])
def test_an_attention_that_is_not_there_is_refused(recipe, tmp_path, name):
    with pytest.raises(InputError, match=f"attention is '{name}', which cannot be used here"):
        pretrain(recipe(attention=name))
    assert not (tmp_path / "run").exists()
