import numpy as np
import pytest
from datasets import load_dataset

from dataset_builders.build import prepare
from dataset_builders.classification.builder import labelled_rows, plan
from grover_hf.corpus.facts import read_facts
from grover_hf.corpus.tokenized_genome import TokenizedGenome
from grover_hf.errors import InputError
from grover_hf.genome import Interval
from grover_hf.tokenization.kmer import KmerEncoder


@pytest.fixture
def build(corpora, tmp_path):
    def make(table, corpus="bpe-600", **options):
        where = {} if corpus is None else {"corpus": corpora[corpus].path}
        made = plan(table, **where, **options)
        folder = prepare(made, tmp_path / "out", overwrite=True)
        return load_dataset(str(folder), made.config), read_facts(folder, made.config)

    return make


@pytest.fixture
def write(tmp_path):
    def make(text, name="my peaks.tsv"):
        (tmp_path / name).write_text(text)
        return tmp_path / name

    return make


@pytest.fixture
def bed(start_sites, write_bed):
    states = ("open", "closed", "poised")
    rows = [(c, t - 100, t + 140, states[i % 3], 0, s) for i, (c, t, s) in enumerate(start_sites)]
    return write_bed(rows, "states.bed")


def test_bed_has_the_label_as_its_name_and_the_tokens_of_the_genome(
    build, bed, corpora, start_sites, tmp_path, golden_card
):
    splits, facts = build(bed)
    golden_card(tmp_path / "out", "classification")
    assert splits["train"].features["label"].names == ["closed", "open", "poised"]
    rows = [row for split in splits.values() for row in split]
    assert len(rows) == len(start_sites)
    for row in rows[::9]:
        found = corpora["bpe-600"].tokens_in(Interval(row["chrom"], row["start"], row["end"]))
        assert row["input_ids"] == found.input_ids.tolist()
    assert (facts.dataset, facts.config) == ("states", "bpe-600")


def test_sense_turns_minus_intervals(build, bed, corpora):
    forward = {(r["chrom"], r["start"]): r["sequence"] for s in build(bed, corpus="kmer-4")[0].values() for r in s}
    for split in build(bed, corpus="kmer-4", sense=True)[0].values():
        for row in split:
            assert len(row["sequence"]) == 240
            there = row["sequence"] in forward[row["chrom"], row["start"]]
            assert there == (row["strand"] == "+")


def test_a_table_of_sequences_is_tokenized_alone_and_each_sequence_is_used_once(build, write):
    rng = np.random.default_rng(0)
    sequences = ["".join(rng.choice(list("ACGT"), 40)) for _ in range(120)]
    rows = [f"{s},{i % 2}" for i, s in enumerate(sequences)] + [f"{sequences[0].lower()},0"]
    text = "\n".join(["sequence,label", *rows, ""])
    splits, facts = build(write(text, "mine.csv"), corpus=None, tokenizer="kmer-4")
    rows = [row for split in splits.values() for row in split]
    assert sorted(row["sequence"] for row in rows) == sorted(sequences)
    assert rows[5]["input_ids"] == KmerEncoder(4).encode(rows[5]["sequence"]).tolist()
    assert facts.dropped == {"duplicate": 1}


def test_a_split_column_is_obeyed(build, write, start_sites):
    names = ("train", "train", "validation", "test")
    text = "chr\tstart\tend\tlabel\tsplit\n" + "".join(
        f"{c}\t{t}\t{t + 50}\t{i // 4 % 2}\t{names[i % 4]}\n" for i, (c, t, _) in enumerate(start_sites)
    )
    splits, facts = build(write(text), split_by="column")
    expected = {(c, t): names[i % 4] for i, (c, t, _) in enumerate(start_sites)}
    for name, split in splits.items():
        assert {expected[row["chrom"], row["start"]] for row in split} == {name}
    assert facts.dataset == "my_peaks"
    with pytest.raises(InputError, match="split is holdout; train, validation, test are known"):
        build(write(text.replace("validation", "holdout")), split_by="column")


def test_by_chromosome_no_chromosome_is_in_two_splits(build, bed):
    splits, _ = build(bed, split_by="chromosome")
    chroms = [set(split["chrom"]) for split in splits.values()]
    assert sum(map(len, chroms)) == len(set.union(*chroms))


def test_a_fasta_file_is_tokenized_once_and_then_taken_from_the_cache(simulated_fasta, corpora, monkeypatch):
    tokenizer = corpora["bpe-600"].path / "tokenizer"
    first = TokenizedGenome.cached(simulated_fasta, tokenizer)
    assert np.array_equal(first.input_ids, corpora["bpe-600"].input_ids)
    monkeypatch.setattr(TokenizedGenome, "build", None)
    assert TokenizedGenome.cached(simulated_fasta, tokenizer).path == first.path


