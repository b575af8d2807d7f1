"""Weights to begin with: what each is said to do at the start, from the attention to the predictions."""

import itertools
import json
import math
import shutil
import subprocess
import sys

import numpy as np
import pytest
import torch
import transformers
from safetensors.torch import load_file
from transformers import BertForMaskedLM

from grover_hf import DnaModel
from grover_hf.baselines.neighbour_counts import count_pairs
from grover_hf.corpus.facts import choose_config
from grover_hf.corpus.window_store import open_windows
from grover_hf.errors import InputError
from grover_hf.model import grover_config
from grover_hf.tokenization.export import load_encoder
from grover_hf.tokenization.special_tokens import CLS_ID, MASK_ID, N_SPECIAL, SEP_ID
from tests.training.launches import COUNTS, STOCK, weights
from training import initialization
from training.initialization import (
    begin_with_pairs,
    fit_pairs,
    head_offsets,
    look_at_neighbours,
    predict_frequencies,
    rank_of_pairs,
    weight_std,
)
from training.masked_model import begin, new_masked_model
from training.pretrain import pretrain

SHAPES = [
    pytest.param("tiny", {}, id="2 heads of 64"),
    pytest.param("small", {}, id="4 heads of 64"),
    pytest.param("small", {"num_attention_heads": 8}, id="8 heads of 32"),
    pytest.param("base", {"num_hidden_layers": 2}, id="12 heads of 64"),
]


def new_model(vocab_size, size="small", **changes):
    config = grover_config(vocab_size, size, tie_word_embeddings=False, attn_implementation="eager", **changes)
    config.initializer_range = weight_std(config.hidden_size)
    torch.manual_seed(0)
    return BertForMaskedLM(config).eval()


def chain(n_types, n_tokens, seed=0):
    """Return tokens of a Markov chain, as ids; each type is mostly followed by few others."""
    rng = np.random.default_rng(seed)
    cumulative = rng.dirichlet(np.full(n_types, 0.1), n_types).cumsum(1)
    tokens = [0]
    for uniform in rng.random(n_tokens):
        tokens.append(min(n_types - 1, int(np.searchsorted(cumulative[tokens[-1]], uniform))))
    return np.array(tokens[1:]) + N_SPECIAL


def counted(tokens, vocab_size):
    return count_pairs(tokens.astype(np.uint16), np.array([0, len(tokens)]), vocab_size)


