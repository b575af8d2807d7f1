"""The word cloud shows every type, larger the more often it occurs, and is the same each time."""

import numpy as np
import pytest

from grover_hf import InputError
from grover_hf.analysis.vocabulary.report import vocabulary_report
from grover_hf.analysis.vocabulary.word_cloud import word_cloud_figure

pytest.importorskip("wordcloud")
TYPES, COUNTS = ("TTTT", "ACG", "GGGGGGGGGGGG", "A"), np.array([900, 400, 100, 50])


def picture(figure):
    return figure.axes[0].images[0].get_array()


def test_the_same_types_give_the_same_picture_and_other_counts_another():
    first, again = (picture(word_cloud_figure("bpe-5", TYPES, COUNTS)) for _ in range(2))
    np.testing.assert_array_equal(first, again)
    assert (first != picture(word_cloud_figure("bpe-5", TYPES, COUNTS[::-1]))).any()


def test_the_title_says_how_many_types_are_drawn_of_how_many():
    figure = word_cloud_figure("bpe-5", TYPES, COUNTS)
    assert figure.axes[0].get_title(loc="left") == (
        "4 of the 4 types of bpe-5 that occur, larger the more often (1,450 tokens)"
    )
    # What is too small to be read is not drawn, and not counted.
    rare = word_cloud_figure("bpe-5", ("TTTT", "ACG"), np.array([10_000_000, 1]))
    assert rare.axes[0].get_title(loc="left").startswith("1 of the 2 types")


def test_types_of_one_length_have_one_colour_that_the_scale_shows():
    figure = word_cloud_figure("bpe-5", ("TTTT", "ACGT"), np.array([2, 1]))
    pixels = picture(figure).reshape(-1, 3)
    darkest = {tuple(row) for row in pixels[pixels.sum(1) == pixels.sum(1).min()].tolist()}
    assert len(darkest) == 1
    scale = figure.axes[1].collections[-1]
    # Colours are counted from 0: this one is that of four bases.
    assert np.abs(np.array(darkest.pop()) - 255 * np.array(scale.cmap(3)[:3])).max() <= 1


def test_a_word_cloud_needs_frequencies(simulated_merges, tmp_path):
    simulated_merges.write(tmp_path / "merges.txt")
    with pytest.raises(InputError, match="name a tokenized genome with --corpus"):
        vocabulary_report(tmp_path / "merges.txt", None, None, [], word_cloud=tmp_path / "cloud.png")
