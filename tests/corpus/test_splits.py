import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from grover_hf.corpus.splits import (
    Places,
    bases_also_in,
    block_split,
    chromosome_split,
    in_test,
    overlapping_groups,
    random_split,
    row_keys,
)
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
    with pytest.raises(InputError, match="lie on a, b: too few chromosomes"):
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


def places_of(intervals):
    chroms, starts, lengths = zip(*intervals, strict=True)
    return Places(chroms, np.array(starts), np.array(starts) + lengths)


def bases_of(places):
    columns = zip(places.chroms, places.starts.tolist(), places.ends.tolist(), strict=True)
    return [(chrom, at) for chrom, start, end in columns for at in range(start, end)]


INTERVALS = st.lists(
    st.tuples(st.sampled_from("xy"), st.integers(0, 200), st.integers(1, 20)), min_size=1, max_size=30
)


@given(INTERVALS, st.integers(20, 60), st.integers(0, 9))
def test_blocks_share_no_base_in_train_and_test_and_leave_out_only_what_lies_in_both(intervals, block_bp, seed):
    places = places_of(intervals)

    def lot_of(bases):
        return block_split(bases, block_bp=block_bp, seed=seed, test_share=0.5).tolist()

    lots = []
    for chrom, start, length in intervals:
        bases = np.arange(start, start + length)
        lots.append(set(lot_of(Places([chrom] * length, bases, bases + 1))))
    split = np.array(lot_of(places))
    assert split.tolist() == [lot.pop() if len(lot) == 1 else -1 for lot in lots]
    train, test = (bases_of(Places(*(np.array(column)[split == n] for column in places))) for n in (0, 1))
    assert not set(train) & set(test)


def test_a_fifth_of_the_blocks_is_test_by_chromosome_number_and_seed():
    starts = np.arange(20_000) * 1_000
    places = Places(["chr1"] * len(starts), starts, starts + 1_000)
    first = block_split(places, block_bp=1_000, seed=0)
    assert abs(first.mean() - 0.2) < 4 * np.sqrt(0.16 / len(starts))
    for other in (places._replace(chroms=["chr2"] * len(starts)), places):
        seed = int(other is places)
        assert abs(np.mean(first & block_split(other, block_bp=1_000, seed=seed)) - 0.04) < 0.01
    some = Places(*(np.array(column)[[5, 3, 700]] for column in places))
    assert block_split(some, block_bp=1_000, seed=0).tolist() == first[[5, 3, 700]].tolist()


def test_a_block_must_hold_an_interval():
    with pytest.raises(InputError, match="block_bp is 9; the longest interval has 10 bp"):
        block_split(Places(["a"], np.array([0]), np.array([10])), block_bp=9, seed=0)


@given(INTERVALS, INTERVALS)
def test_shared_bases_are_those_of_the_sets(intervals, others):
    covered = set(bases_of(places_of(others)))
    assert bases_also_in(places_of(intervals), places_of(others)) == sum(
        base in covered for base in bases_of(places_of(intervals))
    )
