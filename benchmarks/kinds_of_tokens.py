"""On which tokens a pretrained model beats the table of both neighbours, and on which not.

python benchmarks/kinds_of_tokens.py RUN GENOME [--windows 1000] [--output kinds.csv] [--figure kinds.png]
    [--dataset WINDOWS] [--repeats REPEATS.bed.gz]

RUN is a pretraining, GENOME the FASTA file of the windows: RUN's own test windows, or all of another genome's.
15 % of the tokens are masked, 80/10/10, as `grover evaluate` masks them. Each is of one kind in each respect:

length      bases of the token
GC          share of G and C in the token
simple      half of its bases or more lie in a run of 20 bp or more that repeats a unit of 1 to 6 bp exactly
repeat      the class of REPEATS (BED, names `repeat|class` of RepeatMasker) that has all its bases, none, or some
frequency   quarters of the train tokens, from the most frequent types to the rarest
neighbours  how many of the two are seen; one that was replaced by a random token counts as seen

Intervals: bootstrap over windows, the same draws for all.
"""

import argparse
import csv
import gzip
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from grover_hf.analysis.figure_style import BLUE, new_figure, save_figure, styled
from grover_hf.baselines.neighbour_model import seen_at
from grover_hf.corpus.splits import Places
from grover_hf.genome import ReferenceGenome
from grover_hf.masking import IGNORED, MaskingCollator
from grover_hf.metrics.predictors import NEIGHBOURS
from grover_hf.metrics.window_bootstrap import WindowResamples, interval
from grover_hf.tokenization.special_tokens import N_SPECIAL
from training.data.window_batches import WindowDataset
from training.evaluation.judging import Baseline, MaskedModel, baselines_of, count_and_weigh
from training.evaluation.plan import EvaluationPlan
from training.evaluation.subject import collator_of, rows_to_judge, subject_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LONGEST_UNIT_BP, SHORTEST_RUN_BP = 6, 20
_REPEATS = ("SINE/Alu", "SINE/MIR", "LINE/L1", "LINE/L2", "LTR", "DNA")
_BATCH = 16

Kinds: TypeAlias = dict[str, tuple[list[str], NDArray[np.int64]]]


class Predicted(NamedTuple):
    """The tokens to predict, n of them; all arrays of shape (n,)."""

    true: NDArray[np.int64]
    window: NDArray[np.int64]
    """Number of the window."""
    chrom: NDArray[np.object_]
    start: NDArray[np.int64]
    """Its first base, 0-based."""
    end: NDArray[np.int64]
    """After its last base."""
    n_seen: NDArray[np.int64]
    """How many of the two neighbours are not masked."""
    model_nll: NDArray[np.float64]
    table_nll: NDArray[np.float64]