def test_errors_on_a_fasta_file_name_it_and_not_the_cache(simulated_fasta, corpora, write_bed, tmp_path):
    cached = TokenizedGenome.cached(simulated_fasta, corpora["bpe-600"].path / "tokenizer")
    made = plan(write_bed([("7", 10, 20, "a"), ("7", 30, 40, "b")]), corpus=cached)
    with pytest.raises(InputError, match=r"names 7; sim.fa has sim1, sim2.*none in common"):
        prepare(made, tmp_path / "out")


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (["0", "2", "0"], "classes 0, 2: integers must be 0, 1, 2"),
        (["0.5", "1.5", "2"], "labels such as 0.5 are measurements"),
        (["a", "", "b"], "1 rows have no label, the first is row 2"),
        (["a", "a", "a"], "has only one class, 'a'"),
    ],
)
def test_labels_that_cannot_be_classes_are_refused(write, labels, message):
    text = "chrom\tstart\tend\tlabel\n" + "".join(f"c\t{i}\t{i + 5}\t{label}\n" for i, label in enumerate(labels))
    with pytest.raises(InputError, match=message):
        labelled_rows(write(text))


def test_classes_named_by_integers_keep_their_number():
    import tempfile
    from pathlib import Path

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "t.tsv"
        path.write_text("chrom\tstart\tend\tlabel\n" + "".join(f"c\t{i}\t{i + 5}\t{11 - i}\n" for i in range(12)))
        rows, names = labelled_rows(path)
    assert names == [str(i) for i in range(12)]
    assert rows["label"].tolist() == list(range(11, -1, -1))


def test_what_contradicts_itself_is_refused(build, write, corpora, bed):
    with pytest.raises(InputError, match="1 rows stand there again with another label"):
        build(write("chrom\tstart\tend\tlabel\nsim1\t5000\t5100\ta\nsim1\t5000\t5100\tb\n"))
    with pytest.raises(InputError, match="holds intervals: --corpus, or --genome and --tokenizer must be given"):
        build(bed, corpus=None, tokenizer="kmer-4")
    with pytest.raises(InputError, match="strand, locus and chromosome are not known"):
        build(write("sequence\tlabel\nACGT\ta\nACGA\tb\n"), corpus=None, tokenizer="kmer-4", sense=True)
    with pytest.raises(InputError, match="no column 'state'"):
        build(write("chrom\tstart\tend\tlabel\nsim1\t1\t2\ta\n"), label_column="state")


def test_an_interval_on_both_strands_is_one_sequence_unless_it_is_read_along_them(build, write_bed, start_sites):
    both = [(c, t, t + 60, ("a", "b")[i % 2], 0, s) for i, (c, t, _) in enumerate(start_sites) for s in "+-"]
    splits, facts = build(write_bed(both, "both.bed"))
    assert facts.dropped["duplicate"] == len(start_sites)
    assert sum(map(len, splits.values())) == len(start_sites)
    splits, facts = build(write_bed(both, "both.bed"), sense=True)
    assert facts.dropped["duplicate"] == 0
    opposite = [(c, t, t + 60, "ab"[s == "+"], 0, s) for c, t, _ in start_sites for s in "+-"]
    with pytest.raises(InputError, match="stand there again with another label"):
        build(write_bed(opposite, "both.bed"))


def test_long_sequences_take_no_more_memory_than_they_are_long():
    from grover_hf.corpus.splits import row_keys

    sequences = ["A" * 1_000_000] + ["ACGT" * 10 + str(i) for i in range(20_000)]
    # As numpy strings, all as wide as the longest, these would be 80 GB.
    assert len(set(row_keys(sequences).tolist())) == 20_001


def test_a_folder_of_something_else_or_of_an_input_is_never_written_into(bed, corpora, tmp_path):
    (tmp_path / "project").mkdir()
    (tmp_path / "project" / "README.md").write_text("my notebook")
    with pytest.raises(InputError, match="does not hold a dataset of ours"):
        prepare(plan(bed, corpus=corpora["bpe-600"].path), tmp_path / "project", overwrite=True)
    assert (tmp_path / "project" / "README.md").read_text() == "my notebook"
    with pytest.raises(InputError, match="is, or holds, the input"):
        prepare(plan(bed, corpus=corpora["bpe-600"].path), corpora["bpe-600"].path)


def test_a_build_that_fails_leaves_no_folder(build, write_bed, tmp_path):
    few = write_bed([("sim1", 5_000, 5_100, "a"), ("sim1", 6_000, 6_100, "b")], "few.bed")
    with pytest.raises(InputError, match="of the rarest class"):
        build(few)
    assert not (tmp_path / "out").exists()


def test_sense_needs_strands(build, write):
    text = "chrom\tstart\tend\tlabel\n" + "".join(f"sim1\t{i}\t{i + 50}\t{i % 2}\n" for i in range(9_000, 9_100))
    with pytest.raises(InputError, match="rows without a strand"):
        build(write(text), sense=True)


@pytest.mark.parametrize("missing", ["NA", "NaN", "nan", "", " "])
def test_a_label_that_r_and_pandas_write_for_a_missing_one_is_none(write, missing):
    path = write(f"chrom\tstart\tend\tlabel\nc\t1\t5\ta\nc\t5\t9\t{missing}\nc\t9\t12\tb\n")
    with pytest.raises(InputError, match="1 rows have no label, the first is row 2"):
        labelled_rows(path)


def test_a_bed_file_is_one_whatever_the_case_of_its_name(write):
    assert labelled_rows(write("c\t1\t5\ta\nc\t5\t9\tb\n", "X.BED"))[1] == ["a", "b"]
