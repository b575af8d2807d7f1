import doctest
import importlib
import socket
import sys
from pathlib import Path

import evaluate
import numpy as np
import pytest
import torch
import yaml
from sklearn import metrics as sk

from grover_hf.errors import InputError
from grover_hf.metrics.classification import bootstrap_intervals, classification_metrics
from grover_hf.metrics.dna_classification import DnaClassification
from grover_hf.metrics.masked_token import masked_token_metrics
from grover_hf.metrics.masked_token_accuracy import MaskedTokenAccuracy
from grover_hf.tokenization.special_tokens import SPECIAL_TOKENS

ROOT = Path(__file__).parents[2] / "grover_hf/metrics"
CLASSES = {"dna_classification": DnaClassification, "masked_token_accuracy": MaskedTokenAccuracy}
# 20 tokens beside the specials: 10 % are the top 2.
TOKENS = [*SPECIAL_TOKENS, "A", "C", "TA", "CAGT", *("ACG" + last for last in "ACGT" * 4)]


@pytest.fixture(scope="module", autouse=True)
def modules_cache(tmp_path_factory):
    """Where evaluate copies modules to, of the run's own; it has read its environment by now."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(evaluate.config, "HF_MODULES_CACHE", tmp_path_factory.mktemp("modules"))
        patch.setattr(sys, "path", sys.path[:])
        yield
    for name in [name for name in sys.modules if name.split(".")[0] == "evaluate_modules"]:
        del sys.modules[name]


@pytest.fixture(autouse=True)
def metrics_cache(tmp_path, monkeypatch):
    """Where evaluate keeps rows: one a test, for it waits a second for the lock of another metric's."""
    monkeypatch.setattr(evaluate.config, "HF_METRICS_CACHE", tmp_path / "metrics")


@pytest.fixture(params=["imported", "loaded by path"])
def make(request, monkeypatch):
    """Make a metric by name, in both ways that there are."""
    if request.param == "imported":
        return lambda name: CLASSES[name]()

    def no_network(*args):
        raise AssertionError("a metric is loaded without network")

    monkeypatch.setattr(socket.socket, "connect", no_network)
    return lambda name: evaluate.load(str(ROOT / name))


def random_task(n_classes, n=300):
    """Labels and logits that know something of them."""
    rng = np.random.default_rng(n_classes)
    labels = rng.integers(0, n_classes, n)
    return labels, rng.normal(0, 2, (n, n_classes)) + 2 * np.eye(n_classes)[labels]


@pytest.mark.parametrize("n_classes", [2, 3, 5])
def test_scores_of_logits_are_those_of_scikit_learn(make, n_classes):
    labels, logits = random_task(n_classes)
    found = make("dna_classification").compute(predictions=logits, references=labels)
    probabilities = torch.from_numpy(logits).softmax(1).numpy()
    predicted = logits.argmax(1)
    average = "binary" if n_classes == 2 else "macro"
    of_class = [1] if n_classes == 2 else range(n_classes)
    assert found == pytest.approx(
        {
            "mcc": sk.matthews_corrcoef(labels, predicted),
            "accuracy": sk.accuracy_score(labels, predicted),
            "f1": sk.f1_score(labels, predicted, average=average),
            "precision": sk.precision_score(labels, predicted, average=average),
            "recall": sk.recall_score(labels, predicted, average=average),
            "auroc": np.mean([sk.roc_auc_score(labels == c, probabilities[:, c]) for c in of_class]),
            "auprc": np.mean([sk.average_precision_score(labels == c, probabilities[:, c]) for c in of_class]),
        }
    )


def test_probabilities_are_scored_as_they_are(make):
    labels, logits = random_task(3)
    probabilities = torch.from_numpy(logits).softmax(1).numpy()
    found = make("dna_classification").compute(
        predictions=probabilities, references=labels, from_logits=False
    )
    assert found == classification_metrics(labels, probabilities)


def test_batches_rows_and_all_at_once_score_alike(make):
    labels, logits = random_task(3, n=40)
    metric = make("dna_classification")
    at_once = metric.compute(predictions=logits, references=labels)
    for first in range(0, 40, 16):
        part = slice(first, first + 16)
        metric.add_batch(predictions=logits[part], references=labels[part])
    by_batch = metric.compute()
    for row, label in zip(logits.tolist(), labels.tolist(), strict=True):
        metric.add(prediction=row, reference=label)
    assert at_once == by_batch == metric.compute()


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_tensors_that_numpy_cannot_read_are_taken(dtype):
    labels, logits = random_task(2, n=40)
    rows = torch.from_numpy(logits).to(dtype).requires_grad_()
    metric = DnaClassification()
    expected = metric.compute(predictions=rows.detach().double().numpy(), references=labels)
    assert metric.compute(predictions=rows, references=torch.from_numpy(labels)) == expected
    for row, label in zip(rows, torch.from_numpy(labels), strict=True):
        metric.add(prediction=row, reference=label)
    assert metric.compute() == expected


