"""Pages in Chromium draw, sort, filter, and run nothing that a name smuggles in. Asked for with -m browser."""

import json
import shutil
import time

import numpy as np
import pandas as pd
import pytest

from grover_hf.report.page import write_report
from tests.report.conftest import write_runs
from tests.report.test_page import HOSTILE

pytestmark = pytest.mark.browser
_SECONDS = 60


@pytest.fixture(scope="module")
def browser():
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    binary, driver = shutil.which("chromium") or shutil.which("chromium-browser"), shutil.which("chromedriver")
    assert binary, "there is no chromium on the path"
    assert driver, "there is no chromedriver on the path"
    options = webdriver.ChromeOptions()
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"):
        options.add_argument(argument)
    options.binary_location = binary
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    chrome = webdriver.Chrome(options=options, service=Service(driver))
    yield chrome
    chrome.quit()


def opened(browser, path, *, scheme="light", width=1280):
    media = [{"name": "prefers-color-scheme", "value": scheme}]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": media})
    size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    browser.get_log("browser")
    begin = time.perf_counter()
    browser.get(path.as_uri())
    while browser.execute_script("return document.documentElement.dataset.ready") != "yes":
        assert time.perf_counter() - begin < _SECONDS, browser.get_log("browser")
        time.sleep(0.1)
    assert browser.get_log("browser") == []
    return time.perf_counter() - begin


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    folder = tmp_path_factory.mktemp("page")
    write_report([write_runs(folder / "runs")], folder / "report.html")
    return folder / "report.html"


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 400])
def test_charts_are_drawn_without_an_error_and_the_page_is_no_wider_than_the_screen(browser, page, scheme, width):
    opened(browser, page, scheme=scheme, width=width)
    drawn = "return [...document.querySelectorAll('[data-chart]')].map(one => one.dataset.drawn)"
    assert set(browser.execute_script(drawn)) == {"yes"}
    assert browser.execute_script("return document.documentElement.scrollWidth") <= width


def tokens_shown(browser):
    return browser.execute_script(
        "return [...document.querySelectorAll('#types-0 tbody tr')].filter(row => !row.hidden)"
        ".map(row => row.cells[0].textContent)"
    )


def press(browser, heading):
    browser.execute_script(
        "[...document.querySelectorAll('#types-0 th button')].find(one => one.textContent === arguments[0])"
        ".click()",
        heading,
    )


def test_the_token_table_is_sorted_by_numbers_and_empty_cells_come_last(browser, page):
    opened(browser, page)
    assert tokens_shown(browser) == ["A", "CG", "TTTT"]
    press(browser, "in train windows")
    assert tokens_shown(browser) == ["CG", "A", "TTTT"]
    press(browser, "accuracy")
    assert tokens_shown(browser) == ["A", "CG", "TTTT"]
    press(browser, "accuracy")
    assert tokens_shown(browser) == ["CG", "A", "TTTT"]


def test_the_token_table_is_filtered_by_what_one_types(browser, page):
    opened(browser, page)
    field = browser.find_element("css selector", "input.filter")
    field.send_keys("tt")
    assert tokens_shown(browser) == ["TTTT"]
    assert browser.find_element("css selector", "output.count").text == "1 of 3"


def test_nothing_in_hostile_names_runs(browser, tmp_path):
    folder = write_runs(tmp_path / "<img src=x onerror=alert(3)>")
    for path in folder.rglob("metrics.json"):
        text = path.read_text().replace('"prom300"', json.dumps(HOSTILE))
        path.write_text(text)
    write_report([folder], tmp_path / "report.html", title=HOSTILE)
    # An alert that is open makes the next command fail.
    opened(browser, tmp_path / "report.html")
    assert browser.title == HOSTILE
    assert browser.execute_script("return document.querySelectorAll('img[src=x]').length") == 0


def test_a_map_of_a_hundred_thousand_windows_is_small_enough_to_be_mailed(browser, tmp_path):
    rng = np.random.default_rng(0)
    n = 100_000
    (tmp_path / "map").mkdir()
    starts = np.arange(n) * 2_100
    pd.DataFrame({
        "chrom": "chr1", "start": starts, "end": starts + 2_100, "x": rng.normal(size=n), "y": rng.normal(size=n),
        **{f"class {i}": (rng.random(n) < 0.1).astype(np.float32) for i in range(8)},
    }).to_parquet(tmp_path / "map" / "map.parquet")
    write_report([tmp_path / "map"], tmp_path / "report.html")
    assert (tmp_path / "report.html").stat().st_size < 15e6
    print(f"opened in {opened(browser, tmp_path / 'report.html'):.1f} s")
