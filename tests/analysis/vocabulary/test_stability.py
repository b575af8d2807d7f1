import numpy as np
import pytest
from typer.testing import CliRunner

from grover_hf.analysis.vocabulary.stability import (
    blocks_of,
    compared_ranks,
    first_base_share,
    resampled,
    resamples_of,
    shared_by_rank,
    stability_columns,
    stability_of,
)
from grover_hf.cli import app
from grover_hf.errors import InputError
from grover_hf.genome import ReferenceGenome
from grover_hf.tokenization.bpe_training import train_bpe
from grover_hf.tokenization.export import save_tokenizer
from grover_hf.tokenization.kmer import KmerEncoder
from grover_hf.tokenization.merges import MergeTable

runner = CliRunner()


def table(*merges):
    return MergeTable(tuple(tuple(merge.split()) for merge in merges))


@pytest.fixture
def genome(simulated_fasta):
    return ReferenceGenome(simulated_fasta)


def test_types_are_shared_from_the_later_of_their_two_ranks_on():
    first = table("A A", "C C", "T T", "A C")
    second = table("C C", "G G", "A A", "A C")
    # CC is 2nd and 1st, AA 1st and 3rd, AC 4th in both; TT and GG are in one alone.
    assert shared_by_rank(first, second).tolist() == [0, 1, 2, 3]
    assert shared_by_rank(second, first).tolist() == [0, 1, 2, 3]


def test_one_spelling_is_one_type_however_it_was_merged():
    assert shared_by_rank(table("A A", "AA A"), table("A A", "A AA")).tolist() == [1, 2]


def test_shared_types_equal_the_common_part_of_sets(simulated_merges):
    # The slow way.
    other = MergeTable(train_bpe("".join(map("".join, simulated_merges.merges)) * 3, 60).merges)
    first = simulated_merges.first(len(other))
    types = [["".join(merge) for merge in merges.merges] for merges in (first, other)]
    expected = [len(set(types[0][:n]) & set(types[1][:n])) for n in range(1, len(other) + 1)]
    assert shared_by_rank(first, other).tolist() == expected


def test_blocks_spell_every_base_of_the_segments_once(write_fasta):
    genome = ReferenceGenome(write_fasta(">one\n" + "ACGT" * 12 + "NN" + "GGA" + "\n>two\n" + "T" * 7 + "\n"))
    blocks = blocks_of(genome, 5)
    assert b"".join(blocks) == b"ACGT" * 12 + b"GGA" + b"T" * 7
    assert max(map(len, blocks)) == 5
    assert b"GGA" in blocks


def test_a_resample_has_as_many_blocks_some_more_than_once():
    blocks = [bytes([65 + i]) * 3 for i in range(20)]
    drawn = resampled(blocks, np.random.default_rng(0)).split(b"N")
    drawn = [block for block in drawn if block]
    assert len(drawn) == 20
    assert set(drawn) < set(blocks)


def test_a_resample_depends_on_seed_and_number_alone(genome, simulated_merges):
    merges = simulated_merges.first(50)
    few = list(resamples_of(genome, merges, n_resamples=1, block_bp=10_000, seed=3))
    more = list(resamples_of(genome, merges, n_resamples=2, block_bp=10_000, seed=3))
    assert few[0].merges == more[0].merges
    assert more[0].merges != more[1].merges
    assert abs(more[0].n_bases - sum(map(len, blocks_of(genome, 10_000)))) < 100_000


def test_the_genome_itself_stands_first_in_the_table(genome, simulated_merges):
    merges = simulated_merges.first(60)
    columns = stability_columns(merges, list(resamples_of(genome, merges, n_resamples=2, block_bp=10_000)))
    assert [columns[f"shared_of_first_{n}"][0] for n in (10, 20, 60)] == [10, 20, 60]
    assert columns["equal_first_merges"][0] == 60
    assert all(0 < n < 60 for n in columns["equal_first_merges"][1:])
    assert columns["start_with_a_or_t"][0] == pytest.approx(first_base_share(merges), abs=1e-4)


