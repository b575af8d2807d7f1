"""The types of a vocabulary as a word cloud, like the paper's Fig. 1."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from grover_hf.analysis.figure_style import new_figure, styled
from grover_hf.errors import InputError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_WIDTH, _HEIGHT, _SCALE = 1_100, 560, 2
_LONGEST = 9
"""Longer types share its colour."""
_DARKEST_TO_LIGHTEST = 0.88
"""How much of the colour map is used: its light end cannot be read on white."""


def require_wordcloud() -> None:
    """Raise `InputError` if wordcloud is missing."""
    try:
        import wordcloud  # noqa: F401
    except ImportError:
        raise InputError("A word cloud needs wordcloud: pip install 'grover-hf[analysis]'") from None


@styled
def word_cloud_figure(name: str, types: Sequence[str], counts: NDArray[np.integer]) -> "Figure":
    """Draw types the larger the more often they occur, coloured by their length; the same input, the same picture.

    The height of letters is proportional to the count, until `wordcloud` finds no place for a word: it and those
    that follow are made smaller. Types that would be smaller than 4 points are left out, and the title says how
    many are drawn.

    Args:
        name: Name of the vocabulary.
        types: What each type spells, at least one.
        counts: How often each occurs, above 0, shape (n_types,).
    """
    require_wordcloud()
    from matplotlib import colormaps
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import BoundaryNorm, ListedColormap, to_hex
    from wordcloud import WordCloud

    colours = colormaps["viridis"](np.linspace(0, _DARKEST_TO_LIGHTEST, _LONGEST))

    def colour_of(word: str, **_: object) -> str:
        return to_hex(colours[min(len(word), _LONGEST) - 1])

    cloud = WordCloud(
        width=_WIDTH, height=_HEIGHT, scale=_SCALE, max_words=len(types), min_font_size=4, prefer_horizontal=1.0,
        relative_scaling=1.0, max_font_size=90, random_state=0, background_color="white", color_func=colour_of,
    ).generate_from_frequencies(dict(zip(types, counts.tolist(), strict=True)))

    figure = new_figure(8, 4.9)
    axes = figure.subplots()
    axes.imshow(cloud.to_array())
    axes.set_axis_off()
    axes.set_title(
        f"{len(cloud.layout_):,} of the {len(types):,} types of {name} that occur, larger the more often "
        f"({counts.sum():,} tokens)"
    )
    scale = ScalarMappable(BoundaryNorm(np.arange(0.5, _LONGEST + 1), _LONGEST), ListedColormap(colours))
    bar = figure.colorbar(scale, ax=axes, orientation="horizontal", shrink=0.5, aspect=40, label="bases of a type")
    labels = [*map(str, range(1, _LONGEST)), f"{_LONGEST} or more"]
    bar.set_ticks(range(1, _LONGEST + 1), labels=labels)
    bar.ax.tick_params(length=0)
    return figure
