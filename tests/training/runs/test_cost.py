import re

import numpy as np
import pytest

from training.pretrain import PretrainRecipe
from training.runs import cost
from training.runs.cost import cpu_flop_per_second, readable_duration, training_flop, warn_of_days_on_a_cpu
from training.runs.recipe import read_recipe

LENGTHS = np.full(100, 300)


@pytest.fixture
def fixed_speed(monkeypatch):
    """100 GFLOP/s."""
    monkeypatch.setattr(cost, "cpu_flop_per_second", lambda *, bf16: 1e11)


@pytest.mark.usefixtures("fixed_speed")
def test_a_base_model_on_a_cpu_is_told_its_days_and_the_recipes_that_fit(capsys):
    recipe = read_recipe(PretrainRecipe, "bpe_600", "pretrain", {})
    warn_of_days_on_a_cpu(recipe, LENGTHS, 609, processes=1)
    text = capsys.readouterr().err
    a_step = 64 * training_flop(LENGTHS, 609, "base", 0.022)
    assert "warning: on this CPU 200,000 steps of the size base take at least " in text
    assert int(re.search(r"at least (\d+) days", text)[1]) == int(200_000 * a_step / 1e11 / 86_400)
    assert f"This is an estimate: {a_step / 1e12:.3g} TFLOP a step at 100 GFLOP/s" in text
    fitting = re.search("less than a day here: (.*)\\.", text)[1]
    assert re.sub(r" \(at least [^)]*\)", "", fitting) == "tiny_cpu, small_cpu"


@pytest.mark.usefixtures("fixed_speed")
def test_processes_share_the_days(capsys):
    recipe = read_recipe(PretrainRecipe, "bpe_600", "pretrain", {})
    days = []
    for processes in (1, 4):
        warn_of_days_on_a_cpu(recipe, LENGTHS, 609, processes=processes)
        days.append(int(re.search(r"at least (\d+) days", capsys.readouterr().err)[1]))
    assert days[0] == pytest.approx(4 * days[1], abs=4)


@pytest.mark.usefixtures("fixed_speed")
def test_a_recipe_that_fits_is_not_warned_of(capsys):
    warn_of_days_on_a_cpu(read_recipe(PretrainRecipe, "tiny_cpu", "pretrain", {}), LENGTHS, 609, processes=1)
    assert capsys.readouterr().err == ""


def test_the_speed_of_this_machine_is_that_of_a_computer():
    assert 1e8 < cpu_flop_per_second(bf16=False) < 1e14


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.4, "0 s"), (59, "59 s"), (60, "1 min"), (61, "1 min 1 s"), (3_661, "1 h 1 min"), (86_400, "1 day"),
        (90_000, "1 day 1 h"), (86_400 * 1_234 + 7_200, "1,234 days 2 h"),
    ],
)
def test_times_have_their_two_largest_units(seconds, text):
    assert readable_duration(seconds) == text
