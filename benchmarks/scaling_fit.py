"""Fit loss by size and tokens to the runs of `benchmarks/scaling.py`, and say what the fit expects of larger ones.

python benchmarks/scaling_fit.py RUNS.csv [--output fits.csv] [--figure scaling.png]

Two forms, fitted to nats a masked token of the series "ours" by least squares:

E + A / N^a + B / D^b     Hoffmann et al. 2022, equation 2; N weights in the layers, D tokens of training
A / (N^a D^b)             three parameters: no floor

Intervals: bootstrap over cells (a size at a budget), 200 draws, each with the noise of seeds, whose standard
deviation is that of the cell with several. "long", a run that the fits have not seen, says how far they can be
trusted beyond the budgets; "with it" they have seen it, too. They know neither the genome's size nor that all runs
begin with neighbour counts.
"""

import argparse
import itertools
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.optimize import nnls

from grover_hf.analysis.figure_style import MARKERS, PALETTE, new_figure, save_figure, styled

if TYPE_CHECKING:
    from matplotlib.figure import Figure

N_DRAWS = 200
EXPONENTS = np.geomspace(0.02, 1.5, 25)
_TOKENS_A_WINDOW = 387.0
"""Of hg38.islands, on average; windows of hg19 are of the same lengths."""
_BASE_WEIGHTS = 12 * (4 * 768**2 + 2 * 768 * 3_072)
_BASE = {
    "base, bpe_600_fast": (_BASE_WEIGHTS, 50_000 * 64 * _TOKENS_A_WINDOW),
    "base, bpe_600": (_BASE_WEIGHTS, 200_000 * 64 * _TOKENS_A_WINDOW),
}


