import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from grover_hf.genome.acgt import acgt_segments, base_codes, sequence_of
from grover_hf.genome.letters import reverse_complement


@given(st.text("ACGTNRYSWKMBDHVacgtn"))
def test_reverse_complement_twice_is_the_identity(sequence):
    assert reverse_complement(reverse_complement(sequence)) == sequence


def test_reverse_complement_pairs_bases():
    assert reverse_complement("AACGTR") == "YACGTT"


def test_codes_ignore_case_and_mark_everything_else():
    assert base_codes("ACGTacgtNn-\u00e9").tolist() == [0, 1, 2, 3, 0, 1, 2, 3, 4, 4, 4, 4]
    assert base_codes(b"TA").tolist() == [3, 0]
    assert sequence_of(base_codes("acgtn")) == "ACGTN"


@given(st.lists(st.integers(0, 4), max_size=60))
def test_segments_are_the_maximal_stretches_without_code_4(codes):
    array = np.array(codes, np.uint8)
    inside = np.zeros(len(codes), bool)
    for start, end in acgt_segments(array):
        assert start < end
        assert start == 0 or array[start - 1] == 4
        assert end == len(codes) or array[end] == 4
        inside[start:end] = True
    assert (inside == (array < 4)).all()