class Kind(NamedTuple):
    """A line of the table."""

    question: str
    kind: str
    share: float
    model: float
    table: float
    less: float
    """Table less model, nats a token; above 0 the model is better."""
    low: float
    high: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("run")
    parser.add_argument("genome")
    parser.add_argument("--windows", type=int, default=1_000)
    parser.add_argument("--output", type=Path)
    parser.add_argument("--figure", type=Path)
    parser.add_argument("--dataset", help="windows of another genome than that of the training; all are judged")
    parser.add_argument("--repeats", type=Path)
    arguments = parser.parse_args()
    plan = EvaluationPlan(
        run=arguments.run, dataset=arguments.dataset, windows=arguments.windows, p_select=0.15, p_mask=0.8,
        p_random=0.1, seed=0,
    )
    subject = subject_of(plan)
    collator = collator_of(plan, subject)
    train = subject.trained_on.split("train")
    counts, weights = count_and_weigh(train.store, train.places, collator)
    table = baselines_of(counts, weights, collator)[NEIGHBOURS]
    parts: list[Predicted] = []
    n_windows = 0
    for name in ("test",) if arguments.dataset is None else ("train", "test"):
        placed = subject.judged.split(name)
        rows = rows_to_judge(placed.places, plan.windows)
        windows = WindowDataset(placed.store, rows)
        places = Places(*(np.asarray(column)[rows] for column in placed.places))
        model = MaskedModel(subject.model, n_tokens=collator.vocab_size, longest=int(windows.lengths.max()))
        parts += predicted(model, table, windows, places, collator, subject.encoder.token_lengths, n_windows)
        n_windows += len(windows)
    tokens = Predicted(*(np.concatenate(column) for column in zip(*parts, strict=True)))
    kinds = kinds_of(tokens, subject.encoder.tokens, counts.singles)
    kinds |= kinds_of_places(tokens, ReferenceGenome(arguments.genome), arguments.repeats)
    lines = table_of(tokens, kinds, WindowResamples(tokens.window, n_windows, rng=np.random.default_rng(0)))
    print(f"{n_windows:,} windows, {len(tokens.true):,} tokens to predict\n")
    print("| kind | share of tokens | model, nats | table | table less model (95 %) |")
    print("| --- | --- | --- | --- | --- |")
    for line in lines:
        print(
            f"| {line.question}: {line.kind} | {100 * line.share:.1f} % | {line.model:.3f} | {line.table:.3f} | "
            f"{line.less:.3f} ({line.low:.3f} to {line.high:.3f}) |"
        )
    if arguments.output:
        with open(arguments.output, "w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(Kind._fields)
            writer.writerows((*line[:2], *(round(value, 5) for value in line[2:])) for line in lines)
    if arguments.figure:
        save_figure(draw(lines), arguments.figure)


def predicted(
    model: MaskedModel, table: Baseline, windows: WindowDataset, places: Places, collator: MaskingCollator,
    token_lengths: NDArray[np.integer], n_before: int,
) -> Iterator[Predicted]:
    """Yield the masked tokens of windows, whose numbers begin at `n_before`, a batch at a time."""
    for first in range(0, len(windows), _BATCH):
        numbers = np.arange(first, min(first + _BATCH, len(windows)))
        batch = collator(windows.__getitems__(numbers.tolist()))
        labels, input_ids = batch["labels"].numpy(), batch["input_ids"].numpy()
        row, column = np.nonzero(labels != IGNORED)
        true = labels[row, column]
        original = np.where(labels == IGNORED, input_ids, labels)
        # Special tokens have no bases; [CLS] stands before the first token.
        bases = np.where(original >= N_SPECIAL, token_lengths[original], 0).astype(np.int64)
        end = np.asarray(places.starts)[numbers[row]] + np.cumsum(bases, axis=1)[row, column]
        seen = seen_at(input_ids, labels != IGNORED)
        picked = np.arange(len(true))
        yield Predicted(
            true, n_before + numbers[row], np.asarray(places.chroms)[numbers[row]], end - bases[row, column], end,
            (seen.left >= N_SPECIAL).astype(np.int64) + (seen.right >= N_SPECIAL),
            -model.log_probabilities(batch, bf16=False)[picked, true].astype(np.float64),
            -table.log_probabilities(seen)[picked, true].astype(np.float64),
        )


def kinds_of_places(tokens: Predicted, genome: ReferenceGenome, repeats: Path | None) -> Kinds:
    """Return the kinds that follow from where tokens lie, and the number of each token's own, shape (n,)."""
    simple = np.zeros(len(tokens.true), np.int64)
    names = ["none", *_REPEATS, "other", "at a border"]
    repeat = np.zeros(len(tokens.true), np.int64)
    annotated = None if repeats is None else read_repeats(repeats)
    for chrom in np.unique(tokens.chrom):
        chosen = np.flatnonzero(tokens.chrom == chrom)
        start, end = tokens.start[chosen], tokens.end[chosen]
        codes = genome.codes(chrom)
        n_before = np.concatenate([[0], np.cumsum(in_simple_repeat(codes))])
        simple[chosen] = 2 * (n_before[end] - n_before[start]) >= end - start
        if annotated is not None:
            of_base = np.zeros(len(codes), np.int8)
            for first, last, number in annotated.get(chrom, ()):
                of_base[first:last] = number
            changes = np.concatenate([[0, 0], np.cumsum(np.diff(of_base) != 0)])
            whole = changes[end] == changes[start + 1]
            repeat[chosen] = np.where(whole, of_base[start], len(names) - 1)
    kinds: Kinds = {"simple": (["no", "yes"], simple)}
    return kinds if annotated is None else kinds | {"repeat": (names, repeat)}


def read_repeats(path: Path) -> dict[str, list[tuple[int, int, int]]]:
    """Return by chromosome start, end and number of class, 1 for the first of `_REPEATS`."""
    found: dict[str, list[tuple[int, int, int]]] = {}
    with gzip.open(path, "rt") as file:
        for line in file:
            chrom, start, end, name, *_ = line.split("\t")
            of = name.split("|")[-1]
            number = next((i for i, known in enumerate(_REPEATS) if of.startswith(known)), len(_REPEATS))
            found.setdefault(chrom, []).append((int(start), int(end), number + 1))
    return found


def in_simple_repeat(codes: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Return which bases lie in a run of 20 bp or more that repeats a unit of 1 to 6 bp, shape (n_bases,).

    >>> codes = np.array([0, 3, *[0, 1] * 10, 2, 2])
    >>> in_simple_repeat(codes).nonzero()[0].tolist() == list(range(2, 22))
    True
    """
    inside = np.zeros(len(codes), np.bool_)
    for unit in range(1, LONGEST_UNIT_BP + 1):
        # Codes above 3 are no known base.
        same = np.concatenate([[False], (codes[unit:] == codes[:-unit]) & (codes[unit:] < 4), [False]])
        first, end = np.flatnonzero(np.diff(same.astype(np.int8))).reshape(-1, 2).T
        for a, b in zip(first, end + unit, strict=True):
            if b - a >= SHORTEST_RUN_BP:
                inside[a:b] = True
    return inside


def kinds_of(tokens: Predicted, spelled: tuple[str, ...], singles: NDArray[np.int64]) -> Kinds:
    """Return by question the kinds there are, and the number of each token's own, shape (n,)."""
    lengths = np.array([len(token) for token in spelled])
    gc = np.array([sum(base in "GC" for base in token) / len(token) for token in spelled])
    by_frequency = np.argsort(-singles, kind="stable")
    quarter = np.zeros(len(singles), np.int64)
    more_frequent = np.cumsum(singles[by_frequency]) - singles[by_frequency]
    quarter[by_frequency] = np.minimum(3, 4 * more_frequent // singles.sum())
    sizes = np.bincount(quarter[N_SPECIAL:], minlength=4)
    return {
        "length": (
            ["1 or 2 bp", "3 bp", "4 bp", "5 bp", "6 bp", "7 bp or more"],
            np.clip(lengths - 2, 0, 5)[tokens.true],
        ),
        "GC": (
            ["none", "up to a third", "up to a half", "up to two thirds", "more"],
            np.searchsorted([0, 1 / 3 + 1e-9, 0.5, 2 / 3 + 1e-9], gc)[tokens.true],
        ),
        "frequency": (
            [f"the {sizes[0]} most frequent types", *(f"the next {n}" for n in sizes[1:])], quarter[tokens.true]
        ),
        "neighbours": (["none seen", "one", "both"], tokens.n_seen),
    }


def table_of(tokens: Predicted, kinds: Kinds, resamples: WindowResamples) -> list[Kind]:
    """Return the lines of the table: all tokens, then each kind."""
    less = tokens.table_nll - tokens.model_nll
    lines = []
    everything: Kinds = {"all": (["tokens"], np.zeros(len(less), np.int64))}
    for question, (names, number) in (everything | kinds).items():
        drawn = [resamples.sums(values, number, len(names)) for values in (less, 1.0)]
        with np.errstate(invalid="ignore"):
            low, high = interval(drawn[0] / drawn[1])
        for i, name in enumerate(names):
            chosen = number == i
            means = (values[chosen].mean() for values in (tokens.model_nll, tokens.table_nll, less))
            lines.append(Kind(question, name, chosen.mean(), *means, low[i], high[i]))
    return lines


@styled
def draw(lines: list[Kind]) -> "Figure":
    """Return how much better the model is, a line for each kind."""
    drawn = new_figure(5, 0.2 * len(lines) + 0.6)
    axes = drawn.subplots()
    height = np.arange(len(lines))[::-1]
    less = np.array([line.less for line in lines])
    error = np.array([(line.less - line.low, line.high - line.less) for line in lines]).T
    axes.errorbar(less, height, xerr=error, fmt="o", color=BLUE, markersize=3)
    axes.axvline(0, color="black", linewidth=0.5)
    axes.set_yticks(height, [f"{line.question}: {line.kind} ({100 * line.share:.0f} %)" for line in lines])
    axes.set(xlabel="table less model, nats a token")
    return drawn


if __name__ == "__main__":
    main()
