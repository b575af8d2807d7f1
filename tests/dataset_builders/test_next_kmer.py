import logging

import pytest
from datasets import load_dataset

from dataset_builders.build import prepare
from dataset_builders.next_kmer.builder import plan
from grover_hf.corpus.facts import read_facts
from grover_hf.errors import InputError
from grover_hf.genome import Interval, ReferenceGenome


@pytest.fixture
def build(simulated_fasta, corpora, tmp_path):
    def make(tokenizer=None, **options):
        made = plan(
            simulated_fasta, tokenizer or corpora["bpe-600"].path / "tokenizer",
            **{"chromosomes": ["sim1", "sim2"], "n_rows": 2_000, "k": 3, **options},
        )
        folder = prepare(made, tmp_path / f"next-{options.get('k', 3)}", overwrite=True)
        splits = load_dataset(str(folder), made.config)
        return [r | {"split": n} for n, s in splits.items() for r in s], read_facts(folder, made.config), splits

    return make


@pytest.mark.parametrize("k", [2, 6])
def test_the_label_is_the_k_bases_after_the_fiftieth_and_the_tokens_end_there(build, simulated_fasta, corpora, k):
    rows, facts, splits = build(k=k)
    genome, encoder = ReferenceGenome(simulated_fasta), corpora["bpe-600"].encoder
    names = splits["train"].features["label"].names
    assert len(names) == 4**k
    for row in rows[::20]:
        assert row["start"] % 56 == 0
        assert row["sequence"] == genome.fetch(Interval(row["chrom"], row["start"], row["start"] + 50))
        assert names[row["label"]] == genome.fetch(Interval(row["chrom"], row["end"], row["end"] + k))
        assert row["input_ids"] == encoder.encode(row["sequence"]).tolist()
    assert (len(rows), facts.details["n_rows"]) == (2_000, 2_000)


def test_80_20_with_a_tenth_of_train_for_validation_and_the_same_rows_for_every_tokenizer(
    build, tmp_path, golden_card
):
    rows, facts, _ = build()
    golden_card(tmp_path / "next-3", "next_kmer")
    shares = {name: n / 2_000 for name, n in facts.splits.items()}
    assert shares == pytest.approx({"train": 0.72, "validation": 0.08, "test": 0.2}, abs=0.04)
    other, _, _ = build("kmer-6")
    assert [(r["chrom"], r["start"], r["label"], r["split"]) for r in rows] == [
        (r["chrom"], r["start"], r["label"], r["split"]) for r in other
    ]


def test_right_aligned_drops_first_bases_so_that_no_tail_is_left(build):
    tailed, _, _ = build("kmer-6")
    rows, facts, _ = build("kmer-6", right_aligned=True)
    assert facts.config == "kmer-6.right-aligned"
    unknown = 1
    for row, other in zip(rows, tailed, strict=True):
        assert other["input_ids"][-1] == unknown
        assert row["sequence"] == other["sequence"][2:]
        assert (row["start"], row["end"]) == (other["start"] + 2, other["end"])
        assert len(row["input_ids"]) == 8
        assert unknown not in row["input_ids"]
        assert row["label"] == other["label"]
    with pytest.raises(InputError, match="right-aligned is for k-mer tokenizers"):
        build(right_aligned=True)


def test_fewer_pieces_than_asked_are_all_used_and_said(build, caplog, simulated_fasta):
    with caplog.at_level(logging.WARNING):
        rows, facts, _ = build(n_rows=10**6, chromosomes=["sim3"])
    assert "fewer than 1,000,000, all are used" in caplog.text
    assert len(rows) == facts.details["n_pieces"]
    codes = ReferenceGenome(simulated_fasta).codes("sim3")
    whole = codes[: codes.size // 56 * 56].reshape(-1, 56)
    assert facts.details["n_pieces"] == int((whole < 4).all(1).sum())
    assert facts.details["n_pieces_with_n"] == len(whole) - facts.details["n_pieces"]


def test_one_folder_holds_one_k(build, tmp_path, simulated_fasta):
    build()
    with pytest.raises(InputError, match="holds next_3mer, not next_4mer"):
        prepare(plan(simulated_fasta, "kmer-4", k=4, chromosomes=["sim1"]), tmp_path / "next-3")
    with pytest.raises(InputError, match="k is 7"):
        build(k=7)