def test_intervals_are_those_of_the_bootstrap_with_that_seed(make):
    labels, logits = random_task(2)
    found = make("dna_classification").compute(
        predictions=logits, references=labels, confidence_intervals=True, seed=3
    )
    probabilities = torch.from_numpy(logits).softmax(1).numpy()
    expected = bootstrap_intervals(labels, probabilities, rng=np.random.default_rng(3))
    assert {name: tuple(found[f"{name}_ci95"]) for name in expected} == expected


def test_softmax_of_large_logits_is_finite_and_keeps_their_order():
    found = DnaClassification().compute(predictions=[[1e4, 1e4 - 2], [-1e4, 1 - 1e4]], references=[0, 1])
    assert found["auroc"] == found["mcc"] == 1


def test_logits_keep_their_double_precision():
    near = 1 + 1e-12
    assert DnaClassification().compute(predictions=[[1, near], [near, 1]], references=[1, 0])["mcc"] == 1


@pytest.mark.parametrize(
    ("predictions", "references", "message"),
    [
        ([[np.nan, 1.0], [0.5, 0.5]], [0, 1], r"predictions has 1 of 2 rows that are not finite .* row 0: \[nan"),
        ([[0.5, 0.5], [np.inf, 0.5]], [0, 1], "the first is row 1"),
        ([[0.5, None], [0.5, 0.5]], [0, 1], "not finite numbers"),
        ([0.1, 0.9], [0, 1], r"predictions has shape \(2,\); it must be one row of numbers"),
        (np.zeros((2, 2, 2)), [0, 1], r"predictions has shape \(2, 2, 2\)"),
        ([[0.5, 0.5], [0.5]], [0, 1], "predictions must be one row of numbers, equally many"),
        (["promoter", "other"], [0, 1], "could not convert string"),
        (None, [0, 1], "predictions is missing; give one row of numbers"),
        ([[0.5, 0.5], [0.5, 0.5]], [[0], [1]], r"references has shape \(2, 1\); it must be one number a row"),
        ([[0.5, 0.5], [0.5, 0.5]], [0, 0.5], "references has 0.5; it must be whole numbers"),
        ([[0.5, 0.5], [0.5, 0.5]], [0, 1, 1], "There are 2 of predictions, 3 of references"),
        ([[0.5, 0.5], [0.5, 0.5]], [0, 2], "labels go from 0 to 2; there are 2 classes"),
        ([[0.5, 0.5], [0.5, 0.5]], [-100, 1], "labels go from -100 to 1"),
        ([[0.5, 0.5], [0.5, 0.5]], [1, 1], "AUROC has no value"),
        ([[0.5], [0.2]], [0, 1], "2 rows of predictions, with 1 numbers each"),
        ([], [], "0 rows of predictions"),
    ],
)
def test_what_cannot_be_classified_says_why(predictions, references, message):
    with pytest.raises(InputError, match=message):
        DnaClassification().compute(predictions=predictions, references=references)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([[0.4, 0.6], [-0.1, 1.1]], "row 1 of predictions has the probability -0.1"),
        ([[0.4, 0.6], [0.4, 0.602]], "row 1 of predictions sums to 1.002 instead of 1.*leave out from_logits"),
    ],
)
def test_what_are_no_probabilities_is_refused(rows, message):
    with pytest.raises(InputError, match=message):
        DnaClassification().compute(predictions=rows, references=[0, 1], from_logits=False)


def test_batches_of_different_numbers_of_classes_are_refused():
    metric = DnaClassification()
    metric.add_batch(predictions=[[0.1, 0.9]], references=[1])
    metric.add_batch(predictions=[[0.1, 0.2, 0.7]], references=[0])
    with pytest.raises(InputError, match="equally many"):
        metric.compute()


def test_a_refused_batch_leaves_the_others(make):
    labels, logits = random_task(2)
    expected = DnaClassification().compute(predictions=logits, references=labels)
    metric = make("dna_classification")
    metric.add_batch(predictions=logits, references=labels)
    with pytest.raises(InputError):
        metric.add_batch(predictions=[[0.0, 1.0], [np.nan, 1.0]], references=[1, 0])
    assert metric.compute() == expected


def test_after_an_error_the_metric_starts_anew():
    labels, logits = random_task(2)
    expected = DnaClassification().compute(predictions=logits, references=labels)
    metric = DnaClassification()
    with pytest.raises(InputError):
        metric.compute(predictions=[[0.0, 1.0]], references=[1])
    assert metric.compute(predictions=logits, references=labels) == expected


def masked_tokens(n=400):
    """Logits over the tokens that are not special, and the true ones among them."""
    rng = np.random.default_rng(0)
    true = rng.integers(0, len(TOKENS) - len(SPECIAL_TOKENS), n)
    return true, rng.normal(0, 1, (n, 20)) + np.eye(20)[true]


