"""Where an annotation lies is what painting base after base gives."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from grover_hf.interpretation.annotation.segments import MINUS, PLUS, UNKNOWN, Segments, directions

SIZE = 40
INTERVALS = st.lists(
    st.tuples(st.integers(0, SIZE - 1), st.integers(1, 15), st.sampled_from([PLUS, MINUS, UNKNOWN])), max_size=12
)
WINDOWS = st.lists(st.tuples(st.integers(0, SIZE - 1), st.integers(1, SIZE)), min_size=1, max_size=8)


def columns(intervals):
    starts, lengths, bits = np.array(intervals, np.int64).reshape(-1, 3).T
    return starts, np.minimum(starts + lengths, SIZE), bits.astype(np.uint8)


def painted(intervals):
    """Return the bits of the strands over each base."""
    bases = np.zeros(SIZE, np.uint8)
    for start, end, bit in zip(*columns(intervals), strict=True):
        bases[start:end] |= bit
    return bases


def paint(segments):
    bases = np.zeros(SIZE, np.uint8)
    for start, end, strands in zip(segments.starts, segments.ends, segments.strands, strict=True):
        assert start < end
        assert strands
        assert not bases[start:end].any()
        bases[start:end] = strands
    return bases


@given(INTERVALS)
def test_pieces_are_apart_in_order_and_know_the_strands_over_them(intervals):
    segments = Segments.of(*columns(intervals))
    np.testing.assert_array_equal(paint(segments), painted(intervals))
    assert (segments.starts[1:] >= segments.ends[:-1]).all()
    assert segments.n_bases == (painted(intervals) > 0).sum()
    assert segments.is_stranded == bool((painted(intervals) & (PLUS | MINUS)).any())


@given(INTERVALS, WINDOWS)
def test_windows_are_covered_base_for_base_each_once(intervals, windows):
    bases = painted(intervals)
    starts = np.array([start for start, _ in windows])
    ends = np.minimum(starts + [length for _, length in windows], SIZE)
    covered = Segments.of(*columns(intervals)).coverage(starts, ends)
    inside = [bases[start:end] for start, end in zip(starts, ends, strict=True)]
    assert covered.bases.tolist() == [int((one > 0).sum()) for one in inside]
    assert covered.strands.tolist() == [int(np.bitwise_or.reduce(one)) for one in inside]


@given(INTERVALS, INTERVALS, INTERVALS)
def test_what_others_take_is_gone_whatever_their_strand(intervals, one, another):
    others = [one, another]
    left = Segments.of(*columns(intervals)).without([Segments.of(*columns(one)) for one in others])
    expected = painted(intervals)
    for one in others:
        expected[painted(one) > 0] = 0
    np.testing.assert_array_equal(paint(left), expected)


def test_intervals_that_touch_are_one_and_one_inside_another_counts_once():
    segments = Segments.of(np.array([0, 5, 6]), np.array([5, 9, 8]), np.full(3, PLUS, np.uint8))
    assert (segments.starts.tolist(), segments.ends.tolist()) == ([0], [9])


def test_a_window_has_a_direction_only_if_all_that_overlaps_it_is_on_one_strand():
    strands = np.array([0, PLUS, MINUS, PLUS | MINUS, UNKNOWN, PLUS | UNKNOWN], np.uint8)
    found, is_none = directions(strands)
    assert found.tolist() == [0, 1, -1, 0, 0, 0]
    assert is_none.tolist() == [True, False, False, False, False, False]
