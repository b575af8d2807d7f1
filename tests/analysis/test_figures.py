"""Figures are checked by what they show: axes, labels, the numbers that were drawn."""

import numpy as np
import pandas as pd
import pytest

from grover_hf.analysis.per_token_figures import accuracy_figure, per_token_figure, perplexity_figure
from grover_hf.analysis.results.figure import results_figure
from grover_hf.analysis.results.table import Result
from grover_hf.analysis.sweep.figures import sweep_figure
from grover_hf.analysis.sweep.results import SweepResults
from grover_hf.analysis.sweep.selection import Choice, Curve
from grover_hf.analysis.vocabulary.figures import stability_figure, vocabulary_figure
from grover_hf.analysis.vocabulary.stability import Stability
from grover_hf.analysis.vocabulary.table import LengthProfile
from grover_hf.metrics.per_token import PerToken

pytest.importorskip("matplotlib")


def drawn(axes):
    """The lines of axes, by label."""
    return {line.get_label(): line.get_ydata() for line in axes.get_lines()}


def legend_texts(legend):
    return [text.get_text() for text in legend.get_texts()]


def require_legends_beside_the_data(figure):
    """No legend may lie over the axes."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    FigureCanvasAgg(figure).draw()
    legends = [*figure.legends, *(legend for part in figure.subfigs for legend in part.legends)]
    legends += [axes.get_legend() for axes in figure.axes if axes.get_legend()]
    assert legends
    for legend in legends:
        box = legend.get_window_extent()
        assert not any(box.overlaps(axes.patch.get_window_extent()) for axes in figure.axes)


def result(task, method, mcc, low=None, high=None, **paper):
    low, high = (mcc - 0.1 if low is None else low), (mcc + 0.1 if high is None else high)
    return Result(
        task=task, dataset="bpe-600", method=method, model=f"{method}, 100 of at most 500 trees", trainings=1,
        mcc=mcc, mcc_low=low, mcc_high=high, mcc_sd=None, accuracy=0.5, auroc=0.5, rows=10, paper_grover="",
        paper_tfidf="", excludes_paper=None, folder=method, **paper,
    )


def test_results_are_methods_by_tasks_with_the_best_of_a_task_in_its_own_colour():
    rows = [result("ctcf", "gc", 0.1), result("ctcf", "tfidf", 0.4, 0.35, 0.45), result("promscan", "tfidf", 0.3)]
    figure = results_figure(rows)
    ctcf, promscan = figure.axes
    assert [label.get_text() for label in ctcf.get_yticklabels()] == ["gc", "tfidf"]
    assert [axes.get_title(loc="left").split("\n")[0] for axes in figure.axes] == ["ctcf", "promscan"]
    others, best = (line.get_xdata().tolist() for line in ctcf.get_lines()[-2:])
    assert (others, best) == ([0.1], [0.4])
    assert ctcf.get_lines()[-1].get_ydata() == [1]
    assert promscan.get_lines()[-1].get_ydata() == [1]
    (interval,) = ctcf.collections[-1].get_segments()
    assert interval[:, 0].tolist() == [0.35, 0.45]
    # The first method is at the top, in every panel.
    assert ctcf.get_ylim() == promscan.get_ylim() == (1.6, -0.6)


def test_the_paper_s_scores_are_hollow_marks_on_lines_of_their_own():
    rows = [result("ctcf", "tfidf", 0.4, paper_grover_mcc=0.6), result("gc", "tfidf", 0.3)]
    ctcf, gc = results_figure(rows).axes
    assert [label.get_text() for label in ctcf.get_yticklabels()] == ["the paper's GROVER", "tfidf"]
    (paper,) = [line for line in ctcf.get_lines() if line.get_markerfacecolor() == "none"]
    assert (paper.get_xdata().tolist(), paper.get_ydata().tolist()) == ([0.6], [0])
    assert not [line for line in gc.get_lines() if line.get_markerfacecolor() == "none"]


def test_two_runs_of_one_method_are_two_dots_of_one_line():
    (axes,) = results_figure([result("ctcf", "tfidf", 0.1), result("ctcf", "tfidf", 0.4)]).axes
    others, best = axes.get_lines()[-2:]
    assert others.get_ydata()[0] < 0 < best.get_ydata()[0]
    assert len(axes.get_yticklabels()) == 1


def test_results_of_many_methods_and_tasks_fit_a_screen():
    rows = [result(f"task {task}", f"method {method}", 0.1) for task in range(7) for method in range(16)]
    width, height = results_figure(rows).get_size_inches()
    assert width * 100 <= 1_920
    assert height * 100 <= 1_080


def test_accuracy_is_drawn_in_per_cent_over_k_with_its_interval():
    curve = np.array([0.1, 0.3, 0.4])
    figure = accuracy_figure({"model": curve, "counts": curve / 2}, {
        "model": np.stack([curve - 0.05, curve + 0.05]), "counts": np.stack([curve / 3, curve]),
    }, n_masked=1_234)
    (axes,) = figure.axes
    assert {name: values.tolist() for name, values in drawn(axes).items()} == {
        "model": [10, 30, 40], "counts": [5, 15, 20],
    }
    band = axes.collections[0].get_paths()[0].vertices[:, 1]
    assert (band.min(), band.max()) == pytest.approx((5, 45))
    assert legend_texts(figure.legends[0]) == ["model", "counts"]
    assert "of 1,234 masked tokens" in axes.get_ylabel()
    require_legends_beside_the_data(figure)


def test_perplexity_is_drawn_as_a_share_with_its_interval_and_its_value_above():
    (axes,) = perplexity_figure(
        ["model", "counts"], np.array([0.3, 0.5]), intervals=np.array([(0.25, 0.35), (0.51, 0.6)]),
        perplexities=np.array([180.4, 1_300.0]),
    ).axes
    assert [bar.get_height() for bar in axes.patches] == [30, 50]
    assert [text.get_text() for text in axes.texts] == ["180", "1,300"]
    bars = [segment[:, 1].tolist() for segment in axes.collections[0].get_segments()]
    # Never turned around, where the interval of resamples lies beside the score.
    assert bars == [pytest.approx([25, 35]), pytest.approx([50, 60])]


def test_types_are_drawn_by_length_and_frequency_but_for_those_met_once():
    values, twice = np.linspace(0.5, 0.8, 7), np.zeros((2, 7))
    score = PerToken(np.array([1, 5, 5, 5, 5, 5, 5]), values, twice, values - 0.1, twice, values)
    lengths, frequencies = np.array([1, 2, 2, 2, 2, 2, 3]), 10 ** np.arange(1, 8)
    figure = per_token_figure({"model": score, "neighbour counts": score}, lengths, frequencies)
    auc_by_length, auc_by_frequency, by_length, accuracy_by_frequency = figure.axes
    assert auc_by_frequency.collections[0].get_offsets()[:, 0].tolist() == frequencies[1:].tolist()
    assert auc_by_frequency.collections[0].get_offsets()[:, 1].tolist() == pytest.approx(100 * values[1:] - 10)
    assert accuracy_by_frequency.collections[0].get_offsets()[:, 1].tolist() == pytest.approx(100 * values[1:])
    # A box for the five types of two bases, of each predictor; the one of three bases is a dot.
    assert len(auc_by_length.patches) == 2
    assert by_length.get_lines()[0].get_ydata().tolist() == pytest.approx([80])
    assert by_length.get_xlabel() == "bases of a type (n = 6 types)"
    assert (auc_by_length.get_ylabel(), accuracy_by_frequency.get_xlabel()) == (
        "AUC, %", "occurrences of a type in the train windows",
    )
    require_legends_beside_the_data(figure)


def test_a_vocabulary_is_drawn_by_frequency_and_by_length():
    profile = LengthProfile(np.array([1, 8]), np.array([25.0, 75.0]), np.array([0.25, 0.5]), 1.75)
    figure = vocabulary_figure("bpe-5", {"bpe-5": np.array([10, 1_000]), "4-mers": np.array([7, 9])}, profile)
    frequencies, in_genome, in_dictionary = figure.axes
    assert [label.get_text() for label in frequencies.get_xticklabels()] == ["bpe-5\nn = 2", "4-mers\nn = 2"]
    assert in_genome.get_ylabel() == "% of the genome's 100 tokens"
    assert [bar.get_height() for bar in in_genome.patches] == [25, 75]
    assert [bar.get_height() for bar in in_dictionary.patches] == [1, 8]
    assert [text.get_text() for text in in_dictionary.texts] == ["25%", "50%"]
    assert in_genome.texts[0].get_text() == " mean 1.75"


def test_stability_is_drawn_with_its_median_and_the_paper_s_share():
    shared = np.array([[1.0, 0.5], [1.0, 1.0], [0.0, 0.5]])
    stability = Stability(shared, np.median(shared, axis=0), np.array([0.9, 0.95, 0.99]), 0.96)
    figure = stability_figure("hg38", stability)
    by_rank, first_base = figure.axes
    assert by_rank.get_title(loc="left") == "a  3 resamples of hg38"
    assert drawn(by_rank)["median"].tolist() == [100, 50]
    assert [line.get_ydata().tolist() for line in by_rank.get_lines()[:3]] == (100 * shared).tolist()
    assert sorted(first_base.collections[0].get_offsets()[:, 1]) == pytest.approx([90, 95, 99])
    assert {name: values[0] for name, values in drawn(first_base).items()} == {
        "the genome, 96 %": 96, "the paper, 97 %": 97,
    }
    require_legends_beside_the_data(figure)


def sweep_results(choice):
    lines = [
        {"k": 2, "vocabulary": name, "accuracy": a, "accuracy_low": a - 0.01, "accuracy_high": a + 0.01,
         "majority": 0.08, "share_of_vocabulary": 0.3, "perplexity": 200.0}
        for name, a in (("bpe-100", 0.1), ("bpe-600", 0.2), ("kmer-4", 0.15))
    ]
    seeds = pd.DataFrame({"k": 2, "cycles": [100, 600, 0], "accuracy": [0.1, 0.2, 0.15]})
    tfidf = pd.DataFrame({"k": [2], "vocabulary": ["bpe-600"], "accuracy": [0.12], "low": [0.11], "high": [0.13]})
    band = np.array([0.1, 0.2])
    curves = {2: Curve(np.array([100, 600]), band, band - 0.01, band + 0.01)}
    top_k = {name: [0.1, 0.2, 0.3] for name in ("bpe-100", "bpe-600", "kmer-4")}
    return SweepResults(pd.DataFrame(lines), seeds, tfidf, curves, choice, "", top_k)


def test_a_sweep_is_drawn_over_cycles_and_by_vocabulary_with_the_chosen_byte_pairs():
    figure = sweep_figure(sweep_results(Choice(100, (100, 600), 1, {2: (100, 600)}, True, True)))
    over_cycles, by_vocabulary, with_tfidf, top, perplexity = figure.axes
    assert over_cycles.get_lines()[0].get_xdata().tolist() == [100, 600]
    assert over_cycles.get_lines()[0].get_ydata().tolist() == [10, 20]
    assert drawn(over_cycles)["most frequent answer"][0] == 8
    assert legend_texts(by_vocabulary.get_legend()) == ["bpe-100", "kmer-4"]
    assert legend_texts(with_tfidf.get_legend()) == ["bpe-100", "TF-IDF bpe-600"]
    assert list(drawn(top)) == ["bpe-100", "kmer-4"]
    assert [bar.get_height() for bar in perplexity.patches] == [30, 30]
    require_legends_beside_the_data(figure)


def test_where_no_cycle_is_chosen_the_most_accurate_byte_pairs_are_drawn():
    figure = sweep_figure(sweep_results(None))
    assert legend_texts(figure.axes[1].get_legend()) == ["bpe-600", "kmer-4"]