def test_the_share_of_first_bases_counts_single_bases_too():
    # A, C, G, T, AA, CA: three of six.
    assert first_base_share(table("A A", "C A")) == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("n_cycles", "ranks"), [(600, [100, 200, 300, 400, 500, 600]), (7, [2, 3, 4, 5, 6, 7]), (3, [1, 2, 3])]
)
def test_ranks_are_six_even_steps(n_cycles, ranks):
    assert compared_ranks(n_cycles) == ranks


def test_a_genome_of_few_blocks_is_refused(write_fasta):
    genome = ReferenceGenome(write_fasta(">one\n" + "ACGT" * 100 + "\n"))
    assert len(blocks_of(genome, 40)) == 10
    with pytest.raises(InputError, match=r"9 blocks .* needed to draw from.*--block-bp"):
        blocks_of(genome, 45)


def test_a_genome_with_fewer_merges_is_refused(write_fasta, simulated_merges):
    genome = ReferenceGenome(write_fasta(">one\n" + "ACGGT" * 30 + "\n"))
    with pytest.raises(InputError, match="too small for so many cycles"):
        list(resamples_of(genome, simulated_merges, n_resamples=1, block_bp=10))


def test_the_command_writes_table_and_figure(simulated_fasta, simulated_merges, tmp_path):
    simulated_merges.first(40).write(tmp_path / "merges.txt")
    options = ["--merges", str(tmp_path / "merges.txt"), "--resamples", "2", "--block-bp", "10000"]
    result = runner.invoke(
        app, ["stability", str(simulated_fasta), *options, "--output", str(tmp_path / "stability")],
        catch_exceptions=False,
    )
    assert "merges equal from the first on" in result.output
    assert sorted(path.name for path in (tmp_path / "stability").iterdir()) == [
        "stability.csv", "stability.md", "stability.png",
    ]
    lines = (tmp_path / "stability" / "stability.csv").read_text().splitlines()
    assert len(lines) == 4
    assert "2 resamples of sim, blocks of 10,000 bp, 40 cycles, seed 0" in (
        tmp_path / "stability" / "stability.md"
    ).read_text()


def test_kmers_which_are_the_same_in_every_genome_are_refused(simulated_fasta, tmp_path):
    save_tokenizer(KmerEncoder(2), tmp_path / "kmers")
    result = runner.invoke(app, ["stability", str(simulated_fasta), "--merges", str(tmp_path / "kmers")])
    assert isinstance(result.exception, InputError)
    assert "k-mers are the same in every genome" in str(result.exception)


def test_the_summary_that_figures_show_is_that_of_the_resamples(genome, simulated_merges):
    merges = simulated_merges.first(50)
    resamples = list(resamples_of(genome, merges, n_resamples=3, block_bp=10_000))
    stability = stability_of(merges, resamples)
    assert stability.shared[1, 24] == resamples[1].shared[24] / 25
    assert stability.median_shared[-1] == sorted(resample.shared[-1] / 50 for resample in resamples)[1]
    assert stability.start_with_a_or_t.tolist() == [first_base_share(resample.merges) for resample in resamples]
    assert stability.own_start_with_a_or_t == first_base_share(merges)


def test_results_are_not_replaced_unless_asked(simulated_fasta, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("mine")
    result = runner.invoke(
        app, ["stability", str(simulated_fasta), "--output", str(tmp_path / "mine"), "--overwrite"]
    )
    assert "is not replaced" in str(result.exception)


@pytest.mark.slow
@pytest.mark.real_data
def test_hg38_islands_keep_the_paper_s_branch_and_20_resamples_take_less_than_two_minutes(real_data):
    import time

    genome = ReferenceGenome(real_data / "genome" / "hg38.islands.fa.gz")
    begin = time.perf_counter()
    merges = train_bpe(genome)
    resamples = list(resamples_of(genome, merges))
    assert time.perf_counter() - begin < 120
    assert min(first_base_share(resample.merges) for resample in resamples) > 0.9
    assert np.median([resample.shared[-1] for resample in resamples]) > 0.9 * 600
