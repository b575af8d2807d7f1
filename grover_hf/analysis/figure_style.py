"""How every figure looks, and how it is saved.

A figure function takes ready numbers and returns a `Figure`. Whoever calls it saves it.
"""

import functools
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, ParamSpec

from grover_hf._internals.files import atomic_write
from grover_hf.errors import InputError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_BEGINS = {".png": b"\x89PNG", ".pdf": b"%PDF", ".svg": b"<?xml"}
"""How a file of each format begins."""
FORMATS = tuple(_BEGINS)

BLUE, ORANGE, GREEN, PURPLE, RED, SKY = "#0072b2", "#e69f00", "#009e73", "#cc79a7", "#d55e00", "#56b4e9"
GREY, DARK = "#8a929b", "#333333"
PALETTE = (BLUE, ORANGE, GREEN, DARK, SKY, PURPLE, RED, GREY)
"""In the order of use: Okabe and Ito's colours, and greys. Colour-blind people can tell the first four apart."""
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<")
"""One for each colour of the palette: a printout in grey keeps the groups apart."""

_STYLE: Any = {
    "axes.spines.top": False, "axes.spines.right": False, "axes.titlelocation": "left",
    "font.size": 8, "axes.titlesize": 9, "axes.labelsize": 8, "xtick.labelsize": 7, "ytick.labelsize": 7,
    "legend.fontsize": 7, "legend.frameon": False, "lines.linewidth": 1.2,
}

P = ParamSpec("P")


def require_matplotlib() -> None:
    """Raise `InputError` at the start of a long job if its figure could not be drawn."""
    try:
        import matplotlib  # noqa: F401
    except ImportError:
        raise InputError("Figures need matplotlib: pip install 'grover-hf[analysis]'") from None


def require_format(path: Path) -> None:
    """Raise `InputError` if a figure cannot be written under this name."""
    if path.suffix not in FORMATS:
        raise InputError(f"{path} cannot be the name of a figure; it must end in {', '.join(FORMATS)}.")


def styled(draw: "Callable[P, Figure]") -> "Callable[P, Figure]":
    """Draw in the style of this package; the user's own settings of matplotlib stay as they are."""

    @functools.wraps(draw)
    def draw_in_style(*arguments: P.args, **options: P.kwargs) -> "Figure":
        require_matplotlib()
        from matplotlib import rc_context

        with rc_context(_STYLE):
            return draw(*arguments, **options)

    return draw_in_style


def new_figure(width: float, height: float) -> "Figure":
    """Return an empty figure of this size in inches; no window and no global state are involved."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def legend_below(axes: Any, n_columns: int = 2) -> None:
    """Put the legend of axes below their label, where no data can lie."""
    # The pad is in sizes of the legend's font: room for tick labels and the axis label.
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, 0), borderaxespad=5, ncols=n_columns)


def legend_above(figure: Any, axes: Any, **options: Any) -> None:
    """Put the legend of axes above a whole figure, where no data can lie."""
    handles, labels = axes.get_legend_handles_labels()
    if labels:
        figure.legend(handles, labels, loc="outside upper right", ncols=len(labels), **options)


def require_figure(path: Path) -> None:
    """Raise `InputError` if a figure would replace a file that is none of its kind."""
    require_format(path)
    if path.is_dir():
        raise InputError(f"{path} is a folder; name a file.")
    if path.exists():
        with open(path, "rb") as file:
            if not file.read(8).startswith(_BEGINS[path.suffix]):
                raise InputError(f"{path} is there and is not a figure; name another file.")


def save_figure(figure: "Figure", path: Path) -> None:
    """Write a figure as PNG, PDF or SVG, by the suffix of `path`; a file that is there is replaced.

    Raises:
        InputError: If the suffix is another one.
    """
    require_format(path)
    with atomic_write(path) as part:
        figure.savefig(part, dpi=150, format=path.suffix[1:])
