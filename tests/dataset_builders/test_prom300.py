import itertools
import logging

import numpy as np
import pandas as pd
import pytest
from datasets import load_dataset

from dataset_builders.build import prepare
from dataset_builders.prom300.builder import plan
from dataset_builders.prom300.negatives import shuffled_order
from dataset_builders.promoters import initiator_share
from grover_hf.baselines.no_model import has_mergeable_pair
from grover_hf.corpus.facts import read_facts
from grover_hf.corpus.splits import row_keys
from grover_hf.errors import InputError
from grover_hf.genome import Interval, ReferenceGenome
from grover_hf.tokenization.kmer import KmerEncoder


@pytest.fixture
def build(corpora, promoters, tmp_path):
    """Build Prom300; return its rows, all splits one after another, and its facts."""

    def make(corpus="bpe-600", file=promoters, **options):
        made = plan(corpora[corpus].path, file, **options)
        prepare(made, tmp_path / "prom300", overwrite=True)
        splits = load_dataset(str(tmp_path / "prom300"), made.config)
        rows = [row | {"split": name} for name, split in splits.items() for row in split]
        return rows, read_facts(tmp_path / "prom300", made.config)

    return make


def key(row):
    return row["chrom"], row["start"], row["strand"]


def pairs(rows):
    """Each promoter with its shuffled copy."""
    originals = {key(row): row for row in rows if not row["shuffled"]}
    copies = {key(row): row for row in rows if row["shuffled"]}
    assert originals.keys() == copies.keys()
    return [(originals[k], copies[k]) for k in originals]


def test_base_to_sequence_to_token_to_base_on_both_strands(build, corpora, start_sites, simulated_fasta):
    rows, _ = build()
    genome, corpus = ReferenceGenome(simulated_fasta), corpora["bpe-600"]
    # TSS -249 to +50, both ends included.
    expected = {(c, t - 249, t + 51, s) if s == "+" else (c, t - 50, t + 250, s) for c, t, s in start_sites}
    assert {(r["chrom"], r["start"], r["end"], r["strand"]) for r in rows} == expected
    for row in rows[::7]:
        if row["shuffled"]:
            continue
        assert row["end"] - row["start"] == 300
        found = corpus.tokens_in(Interval(row["chrom"], row["start"], row["end"]))
        assert row["input_ids"] == found.input_ids.tolist()
        assert (row["token_start"], row["token_end"]) == (found.starts[0], found.ends[-1])
        assert row["sequence"] == genome.fetch(Interval(row["chrom"], row["token_start"], row["token_end"]))
        assert row["sequence"] == "".join(corpus.encoder.tokens[i] for i in row["input_ids"])


def test_a_shuffled_copy_has_the_same_tokens_in_another_order_and_two_chunks_in_place(build, corpora):
    for original, copy in pairs(build()[0]):
        first, second = np.array(original["input_ids"]), np.array(copy["input_ids"])
        assert sorted(first) == sorted(second)
        assert (original["label"], copy["label"]) == (1, 0)
        assert copy["sequence"] == "".join(corpora["bpe-600"].encoder.tokens[i] for i in second)
        chunks = zip(np.array_split(first, 8), np.array_split(second, 8), strict=True)
        same = [np.array_equal(a, b) for a, b in chunks]
        assert sum(same) >= 2
        assert not all(same)


def test_the_order_pools_six_of_eight_chunks_and_depends_on_the_key_alone():
    offsets, keys = np.array([0, 83, 90, 164]), np.array([5, 6, 7], np.uint64)
    order = shuffled_order(offsets, keys, seed=1)
    for first, last in itertools.pairwise(offsets):
        assert sorted(order[first:last]) == list(range(first, last))
    chunks = np.array_split(np.arange(90, 164), 8)
    stay = [np.array_equal(order[chunk], chunk) for chunk in chunks]
    assert sum(stay) == 2
    moved = np.concatenate([chunk for chunk, stays in zip(chunks, stay, strict=True) if not stays])
    assert sorted(order[moved]) == sorted(moved)
    # Pooled across chunks, not permuted within them.
    assert any(not set(order[chunk]) <= set(chunk) for chunk in chunks)
    alone = shuffled_order(np.array([0, 74]), keys[2:], seed=1)
    assert (alone + 90).tolist() == order[90:].tolist()
    assert shuffled_order(offsets, keys, seed=2).tolist() != order.tolist()


