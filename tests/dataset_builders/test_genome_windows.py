import numpy as np
import pytest
from datasets import load_dataset

from dataset_builders.build import prepare
from dataset_builders.genome_windows.builder import plan
from grover_hf.corpus.facts import read_facts
from grover_hf.corpus.tokenized_genome import TokenizedGenome
from grover_hf.errors import InputError
from grover_hf.genome import Interval, ReferenceGenome
from grover_hf.tokenization.kmer import KmerEncoder


def build_genome_windows(*inputs_and_folder, overwrite=False, **options):
    *inputs, folder = inputs_and_folder
    return prepare(plan(*inputs, **options), folder, overwrite=overwrite)


@pytest.fixture
def built(corpora, tmp_path):
    return build_genome_windows(corpora["bpe-600"].path, tmp_path / "windows")


def test_load_dataset_reads_the_folder_and_rows_are_the_tokens_of_their_interval(built, corpora):
    splits = load_dataset(str(built))
    corpus = corpora["bpe-600"]
    n_tokens = 0
    for split in ("train", "test"):
        for row in splits[split]:
            found = corpus.tokens_in(Interval(row["chrom"], row["start"], row["end"]))
            assert found.input_ids.tolist() == row["input_ids"]
            assert not found.partial_start
            assert not found.partial_end
            n_tokens += len(row["input_ids"])
    assert n_tokens == corpus.input_ids.size
    assert splits["train"].features["input_ids"].feature.dtype == "uint16"


def test_windows_never_cross_an_n_run(built, simulated_fasta):
    genome = ReferenceGenome(simulated_fasta)
    spans = {chrom: genome.segments(chrom) for chrom in genome.chromosomes}
    for row in load_dataset(str(built), split="train"):
        inside = spans[row["chrom"]]
        assert ((inside[:, 0] <= row["start"]) & (row["end"] <= inside[:, 1])).sum() == 1


def test_a_fifth_is_test_and_the_seed_decides(corpora, tmp_path):
    counts = [
        read_facts(build_genome_windows(corpora["bpe-600"].path, tmp_path / str(seed), tilings=5, seed=seed),
                   "bpe-600")["splits"]
        for seed in (0, 1)
    ]
    for splits in counts:
        n = splits["train"] + splits["test"]
        assert abs(splits["test"] / n - 0.2) < 4 * np.sqrt(0.16 / n)
    assert counts[0] != counts[1]


def test_streaming_gives_the_same_rows(built):
    streamed = list(load_dataset(str(built), split="test", streaming=True))
    assert streamed == list(load_dataset(str(built), split="test"))


def test_a_rebuilt_dataset_of_the_same_name_gives_its_own_rows(corpora, tmp_path):
    # datasets keeps the cache of a local folder by its last name and its card.
    rows = []
    for number in (1, 2):
        folder = build_genome_windows(corpora["bpe-600"].path, tmp_path / str(number) / "same", seed=number)
        rows.append(load_dataset(str(folder), split="test")["start"][:])
        assert rows[-1] == [row["start"] for row in load_dataset(str(folder), split="test", streaming=True)]
    assert rows[0] != rows[1]


def test_two_configurations_share_a_folder_and_a_cache_and_keep_their_rows(built, corpora):
    build_genome_windows(corpora["kmer-6"].path, built)
    bpe, kmer = load_dataset(str(built)), load_dataset(str(built), "kmer-6")
    assert max(max(row) for row in bpe["train"]["input_ids"]) < 609
    assert max(max(row) for row in kmer["train"]["input_ids"]) > 609
    card = (built / "README.md").read_text()
    assert 'config_name: "kmer-6"' in card
    assert card.count("default: true") == 1


def test_the_card_has_digests_and_warns_of_overlapping_tilings(corpora, tmp_path):
    once = build_genome_windows(corpora["bpe-600"].path, tmp_path / "once")
    twice = build_genome_windows(corpora["bpe-600"].path, tmp_path / "twice", tilings=2)
    for digest in (corpora["bpe-600"].vocabulary_sha256, corpora["bpe-600"].facts["genome"]["sha256"]):
        assert digest in (once / "README.md").read_text()
    warning = "a test window of one tiling overlaps train windows"
    assert warning not in (once / "README.md").read_text()
    assert warning in (twice / "README.md").read_text()
    assert read_facts(twice, "bpe-600")["splits"]["train"] > 1.5 * read_facts(once, "bpe-600")["splits"]["train"]


def test_the_folder_holds_parquet_card_and_facts_alone(built):
    names = sorted(str(path.relative_to(built)) for path in built.rglob("*") if path.is_file())
    assert names == [
        "README.md", "bpe-600/facts.json", "bpe-600/genome_windows-test.parquet",
        "bpe-600/genome_windows-train.parquet",
    ]
    assert not list(built.parent.glob("*.lock"))


def test_what_is_there_is_not_replaced_unasked(built, corpora):
    with pytest.raises(InputError, match="is there already"):
        build_genome_windows(corpora["bpe-600"].path, built)
    build_genome_windows(corpora["bpe-600"].path, built, seed=5, overwrite=True)
    assert read_facts(built, "bpe-600")["seed"] == 5


def test_a_genome_too_small_for_two_splits_is_refused(write_fasta, tmp_path):
    genome = ReferenceGenome(write_fasta(">a\n" + "ACGTTGCA" * 20 + "\n"))
    corpus = TokenizedGenome.build(genome, KmerEncoder(4), tmp_path / "corpus")
    with pytest.raises(InputError, match="gives 1 windows, too few"):
        build_genome_windows(corpus.path, tmp_path / "windows")
    assert not (tmp_path / "windows" / "kmer-4").exists()


def test_an_unknown_configuration_is_named_with_those_there_are(built):
    with pytest.raises(InputError, match="no dataset configuration 'bpe-100'; it has bpe-600"):
        read_facts(built, "bpe-100")
