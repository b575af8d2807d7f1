import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from grover_hf.errors import InputError
from grover_hf.genome import ReferenceGenome
from grover_hf.tokenization import incremental_bpe as position_lists
from grover_hf.tokenization import proven_merges
from grover_hf.tokenization.bpe_training import train_bpe, train_bpe_to_file
from grover_hf.tokenization.merges import MergeTable
from tests.oracles import merges_by_definition, merges_by_tokenizers


def random_words(rng, kind):
    """Words that are hard for a byte-pair trainer in one way each."""
    words = []
    for _ in range(int(rng.integers(1, 5))):
        n = int(rng.integers(50, 4000))
        if kind == "uniform":
            codes = rng.integers(0, 4, n)
        elif kind == "skewed":
            codes = rng.choice(4, n, p=[0.7, 0.1, 0.1, 0.1])
        elif kind == "tandem":
            unit = rng.integers(0, 4, int(rng.integers(1, 9)))
            codes = np.where(rng.random(n) < 0.05, rng.integers(0, 4, n), np.resize(unit, n))
        else:
            codes = rng.choice(2, n, p=[0.85, 0.15])
        words.append("".join("ACGT"[code] for code in codes))
    return words


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("kind", ["uniform", "skewed", "tandem", "two letters"])
def test_merges_equal_those_of_tokenizers(kind, seed, monkeypatch):
    rng = np.random.default_rng([seed, 7])
    # Every stage at a size that tests can afford: many rounds of proof, lists that overflow.
    monkeypatch.setattr(proven_merges, "SAMPLE_BLOCK_BP", [10, 10_000][seed % 2])
    monkeypatch.setattr(position_lists, "POSITIONS_PER_BASE", [0.01, 0.45][seed // 2 % 2])
    words = random_words(rng, kind)
    n_cycles = int(rng.integers(20, 200))
    assert list(train_bpe(words, n_cycles).merges) == merges_by_tokenizers(words, n_cycles)


@pytest.mark.parametrize("word", ["A" * 1000, "AC" * 500, "ACGTTGCA" * 200, "AAAAC" * 100 + "A" * 77])
def test_perfect_repeats_end_when_no_pair_is_left(word):
    assert list(train_bpe([word], 600).merges) == merges_by_tokenizers([word], 600)


def test_equal_counts_go_to_the_smaller_left_then_right_id():
    # TG, GT, GA, AC each twice in two words; A < C < G < T, so AC is first. By hand, and by rule.
    words = ["ACATGT", "ACTGGT"]
    assert train_bpe(words, 1).merges == (("A", "C"),)
    assert list(train_bpe(words, 6).merges) == merges_by_definition(words, 6)


def test_a_run_counts_overlapping_pairs_and_merges_from_the_left():
    # AAA holds AA twice, so A A (4) beats C G (3); merged it is AA, A.
    table = train_bpe(["AAATCG", "AAACGCG"], 2)
    assert table.merges[0] == ("A", "A")
    assert list(table.merges) == merges_by_definition(["AAATCG", "AAACGCG"], 2)


def test_segments_never_merge_across_n_or_chromosome_ends(write_fasta):
    genome = ReferenceGenome(write_fasta(">a\nACNACNACNAC\n>b\nGTNGT\n"))
    assert set(train_bpe(genome, 2).merges) == {("A", "C"), ("G", "T")}
    with pytest.raises(InputError, match="After 2 merges"):
        train_bpe_to_file([genome.path], genome.path.parent / "merges.txt", n_cycles=3)


def test_a_shorter_training_is_the_beginning_of_a_longer_one(simulated_fasta, simulated_merges):
    genome = ReferenceGenome(simulated_fasta)
    for n_cycles in (1, 30, 64, 65, 250):
        assert train_bpe(genome, n_cycles) == simulated_merges.first(n_cycles)


def test_the_first_merges_are_proven_and_the_guess_does_not_matter(simulated_fasta, simulated_merges):
    genome = ReferenceGenome(simulated_fasta)
    segments = [
        genome.codes(chrom)[start:end] for chrom in genome.chromosomes for start, end in genome.segments(chrom)
    ]
    proven = proven_merges.proven_merges(segments, 64, 1)
    assert len(proven) >= 20
    assert tuple(proven) == simulated_merges.merges[: len(proven)]
    # A guess that is wrong in every place but makes sense proves one merge: the first.
    guess = [("C", "C"), ("G", "G"), ("CC", "GG")]
    assert tuple(proven_merges.proven_by(guess, segments, 1)) == simulated_merges.merges[:1]


def test_several_genomes_are_trained_on_together(write_fasta):
    first, second = write_fasta(">a\nACGTGTGTAC\n", "1.fa"), write_fasta(">a\nGTACACACAC\n", "2.fa")
    together = train_bpe([ReferenceGenome(first), ReferenceGenome(second)], 5)
    assert list(together.merges) == merges_by_tokenizers(["ACGTGTGTAC", "GTACACACAC"], 5)


def test_a_killed_run_resumes_and_ends_with_the_identical_file(simulated_fasta, simulated_merges, tmp_path):
    output = tmp_path / "merges.txt"
    partial = tmp_path / "merges.txt.partial"
    slow = (
        "import sys, time; from grover_hf.tokenization import bpe_training as t; add = t._MergeLog.add\n"
        "def slow(self, merges):\n    add(self, merges); time.sleep(0.01)\n"
        "t._MergeLog.add = slow; t.train_bpe_to_file([sys.argv[1]], sys.argv[2], n_cycles=600)"
    )
    run = subprocess.Popen([sys.executable, "-c", slow, simulated_fasta, output])
    deadline = time.monotonic() + 60
    while not (partial.exists() and partial.read_text().count("\n") > 100):
        assert run.poll() is None, "the run ended before it could be killed"
        assert time.monotonic() < deadline
        time.sleep(0.02)
    os.kill(run.pid, signal.SIGKILL)
    run.wait()
    assert not output.exists()
    learnt = partial.read_text().count("\n") - 1
    assert 100 <= learnt < 600
    with open(partial, "a") as file:
        file.write("GA TT")  # half a line, as a kill in the middle of a write leaves it

    assert train_bpe_to_file([simulated_fasta], output, n_cycles=600) == simulated_merges
    assert MergeTable.read(output) == simulated_merges
    assert not partial.exists()


def test_a_shorter_run_keeps_what_a_longer_one_had_learnt(simulated_fasta, simulated_merges, tmp_path):
    genome = ReferenceGenome(simulated_fasta)
    partial = tmp_path / "m.txt.partial"
    train_bpe(genome, 300, partial=partial)
    assert train_bpe_to_file([simulated_fasta], tmp_path / "m.txt", n_cycles=100) == simulated_merges.first(100)
    assert partial.read_text().count("\n") == 301
    train_bpe_to_file([simulated_fasta], tmp_path / "n.txt", n_cycles=300)
    assert not (tmp_path / "n.txt.partial").exists()


def test_a_partial_file_of_another_genome_is_refused(write_fasta, tmp_path):
    (tmp_path / "m.txt.partial").write_text("#version: 0.2 genome_sha256=abc\nA C\n")
    with pytest.raises(InputError, match="begun on another genome"):
        train_bpe_to_file([write_fasta(">a\nACGT\n")], tmp_path / "m.txt", n_cycles=1)


def test_nothing_to_learn_from_is_an_error(write_fasta):
    with pytest.raises(InputError, match="no A, C, G or T"):
        train_bpe(ReferenceGenome(write_fasta(">a\nNNNN\n")), 5)
    with pytest.raises(InputError, match="0 cycles"):
        train_bpe("ACGT", 0)


@pytest.mark.real_data
def test_merges_of_real_sequence_equal_those_of_tokenizers(real_data):
    codes = ReferenceGenome(real_data / "genome" / "hg38.islands.fa.gz")
    word = codes.fetch(codes_interval(codes, 200_000))
    assert list(train_bpe([word], 600).merges) == merges_by_tokenizers([word], 600)


def codes_interval(genome, n_bp):
    from grover_hf.genome import Interval

    chrom = max(genome.sizes, key=genome.sizes.__getitem__)
    return Interval(chrom, 0, n_bp)
