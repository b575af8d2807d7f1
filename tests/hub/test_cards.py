"""The cards of models, whole, against what stands in tests/golden: digests, versions and dates are left open."""

import ast
import re
from dataclasses import replace

import numpy as np
import pytest
from huggingface_hub import ModelCard

from grover_hf.corpus.corpus_facts import GenomeFacts, Organism
from grover_hf.corpus.tokenized_genome import TokenizedGenome
from grover_hf.errors import InputError
from grover_hf.genome import ReferenceGenome
from grover_hf.hub.cards import finetuned_card, masked_example, pretrained_card, read_card, render_card, write_card
from grover_hf.hub.publications import License, corpus_publication, tokenizer_publication
from grover_hf.tokenization.bpe_encoding import GenomeEncoder
from grover_hf.tokenization.kmer import KmerEncoder
from tests.golden_files import hold_against_golden
from tests.made_up import dataset_identity, finetuning_report, pretraining_report, training
from tests.tiny_models import random_dna

MADE = {"versions": {"python": "3.11.7", "grover-hf": "0.1.0"}, "date": "2026-01-01"}
HUMAN = Organism(species="Homo sapiens", assembly="hg19", taxon=9606)
GENOME = GenomeFacts(name="sim.fa", sha256="ef" * 32, organism=HUMAN)
PRETRAINING = pretraining_report(
    processes=2, dataset=dataset_identity(name="genome-windows", genome=GENOME), **MADE
)
FINETUNING = finetuning_report(
    dataset=dataset_identity(retokenized=False, genome=GENOME),
    metrics={"mcc": 0.457, "accuracy": 0.72, "f1": 0.7, "auroc": 0.8},
    standard_deviation={"mcc": 0.012, "accuracy": 0.01, "f1": 0.02, "auroc": None},
    seeds=[training(0), training(1)], **MADE,
)
EXAMPLE = "ACGT[MASK]TTGACA"
RECIPE = {"model": "PoetschLab/GROVER", "learning_rate": 4e-4, "max_steps": 1000, "random_weights": False}


@pytest.fixture
def cards(simulated_fasta, simulated_merges, tmp_path):
    """All cards that are made from facts here, by name."""
    encoder = GenomeEncoder(simulated_merges)
    corpus = TokenizedGenome.build(ReferenceGenome(simulated_fasta), encoder, tmp_path / "corpus", organism=HUMAN)
    tokenizer = tokenizer_publication(corpus.path / "tokenizer", "lab/tokens", License("mit"))
    genome = corpus_publication(corpus.path, "lab/genome", License("mit"))
    made = {
        "pretrained": pretrained_card(PRETRAINING, RECIPE, "bpe-600", EXAMPLE),
        "in_training": pretrained_card(replace(PRETRAINING, metrics={}, step=500), RECIPE, "bpe-600", EXAMPLE),
        "finetuned": finetuned_card(FINETUNING, RECIPE, ["shuffled", "promoter"]),
        "tokenizer": tokenizer.files["README.md"].decode(),
        "corpus": genome.files["README.md"].decode(),
    }
    return {name: re.sub(r"`[0-9a-f]{16,64}`", "`<digest>`", card) for name, card in made.items()}


@pytest.mark.parametrize("name", ["pretrained", "in_training", "finetuned", "tokenizer", "corpus"])
def test_a_card_is_what_stands_in_the_golden_file(cards, name):
    hold_against_golden(cards[name], f"cards/{name}.md")


def test_a_card_that_was_read_and_written_is_the_same():
    text = pretrained_card(PRETRAINING, RECIPE, "bpe-600", EXAMPLE)
    once = write_card(*read_card(text))
    assert read_card(once) == read_card(text)
    assert write_card(*read_card(once)) == once


def test_a_folder_of_this_machine_is_in_no_card(tmp_path):
    recipe = {**RECIPE, "model": str(tmp_path), "dataset": str(tmp_path / "data")}
    pretrained = pretrained_card(PRETRAINING, recipe, "bpe-600", EXAMPLE)
    for card in (pretrained, finetuned_card(FINETUNING, recipe, ["a", "b"])):
        assert str(tmp_path.parent) not in card
        assert "base_model" not in card


def test_a_card_says_whose_genome_it_is_where_that_is_known_and_is_silent_where_it_is_not(cards):
    for name, card in cards.items():
        assert "Homo sapiens (taxon 9606), hg19" in card, name
    unknown = replace(PRETRAINING, dataset=dataset_identity(genome=GenomeFacts(name="sim.fa", sha256="ef" * 32)))
    assert "sim.fa (SHA-256" in pretrained_card(unknown, RECIPE, "bpe-600", EXAMPLE)