def test_scores_of_masked_tokens_are_those_of_scikit_learn(make):
    true, logits = masked_tokens()
    p = torch.from_numpy(logits).softmax(1).numpy()
    p_true = p[np.arange(len(true)), true]
    metric = make("masked_token_accuracy")
    for part in (slice(0, 150), slice(150, None)):
        metric.add_batch(
            nll=-np.log(p_true[part]), rank=(p > p_true[:, None]).sum(1)[part],
            references=true[part] + len(SPECIAL_TOKENS),
        )
    found = metric.compute(tokens=TOKENS)
    n_bases = sum(len(TOKENS[token]) for token in true + len(SPECIAL_TOKENS))
    in_nats = sk.log_loss(true, p, labels=range(20))
    assert found["accuracy"] == sk.accuracy_score(true, p.argmax(1))
    assert found["accuracy_top_10_percent"] == sk.top_k_accuracy_score(true, p, k=2)
    assert found["perplexity"] == pytest.approx(np.exp(in_nats))
    assert found["bits_per_base"] == pytest.approx(in_nats / np.log(2) * len(true) / n_bases)


def test_masked_tokens_one_by_one_score_as_the_function_does(make):
    nll, rank, true = np.log([2.0, 4.0, 8.0, 2.0]), np.array([0, 1, 2, 0]), np.array([5, 7, 8, 8])
    metric = make("masked_token_accuracy")
    for row in zip(nll, rank, true, strict=True):
        metric.add(**dict(zip(("nll", "rank", "reference"), row, strict=True)))
    lengths = np.array([0] * 5 + [len(token) for token in TOKENS[5:]])
    assert metric.compute(tokens=TOKENS) == masked_token_metrics(nll, rank, true, lengths)


def test_nothing_masked_says_so(make):
    found = make("masked_token_accuracy").compute(nll=[], rank=[], references=[], tokens=TOKENS)
    assert found == {"n_masked": 0}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"nll": [np.nan, 1.0]}, "nll has 1 of 2 rows that are not finite numbers"),
        ({"nll": [-0.7, -1.0]}, "nll has -1; give -log p"),
        ({"nll": [[0.7], [1.0]]}, r"nll has shape \(2, 1\)"),
        ({"nll": [0.7]}, "There are 1 of nll, 2 of rank, 2 of references"),
        ({"rank": [0, 1.5]}, "rank has 1.5; it must be whole numbers"),
        ({"rank": [0, 25]}, "rank has 25; with these tokens it goes from 0 to 24"),
        ({"rank": [0, -1]}, "rank has -1"),
        ({"references": [5, -100]}, "references has -100; .* from 5 to 24. Leave out .* not masked"),
        ({"references": [5, 4]}, "references has 4"),
        ({"references": [5, 25]}, "references has 25"),
        ({"tokens": None}, "tokens is missing"),
        ({"tokens": TOKENS[5:]}, "20 tokens and starts with A, C, TA, CAGT, .* must start with .PAD., .UNK."),
        ({"tokens": SPECIAL_TOKENS}, "has 5 tokens"),
    ],
)
def test_masked_tokens_that_cannot_be_scored_say_why(change, message):
    given = {"nll": [0.7, 1.0], "rank": [0, 1], "references": [5, 6], "tokens": TOKENS} | change
    with pytest.raises(InputError, match=message):
        MaskedTokenAccuracy().compute(**given)


def test_rounding_below_zero_is_no_error():
    metric = MaskedTokenAccuracy()
    assert metric.compute(nll=[-1e-6], rank=[0], references=[5], tokens=TOKENS)["n_masked"] == 1


@pytest.mark.parametrize("name", CLASSES)
def test_the_examples_of_the_class_are_true(name):
    result = doctest.testmod(importlib.import_module(f"grover_hf.metrics.{name}.{name}"))
    assert result.attempted
    assert not result.failed


@pytest.mark.parametrize("name", CLASSES)
def test_the_examples_of_the_card_are_true(name):
    text = (ROOT / name / "README.md").read_text()
    examples = doctest.DocTestParser().get_doctest(text, {}, name, None, 0)
    assert examples.examples
    assert not doctest.DocTestRunner().run(examples).failed


@pytest.mark.parametrize("name", CLASSES)
def test_the_card_says_what_the_class_says(name):
    _, front_matter, text = (ROOT / name / "README.md").read_text().split("---\n", 2)
    metric = CLASSES[name]()
    facts = yaml.safe_load(front_matter)
    assert facts["tags"] == ["evaluate", "metric"]
    assert facts["description"] == metric.description
    assert f"```bibtex\n{metric.citation}\n```" in text
    for feature in metric.features:
        assert f"**`{feature}`**" in text
    headings = {line.lstrip("# ") for line in text.splitlines() if line.startswith("##")}
    assert headings == {
        "Metric description", "How to use", "Inputs", "Output values", "Limitations", "Citation",
    }
