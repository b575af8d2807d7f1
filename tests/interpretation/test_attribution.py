"""Attributions add up, equal what a person computes by hand, and are the same on either strand."""

from collections import Counter
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
import torch

from grover_hf import DnaModel, InputError, Interval, ReferenceGenome
from grover_hf.corpus.strand_tokens import StrandTokens
from grover_hf.genome.letters import reverse_complement
from grover_hf.inference.genome_models import encoder_of
from grover_hf.interpretation.attribution.attention import (
    attention_weights,
    compute_attention_eagerly,
    received_attention,
)
from grover_hf.interpretation.attribution.background import background_of
from grover_hf.interpretation.attribution.classes import class_labels, class_log_odds, log_odds
from grover_hf.interpretation.attribution.gradients import integrated_gradients
from grover_hf.interpretation.attribution.methods import ExpectedBases, Gradients, Opened, Substitutions
from grover_hf.interpretation.attribution.mutagenesis import information
from grover_hf.interpretation.attribution.one_window import one_window
from grover_hf.interpretation.attribution.regions import Region, spread_to_bases, sum_over_bases, tokens_of
from grover_hf.interpretation.attribution.writing import AttributionPlan, write_attributions
from grover_hf.tokenization.special_tokens import N_SPECIAL
from tests.tiny_models import random_dna, save, tiny_classifier, tiny_masked_model, tiny_tokenizer

SEQUENCE = random_dna(150)
SIZE = len(SEQUENCE)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("inputs")
    (folder / "g.fa").write_text(f">c\n{SEQUENCE}\n>n\n{'N' * 40}{SEQUENCE[:40]}\n")
    (folder / "turned.fa").write_text(f">c\n{reverse_complement(SEQUENCE)}\n")
    (folder / "r.bed").write_text("c\t60\t72\tone\t0\t+\nn\t50\t62\ttwo\t0\t-\nc\t20\t30\tthree\t0\t+\n")
    save(folder / "model", tiny_masked_model())
    save(folder / "classifier", tiny_classifier())
    return folder


def opened(folder, model, genome="g.fa"):
    dna = DnaModel.from_pretrained(folder / model, device="cpu")
    return Opened(dna, encoder_of(dna, model), ReferenceGenome(folder / genome))


def region(start, end, strand="+", chrom="c"):
    return Region(0, "", Interval(chrom, start, end, strand))


class LinearForSequenceClassification(torch.nn.Module):
    """A classifier whose logits are sums over the tokens: the log-odds of one of two classes are linear."""

    device = torch.device("cpu")

    def __init__(self):
        super().__init__()
        torch.manual_seed(2)
        self.embedding = torch.nn.Embedding(17, 6)
        self.weights = torch.nn.Parameter(torch.randn(6, 2))
        self.config = tiny_classifier(id2label={0: "no", 1: "yes"}, num_labels=2).config

    def get_input_embeddings(self):
        return self.embedding

    def forward(self, input_ids, attention_mask=None):
        return SimpleNamespace(logits=self.embedding(input_ids).sum(1) @ self.weights)


def test_integrated_gradients_of_a_linear_classifier_are_weights_times_inputs(folder):
    model = LinearForSequenceClassification()
    dna = DnaModel(model, tiny_tokenizer())
    of_genome = opened(folder, "classifier")
    tokens = tokens_of(region(60, 72), of_genome.genome, of_genome.encoder)
    found = integrated_gradients(dna, one_window(dna, tokens, "here"), 1, n_steps=3)
    weights = (model.weights[:, 1] - model.weights[:, 0]).detach()
    vectors = model.embedding(torch.from_numpy(tokens.input_ids.astype(np.int64))).detach()
    masked = model.embedding(torch.tensor(dna.tokenizer.mask_token_id)).detach()
    np.testing.assert_allclose(found.values, ((vectors - masked) @ weights).numpy(), atol=1e-5)
    assert found.values.sum() == pytest.approx(found.score - found.baseline, abs=1e-4)


def test_integrated_gradients_add_up_to_the_change_in_log_odds(folder):
    of_model = opened(folder, "classifier")
    found = Gradients(of_model, label="weak", n_steps=256).of_region(region(20, 30))
    summary = found.summary
    change = summary["log_odds"] - summary["log_odds_of_masks"]
    assert abs(change) > 0.1
    assert found.token_values.sum() == pytest.approx(change, abs=0.02)
    assert summary["delta"] == pytest.approx(found.token_values.sum() - change, abs=1e-4)
    # The score is that of the model's own answer.
    tokens = tokens_of(region(20, 30), of_model.genome, of_model.encoder)
    scores = {answer["label"]: answer["score"] for answer in of_model.dna.classify([tokens])[0]}
    assert summary["log_odds"] == pytest.approx(np.log(scores["weak"] / (1 - scores["weak"])), abs=1e-4)


