import itertools

import numpy as np
import pytest

from grover_hf.analysis.figure_style import (
    PALETTE,
    new_figure,
    require_figure,
    require_format,
    save_figure,
    styled,
)
from grover_hf.errors import InputError

matplotlib = pytest.importorskip("matplotlib")


def test_figures_are_drawn_in_our_style_and_the_user_s_own_settings_stay():
    matplotlib.rcParams["axes.spines.top"] = True

    @styled
    def draw():
        figure = new_figure(2, 1)
        figure.subplots()
        return figure

    (axes,) = draw().axes
    assert not axes.spines["top"].get_visible()
    assert matplotlib.rcParams["axes.spines.top"]


def test_a_figure_is_saved_in_the_format_of_its_name_or_not_at_all(tmp_path):
    save_figure(new_figure(2, 1), tmp_path / "figure.svg")
    assert "<svg" in (tmp_path / "figure.svg").read_text()
    with pytest.raises(InputError, match=r"figure.txt cannot be the name of a figure; it must end in .png, "):
        save_figure(new_figure(2, 1), tmp_path / "figure.txt")
    with pytest.raises(InputError, match="cannot be the name"):
        require_format(tmp_path / "figure")
    assert [path.name for path in tmp_path.iterdir()] == ["figure.svg"]


@pytest.mark.parametrize("suffix", ["png", "pdf", "svg"])
def test_only_a_figure_is_replaced_by_one(tmp_path, suffix):
    path = tmp_path / f"figure.{suffix}"
    require_figure(path)
    save_figure(new_figure(2, 1), path)
    require_figure(path)
    path.write_text(">chr1\nACGT\n")
    with pytest.raises(InputError, match="is there and is not a figure"):
        require_figure(path)


# What people with one kind of cones missing see (Machado et al. 2009, severity 1.0), of linear RGB.
DEUTERANOPIA = ((0.367322, 0.860646, -0.227968), (0.280085, 0.672501, 0.047413), (-0.011820, 0.042940, 0.968881))
PROTANOPIA = ((0.152286, 1.052583, -0.204868), (0.114503, 0.786281, 0.099216), (-0.003882, -0.048116, 1.051998))


def seen(colour, matrix):
    linear = np.array(matplotlib.colors.to_rgb(colour)) ** 2.2
    return np.clip(np.array(matrix) @ linear, 0, 1) ** (1 / 2.2)


@pytest.mark.parametrize("matrix", [DEUTERANOPIA, PROTANOPIA])
def test_the_first_colours_can_be_told_apart_without_one_kind_of_cones(matrix):
    for first, second in itertools.combinations(PALETTE[:4], 2):
        assert abs(seen(first, matrix) - seen(second, matrix)).sum() > 0.3, (first, second)
