"""What a figure of attributions shows: letters and bars of the right height, over the right bases."""

from dataclasses import replace

import numpy as np
import pytest

from grover_hf import InputError
from grover_hf.interpretation.attribution.figures import DRAWN_BP, LINE_BP, DrawnRegion, logo_figure, token_figure

pytest.importorskip("matplotlib")


@pytest.fixture
def region():
    letters = "ACGT" * 35
    positions = np.arange(1_000, 1_140)[::-1]
    return DrawnRegion("a region", "what it shows", "bits", "c", positions, letters, [(-2, 3), (3, 140)])


def test_a_bar_stands_over_each_token_as_high_as_its_bases(region):
    figure = token_figure(region, np.array([0.5, -0.25]))
    values, strip, more, _ = figure.axes
    bars = [(bar.get_x(), bar.get_width(), bar.get_height()) for bar in values.patches]
    assert bars == [(-2.5, 5, 0.5), (2.5, 137, -0.25)]
    # Lines of bases, of one scale.
    assert (values.get_xlim(), more.get_xlim()) == ((-0.5, LINE_BP - 0.5), (LINE_BP - 0.5, 2 * LINE_BP - 0.5))
    assert values.get_ylim() == more.get_ylim()
    assert [text.get_text() for text in strip.texts] == list(region.letters[:LINE_BP])
    assert "what it shows" in figure.get_suptitle()


def test_positions_on_the_axis_are_the_genome_s_and_descend_on_the_reverse_strand(region):
    strip = token_figure(region, np.array([1.0, 1.0])).axes[1]
    labels = [label.get_text() for label in strip.get_xticklabels()]
    ticks = dict(zip(labels, strip.get_xticks(), strict=True))
    assert ticks["1,120"] == 19
    assert ticks["1,020"] == 119


def test_letters_are_as_high_as_the_values(region):
    heights = np.zeros((140, 4))
    heights[5, 2], heights[7, 1] = 1.5, -0.5
    values = logo_figure(region, heights).axes[0]
    low, high = values.get_ylim()
    assert (low, high) == pytest.approx((-0.6, 1.6))
    boxes = [patch.get_extents().transformed(values.transData.inverted()) for patch in values.patches]
    tall = [box for box in boxes if box.height > 0.01]
    assert len(tall) == 2
    assert sorted((round(box.y0, 2), round(box.y1, 2)) for box in tall) == [(-0.5, 0), (0, 1.5)]


def test_more_bases_than_a_figure_has_are_refused(region):
    too_many = DRAWN_BP + 1
    long = replace(region, positions=np.arange(too_many), letters="A" * too_many)
    with pytest.raises(InputError, match=f"A figure has 1 to {DRAWN_BP} bases"):
        token_figure(long, np.array([1.0, 1.0]))
