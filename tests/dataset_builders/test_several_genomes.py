"""Windows of several genomes: each is split as in a dataset of its own, and none is taken for another."""

import numpy as np
import pytest
from datasets import load_dataset

from dataset_builders.build import prepare
from dataset_builders.genome_windows.builder import plan
from grover_hf.cli.build import genome_windows
from grover_hf.corpus.corpus_facts import Organism
from grover_hf.corpus.facts import read_facts
from grover_hf.corpus.tokenized_genome import TokenizedGenome
from grover_hf.errors import InputError
from grover_hf.genome import ReferenceGenome
from grover_hf.genome.synthetic import simulate_genome
from training.evaluate import evaluate
from training.evaluation.plan import EvaluationPlan
from training.evaluation.subject import WindowsConfig
from training.pretrain import PretrainRecipe, pretrain
from training.runs.recipe import read_recipe

CONFIG = "bpe-600.old+new.by-block"


@pytest.fixture(scope="module")
def genomes(corpora, tmp_path_factory):
    """Two genomes whose chromosomes have the same names."""
    folder = tmp_path_factory.mktemp("second")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GROVER_CACHE", str(folder / "cache"))
        genome = ReferenceGenome(simulate_genome(folder / "second.fa", 300_000, seed=9))
        second = TokenizedGenome.build(
            genome, corpora["bpe-600"].encoder, folder / "second", organism=Organism(species="Mus fictus", taxon=9)
        )
    assert set(second.sizes) == set(corpora["bpe-600"].sizes)
    return {"old": corpora["bpe-600"].path, "new": second.path}


@pytest.fixture(scope="module")
def built(genomes, tmp_path_factory):
    """The windows of both with weights 2 and 0.5, and those of each in a dataset of its own; two tilings."""
    folder = tmp_path_factory.mktemp("windows")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GROVER_CACHE", str(folder / "cache"))
        alone = {name: prepare(plan(path, tilings=2), folder / name) for name, path in genomes.items()}
        return prepare(plan(genomes, tilings=2, weights={"old": 2, "new": 0.5}), folder / "both"), alone


def rows_of(folder, split, config=None):
    return list(load_dataset(str(folder), config, split=split))


@pytest.mark.parametrize("split", ["train", "test"])
def test_each_genomes_windows_are_those_of_a_dataset_of_its_own_but_for_its_weight(built, split):
    both, alone = built
    found = {"old": [], "new": []}
    for row in rows_of(both, split):
        found[row.pop("genome")].append(row)
    assert found["old"] == rows_of(alone["old"], split)
    of_new = rows_of(alone["new"], split)
    if split == "test":
        assert found["new"] == of_new
    else:
        assert len(found["new"]) == round(len(of_new) / 4)
        # In the order of the genome.
        positions = [of_new.index(row) for row in found["new"]]
        assert positions == sorted(positions)


def test_what_a_smaller_weight_leaves_a_larger_one_has(genomes, built, tmp_path):
    both, _ = built
    more = prepare(plan(genomes, tilings=2, weights={"new": 0.6}), tmp_path / "more")
    fewer, larger = (
        {(row["chrom"], row["start"], row["end"]) for row in rows_of(folder, "train") if row["genome"] == "new"}
        for folder in (both, more)
    )
    assert fewer < larger


def test_facts_and_card_have_each_genome_of_its_own(built, genomes):
    both, _ = built
    facts = read_facts(both, CONFIG)
    assert facts.corpus is None
    assert list(facts.genomes) == ["old", "new"]
    for name, genome in facts.genomes.items():
        assert genome.corpus == TokenizedGenome.open(genomes[name]).facts
        for split in ("train", "test"):
            assert genome.splits[split] == sum(row["genome"] == name for row in rows_of(both, split))
    assert [genome.weight for genome in facts.genomes.values()] == [2.0, 0.5]
    assert facts.n_given == sum(facts.splits.values()) + sum(facts.dropped.values())
    assert facts.dropped["train windows, by weight"] > 0
    card = (both / "README.md").read_text()
    [line] = [line for line in card.split("\n") if line.startswith("| new |")]
    assert "second.fa | Mus fictus (taxon 9) |" in line
    assert f"| 0.5 | {facts.genomes['new'].splits['train']} | {facts.genomes['new'].splits['test']} |" in line


