import json

import pytest

from grover_hf.corpus.corpus_facts import Organism, read_corpus_facts, write_corpus_facts
from grover_hf.corpus.facts import default_config, read_all_facts, read_facts, write_facts
from grover_hf.errors import InputError
from tests.made_up import corpus_facts, dataset_facts


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "bpe-600").mkdir()
    return tmp_path


def test_facts_of_a_dataset_are_read_as_they_were_written(folder):
    details = {"seed": 3, "classes": {"a": {"train": 1}}}
    facts = dataset_facts(corpus=corpus_facts(), n_given=5, dropped={"duplicate": 2}, details=details)
    write_facts(folder / "bpe-600", facts)
    assert read_facts(folder, "bpe-600") == facts
    content = json.loads((folder / "bpe-600" / "facts.json").read_text())
    # Flat: what is of one builder alone stands beside what all have.
    assert (content["sha256"], content["seed"]) == (facts.sha256, 3)
    assert "details" not in content


def test_a_benchmarks_task_is_its_subset_and_any_others_its_name():
    assert dataset_facts(dataset="gue_tf_0", subset="tf/0").task == "tf/0"
    assert dataset_facts(dataset="prom300").task == "prom300"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"sha256": None}, "facts.json: sha256 is None; it must be text. Build .* again, with --overwrite"),
        ({"splits": {"train": "many"}}, "facts.json: splits: train is 'many'; it must be an integer"),
        ({"mean_tokens": float("nan")}, "facts.json: details: mean_tokens is nan, not a finite number"),
        ({"corpus": {"format": 2}}, "facts.json: corpus lacks tokenizer"),
    ],
)
def test_damaged_facts_of_a_dataset_are_named_by_field(folder, changes, message):
    content = dataset_facts().as_dict() | changes
    (folder / "bpe-600" / "facts.json").write_text(json.dumps(content))
    with pytest.raises(InputError, match=message):
        read_all_facts(folder)


@pytest.mark.parametrize("name", ["dataset", "builder", "config", "version", "sha256", "splits", "versions"])
def test_facts_that_lack_a_field_are_refused(folder, name):
    content = dataset_facts().as_dict()
    del content[name]
    (folder / "bpe-600" / "facts.json").write_text(json.dumps(content))
    with pytest.raises(InputError, match=f"facts.json lacks {name}"):
        read_all_facts(folder)


def test_token_ids_of_another_vocabulary_or_of_none_are_refused():
    with pytest.raises(InputError, match="mine has sequences without token ids"):
        dataset_facts(vocabulary_sha256=None).require_vocabulary("ab" * 32, what="mine", other="yours")
    with pytest.raises(InputError, match="mine .* yours"):
        dataset_facts(vocabulary_sha256="cd" * 32).require_vocabulary("ab" * 32, what="mine", other="yours")
    dataset_facts(vocabulary_sha256="ab" * 32).require_vocabulary("ab" * 32, what="mine", other="yours")


@pytest.mark.parametrize(
    ("names", "default"),
    [
        (["kmer-4", "bpe-600", "bpe-100"], "bpe-600"), (["kmer-4.sense"], "kmer-4.sense"),
        (["kmer-4.sense", "kmer-4"], "kmer-4"), (["kmer-4", "kmer-6"], None), ([], None),
    ],
)
def test_the_configuration_that_is_meant_where_none_is_named(names, default):
    assert default_config(names) == default


@pytest.mark.parametrize("organism", [None, Organism(species="Homo sapiens", assembly="hg19", taxon=9606)])
def test_facts_of_a_corpus_are_read_as_they_were_written(tmp_path, organism):
    facts = corpus_facts(organism=organism)
    write_corpus_facts(tmp_path, facts)
    assert read_corpus_facts(tmp_path) == facts
    # A corpus of which nobody said whose it is has the file that it always had.
    content = json.loads((tmp_path / "corpus.json").read_text())
    assert ("organism" in content["genome"]) == (organism is not None)


@pytest.mark.parametrize(
    ("organism", "text"),
    [
        (Organism(species="Homo sapiens", assembly="hg19", taxon=9606), "Homo sapiens (taxon 9606), hg19"),
        (Organism(species="Homo sapiens"), "Homo sapiens"), (Organism(taxon=9606), "taxon 9606"),
        (Organism(assembly="hg19"), "hg19"), (Organism(), ""),
    ],
)
def test_an_organism_is_said_as_far_as_it_is_known(organism, text):
    assert str(organism) == text


def test_a_corpus_with_a_missing_field_or_of_another_format_is_to_be_made_again(tmp_path):
    write_corpus_facts(tmp_path, corpus_facts())
    content = json.loads((tmp_path / "corpus.json").read_text())
    for changed, message in (
        ({"n_tokens": "9"}, "corpus.json: n_tokens is '9'; it must be an integer. Make it again"),
        ({"n_ambiguous": 7}, "corpus.json was changed after it was written. Make it again"),
        ({"facts_sha256": None}, "corpus.json was changed after it was written. Make it again"),
        ({"format": 1}, "has format 1; this version reads 3. Make it again"),
    ):
        (tmp_path / "corpus.json").write_text(json.dumps(content | changed))
        with pytest.raises(InputError, match=message):
            read_corpus_facts(tmp_path)
    with pytest.raises(InputError, match="is not a tokenized genome: it has no corpus.json"):
        read_corpus_facts(tmp_path / "none")
