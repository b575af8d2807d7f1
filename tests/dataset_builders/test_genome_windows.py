import numpy as np
import pytest
from datasets import load_dataset

from dataset_builders.build import prepare
from dataset_builders.genome_windows.builder import plan
from grover_hf.cli.build import genome_windows
from grover_hf.corpus.facts import choose_config, read_facts
from grover_hf.corpus.tokenized_genome import TokenizedGenome
from grover_hf.errors import InputError
from grover_hf.genome import Interval, ReferenceGenome
from grover_hf.tokenization.kmer import KmerEncoder


def build_genome_windows(*inputs_and_folder, overwrite=False, **options):
    *inputs, folder = inputs_and_folder
    return prepare(plan(*inputs, **{"split_by": "window"} | options), folder, overwrite=overwrite)


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


def test_rows_say_which_tokens_are_mostly_lower_case(built, corpora, simulated_fasta):
    letters = dict(record.split("\n", 1) for record in simulated_fasta.read_text().split(">")[1:])
    letters = {chrom: lines.replace("\n", "") for chrom, lines in letters.items()}
    tokens = corpora["bpe-600"].encoder.tokens
    n_true = 0
    for row in load_dataset(str(built), split="test"):
        position = row["start"]
        for token, soft_masked in zip(row["input_ids"], row["soft_masked"], strict=True):
            spelled = letters[row["chrom"]][position : position + len(tokens[token])]
            assert spelled.upper() == tokens[token]
            assert soft_masked == (2 * sum(letter.islower() for letter in spelled) > len(spelled))
            position += len(spelled)
            n_true += soft_masked
    assert n_true > 100


def test_a_genome_without_lower_case_has_no_column_for_it(simulated_fasta, tmp_path):
    (tmp_path / "upper.fa").write_text("".join(
        line if line.startswith(">") else line.upper() for line in simulated_fasta.read_text().splitlines(True)
    ))
    corpus = TokenizedGenome.build(ReferenceGenome(tmp_path / "upper.fa"), KmerEncoder(4), tmp_path / "corpus")
    assert corpus.facts.n_soft_masked is None
    folder = build_genome_windows(corpus.path, tmp_path / "windows")
    assert "soft_masked" not in load_dataset(str(folder), split="train").column_names
    assert "soft_masked" not in (folder / "README.md").read_text()


def test_windows_never_cross_an_n_run(built, simulated_fasta):
    genome = ReferenceGenome(simulated_fasta)
    spans = {chrom: genome.segments(chrom) for chrom in genome.chromosomes}
    for row in load_dataset(str(built), split="train"):
        inside = spans[row["chrom"]]
        assert ((inside[:, 0] <= row["start"]) & (row["end"] <= inside[:, 1])).sum() == 1


