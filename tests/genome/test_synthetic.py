import numpy as np
import pytest

from grover_hf.errors import InputError
from grover_hf.genome import ReferenceGenome
from grover_hf.genome.synthetic import simulate_genome


@pytest.fixture(scope="module")
def genome(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("synthetic")
        patch.setenv("GROVER_CACHE", str(folder / "cache"))
        return ReferenceGenome(simulate_genome(folder / "sim.fa", 2_000_000, seed=3))


def test_composition_is_human_like(genome):
    codes = np.concatenate([genome.codes(chrom) for chrom in genome.chromosomes])
    count = np.bincount(codes, minlength=5)
    n = count[:4].sum()
    cpg = np.sum((codes[:-1] == 1) & (codes[1:] == 2))
    assert abs((count[0] + count[3]) / n - 0.59) < 0.015
    assert abs(cpg * n / (count[1] * count[2]) - 0.2) < 0.03


def test_has_n_runs_and_soft_masked_repeats(genome):
    for chrom in genome.chromosomes:
        assert len(genome.segments(chrom)) >= 3
        masked = genome.soft_masked(chrom)
        assert 0.15 < (masked[:, 1] - masked[:, 0]).sum() / genome.sizes[chrom] < 0.35


def test_the_same_seed_gives_the_same_bytes(tmp_path):
    first = simulate_genome(tmp_path / "a.fa", 200_000, seed=5).read_bytes()
    assert simulate_genome(tmp_path / "b.fa", 200_000, seed=5).read_bytes() == first
    assert simulate_genome(tmp_path / "c.fa", 200_000, seed=6).read_bytes() != first


def test_too_small_a_genome_is_refused(tmp_path):
    with pytest.raises(InputError, match="at least 200,000"):
        simulate_genome(tmp_path / "a.fa", 1000)