def test_the_example_is_of_the_windows_middle_with_its_middle_token_masked(simulated_merges):
    encoder = GenomeEncoder(simulated_merges)
    letters = "".join(np.random.default_rng(0).choice(list("ACGT"), 3_000))
    ids = encoder.encode(letters)
    before, after = masked_example(ids, encoder.tokens).split("[MASK]")
    middle = encoder.tokens[ids[len(ids) // 2]]
    assert before + middle + after in letters
    assert len(before) > 80 < len(after)
    assert masked_example(ids[:1], encoder.tokens) == "[MASK]"
    short = masked_example(ids[:4], encoder.tokens).split("[MASK]")
    assert encoder.tokens[ids[2]].join(short) == "".join(encoder.tokens[i] for i in ids[:4])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("# no metadata\n", "has no metadata"), ("\n---\na: 1\n---\n", "has no metadata"),
        ("---\na: 1\n", "has no metadata"),
        ("---\na: [\n---\nx", "are not YAML"), ("---\n- a\n---\nx", "are not names with values"),
        ("---\n1: a\n---\nx", "are not names with values"), ("---\n\n---\nx", "are empty"),
    ],
)
def test_what_huggingface_hub_reads_as_a_card_without_metadata_is_refused(text, message):
    with pytest.raises(InputError, match=message):
        read_card(text)


def test_scores_are_in_the_index_as_the_library_reads_it():
    data = ModelCard(pretrained_card(PRETRAINING, RECIPE, "bpe-600", EXAMPLE)).data
    scores = {result.metric_type: result.metric_value for result in data.eval_results}
    assert scores == {name: PRETRAINING.metrics[name] for name in ("accuracy", "perplexity")}
    assert {(r.task_type, r.dataset_name, r.dataset_config, r.dataset_split) for r in data.eval_results} == {
        ("fill-mask", "genome-windows", "bpe-600", "test")
    }
    unscored = pretrained_card(replace(PRETRAINING, metrics={}, step=500), RECIPE, "bpe-600", EXAMPLE)
    assert "model-index" not in read_card(unscored)[0]


HOSTILE = 'x",1,2));__import__("os").system("true")#</code><script>alert(1)</script>|\n# heading [a](http://b) `c`'


def test_text_in_facts_is_neither_markdown_nor_html_nor_code(tmp_path):
    template = tmp_path / "card.md"
    body = "```python\nf({{ name | code }})\n```\n| {{ name }} | `{{ name }}` |\n"
    template.write_text("---\nname: {{ name | yaml }}\n---\n\n" + body)
    metadata, body = read_card(render_card(template, {"name": HOSTILE}))
    assert metadata["name"] == HOSTILE
    _, call, _, row = body.strip().split("\n")
    [argument] = ast.parse(call).body[0].value.args
    assert ast.literal_eval(argument) == HOSTILE
    assert "<" not in row
    assert "](" not in row.replace("\\]", "")
    assert row.count("`") == 2
    assert len(re.findall(r"(?<!\\)\|", row)) == 3


def test_a_fasta_name_cannot_leave_its_quotes_in_the_example_of_a_corpus(tmp_path):
    name = 'x",1,2));__import__("os")'
    (tmp_path / "g.fa").write_text(f">{name}\n{random_dna(500)}\n")
    corpus = TokenizedGenome.build(ReferenceGenome(tmp_path / "g.fa"), KmerEncoder(3), tmp_path / "corpus")
    card = corpus_publication(corpus.path, "lab/corpus", License("cc0-1.0")).files["README.md"].decode()
    [line] = [line for line in card.split("\n") if line.startswith("corpus.tokens_in(")]
    [interval] = ast.parse(line).body[0].value.args
    assert interval.func.id == "Interval"
    assert interval.args[0].value == name


def test_a_link_out_of_the_folder_is_not_published(tmp_path):
    (tmp_path / "g.fa").write_text(f">a\n{random_dna(500)}\n")
    corpus = TokenizedGenome.build(ReferenceGenome(tmp_path / "g.fa"), KmerEncoder(3), tmp_path / "corpus").path
    anchors = corpus / "anchors.npy"
    anchors.rename(tmp_path / "secret.npy")
    anchors.symlink_to(tmp_path / "secret.npy")
    with pytest.raises(InputError, match="is a link out of the folder, to .*secret.npy"):
        corpus_publication(corpus, "lab/corpus", License("cc0-1.0"))