def test_the_class_is_the_most_probable_one_unless_another_is_named(folder):
    of_model = opened(folder, "classifier")
    tokens = tokens_of(region(60, 72), of_model.genome, of_model.encoder)
    best = of_model.dna.classify([tokens])[0][0]["label"]
    assert Gradients(of_model, label=None, n_steps=4).of_region(region(60, 72)).summary["class"] == best
    assert Substitutions(of_model, label="weak").of_region(region(60, 62)).summary["class"] == "weak"


def test_log_odds_are_those_of_the_probabilities(folder):
    logits = torch.tensor([[1.0, -2.0, 0.5]])
    p = logits.softmax(1)[0, 2]
    assert log_odds(logits, 2).item() == pytest.approx(float(torch.log(p / (1 - p))), abs=1e-6)
    of_model = opened(folder, "classifier")
    labels = class_labels(of_model.dna)
    tokens = tokens_of(region(60, 72), of_model.genome, of_model.encoder)
    scores = {answer["label"]: answer["score"] for answer in of_model.dna.classify([tokens])[0]}
    expected = [np.log(scores[label] / (1 - scores[label])) for label in labels]
    np.testing.assert_allclose(class_log_odds(of_model.dna, [tokens], labels)[0], expected, rtol=1e-6)


def test_a_token_s_bases_share_its_value_and_add_up_to_it(folder):
    of_model = opened(folder, "model")
    for strand in "+-":
        tokens = tokens_of(region(60, 72, strand), of_model.genome, of_model.encoder)
        values = np.arange(1.0, 1 + len(tokens.input_ids))
        positions, of_bases = spread_to_bases(tokens, values)
        assert (np.diff(positions) == (1 if strand == "+" else -1)).all()
        np.testing.assert_allclose(sum_over_bases(tokens, positions, of_bases), values)
        letters = "".join(SEQUENCE[position] for position in positions)
        spelled = "".join(of_model.encoder.tokens[token] for token in tokens.input_ids)
        assert spelled == (letters if strand == "+" else reverse_complement(letters[::-1]))


def test_attention_is_the_model_s_own_and_rows_add_up_to_one(folder):
    of_model = opened(folder, "model")
    compute_attention_eagerly(of_model.dna)
    window = one_window(of_model.dna, tokens_of(region(60, 72), of_model.genome, of_model.encoder), "here")
    with torch.inference_mode():
        own = of_model.dna.model(**window.inputs, output_attentions=True).attentions
    for layer, expected in ((1, own[0]), (-1, own[1])):
        weights = attention_weights(of_model.dna, window, layer=layer)
        np.testing.assert_allclose(weights.sum(1), 1, atol=1e-6)
        np.testing.assert_allclose(weights, expected[0].mean(0), atol=1e-6)
    received = received_attention(weights, window.own)
    assert received.values.sum() + received.special == pytest.approx(1)
    np.testing.assert_allclose(received.values, np.mean([row[1:-1] for row in weights[1:-1]], 0))


def test_the_rollout_multiplies_the_layers_with_half_of_each_token_itself(folder):
    of_model = opened(folder, "model")
    compute_attention_eagerly(of_model.dna)
    window = one_window(of_model.dna, tokens_of(region(60, 72), of_model.genome, of_model.encoder), "here")
    first, second = (attention_weights(of_model.dna, window, layer=layer) for layer in (1, 2))
    half = np.eye(len(first)) / 2
    rolled = attention_weights(of_model.dna, window, layer=None)
    np.testing.assert_allclose(rolled, (second / 2 + half) @ (first / 2 + half), atol=1e-9)
    np.testing.assert_allclose(rolled.sum(1), 1, atol=1e-6)


