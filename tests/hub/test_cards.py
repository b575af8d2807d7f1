"""The cards of models, whole, against what stands in tests/golden: digests, versions and dates are left open."""

import re
from dataclasses import replace

import pytest

from grover_hf.corpus.tokenized_genome import TokenizedGenome
from grover_hf.genome import ReferenceGenome
from grover_hf.hub.cards import finetuned_card, pretrained_card, read_card, write_card
from grover_hf.hub.publications import License, corpus_publication, tokenizer_publication
from grover_hf.tokenization.bpe_encoding import GenomeEncoder
from tests.golden_files import hold_against_golden
from tests.made_up import finetuning_report, pretraining_report, training

MADE = {"versions": {"python": "3.11.7", "grover-hf": "0.1.0"}, "date": "2026-01-01"}
PRETRAINING = pretraining_report(processes=2, **MADE)
FINETUNING = finetuning_report(
    metrics={"mcc": 0.457, "accuracy": 0.72, "f1": 0.7, "auroc": 0.8},
    standard_deviation={"mcc": 0.012, "accuracy": 0.01, "f1": 0.02, "auroc": None},
    seeds=[training(0), training(1)], **MADE,
)
RECIPE = {"model": "PoetschLab/GROVER", "learning_rate": 4e-4, "max_steps": 1000, "random_weights": False}


@pytest.fixture
def cards(simulated_fasta, simulated_merges, tmp_path):
    """All cards that are made from facts here, by name."""
    encoder = GenomeEncoder(simulated_merges)
    corpus = TokenizedGenome.build(ReferenceGenome(simulated_fasta), encoder, tmp_path / "corpus")
    tokenizer = tokenizer_publication(corpus.path / "tokenizer", "lab/tokens", License("mit"))
    genome = corpus_publication(corpus.path, "lab/genome", License("mit"))
    made = {
        "pretrained": pretrained_card(PRETRAINING, RECIPE, "bpe-600"),
        "in_training": pretrained_card(replace(PRETRAINING, metrics={}, step=500), RECIPE, "bpe-600"),
        "finetuned": finetuned_card(FINETUNING, RECIPE, ["shuffled", "promoter"]),
        "tokenizer": tokenizer.files["README.md"].decode(),
        "corpus": genome.files["README.md"].decode(),
    }
    return {name: re.sub(r"`[0-9a-f]{16,64}`", "`<digest>`", card) for name, card in made.items()}


@pytest.mark.parametrize("name", ["pretrained", "in_training", "finetuned", "tokenizer", "corpus"])
def test_a_card_is_what_stands_in_the_golden_file(cards, name):
    hold_against_golden(cards[name], f"cards/{name}.md")


def test_a_card_that_was_read_and_written_is_the_same():
    text = pretrained_card(PRETRAINING, RECIPE, "bpe-600")
    once = write_card(*read_card(text))
    assert read_card(once) == read_card(text)
    assert write_card(*read_card(once)) == once


def test_a_folder_of_this_machine_is_in_no_card(tmp_path):
    recipe = {**RECIPE, "model": str(tmp_path), "dataset": str(tmp_path / "data")}
    for card in (pretrained_card(PRETRAINING, recipe, "bpe-600"), finetuned_card(FINETUNING, recipe, ["a", "b"])):
        assert str(tmp_path.parent) not in card
        assert "base_model" not in card