def test_chunks_are_chosen_evenly():
    n = 4_000
    order = shuffled_order(np.arange(n + 1) * 80, np.arange(n, dtype=np.uint64), seed=0)
    stays = (order == np.arange(n * 80)).reshape(n, 8, 10).all(2).mean(0)
    assert np.abs(stays - 0.25).max() < 4 * np.sqrt(0.25 * 0.75 / n)


def test_the_canonical_rule_finds_the_papers_negatives_and_none_that_were_tokenized_again(build, corpora):
    merges = corpora["bpe-600"].encoder.merges
    fires = {}
    for name, retokenized in (("paper", False), ("retokenized", True)):
        rows, _ = build(retokenized=retokenized)
        for shuffled in (False, True):
            ids = [np.array(row["input_ids"]) for row in rows if row["shuffled"] == shuffled]
            fires[name, shuffled] = has_mergeable_pair(merges, ids).mean()
    assert fires["paper", True] > 0.9
    assert fires["paper", False] == fires["retokenized", True] == fires["retokenized", False] == 0


def test_retokenized_differs_from_the_paper_in_the_tokens_of_the_negatives_alone(build, corpora):
    paper = {(key(row), row["shuffled"]): row for row in build()[0]}
    encoder = corpora["bpe-600"].encoder
    for row in build(retokenized=True)[0]:
        other = paper[key(row), row["shuffled"]]
        assert row["sequence"] == other["sequence"]
        assert row["input_ids"] == encoder.encode(row["sequence"]).tolist()
        if not row["shuffled"]:
            assert row["input_ids"] == other["input_ids"]


def test_sense_reads_minus_promoters_as_their_reverse_complement(build, corpora, simulated_fasta):
    genome, encoder = ReferenceGenome(simulated_fasta), corpora["bpe-600"].encoder
    rows, facts = build(sense=True)
    for row in rows[::5]:
        exact = genome.fetch(Interval(row["chrom"], row["start"], row["end"], row["strand"]))
        if not row["shuffled"]:
            assert row["sequence"] == exact
            assert row["input_ids"] == encoder.encode(exact).tolist()
        assert sorted(row["sequence"]) == sorted(exact)
    assert facts.config == "bpe-600.sense"


def test_what_is_shuffled_and_who_reads_it_are_two_choices(build, corpora, tmp_path):
    rows, facts = build(shuffle_unit="kmer-4")
    assert (facts.config, facts.details["shuffle_unit"]) == ("bpe-600.shuffled-kmer-4", "kmer-4")
    unit, reader = KmerEncoder(4), corpora["bpe-600"].encoder
    for original, copy in pairs(rows)[::5]:
        _, starts, ends = unit.encode_with_offsets(original["sequence"])
        keys = row_keys([original["chrom"]], np.array([original["start"]]), [original["strand"]])
        order = shuffled_order(np.array([0, len(starts)]), keys, seed=0)
        units = [original["sequence"][a:b] for a, b in zip(starts, ends, strict=True)]
        assert copy["sequence"] == "".join(units[i] for i in order)
        assert copy["input_ids"] == reader.encode(copy["sequence"]).tolist()
        assert copy["sequence"] != original["sequence"]
    assert build(corpus="kmer-4", shuffle_unit=str(corpora["bpe-600"].path / "tokenizer"))[1].config == (
        "kmer-4.shuffled-bpe-600"
    )


def test_by_promoter_keeps_overlapping_promoters_and_their_copies_in_one_split(build, start_sites, write_bed):
    shifted = [(c, t + 40, s) for c, t, s in start_sites[::2]]
    file = write_bed([(c, t, t + 1, ".", 1, s) for c, t, s in [*start_sites, *shifted]], "more.bed")
    rows, _ = build(file=file, split_by="promoter")
    split_of = {}
    for row in rows:
        block = (row["chrom"], round((row["start"] + 150) / 1_000))
        assert split_of.setdefault(block, row["split"]) == row["split"]
    assert {row["split"] for row in rows} == {"train", "validation", "test"}
    by_row, _ = build(file=file)
    torn = {block: set() for block in split_of}
    for row in by_row:
        torn[row["chrom"], round((row["start"] + 150) / 1_000)].add(row["split"])
    assert any(len(splits) > 1 for splits in torn.values())