@pytest.mark.parametrize("strand", ["+", "-"])
def test_substitutions_are_those_of_a_loop_over_changed_genomes(folder, tmp_path, strand):
    of_model = opened(folder, "classifier")
    there = region(66, 71, strand)
    found = Substitutions(of_model, label="promoter").of_region(there)
    labels = class_labels(of_model.dna)
    expected = np.zeros((5, 4))
    tokens = tokens_of(there, of_model.genome, of_model.encoder)
    own = class_log_odds(of_model.dna, [tokens], labels)[0, 2]
    for place in range(66, 71):
        for number, base in enumerate("ACGT"):
            (tmp_path / "x.fa").write_text(f">c\n{SEQUENCE[:place]}{base}{SEQUENCE[place + 1:]}\n")
            changed = tokens_of(there, ReferenceGenome(tmp_path / "x.fa"), of_model.encoder)
            score = class_log_odds(of_model.dna, [changed], labels)[0, 2] - own
            row, column = (place - 66, number) if strand == "+" else (70 - place, 3 - number)
            expected[row, column] = score
    np.testing.assert_allclose(found.by_base["log_odds"], expected, atol=1e-5)
    np.testing.assert_allclose(found.base_values, -expected.sum(1) / 3, atol=1e-5)
    assert np.abs(expected).max() > 0.01


def test_information_is_two_bits_less_the_entropy_with_an_even_background():
    probabilities = np.array([[0.25, 0.25, 0.25, 0.25], [0.5, 0.5, 0, 0], [1, 0, 0, 0], [np.nan] * 4])
    even = information(probabilities, np.full(4, 0.25))
    np.testing.assert_allclose(even, [0, 1, 2, np.nan])
    assert information(probabilities, np.array([0.5, 0.25, 0.125, 0.125]))[2] == pytest.approx(1)


@pytest.mark.parametrize("strand", ["+", "-"])
def test_the_background_of_tokens_is_counted_at_the_same_place_within_them(folder, strand):
    of_model = opened(folder, "model")
    strands = {name: StrandTokens.of(of_model.genome, "c", of_model.encoder, name) for name in "+-"}
    interval = Interval("c", 60, 72, strand)
    found = background_of("tokens", of_model.encoder, strands, interval)
    spelled = [Counter(dict.fromkeys(of_model.encoder.tokens[N_SPECIAL:], 1)) for _ in "+-"]
    expected = np.zeros((12, 4))
    for counts, tokens in zip(spelled, strands.values(), strict=True):
        counts.update(of_model.encoder.tokens[token] for token in tokens.input_ids)
        starts = tokens.starts.tolist()
        for position in range(60, 72):
            place = position if tokens.strand == "+" else SIZE - 1 - position
            offset = place - max(start for start in starts if start <= place)
            by_letter = [sum(n for token, n in counts.items() if token[offset : offset + 1] == base)
                         for base in ("ACGT" if tokens.strand == "+" else "TGCA")]
            expected[position - 60] += np.array(by_letter) / sum(by_letter) / 2
    np.testing.assert_allclose(found, expected if strand == "+" else expected[::-1, ::-1])
    # A model that says no more than this has no information.
    np.testing.assert_allclose(information(found, found), 0, atol=1e-12)


def test_the_minus_strand_is_the_plus_strand_of_the_turned_genome(folder):
    for method, model in ((lambda o: ExpectedBases(o, background="chromosome"), "model"),
                          (lambda o: ExpectedBases(o, background="tokens"), "model"),
                          (lambda o: Substitutions(o, label="weak"), "classifier"),
                          (lambda o: Gradients(o, label="weak", n_steps=8), "classifier")):
        minus = method(opened(folder, model)).of_region(region(60, 75, "-"))
        plus = method(opened(folder, model, "turned.fa")).of_region(region(SIZE - 75, SIZE - 60))
        assert minus.letters == plus.letters
        np.testing.assert_array_equal(minus.positions, SIZE - 1 - plus.positions)
        np.testing.assert_array_equal(minus.tokens.input_ids, plus.tokens.input_ids)
        np.testing.assert_allclose(minus.base_values, plus.base_values, atol=1e-5)
        np.testing.assert_allclose(minus.token_values, plus.token_values, atol=1e-5)
        for name, columns in minus.by_base.items():
            np.testing.assert_allclose(columns, plus.by_base[name], atol=1e-5)


def plan_for(folder, method, model="model", **changes):
    fields = {"regions": folder / "r.bed", "genome": folder / "g.fa", "model": str(folder / model), **changes}
    return AttributionPlan(method=method, **fields)