class WithFloor(NamedTuple):
    """E + A / N^a + B / D^b, of millions of weights and of tokens."""

    floor: float
    of_size: float
    a: float
    of_tokens: float
    b: float

    @classmethod
    def fitted(cls, points: NDArray[np.float64]) -> "WithFloor":
        """Return the least squares: of all exponents of a grid, the others are then linear, and not below 0."""
        n, d = points[:, 0] / 1e6, points[:, 1] / 1e6
        best, least = None, np.inf
        for a, b in itertools.product(EXPONENTS, EXPONENTS):
            terms = np.stack([np.ones_like(n), n**-a, d**-b], 1)
            (floor, of_size, of_tokens), residual = nnls(terms, points[:, 2])
            if residual < least:
                best, least = cls(floor, of_size, a, of_tokens, b), residual
        assert best is not None
        return best

    def at(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return nats of weights and tokens, shape (n,)."""
        n, d = points[:, 0] / 1e6, points[:, 1] / 1e6
        nats: NDArray[np.float64] = self.floor + self.of_size * n**-self.a + self.of_tokens * d**-self.b
        return nats


class WithoutFloor(NamedTuple):
    """A / (N^a D^b), of millions of weights and of tokens."""

    scale: float
    a: float
    b: float

    @classmethod
    def fitted(cls, points: NDArray[np.float64]) -> "WithoutFloor":
        """Return the least squares of the logarithms."""
        terms = np.stack([np.ones(len(points)), *-np.log(points[:, :2].T / 1e6)], 1)
        scale, a, b = np.linalg.lstsq(terms, np.log(points[:, 2]), rcond=None)[0]
        return cls(float(np.exp(scale)), float(a), float(b))

    def at(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return nats of weights and tokens, shape (n,)."""
        n, d = points[:, 0] / 1e6, points[:, 1] / 1e6
        nats: NDArray[np.float64] = self.scale * n**-self.a * d**-self.b
        return nats


FORMS: dict[str, type[WithFloor] | type[WithoutFloor]] = {"with a floor": WithFloor, "without": WithoutFloor}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("runs", type=Path)
    parser.add_argument("--output", type=Path)
    parser.add_argument("--figure", type=Path)
    arguments = parser.parse_args()
    runs = pd.read_csv(arguments.runs)
    runs["nats"] = np.log(runs["perplexity"])
    ours, long = (runs[runs["series"] == series] for series in ("ours", "long"))
    cells = ours.groupby(["size", "steps"])
    noise = float(cells["nats"].std().mean())
    if np.isnan(noise):
        parser.error(f"{arguments.runs} has one seed of each cell; the noise of seeds needs two of one.")
    points = cells[["layer_weights", "tokens", "nats"]].mean().to_numpy()
    reference = long[["layer_weights", "tokens", "nats"]].to_numpy()
    targets = {"long": tuple(reference[0, :2]), **_BASE}
    print(f"{len(points)} cells; seeds differ by {noise:.4f} nats (standard deviation)\n")
    lines = []
    for name, form in FORMS.items():
        for seen, fitted_on in (("not with it", points), ("with it", np.concatenate([points, reference]))):
            lines += expectations(name, form, seen, fitted_on, targets, noise)
    table = pd.DataFrame(lines)
    print("| law | long run | rms of the fit, nats | " + " | ".join(targets) + " |")
    print("|" + " --- |" * (3 + len(targets)))
    for (law, seen), part in table.groupby(["law", "long_run"], sort=False):
        cells_of = [f"{row.perplexity:.1f} ({row.low:.1f} to {row.high:.1f})" for row in part.itertuples()]
        print(f"| {law} | {seen} | {part['rms'].iloc[0]:.3f} | {' | '.join(cells_of)} |")
    print(f"\nmeasured, long: {np.exp(reference[0, 2]):.1f}")
    if arguments.output:
        table.round(5).to_csv(arguments.output, index=False)
    if arguments.figure:
        save_figure(draw(runs), arguments.figure)


def expectations(
    name: str, form: type[WithFloor] | type[WithoutFloor], seen: str, points: NDArray[np.float64],
    targets: dict[str, tuple[float, float]], noise: float,
) -> list[dict[str, object]]:
    """Return a line for each target: the perplexity that the fit expects, and its interval."""
    best = form.fitted(points)
    rms = float(np.sqrt(np.mean((best.at(points) - points[:, 2]) ** 2)))
    rng = np.random.default_rng(0)
    where = np.array(list(targets.values()), np.float64)
    drawn = []
    while len(drawn) < N_DRAWS:
        chosen = points[rng.integers(0, len(points), len(points))]
        # A fit needs two sizes, and as many cells as it has parameters.
        if len(np.unique(chosen[:, 0])) < 2 or len(np.unique(chosen, axis=0)) < len(form._fields):
            continue
        chosen[:, 2] += rng.normal(0, noise, len(chosen))
        drawn.append(form.fitted(chosen).at(where))
    expected, (low, high) = best.at(where), np.percentile(drawn, [2.5, 97.5], axis=0)
    return [
        {
            "law": name, "long_run": seen, "target": target, "perplexity": np.exp(expected[i]),
            "low": np.exp(low[i]), "high": np.exp(high[i]), "rms": rms,
            "parameters": " ".join(f"{value:.4g}" for value in best),
        }
        for i, target in enumerate(targets)
    ]


@styled
def draw(runs: pd.DataFrame) -> "Figure":
    """Return perplexity by operations, a line for each series and size."""
    drawn = new_figure(4.5, 3.2)
    axes = drawn.subplots()
    for number, ((series, size), part) in enumerate(runs.groupby(["series", "size"], sort=False)):
        means = part.groupby("steps")[["tflop", "perplexity"]].mean().sort_values("tflop")
        axes.plot(
            means["tflop"], means["perplexity"], marker=MARKERS[number], color=PALETTE[number], markersize=4,
            label=f"{series}, {size}",
        )
    axes.set(xlabel="TFLOP", ylabel="perplexity on test windows", xscale="log", yscale="log")
    ticks = [70, 80, 90, 100, 120, 150, 200, 300]
    axes.set_yticks(ticks, map(str, ticks))
    axes.minorticks_off()
    axes.legend(fontsize=6)
    return drawn


if __name__ == "__main__":
    main()