def masked_nll(model, tokens, length=100):
    """Return the mean loss at a [MASK] in the middle of each stretch, with all else seen."""
    x = torch.from_numpy(tokens[: len(tokens) // length * length].reshape(-1, length))
    truth = x[:, length // 2].clone()
    x[:, length // 2] = MASK_ID
    ends = torch.tensor([[CLS_ID], [SEP_ID]]).expand(2, len(x))
    with torch.no_grad():
        logits = model(torch.cat([ends[0][:, None], x, ends[1][:, None]], 1)).logits[:, length // 2 + 1]
    return float(torch.nn.functional.cross_entropy(logits, truth))


def test_pairs_are_those_of_a_slow_count_and_none_spans_two_windows():
    rng = np.random.default_rng(0)
    tokens, borders = rng.integers(0, 9, 500).astype(np.uint16), np.array([0, 1, 40, 40, 300, 500])
    singles, pairs = count_pairs(tokens, borders, 9)
    expected = np.zeros((9, 9), np.int64)
    for first, end in itertools.pairwise(borders):
        for left, right in itertools.pairwise(tokens[first:end]):
            expected[left, right] += 1
    np.testing.assert_array_equal(pairs, expected)
    np.testing.assert_array_equal(singles, np.bincount(tokens, minlength=9))


@pytest.mark.parametrize("length", [3, 510])
@pytest.mark.parametrize(("size", "changes"), SHAPES)
@pytest.mark.parametrize("counts", [False, True], ids=["heads", "counts"])
def test_each_head_attends_to_its_neighbour(size, changes, length, counts):
    model = new_model(59, size, **changes)
    rng = np.random.default_rng(0)
    if counts:
        begin_with_pairs(model, *counted(rng.integers(N_SPECIAL, 59, 20_000), 59), seed=0)
    else:
        look_at_neighbours(model)
    x = rng.integers(N_SPECIAL, 59, length + 2)
    x[rng.random(len(x)) < 0.15] = MASK_ID
    x[0], x[-1] = CLS_ID, SEP_ID
    with torch.no_grad():
        attention = model.bert(torch.from_numpy(x)[None], output_attentions=True).attentions[0][0]
    for head, offset in enumerate(head_offsets(len(attention))):
        if abs(offset) <= length:
            assert attention[head].diagonal(offset).min() > 0.9, (head, offset)


def test_a_fit_reaches_the_conditional_entropy_where_its_rank_allows_it():
    rng = np.random.default_rng(0)
    joint = np.exp(rng.normal(size=(40, 3)) @ rng.normal(size=(3, 40)))
    counts = rng.poisson(2_000_000 * joint / joint.sum())
    p = counts / counts.sum()
    entropy = -(p * np.log(np.where(p, p / p.sum(1, keepdims=True), 1))).sum()

    def loss(rank):
        context, target = fit_pairs(counts, rank, seed=0)
        bias = torch.from_numpy(np.log(counts.sum(0) / counts.sum()))
        return float(-(torch.from_numpy(p) * (context @ target.T + bias).log_softmax(1)).sum())

    # Its bias is fixed, so that the rank is one more.
    assert loss(4) < entropy + 0.003
    assert loss(1) > entropy + 0.05


def test_a_fit_to_some_contexts_at_a_time_is_nearly_that_to_all(monkeypatch):
    singles, pairs = counted(chain(200, 300_000), 209)
    bias = torch.from_numpy(np.log((singles + 1) / (singles + 1).sum()))

    def loss():
        context, target = fit_pairs(pairs, 20, seed=0)
        said = (context @ target.T + bias).log_softmax(1)
        return float(-(torch.from_numpy(pairs / pairs.sum()) * said).sum())

    whole = loss()
    monkeypatch.setattr(initialization, "_MOST_CONTEXTS", 60)
    frequency = float(-(torch.from_numpy(pairs.sum(0) / pairs.sum()) * bias).sum())
    assert whole < loss() < whole + 0.05 * (frequency - whole)


def test_a_start_from_few_tokens_is_not_far_worse_than_token_frequency():
    tokens = np.random.default_rng(0).integers(N_SPECIAL, 609, 22_000)
    singles, pairs = counted(tokens[:20_000], 609)
    model = new_model(609, "small")
    begin_with_pairs(model, singles, pairs, seed=0)
    # Of tokens that follow each other at random nothing can be known; pairs seem to say much.
    assert masked_nll(model, tokens[20_000:], length=50) < math.log(604) + 0.5


@pytest.mark.parametrize("size", ["tiny", "small"])
def test_the_start_knows_what_both_neighbours_say(size):
    tokens = chain(50, 160_000)
    singles, pairs = counted(tokens[:150_000], 59)
    model = new_model(59, size)
    begin_with_pairs(model, singles, pairs, seed=0)
    nll = masked_nll(model, tokens[150_000:], length=50)
    # What a chain's middle token has, by the table that its pairs make.
    p = (pairs + 1e-3)[N_SPECIAL:, N_SPECIAL:]
    p = p / p.sum(1, keepdims=True)
    test = tokens[150_000:] - N_SPECIAL
    product = p[test[:-2]] * p[:, test[2:]].T
    table = -np.log((product / product.sum(1, keepdims=True))[np.arange(len(product)), test[1:-1]]).mean()
    frequency = -np.log((singles + 1)[tokens[150_000:]] / singles.sum()).mean()
    assert frequency - table > 1.5
    # Attention that is not quite at the neighbours, and a rank below that of the pairs.
    assert nll < table + 0.15 * (frequency - table)


def test_all_but_the_two_heads_adds_nothing_yet():
    model = new_model(59)
    begin_with_pairs(model, *counted(chain(50, 20_000), 59), seed=0)
    x = torch.from_numpy(np.random.default_rng(0).integers(N_SPECIAL, 59, (2, 50)))
    with torch.no_grad():
        states = model.bert(x, output_hidden_states=True).hidden_states
        head = model.cls.predictions.transform(states[-1])
    for later in states[2:]:
        torch.testing.assert_close(later, states[1], rtol=0, atol=1e-5)
    # Nor does the head: GELU is the identity there, but for what lies four deviations below the mean.
    torch.testing.assert_close(head * 3, states[1], rtol=0, atol=0.05)


def test_the_output_bias_is_the_logarithm_of_the_frequencies():
    model = new_model(7)
    predict_frequencies(model, np.array([0, 1, 2, 3, 4, 5, 6]))
    torch.testing.assert_close(model.get_output_embeddings().bias.exp(), torch.arange(1, 8) / 28)


@pytest.mark.parametrize("changes", [{"hidden_size": 16, "num_attention_heads": 2}, {"num_attention_heads": 1}])
def test_a_model_too_narrow_for_pairs_is_refused(changes):
    with pytest.raises(InputError, match="needs two heads and a wider model"):
        rank_of_pairs(grover_config(609, "tiny", **changes))


def test_stock_is_what_transformers_makes(recipe):
    stock = recipe()
    encoder = load_encoder(stock.tokenizer)
    model = new_masked_model(stock, encoder)
    begin(model, stock, None)
    transformers.set_seed(stock.seed)
    config = grover_config(len(encoder.tokens), "tiny", hidden_dropout_prob=0, attention_probs_dropout_prob=0)
    for name, tensor in BertForMaskedLM(config).state_dict().items():
        assert torch.equal(model.state_dict()[name], tensor), name


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"initialization": "kaiming"}, "initialization is 'kaiming'; it is stock, neighbour_heads, neighbour_co"),
        ({"initialization": "neighbour_counts"}, "neighbour_counts needs tie_embeddings: false"),
        ({**COUNTS, "init_from": "x"}, "leave initialization out"),
        ({"architecture": "modernbert", **COUNTS}, "initialization neighbour_counts is for architecture bert"),
        ({"architecture": "hyena", "initialization": "stock"}, "hyena"),
        ({"initialization": "stock", "init_from": "nowhere"}, "^init_from is nowhere, which has no config.json"),
    ],
)
def test_what_cannot_be_begun_with_is_refused(recipe, tmp_path, changes, message):
    with pytest.raises(InputError, match=message):
        pretrain(recipe(**changes))
    assert not (tmp_path / "run").exists()


def test_a_training_begins_at_the_level_of_its_counts_and_far_below_stock(recipe, inputs, tmp_path):
    still = {"max_steps": 1, "learning_rate": 0.0, "warmup_steps": 0, "overwrite": True, "eval_windows": None}
    stock = pretrain(recipe(**still, **STOCK)).metrics["perplexity"]
    heads = pretrain(
        recipe(**still, initialization="neighbour_heads", tie_embeddings=False)
    ).metrics["perplexity"]
    counts = pretrain(recipe(**still, **COUNTS)).metrics["perplexity"]
    _, facts = choose_config(inputs["dataset"], None)
    train = open_windows(inputs["dataset"], facts)["train"].input_ids
    p = np.bincount(train) / len(train)
    n_likely_types = math.exp(-(p[p > 0] * np.log(p[p > 0])).sum())
    assert counts < heads < stock
    assert counts < n_likely_types


@pytest.mark.parametrize("tied", [True, False])
def test_a_run_begins_with_given_weights(recipe, tmp_path, tied):
    stock = {"initialization": "stock", "tie_embeddings": tied}
    pretrain(recipe(output=str(tmp_path / "first"), max_steps=2, **stock))
    given = str(tmp_path / "first" / "model")
    pretrain(recipe(init_from=given, max_steps=1, warmup_steps=0, learning_rate=0.0, **stock))
    given, begun = weights(tmp_path / "first"), weights(tmp_path / "run")
    assert given.keys() == begun.keys()
    assert all(torch.equal(given[name], begun[name]) for name in given)


@pytest.mark.parametrize(
    ("changes", "model_class"),
    [
        ({"architecture": "modernbert"}, transformers.ModernBertForMaskedLM),
        ({"architecture": "modernbert", "tie_embeddings": False}, transformers.ModernBertForMaskedLM),
        (COUNTS, BertForMaskedLM),
    ],
    ids=["modernbert", "modernbert, not tied", "neighbour counts"],
)
def test_a_training_that_was_stopped_goes_on_bit_for_bit_and_loads_by_auto_model(
    recipe, tmp_path, changes, model_class
):
    changes = {**changes, "save_steps": 2}
    pretrain(recipe(**changes))
    whole = weights(tmp_path / "run")
    shutil.rmtree(tmp_path / "run" / "model")
    shutil.rmtree(tmp_path / "run" / "checkpoints" / "checkpoint-4")
    (tmp_path / "run" / "metrics.json").unlink()
    pretrain(recipe(**changes, resume=True))
    again = weights(tmp_path / "run")
    assert whole.keys() == again.keys()
    assert all(torch.equal(whole[name], again[name]) for name in whole)
    model = transformers.AutoModelForMaskedLM.from_pretrained(tmp_path / "run" / "model")
    assert type(model) is model_class
    assert model.config.tie_word_embeddings is changes.get("tie_embeddings", True)
    dna = DnaModel.from_pretrained(tmp_path / "run" / "model", device="cpu")
    assert dna.embed(["ACGTACGTTTAACC"]).shape == (1, 128)


def test_weights_of_another_vocabulary_size_or_output_are_refused(recipe, tmp_path):
    pretrain(recipe(output=str(tmp_path / "first"), max_steps=1, warmup_steps=0, **STOCK))
    model = tmp_path / "first" / "model"
    for changes, message in (
        ({"size": "small"}, "has hidden_size 128; this recipe has 256"),
        ({"tie_embeddings": False}, "has tie_word_embeddings True; this recipe has False"),
    ):
        with pytest.raises(InputError, match=message):
            pretrain(recipe(init_from=str(model), **{**STOCK, **changes}))
    tokenizer = json.loads((model / "tokenizer.json").read_text())
    merges = tokenizer["model"]["merges"]
    last = "".join(merges.pop()) if isinstance(merges[-1], list) else merges.pop().replace(" ", "")
    del tokenizer["model"]["vocab"][last]
    (model / "tokenizer.json").write_text(json.dumps(tokenizer))
    with pytest.raises(InputError, match="the tokenizer of this training"):
        pretrain(recipe(init_from=str(model), **STOCK))


@pytest.mark.slow
def test_a_model_with_an_output_embedding_of_its_own_loads_without_this_package(recipe, tmp_path):
    pretrain(recipe(**COUNTS))
    folder = tmp_path / "run" / "model"
    stored = load_file(folder / "model.safetensors")
    # Transformers 5 reads the one, version 4 the other.
    assert torch.equal(stored["cls.predictions.bias"], stored["cls.predictions.decoder.bias"])
    x = torch.tensor([[CLS_ID, 9, MASK_ID, 12, 6, SEP_ID]])
    script = (
        "import sys, torch, transformers\n"
        "model = transformers.AutoModelForMaskedLM.from_pretrained(sys.argv[1]).eval()\n"
        f"torch.save(model(torch.tensor({x.tolist()})).logits.detach(), sys.argv[2])\n"
        "assert not any(name.startswith(('grover_hf', 'training')) for name in sys.modules)\n"
    )
    subprocess.run(
        [sys.executable, "-c", script, folder, tmp_path / "logits.pt"], check=True, cwd=tmp_path,
    )
    with torch.no_grad():
        ours = BertForMaskedLM.from_pretrained(folder).eval()(x).logits
    torch.testing.assert_close(torch.load(tmp_path / "logits.pt"), ours, rtol=0, atol=0)
