import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from grover_hf.corpus.splits import chromosome_split, in_test, overlapping_groups, random_split, row_keys
from grover_hf.errors import InputError


def test_share_is_as_asked_and_order_does_not_matter():
    starts = np.arange(50_000)
    test = in_test(1, starts, seed=3)
    assert abs(test.mean() - 0.2) < 4 * np.sqrt(0.2 * 0.8 / len(starts))
    shuffled = np.random.default_rng(0).permutation(starts)
    assert (in_test(1, shuffled, seed=3) == test[shuffled]).all()


def test_keys_and_seeds_give_independent_splits():
    starts = np.arange(50_000)
    first = in_test(1, starts, seed=3)
    for other in (in_test(2, starts, seed=3), in_test(1, starts, seed=4)):
        assert abs(np.mean(first & other) - 0.04) < 4 * np.sqrt(0.04 * 0.96 / len(starts))


def test_random_splits_have_their_shares_and_depend_on_the_key_and_seed_alone():
    keys = row_keys(np.array(["chr1"] * 20_000), np.arange(20_000))
    split = random_split(keys, seed=0)
    shares = np.bincount(split) / len(split)
    assert shares == pytest.approx([0.8, 0.1, 0.1], abs=4 * np.sqrt(0.16 / 20_000))
    order = np.random.default_rng(0).permutation(20_000)
    assert np.array_equal(random_split(keys[order][:50], seed=0), split[order][:50])
    assert not np.array_equal(random_split(keys, seed=1), split)


def test_keys_tell_chromosomes_positions_and_strands_apart():
    keys = row_keys(["chr1", "chr1", "chr1", "chr2"], np.array([5, 6, 5, 5]), ["+", "+", "-", "+"])
    assert len(set(keys.tolist())) == 4


def test_chromosomes_go_whole_to_splits_of_about_the_wished_size():
    chroms = np.repeat([f"chr{i}" for i in range(24)], np.linspace(1_000, 200, 24).astype(int))
    for seed in range(5):
        split = chromosome_split(chroms, seed=seed)
        assert all(len(set(split[chroms == chrom])) == 1 for chrom in set(chroms))
        shares = np.bincount(split, minlength=3) / len(split)
        assert shares == pytest.approx([0.8, 0.1, 0.1], abs=0.05)
    assert len(set(chromosome_split(["a", "a", "a", "b", "c"], seed=0))) == 3
    with pytest.raises(InputError, match="lie on 2 chromosomes"):
        chromosome_split(["a", "a", "b"], seed=0)


@given(st.lists(st.tuples(st.sampled_from("xy"), st.integers(0, 60), st.integers(1, 9)), min_size=1, max_size=25))
def test_groups_are_the_connected_components_of_overlap(intervals):
    chroms = [chrom for chrom, _, _ in intervals]
    starts = np.array([start for _, start, _ in intervals])
    ends = starts + [length for _, _, length in intervals]
    groups = overlapping_groups(chroms, starts, ends).tolist()
    component = list(range(len(intervals)))
    for _ in intervals:
        for i in range(len(intervals)):
            for j in range(len(intervals)):
                if chroms[i] == chroms[j] and starts[i] < ends[j] and starts[j] < ends[i]:
                    component[i] = component[j] = min(component[i], component[j])
    for i in range(len(intervals)):
        for j in range(len(intervals)):
            assert (groups[i] == groups[j]) == (component[i] == component[j])