@pytest.mark.slow
def test_the_model_of_several_genomes_is_evaluated_and_its_card_names_them(built, genomes, tmp_path):
    both, alone = built
    changes = {
        "dataset": str(both), "tokenizer": str(genomes["old"] / "tokenizer"), "output": str(tmp_path / "run"),
        "batch_size": 8, "per_device_batch_size": 8, "max_steps": 2, "warmup_steps": 1, "eval_windows": 8,
    }
    report = pretrain(read_recipe(PretrainRecipe, "tiny_cpu", "pretrain", changes))
    assert list(report.dataset.genomes) == ["old", "new"]
    card = (tmp_path / "run" / "model" / "README.md").read_text()
    assert "* new: second.fa, Mus fictus (taxon 9) (SHA-256" in card
    assert "* old, new alone, the forward strand." in card
    places = WindowsConfig(both, CONFIG, read_facts(both, CONFIG)).split("test").places
    assert {chrom.split(":")[0] for chrom in places.chroms} == {"old", "new"}
    found = evaluate(EvaluationPlan(run=str(tmp_path / "run"), output=str(tmp_path / "scores")))
    # Windows of the first tiling of both, and nothing of what was trained on.
    first_tiling = sum(len(rows_of(folder, "test")) for folder in alone.values())
    assert first_tiling / 3 < found.n_windows < first_tiling * 2 / 3
    assert found.share_of_bases_seen_in_training == 0


def test_other_vocabularies_the_same_genome_twice_and_odd_weights_are_refused(genomes, corpora, tmp_path):
    def fails(match, corpus, **options):
        with pytest.raises(InputError, match=match):
            prepare(plan(corpus, **options), tmp_path / "w")
        assert not (tmp_path / "w").exists()

    fails("new .*kmer-4.* has vocabulary .*, but old .*bpe-600.* has", genomes | {"new": corpora["kmer-4"].path})
    fails("new and old are the same genome", genomes | {"new": genomes["old"]})
    fails("a weight for mouse, but no such genome; there is old, new", genomes, weights={"mouse": 1})
    fails("a weight for old, but .* there is one genome without a name", genomes["old"], weights={"old": 1})
    fails("The weight of old is 0", genomes, weights={"old": 0})
    fails("'a b' is no name of a genome", {"a b": genomes["old"]})
    fails("too few for a train and a test split", genomes, weights={"old": 1e-9})


def test_the_verb_takes_names_and_weights(genomes, tmp_path, capsys):
    words = [f"{name}={path}" for name, path in genomes.items()]
    genome_windows(words, tmp_path / "w", weight=["new=0.25"])
    facts = read_facts(tmp_path / "w", CONFIG)
    assert facts.genomes["new"].weight == 0.25
    assert f"train windows, by weight {facts.dropped['train windows, by weight']}" in capsys.readouterr().out
    for corpus, weight, message in (
        ([*words, words[0]], [], "--corpus names old twice"),
        ([str(genomes["old"]), words[1]], [], "of several genomes each has a name: --corpus human=FOLDER"),
        (words, ["old"], "each has a name: --weight human=1"),
        (words, ["old=much"], "--weight old=much: 'much' is not a number"),
    ):
        with pytest.raises(InputError, match=message):
            genome_windows(corpus, tmp_path / "x", weight=weight)


def test_a_genome_without_lower_case_has_no_repeats_beside_one_that_has(genomes, corpora, tmp_path):
    lines = simulate_genome(tmp_path / "lower.fa", 200_000, seed=4).read_text().splitlines(keepends=True)
    (tmp_path / "upper.fa").write_text("".join(x if x[0] == ">" else x.upper() for x in lines))
    genome = ReferenceGenome(tmp_path / "upper.fa")
    upper = TokenizedGenome.build(genome, corpora["bpe-600"].encoder, tmp_path / "upper")
    folder = prepare(plan({"old": genomes["old"], "upper": upper}), tmp_path / "w")
    by_genome = {"old": [], "upper": []}
    for row in rows_of(folder, "train"):
        assert len(row["soft_masked"]) == len(row["input_ids"])
        by_genome[row["genome"]] += row["soft_masked"]
    assert 0 < np.mean(by_genome["old"]) < 1
    assert not any(by_genome["upper"])
