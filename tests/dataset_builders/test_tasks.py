"""What all tasks share: options written once, what is open is handed on, one cache for all."""

import dataclasses
import json

import pytest
from datasets import load_dataset

from dataset_builders.build import prepare
from dataset_builders.classification.builder import plan as classification
from dataset_builders.genome_windows.builder import plan as genome_windows
from dataset_builders.next_kmer.builder import plan as next_kmer
from dataset_builders.prom300.builder import plan as prom300
from dataset_builders.promscan.builder import plan as promscan
from grover_hf.corpus.facts import read_facts
from grover_hf.corpus.tokenized_genome import TokenizedGenome
from grover_hf.errors import InputError
from grover_hf.genome import ReferenceGenome
from grover_hf.tokenization.kmer import KmerEncoder


@pytest.fixture
def table(tmp_path):
    path = tmp_path / "rows.tsv"
    path.write_text("sequence\tlabel\n" + "".join(f"{'ACGT'[i % 4] * (4 + i)}\t{i % 2}\n" for i in range(90)))
    return path


def facts_of(task, folder):
    return read_facts(prepare(task, folder), task.config)


def test_a_corpus_that_is_open_gives_the_dataset_of_its_folder_and_is_not_opened_again(
    corpora, promoters, tmp_path, monkeypatch
):
    corpus = corpora["bpe-600"]
    from_folder = facts_of(prom300(corpus.path, promoters), tmp_path / "a")
    monkeypatch.setattr(TokenizedGenome, "open", lambda *_: pytest.fail("it is open"))
    assert facts_of(prom300(corpus, promoters), tmp_path / "b") == from_folder


def test_a_folder_is_opened_once(corpora, promoters, tmp_path, monkeypatch):
    opened = []
    how = TokenizedGenome.open.__func__

    def once(cls, path, *more):
        opened.append(path)
        return how(cls, path, *more)

    monkeypatch.setattr(TokenizedGenome, "open", classmethod(once))
    facts_of(promscan(corpora["bpe-600"].path, promoters, flank_bp=1_500), tmp_path / "out")
    assert opened == [corpora["bpe-600"].path]


def test_a_genome_and_tokenizers_that_are_open_give_the_datasets_of_their_files(
    simulated_fasta, table, tmp_path, corpora
):
    options = {"k": 2, "n_rows": 500}
    from_files = facts_of(next_kmer(simulated_fasta, "kmer-4", chromosomes=["sim1"], **options), tmp_path / "a")
    genome = ReferenceGenome(simulated_fasta, ["sim1"])
    assert facts_of(next_kmer(genome, KmerEncoder(4), **options), tmp_path / "b") == from_files
    with pytest.raises(InputError, match="has its chromosomes already"):
        next_kmer(genome, "kmer-4", chromosomes=["sim2"])
    tokenizer = corpora["bpe-600"].path / "tokenizer"
    by_path, opened = (
        facts_of(classification(table, tokenizer=one), tmp_path / name)
        for one, name in ((tokenizer, "c"), (corpora["bpe-600"].encoder, "d"))
    )
    assert opened == by_path


def test_every_option_that_is_a_plain_value_stands_in_the_facts_and_another_value_is_another_build(
    corpora, promoters
):
    task = prom300(corpora["bpe-600"], promoters)
    assert task.choices == {"split_by": "random", "seed": 0, "sense": False, "retokenized": False}
    others = {"split_by": "chromosome", "seed": 1, "sense": True, "retokenized": True}
    builds = [task, *(dataclasses.replace(task, **{name: value}) for name, value in others.items())]
    identities = {json.dumps(build.inputs, sort_keys=True) for build in builds}
    assert len(identities) == 5
    assert [build.config for build in builds] == [
        "bpe-600", "bpe-600.by-chromosome", "bpe-600", "bpe-600.sense", "bpe-600.retokenized"
    ]


def test_the_output_may_not_be_what_is_read_by_path_or_open(corpora, promoters, tmp_path):
    for corpus in (corpora["bpe-600"], corpora["bpe-600"].path):
        with pytest.raises(InputError, match="is, or holds, the input"):
            prepare(prom300(corpus, promoters), corpora["bpe-600"].path)
    with pytest.raises(InputError, match="is, or holds, the input"):
        prepare(prom300(corpora["bpe-600"], promoters), promoters.parent)


def test_two_datasets_in_one_cache_do_not_hand_out_each_others_rows(corpora, promoters, tmp_path):
    corpus = corpora["bpe-600"]
    tasks = [prom300(corpus, promoters), promscan(corpus, promoters, flank_bp=1_500), genome_windows(corpus)]
    columns = [
        set(load_dataset(str(prepare(task, tmp_path / str(number))), split="train").features)
        for number, task in enumerate(tasks)
    ]
    assert "shuffled" in columns[0]
    assert "tss" in columns[1]
    assert columns[2] == {"chrom", "start", "end", "input_ids", "soft_masked"}


def test_sequences_have_one_rule_in_tables(tmp_path):
    path = tmp_path / "rows.tsv"
    rows = [("acgtacgt", 0), ("ACGTRYN", 1)] * 3
    path.write_text("sequence\tlabel\n" + "".join(f"{sequence}{'ACGTAC'[i]}\t{label}\n"
                    for i, (sequence, label) in enumerate(rows)))
    assert classification(path, tokenizer="kmer-4").rows["sequence"].tolist()[:2] == ["ACGTACGTA", "ACGTRYNC"]
    path.write_text("sequence\tlabel\nACGT\t0\nACUT\t1\n")
    with pytest.raises(InputError, match=r"rows.tsv, row 2 has 'U' at position 2: that is RNA; write T for U"):
        classification(path, tokenizer="kmer-4")