def test_a_split_does_not_change_with_the_order_of_the_file_or_with_other_rows(build, start_sites, write_bed):
    first = {(key(row), row["shuffled"]): row for row in build()[0]}
    file = write_bed([(c, t, t + 1, ".", 1, s) for c, t, s in start_sites[::-1][:-20]], "other.bed")
    for row in build(file=file)[0]:
        assert row == first[key(row), row["shuffled"]]


def test_what_was_dropped_is_counted_by_reason(
    build, corpora, start_sites, write_bed, tmp_path, golden_card
):
    chrom, tss, strand = start_sites[0]
    size = corpora["bpe-600"].sizes[chrom]
    extra = [
        (chrom, tss, tss + 1, "again", 1, strand), ("chrUn", 5, 6, "unknown", 1, "+"),
        (chrom, size - 10, size - 9, "end", 1, "+"), (chrom, 3, 4, "begin", 1, "+"),
        (chrom, 300, 301, "in the telomere", 1, "+"),
    ]
    sites = [(c, t, t + 1, ".", 1, s) for c, t, s in start_sites]
    rows, facts = build(file=write_bed(sites + extra, "dirty.bed"))
    assert facts.dropped == {
        "duplicate": 1, "chromosome not in the genome": 1, "past the end of the chromosome": 2,
        "overlaps N, or bases that no token covers": 1,
    }
    assert len(rows) == 2 * len(start_sites)
    assert facts.n_given == len(start_sites) + 5
    card = (tmp_path / "prom300" / "README.md").read_text()
    assert "| past the end of the chromosome | 2 |" in card
    golden_card(tmp_path / "prom300", "prom300")


def test_too_few_initiators_are_a_warning_of_another_assembly(build, caplog):
    with caplog.at_level(logging.WARNING):
        _, facts = build()
    # The made-up start sites are anywhere.
    assert facts.details["initiator_share"] < 0.4
    assert "Are they of another assembly" in caplog.text


def test_names_that_differ_by_chr_alone_are_told_apart_from_unknown_ones(build, start_sites, write_bed):
    file = write_bed([("chr" + c, t, t + 1, ".", 1, s) for c, t, s in start_sites], "chr.bed")
    with pytest.raises(InputError, match="none in common. Did you mean"):
        build(file=file)


def test_an_unknown_split_and_too_few_rows_are_refused(build, start_sites, write_bed):
    with pytest.raises(InputError, match="no split by 'gene'"):
        build(split_by="gene")
    file = write_bed([(c, t, t + 1, ".", 1, s) for c, t, s in start_sites[:2]], "few.bed")
    with pytest.raises(InputError, match="too few rows, 4 in all"):
        build(file=file)


def test_two_tasks_in_one_cache_keep_their_rows(build, corpora, promoters, tmp_path):
    from dataset_builders.promscan import builder as promscan

    rows, _ = build()
    prepare(promscan.plan(corpora["bpe-600"].path, promoters, flank_bp=1_100), tmp_path / "promscan")
    assert len(load_dataset(str(tmp_path / "promscan"), split="train")) != len(rows)
    assert "tss" in load_dataset(str(tmp_path / "promscan"), split="train").features
    assert "shuffled" in load_dataset(str(tmp_path / "prom300"), split="train").features


def test_initiators_are_read_along_the_strand(corpora, simulated_fasta):
    genome, corpus = ReferenceGenome(simulated_fasta), corpora["bpe-600"]
    sites = {True: [], False: []}
    for tss in range(20_000, 60_000, 7):
        for strand in "+-":
            place = Interval("sim1", tss - 1, tss + 1) if strand == "+" else Interval("sim1", tss, tss + 2, "-")
            pair = genome.fetch(place)
            if set(pair) <= set("ACGT"):
                sites[pair[0] in "CT" and pair[1] in "AG"].append(("sim1", tss, strand))
    for is_initiator, rows in sites.items():
        table = pd.DataFrame(rows, columns=["chrom", "tss", "strand"])
        tss = table["tss"].to_numpy()
        held = corpus.segments_holding(table["chrom"], tss - 1, tss + 2) >= 0
        assert held.sum() > 1_000
        assert initiator_share(corpus, table[held], "x") == is_initiator