def test_the_command_writes_tables_in_the_order_of_the_file_and_figures_of_the_first_regions(folder, tmp_path):
    pytest.importorskip("matplotlib")
    written = write_attributions(plan_for(folder, "mutagenesis", n_figures=1), tmp_path / "o")
    assert (written.n_regions, written.n_bases, written.n_figures) == (3, 34, 1)
    regions, tokens, bases = (pd.read_parquet(tmp_path / "o" / f"{name}.parquet") for name in
                              ("regions", "tokens", "bases"))
    assert regions["name"].tolist() == ["one", "two", "three"]
    assert bases["region"].drop_duplicates().tolist() == [0, 1, 2]
    np.testing.assert_allclose(bases[[f"p_{base}" for base in "ACGT"]].sum(axis=1), 1, atol=1e-5)
    of_first = bases[bases["region"] == 0]
    assert "".join(of_first["base"]) == SEQUENCE[60:72]
    assert of_first["pos"].tolist() == list(range(60, 72))
    per_token = tokens.groupby("region")["value"].sum()
    np.testing.assert_allclose(per_token, bases.groupby("region")["value"].sum(), rtol=1e-6)
    assert tokens["probability"].between(0, 1).all()
    assert sorted(path.name for path in (tmp_path / "o" / "figures").iterdir()) == [
        "region-00000.png", "region-00000.svg",
    ]
    assert pq.read_schema(tmp_path / "o" / "bases.parquet").metadata[b"grover.method"] == b"mutagenesis"
    with pytest.raises(InputError, match="say --overwrite"):
        write_attributions(plan_for(folder, "mutagenesis"), tmp_path / "o")
    write_attributions(plan_for(folder, "attention", n_figures=0), tmp_path / "o", overwrite=True)
    assert not (tmp_path / "o" / "figures").exists()


def test_gradients_that_do_not_add_up_are_reported(folder, tmp_path, caplog):
    pytest.importorskip("matplotlib")
    write_attributions(plan_for(folder, "gradients", "classifier", steps=1, n_figures=1), tmp_path / "o")
    regions = pd.read_parquet(tmp_path / "o" / "regions.parquet")
    assert not regions["is_complete"].all()
    assert "Take more --steps" in caplog.text


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"method": "gradients"}, "BertForMaskedLM has no classes .* take --method mutagenesis"),
        ({"method": "gradients", "model": "classifier", "class_label": "x"}, "no class 'x'; it has no"),
        ({"method": "attention", "layer": 3}, "layer is 3; this model has 1 to 2"),
        ({"method": "attention", "layer": 0}, "layer is 0; this model has 1 to 2"),
        ({"method": "attention", "layer": 1, "rollout": True}, "leave out --layer"),
        ({"method": "attention", "class_label": "x"}, "--class is for --method gradients or mutagenesis"),
        ({"method": "mutagenesis", "class_label": "x"}, "--class is for classifiers"),
        ({"method": "mutagenesis", "model": "classifier", "background": "uniform"}, "--background is for masked"),
    ],
)
def test_what_does_not_go_together_is_refused(folder, tmp_path, changes, message):
    pytest.importorskip("matplotlib")
    plan = plan_for(folder, **changes)
    with pytest.raises(InputError, match=message):
        write_attributions(plan, tmp_path / "o")
    assert not (tmp_path / "o").exists()


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("c\t0\t150", r"c:0-150 \(\+\) has \d+ tokens; the model takes 14 at once"),
        ("n\t0\t30", r"n:0-30 \(\+\) has no token: it lies in N"),
        ("c\t140\t160", "c has 150 bp"),
    ],
)
def test_regions_that_cannot_be_read_are_refused_with_their_place(folder, tmp_path, line, message):
    pytest.importorskip("matplotlib")
    (tmp_path / "x.bed").write_text(line + "\n")
    with pytest.raises(InputError, match=message):
        write_attributions(plan_for(folder, "attention", regions=tmp_path / "x.bed"), tmp_path / "o")


def test_a_region_with_a_gap_is_refused_where_a_model_reads_it_at_once(folder, tmp_path):
    pytest.importorskip("matplotlib")
    (tmp_path / "gap.fa").write_text(f">c\n{SEQUENCE[:40]}NNN{SEQUENCE[40:60]}\n")
    (tmp_path / "x.bed").write_text("c\t30\t50\n")
    plan = plan_for(folder, "attention", genome=tmp_path / "gap.fa", regions=tmp_path / "x.bed")
    with pytest.raises(InputError, match="has N in it: 2 stretches"):
        write_attributions(plan, tmp_path / "o")
    # A masked language model says something of each base around it.
    write_attributions(plan_for(folder, "mutagenesis", genome=plan.genome, regions=plan.regions), tmp_path / "o")
    bases = pd.read_parquet(tmp_path / "o" / "bases.parquet")
    assert bases["value"].isna().tolist() == [letter == "N" for letter in bases["base"]]
