"""A global batch gives the same training and the same scores on any number of processes and accumulations."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
import transformers
from datasets import Dataset, load_dataset
from transformers import BertForMaskedLM

from grover_hf.metrics.predictions import read_predictions
from grover_hf.model import grover_config
from tests.oracles import masked_batch
from tests.training.launches import (
    COUNTS,
    few_windows,
    largest_difference,
    launch,
    logged,
    logged_every,
    report_of,
    train,
    weights,
)
from tests.training.pretraining_trajectory import GOLDEN, RECIPE, of_these_transformers, trajectory
from training.data.window_batches import WholeBatches

N_STEPS, BATCH, WARMUP = 10, 8, 2
LAYOUTS = {(1, 1): 8, (1, 4): 2, (2, 1): 4, (2, 2): 2}
"""Processes and accumulation: how many examples of a batch are at once on a device."""
# One batch in other pieces differs in the last bits of float32 (1e-7), and AdamW divides by the root of the
# second moment, which makes more of it where gradients are small. A loss that is scaled wrongly is off by 2.
LOSS_TOLERANCE, NORM_TOLERANCE, WEIGHTS_TOLERANCE = 1e-6, 1e-5, 1e-5
VERBS = {"pretrain": "pretrain", "begun": "pretrain", "weighted": "pretrain", "finetune": "finetune"}
"""Of the kinds of trainings; `begun` is a pretraining that begins with what pairs of tokens say, `weighted` one in
which repeats count less."""
FEW_LAYOUTS = ((1, 1), (2, 2))
"""Of `begun` and `weighted`."""
REPEAT_WEIGHT = 0.1
TIMES = {"pretrain": 1, "begun": 10, "weighted": 1, "finetune": 1}
"""By how much more a kind may differ: a start of counts has larger weights and logits."""


@pytest.fixture(scope="module")
def sequences(tmp_path_factory):
    """Rows of two classes, by what they begin with."""
    folder = tmp_path_factory.mktemp("sequences")
    rng = np.random.default_rng(0)
    for name, n_rows in (("train", BATCH * N_STEPS), ("validation", 15), ("test", 15)):
        labels = np.arange(n_rows) % 2
        rows = [("GC", "AT")[label][rng.integers(2)] * 12 + "".join(rng.choice([*"ACGT"], 40)) for label in labels]
        Dataset.from_dict({"sequence": rows, "label": labels.tolist()}).to_parquet(folder / f"{name}.parquet")
    return str(folder)


@pytest.fixture(scope="module")
def windows(simulated_merges, tmp_path_factory):
    """Two batches and a rest an epoch."""
    made = few_windows(simulated_merges, tmp_path_factory.mktemp("few"), 30_000)
    assert 2 * BATCH < len(load_dataset(made["dataset"], split="train")) < 3 * BATCH
    return made


@pytest.fixture(scope="module")
def runs(windows, sequences, tmp_path_factory):
    """Trainings of one batch size in all layouts: (kind, layout) to the folder of the run."""
    folder = tmp_path_factory.mktemp("layouts")
    names = {layout: f"{layout[0]}x{layout[1]}" for layout in LAYOUTS}
    common = {
        "batch_size": BATCH, "warmup_steps": WARMUP, "dropout": 0.0, "learning_rate": 1e-3, "weight_decay": 0.0,
    }
    trainings = {}
    for layout, at_once in LAYOUTS.items():
        # Masks so thin that many a device has none.
        trainings["pretrain", layout] = {**common, **windows, "max_steps": N_STEPS, "p_select": 0.005}
        if layout in FEW_LAYOUTS:
            trainings["begun", layout] = {**common, **windows, **COUNTS, "max_steps": N_STEPS}
            trainings["weighted", layout] = {**trainings["pretrain", layout], "repeat_weight": REPEAT_WEIGHT}
        trainings["finetune", layout] = {
            **common, "dataset": sequences, "model": str(folder / "pretrain-1x1" / "model"), "epochs": 1,
            "seeds": [0],
        }
        for kind in (kind for kind in VERBS if (kind, layout) in trainings):
            trainings[kind, layout] |= {
                "output": str(folder / f"{kind}-{names[layout]}"), "per_device_batch_size": at_once,
                "processes": layout[0],
            }
    with logged_every(1):
        for (kind, layout), changes in trainings.items():
            if layout[0] == 1:
                train(VERBS[kind], changes)
    in_two = [(VERBS[kind], changes) for (kind, layout), changes in trainings.items() if layout[0] == 2]
    (folder / "runs.json").write_text(json.dumps(in_two))
    done = launch(folder / "runs.json", runs=[changes["output"] for _, changes in in_two], processes=2)
    assert done.returncode == 0, done.stderr[-3_000:]
    return {which: Path(changes["output"]) for which, changes in trainings.items()}


def plain_training(inputs, repeat_weight=1.0):
    """The same pretraining as a loop over torch alone: losses, norms, weights."""
    rows = load_dataset(inputs["dataset"], split="train")
    windows, soft_masked = rows["input_ids"], rows["soft_masked"]
    transformers.set_seed(0)
    model = BertForMaskedLM(grover_config(609, "tiny", hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0))
    optimizer = torch.optim.AdamW(model.parameters(), lr=0, betas=(0.9, 0.99), eps=1e-6, weight_decay=0.0)
    batches = WholeBatches(np.array(list(map(len, windows))), BATCH, seed=0, group_by_length=True)
    losses, norms = [], []
    for step in range(N_STEPS):
        rate = step / WARMUP if step < WARMUP else (N_STEPS - step) / (N_STEPS - WARMUP)
        optimizer.param_groups[0]["lr"] = 1e-3 * rate
        epoch, first = step // 2, step % 2 * BATCH
        batches.set_epoch(epoch)
        numbers = [key % len(windows) for key in list(batches)[first : first + BATCH]]
        examples = [(windows[number], epoch, number) for number in numbers]
        batch = masked_batch(examples, vocab_size=609, seed=0, p_select=0.005, p_mask=0.8, p_random=0.1)
        labels = batch.pop("labels")
        scores = model(**batch).logits
        counts, weighted = 0.0, 0.0
        for row, column in (labels != -100).nonzero().tolist():
            weight = repeat_weight if soft_masked[numbers[row]][column - 1] else 1.0
            counts += weight
            weighted -= weight * torch.log_softmax(scores[row, column], 0)[labels[row, column]]
        loss = weighted / counts
        optimizer.zero_grad()
        loss.backward()
        norms.append(float(torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)))
        optimizer.step()
        losses.append(loss.item())
    return losses, norms, model.state_dict()


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "repeat_weight"), [("pretrain", 1.0), ("weighted", REPEAT_WEIGHT)])
def test_the_trainer_does_what_a_plain_loop_does(runs, windows, kind, repeat_weight):
    losses, norms, after = plain_training(windows, repeat_weight)
    run = runs[kind, (1, 1)]
    np.testing.assert_allclose(logged(run, "loss"), losses, rtol=LOSS_TOLERANCE)
    np.testing.assert_allclose(logged(run, "grad_norm"), norms, rtol=NORM_TOLERANCE)
    trained = weights(run)
    assert largest_difference(trained, {name: after[name] for name in trained}) < WEIGHTS_TOLERANCE


@pytest.mark.slow
def test_repeats_that_count_less_are_another_training_and_the_same_evaluation(runs):
    plain, weighted = (runs[kind, (1, 1)] for kind in ("pretrain", "weighted"))
    assert not np.allclose(logged(plain, "loss"), logged(weighted, "loss"), rtol=1e-4)
    for scores in (report_of(plain)["metrics"], report_of(weighted)["metrics"]):
        share = scores["share_in_repeats"]
        assert 0 < share < 1
        parts = share * np.log(scores["perplexity_in_repeats"])
        parts += (1 - share) * np.log(scores["perplexity_outside_repeats"])
        np.testing.assert_allclose(np.exp(parts), scores["perplexity"], rtol=1e-6)
    assert report_of(plain)["metrics"]["n_masked"] == report_of(weighted)["metrics"]["n_masked"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "layout"),
    [(kind, layout) for kind in VERBS for layout in (FEW_LAYOUTS if kind in ("begun", "weighted") else LAYOUTS)
     if layout != (1, 1)],
)
def test_a_batch_gives_the_same_steps_and_scores_however_it_is_shared(runs, kind, layout):
    one, other = runs[kind, (1, 1)], runs[kind, layout]
    assert len(logged(other, "loss")) == N_STEPS
    times = TIMES[kind]
    np.testing.assert_allclose(logged(other, "loss"), logged(one, "loss"), rtol=times * LOSS_TOLERANCE)
    np.testing.assert_allclose(logged(other, "grad_norm"), logged(one, "grad_norm"), rtol=times * NORM_TOLERANCE)
    assert largest_difference(weights(one), weights(other)) < times * WEIGHTS_TOLERANCE
    assert report_of(other)["processes"] == layout[0]
    scores, expected = report_of(other)["metrics"], report_of(one)["metrics"]
    assert scores.keys() == expected.keys()
    for name in expected:
        np.testing.assert_allclose(scores[name], expected[name], rtol=1e-4, err_msg=name)
    if kind == "finetune":
        first, second = read_predictions(one), read_predictions(other)
        np.testing.assert_allclose(first.probabilities, second.probabilities, atol=1e-5)


def test_the_first_steps_are_those_that_are_kept(inputs, tmp_path):
    # Other processors add in another order; ten steps make of 1e-7 no more than this.
    kept = json.loads(GOLDEN.read_text())[of_these_transformers()]
    assert kept["recipe"] == RECIPE
    found = trajectory(inputs, tmp_path / "run")
    np.testing.assert_allclose(found["loss"], kept["loss"], rtol=1e-4)
    np.testing.assert_allclose(found["grad_norm"], kept["grad_norm"], rtol=1e-3)
    for name in ("perplexity", "bits_per_base"):
        np.testing.assert_allclose(found[name], kept[name], rtol=1e-3)
    assert found["n_masked"] == kept["n_masked"]
