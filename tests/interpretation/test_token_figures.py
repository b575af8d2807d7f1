"""Figures show the numbers that they are given, with axes named, and draw without a warning."""

import warnings

import numpy as np
import pytest

from grover_hf.interpretation.token_vectors.component_figures import (
    Scatter,
    correlation_figure,
    mev_figure,
    plane_figure,
    property_figure,
)
from grover_hf.interpretation.token_vectors.components import cluster_tree
from grover_hf.interpretation.token_vectors.similarity_figure import Column, can_be_drawn, self_similarity_figure

pytest.importorskip("matplotlib")
RNG = np.random.default_rng(0)
COLOURS = np.append(np.linspace(0, 1, 29), np.nan)


def require_drawn_without_warnings(figure):
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        FigureCanvasAgg(figure).draw()


def points(axes):
    """All points of axes: grey ones, then coloured ones."""
    return np.concatenate([np.asarray(drawn.get_offsets()) for drawn in axes.collections])


def test_bars_are_the_shares_in_per_cent_with_the_paper_s_beside_them():
    mev = {"Word2Vec": 0.15, "input table": 0.0321}
    at_random = {"Word2Vec": 0.005, "input table": 0.01}
    figure = mev_figure(mev, {"input table": 0.035}, at_random, data="20 windows of hg38")
    axes, = figure.axes
    assert [bar.get_width() for bar in axes.patches] == pytest.approx([15, 3.21])
    assert [text.get_text() for text in axes.texts] == ["15.0 %", "3.2 %"]
    marks = [(line.get_xdata()[0], np.mean(line.get_ydata())) for line in axes.get_lines()]
    np.testing.assert_allclose(marks, [(0.5, 0), (1, 1), (3.5, 1)])
    labels = [text.get_text() for text in axes.get_legend().get_texts()]
    assert labels == ["vectors drawn at random", "the paper"]
    assert axes.get_title(loc="left") == "20 windows of hg38"
    require_drawn_without_warnings(figure)


def test_types_lie_where_they_are_said_to_and_are_grey_without_a_colour():
    places = RNG.normal(size=(30, 2))
    figure = plane_figure(places, COLOURS, labels=("PC1", "PC2"), colour_label="rank", title="Word2Vec")
    axes, bar = figure.axes
    np.testing.assert_allclose(points(axes), places[[29, *range(29)]])
    np.testing.assert_allclose(axes.collections[1].get_array(), COLOURS[:29])
    assert (axes.get_xlabel(), axes.get_ylabel(), bar.get_ylabel()) == ("PC1", "PC2", "rank")
    assert axes.get_title(loc="left") == "Word2Vec; n = 30"
    require_drawn_without_warnings(figure)


def test_each_component_is_drawn_over_its_property():
    panels = [
        Scatter(number, 0.1 / number, "GC content", -0.5, RNG.random(30), RNG.normal(size=30))
        for number in range(1, 5)
    ]
    figure = property_figure(panels, COLOURS, colour_label="rank", title="Word2Vec")
    shown = [axes for axes in figure.axes if axes.get_visible()]
    assert len(shown) == 4 + 1
    for axes, panel in zip(shown, panels, strict=False):
        np.testing.assert_allclose(points(axes), np.column_stack([panel.values, panel.scores])[[29, *range(29)]])
        assert axes.get_xlabel() == "GC content"
    assert shown[1].get_ylabel() == "PC2, 5.0 %"
    assert shown[1].get_title(loc="left") == "rho -0.50"
    require_drawn_without_warnings(figure)


def test_correlations_are_cells_below_bars_of_variance_with_dots_where_q_is_small():
    rho = np.array([[0.9, -0.1], [0.2, np.nan], [-0.7, 0.3]])
    q = np.array([[0.01, 0.5], [0.04, np.nan], [0.001, 0.06]])
    names = ["GC content", "length", "Alu"]
    figure = correlation_figure(rho, q, np.array([0.2, 0.1]), names, title="Word2Vec; n = 30")
    above, below, _ = figure.axes
    assert [bar.get_height() for bar in above.patches] == [20, 10]
    np.testing.assert_array_equal(below.get_images()[0].get_array(), np.ma.masked_invalid(rho))
    assert [label.get_text() for label in below.get_yticklabels()] == names
    assert [label.get_text() for label in below.get_xticklabels()] == ["1", "2"]
    dots = np.concatenate([line.get_xydata() for line in below.get_lines()])
    assert sorted(map(tuple, dots.tolist())) == [(0, 0), (0, 1), (0, 2)]
    require_drawn_without_warnings(figure)


def test_self_similarity_is_drawn_in_the_order_of_the_tree_and_its_columns_too():
    similarity, lengths = RNG.random((3, 12)), np.arange(12.0)
    tree = cluster_tree(similarity.T)
    figure = self_similarity_figure(similarity, tree, {"length": Column(lengths)}, title="12 types")
    branches, heat, side, _ = figure.axes
    order = side.get_images()[0].get_array()[:, 0].astype(int)
    assert sorted(order) == list(range(12))
    np.testing.assert_array_equal(heat.get_images()[0].get_array(), similarity[:, order].T)
    # The first merge of the tree is of neighbours.
    first = tree[0, :2].astype(int).tolist()
    assert abs(order.tolist().index(first[0]) - order.tolist().index(first[1])) == 1
    # Rows of both begin below: leaf i lies between 10 i and 10 i + 10.
    assert branches.get_ylim() == (0, 120)
    assert heat.get_ylim() == (-0.5, 11.5)
    assert heat.get_title(loc="left") == "12 types"
    require_drawn_without_warnings(figure)


def test_a_column_that_is_one_value_for_nearly_all_types_is_not_drawn():
    assert can_be_drawn(np.arange(100.0))
    assert not can_be_drawn(np.append(np.zeros(200), [1, np.nan]))
    assert not can_be_drawn(np.full(5, np.nan))
