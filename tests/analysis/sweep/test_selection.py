import numpy as np
import pytest
from scipy.stats import t

from grover_hf.analysis.sweep.selection import Curve, accuracy_curve, best_region, chosen_cycle
from grover_hf.errors import InputError

# R's data set `cars`, and what R says of it in the examples of `?predict.loess`:
# cars.lo <- loess(dist ~ speed, cars); predict(cars.lo, data.frame(speed = seq(5, 30, 1)), se = TRUE)
SPEED = [4, 4, 7, 7, 8, 9, 10, 10, 10, 11, 11, 12, 12, 12, 12, 13, 13, 13, 13, 14, 14, 14, 14, 15, 15, 15, 16, 16,
         17, 17, 17, 18, 18, 18, 18, 19, 19, 19, 20, 20, 20, 20, 20, 22, 23, 24, 24, 24, 24, 25]
DIST = [2, 10, 4, 22, 16, 10, 18, 26, 34, 17, 28, 14, 20, 24, 28, 26, 34, 34, 46, 26, 36, 60, 80, 20, 26, 54, 32,
        40, 32, 40, 50, 42, 56, 76, 84, 36, 46, 68, 32, 48, 52, 56, 64, 66, 54, 70, 92, 93, 120, 85]
R_FIT = {5: 7.797353, 10: 21.865315, 15: 41.205226, 20: 56.461318, 25: 95.324047}
R_STANDARD_ERROR = {5: 7.568120, 10: 4.115049, 15: 4.709568, 20: 4.043190, 25: 8.302014}
R_DEGREES_OF_FREEDOM = 44.6179


def curve(accuracy, *, cycles=None, half_width=0.5):
    accuracy = np.asarray(accuracy, float)
    cycles = np.arange(100, 100 * len(accuracy) + 1, 100) if cycles is None else np.asarray(cycles)
    return Curve(cycles, accuracy, accuracy - half_width, accuracy + half_width)


def plateau(first, last, cycles):
    return curve(np.where((cycles >= first) & (cycles <= last), 10.0, 5.0), cycles=cycles)


def test_the_curve_and_its_band_are_those_of_r():
    found = accuracy_curve(np.exp(SPEED), DIST)
    # The curve is over the logarithm of cycles, which for these is the speed.
    speed = np.log(found.cycles)
    for at, value in R_FIT.items():
        assert np.interp(at, speed, found.accuracy) == pytest.approx(value, abs=0.02)
    margin = t.ppf(0.975, R_DEGREES_OF_FREEDOM)
    for at, error in R_STANDARD_ERROR.items():
        assert np.interp(at, speed, found.high - found.accuracy) == pytest.approx(margin * error, rel=0.02)
        assert np.interp(at, speed, found.accuracy - found.low) == pytest.approx(margin * error, rel=0.02)


def test_the_curve_spans_the_cycles_that_were_trained():
    cycles = np.repeat([100, 300, 600, 1200, 2500], 3)
    found = accuracy_curve(cycles, np.random.default_rng(0).normal(0.1, 0.01, 15))
    assert (found.cycles[0], found.cycles[-1]) == (100, 2500)
    assert np.all(np.diff(found.cycles) > 0)
    assert np.all((found.low <= found.accuracy) & (found.accuracy <= found.high))


@pytest.mark.parametrize(("counts", "seeds"), [([100, 300, 600, 1200], 3), ([100, 300, 600, 1200, 2500], 1)])
def test_too_few_points_for_a_band_are_refused(counts, seeds):
    cycles = np.repeat(counts, seeds)
    with pytest.raises(InputError, match="needs 5 or more|too few"):
        accuracy_curve(cycles, np.linspace(0.1, 0.2, len(cycles)))


def test_the_best_region_is_where_the_curve_is_within_the_band_at_its_maximum():
    # The maximum is 8 and the band's lower end there 7.5.
    assert best_region(curve([5, 7.4, 7.5, 8, 7.6, 7.4, 7.9])) == (300, 500)


def test_the_best_region_ends_where_the_curve_falls_though_it_rises_again():
    assert best_region(curve([7.9, 5, 8, 5, 7.9])) == (300, 300)


def test_400_to_800_for_every_k_gives_600_as_in_the_paper():
    cycles = np.arange(100, 5001, 100)
    choice = chosen_cycle({k: plateau(400, 800, cycles) for k in (2, 3, 4, 5, 6)}, cycles.tolist())
    assert choice.cycle == 600
    assert choice.region == (400, 800)
    assert choice.n_agreeing == 5
    assert not choice.is_whole_scan
    assert not choice.at_the_edge


def test_the_cycles_on_which_most_k_agree_decide():
    cycles = np.arange(100, 2001, 100)
    curves = {2: plateau(300, 900, cycles), 3: plateau(500, 1100, cycles), 4: plateau(1500, 1900, cycles)}
    choice = chosen_cycle(curves, cycles.tolist())
    assert choice.region == (500, 900)
    assert choice.n_agreeing == 2
    assert choice.cycle == 700
    assert choice.best_regions[4] == (1500, 1900)


def test_only_a_cycle_that_was_trained_is_chosen_the_smaller_of_two_as_near():
    cycles = np.arange(100, 2001, 100)
    assert chosen_cycle({2: plateau(400, 800, cycles)}, [300, 500, 700, 2000]).cycle == 500


def test_a_flat_curve_tells_nothing_apart_and_says_so():
    choice = chosen_cycle({2: curve([5, 5.1, 5, 4.9, 5])}, [100, 300, 500])
    assert choice.is_whole_scan
    assert choice.cycle == 300


def test_a_region_at_the_end_of_the_scan_is_said_to_be_there():
    choice = chosen_cycle({2: curve([1, 2, 3, 4, 5])}, [100, 300, 500])
    assert choice.at_the_edge
    assert not choice.is_whole_scan


def test_curves_over_other_cycles_are_not_put_together():
    with pytest.raises(ValueError, match="same cycles"):
        chosen_cycle({2: curve([1, 2]), 3: curve([1, 2, 3])}, [100])
