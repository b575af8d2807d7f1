import pytest

from grover_hf.errors import InputError
from grover_hf.genome import Interval


@pytest.mark.parametrize(("start", "end", "strand"), [(-1, 3, "+"), (5, 4, "+"), (0, 1, "plus")])
def test_impossible_intervals_are_refused(start, end, strand):
    with pytest.raises(InputError):
        Interval("chr1", start, end, strand)


def test_length_and_text():
    assert len(Interval("chr1", 10, 25)) == 15
    assert str(Interval("chr1", 10, 25, "-")) == "chr1:10-25(-)"