def test_a_fifth_is_test_and_the_seed_decides(corpora, tmp_path):
    counts = [
        read_facts(build_genome_windows(corpora["bpe-600"].path, tmp_path / str(seed), tilings=5, seed=seed),
                   "bpe-600").splits
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


def test_the_card_has_digests_and_warns_of_overlapping_tilings(corpora, tmp_path, golden_card):
    once = build_genome_windows(corpora["bpe-600"].path, tmp_path / "once")
    twice = build_genome_windows(corpora["bpe-600"].path, tmp_path / "twice", tilings=2)
    for digest in (corpora["bpe-600"].vocabulary_sha256, corpora["bpe-600"].facts.genome.sha256):
        assert digest in (once / "README.md").read_text()
    golden_card(once, "genome_windows")
    warning = "a test window of one tiling overlaps train windows"
    assert warning not in (once / "README.md").read_text()
    assert warning in (twice / "README.md").read_text()
    assert read_facts(twice, "bpe-600").splits["train"] > 1.5 * read_facts(once, "bpe-600").splits["train"]


def test_the_folder_holds_parquet_card_and_facts_alone(built):
    names = sorted(str(path.relative_to(built)) for path in built.rglob("*") if path.is_file())
    assert names == [
        "README.md", "bpe-600/facts.json", "bpe-600/genome_windows-test.parquet",
        "bpe-600/genome_windows-train.parquet",
    ]
    assert not list(built.parent.glob("*.lock"))


def test_a_build_that_was_killed_before_its_card_gets_it_when_it_is_called_again(built, corpora):
    card = (built / "README.md").read_text()
    for left in (None, card.replace('config_name: "bpe-600"', 'config_name: "kmer-9"'), "no card"):
        (built / "README.md").unlink()
        if left is not None:
            (built / "README.md").write_text(left)
        with pytest.raises(InputError, match="is there already"):
            build_genome_windows(corpora["bpe-600"].path, built)
        assert (built / "README.md").read_text() == card


def test_what_is_there_is_not_replaced_unasked(built, corpora):
    with pytest.raises(InputError, match="is there already"):
        build_genome_windows(corpora["bpe-600"].path, built)
    build_genome_windows(corpora["bpe-600"].path, built, seed=5, overwrite=True)
    assert read_facts(built, "bpe-600").details["seed"] == 5


def test_a_genome_too_small_for_two_splits_is_refused(write_fasta, tmp_path):
    genome = ReferenceGenome(write_fasta(">a\n" + "ACGTTGCA" * 20 + "\n"))
    corpus = TokenizedGenome.build(genome, KmerEncoder(4), tmp_path / "corpus")
    with pytest.raises(InputError, match="gives 1 windows, too few"):
        build_genome_windows(corpus.path, tmp_path / "windows")
    assert not (tmp_path / "windows" / "kmer-4").exists()


def test_an_unknown_configuration_is_named_with_those_there_are(built):
    with pytest.raises(InputError, match="no dataset configuration 'bpe-100'; it has bpe-600"):
        read_facts(built, "bpe-100")


def covered(split):
    """Return which bases the windows of a split cover, a flag a base by chromosome."""
    flags = {}
    for chrom, start, end in zip(split["chrom"], split["start"], split["end"], strict=True):
        flags.setdefault(chrom, np.zeros(1_000_000, bool))[start:end] = True
    return flags


def test_by_block_is_how_windows_are_split_unless_it_is_said_otherwise(corpora, tmp_path):
    # 400,000 bases are fifty blocks of 8,000; 5,000 is the next round number below.
    folder = prepare(plan(corpora["bpe-600"].path), tmp_path / "w")
    facts = read_facts(folder, "bpe-600.by-block")
    assert facts.details["block_bp"] == 5_000
    share = facts.splits["test"] / sum(facts.splits.values())
    assert 0.05 < share < 0.35
    # Without its name it is found all the same, by `datasets` and by us.
    assert load_dataset(str(folder), split="test").num_rows == facts.splits["test"]
    assert choose_config(folder, None)[0] == "bpe-600.by-block"


@pytest.mark.parametrize("tilings", [1, 3])
def test_by_block_no_base_of_a_test_window_lies_in_a_train_window(corpora, tmp_path, tilings):
    built = build_genome_windows(
        corpora["bpe-600"].path, tmp_path / "w", tilings=tilings, split_by="block", block_bp=20_000
    )
    assert read_facts(built, "bpe-600.by-block").details["block_bp"] == 20_000
    splits = load_dataset(str(built), "bpe-600.by-block")
    train, test = covered(splits["train"]), covered(splits["test"])
    assert all(not (train[chrom] & test[chrom]).any() for chrom in set(train) & set(test))
    assert sum(flags.sum() for flags in test.values()) > 20_000


def test_by_block_windows_are_those_of_the_other_split_but_for_some_across_borders(built, corpora):
    build_genome_windows(corpora["bpe-600"].path, built, split_by="block", block_bp=20_000)
    facts = read_facts(built, "bpe-600.by-block")
    n_dropped = facts.dropped["across a border between train and test"]
    assert 0 < n_dropped == facts.n_given - sum(facts.splits.values())
    rows = []
    for config in ("bpe-600", "bpe-600.by-block"):
        splits = load_dataset(str(built), config)
        rows.append({(row["chrom"], row["start"], row["end"]) for name in splits for row in splits[name]})
    dropped = rows[0] - rows[1]
    assert len(dropped) == n_dropped
    assert rows[1] < rows[0]
    assert all(start // 20_000 != (end - 1) // 20_000 for _, start, end in dropped)
    card = (built / "README.md").read_text()
    assert f"| windows left out, across a border between train and test | {n_dropped} |" in card
    assert "The split of bpe-600.by-block is by block: no base of a test window" in card
    share = facts.splits["test"] / sum(facts.splits.values())
    assert f"{100 * share:.1f} % of the windows are in test" in card
    assert "The split of bpe-600 is by window, 80 to 20" in card
    assert load_dataset(str(built), split="test").num_rows == read_facts(built, "bpe-600").splits["test"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"split_by": "gene"}, "no split by 'gene'; there are window, block"),
        ({"block_bp": 10}, "block_bp goes with the split by block"),
        ({"split_by": "block", "block_bp": 10}, "block_bp is 10; the longest interval has"),
        ({"split_by": "block", "block_bp": 10**6}, "too few for a train and a test split by blocks of 1,000,000"),
    ],
)
def test_a_split_that_cannot_be_made_is_refused(corpora, tmp_path, options, message):
    with pytest.raises(InputError, match=message):
        build_genome_windows(corpora["bpe-600"].path, tmp_path / "w", **options)
    assert not (tmp_path / "w").exists()


def test_the_verb_takes_the_split_and_says_what_it_left_out(corpora, tmp_path, capsys):
    genome_windows([str(corpora["bpe-600"].path)], tmp_path / "w", split_by="block", block_bp=20_000)
    facts = read_facts(tmp_path / "w", "bpe-600.by-block")
    n_dropped = facts.n_given - sum(facts.splits.values())
    assert f"across a border between train and test {n_dropped}\n" in capsys.readouterr().out
