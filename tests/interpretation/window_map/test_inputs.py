"""Windows get the annotation of their own coordinates, and what does not fit is refused."""

import numpy as np
import pandas as pd
import pytest

from grover_hf.errors import InputError
from grover_hf.interpretation.window_map.inputs import read_annotation

WINDOWS = pd.DataFrame({"chrom": ["chr1", "chr1", "chr2"], "start": [0, 10, 0], "end": [10, 20, 10]})
ROWS = {
    "chrom": ["chr2", "chr1", "chr3", "chr1"], "start": [0, 10, 0, 0], "end": [10, 20, 10, 10], "name": [""] * 4,
    "L1": [0.5, 0.25, 1.0, 0.0], "L1 strand": [-1, 0, 1, None], "CpG": [0.0, 1.0, 1.0, None],
}


@pytest.fixture
def annotated(tmp_path):
    def write(**changes):
        table = pd.DataFrame(ROWS | changes)
        if "L1 strand" in table:
            table["L1 strand"] = table["L1 strand"].astype("Int8")
        table.to_parquet(tmp_path / "regions.parquet", index=False)
        return tmp_path

    return write


def test_rows_are_joined_by_coordinates_whatever_their_order(annotated):
    l1, cpg = read_annotation(annotated(), WINDOWS)
    assert (l1.name, cpg.name) == ("L1", "CpG")
    np.testing.assert_array_equal(l1.share, [0, 0.25, 0.5])
    np.testing.assert_array_equal(l1.strand, [np.nan, 0, -1])
    np.testing.assert_array_equal(cpg.share, [np.nan, 1, 0])
    assert cpg.strand is None


def test_windows_without_annotation_are_counted(annotated):
    windows = pd.concat([WINDOWS, WINDOWS.assign(end=99)])
    with pytest.raises(InputError, match=r"lacks 3 of 6 windows, chr1:0-99 first"):
        read_annotation(annotated(), windows)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"chrom": ["chr1"] * 4}, "has chr1:0-10 twice"),
        ({"L1": [0.5, 1.5, 0, 0]}, "L1 is 1.5; it is from 0 to 1"),
        ({"L1": list("abcd")}, "L1 has .*, not numbers"),
    ],
)
def test_tables_that_cannot_be_are_refused(annotated, changes, message):
    with pytest.raises(InputError, match=message):
        read_annotation(annotated(**changes), WINDOWS)


def test_a_folder_without_a_table_and_a_table_without_annotation_are_refused(tmp_path):
    with pytest.raises(InputError, match="There is no .*regions.parquet"):
        read_annotation(tmp_path, WINDOWS)
    WINDOWS.to_parquet(tmp_path / "regions.parquet", index=False)
    with pytest.raises(InputError, match="has no annotation: its columns are chrom, start, end"):
        read_annotation(tmp_path, WINDOWS)
    (tmp_path / "regions.parquet").write_bytes(b"no parquet")
    with pytest.raises(InputError, match="is damaged"):
        read_annotation(tmp_path, WINDOWS)
