"""A report shows the numbers of the files, says what is wrong first, and nothing in it can run or be loaded."""

import base64
import hashlib
import json
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from grover_hf.errors import InputError
from grover_hf.report import page
from grover_hf.report.page import policy, write_report
from grover_hf.tracks.writing import TrackPlan, write_tracks
from tests.made_up import dataset_identity, finetuning_report
from tests.report.conftest import write_runs
from tests.tiny_models import random_dna, save, tiny_masked_model


@pytest.fixture(autouse=True)
def no_library(monkeypatch):
    """The library is large and made anew each time; browser tests have it."""
    monkeypatch.setattr(page, "_vega_bundle", lambda: "/* the library */")


class Parsed(HTMLParser):
    """Elements of a page, in order, each with its attributes and the text right in it."""

    def __init__(self, html):
        super().__init__()
        self.elements, self._open = [], []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        element = {"tag": tag, "text": "", **dict(attrs)}
        self.elements.append(element)
        if tag not in ("meta", "img", "input"):
            self._open.append(element)

    def handle_endtag(self, tag):
        while self._open and self._open.pop()["tag"] != tag:
            pass

    def handle_data(self, data):
        if self._open:
            self._open[-1]["text"] += data

    def all(self, tag):
        return [element for element in self.elements if element["tag"] == tag]


def report_of(folder, tmp_path):
    write_report([folder], tmp_path / "report.html")
    return Parsed((tmp_path / "report.html").read_text())


def specs_of(parsed):
    return [json.loads(one["text"]) for one in parsed.all("script") if one.get("type") == "application/json"]


def test_every_number_is_that_of_the_field_that_it_names(runs, tmp_path):
    numbers = report_of(runs, tmp_path).all("data")
    sources = {one["data-source"] for one in numbers}
    assert sources == {str(path) for path in runs.rglob("metrics.json") if path.parent.name != "run"}
    for one in numbers:
        value = json.loads(Path(one["data-source"]).read_text())
        for step in one["data-path"].split("."):
            value = value[int(step)] if isinstance(value, list) else value[step]
        assert float(one["value"]) == value
        shown = float(one["text"].strip().rstrip("%").replace(",", ""))
        digits = len(one["text"].partition(".")[2].rstrip("%"))
        assert shown == round(100 * value if "%" in one["text"] else value, digits)


def test_the_loss_is_that_of_the_log_beside_what_counting_reaches(runs, tmp_path):
    loss = next(spec for spec in specs_of(report_of(runs, tmp_path)) if "nats" in json.dumps(spec))
    line, levels = (layer["data"]["values"] for layer in loss["layer"])
    logged = [json.loads(text) for text in (runs / "run" / "log.jsonl").read_text().splitlines()]
    assert line == [{"step": one["step"], "loss": one["loss"]} for one in logged]
    assert {one["name"]: one["loss"] for one in levels} == pytest.approx(
        {"neighbour counts": np.log(94.0), "token frequency": np.log(181.0)}
    )


@pytest.mark.parametrize(
    ("perplexities", "said"),
    [((90.0, 94.0, 181.0), None), ((99.0, 94.0, 181.0), "does NOT beat"), ((94.0, 94.0, 181.0), "may be zero")],
)
def test_a_model_that_does_not_beat_the_neighbour_counts_is_said_to_first(perplexities, said, tmp_path):
    html = report_of(write_runs(tmp_path / "runs", perplexities=perplexities), tmp_path).all("li")
    warnings = " ".join(one["text"] for one in html)
    assert (said in warnings) if said else ("NOT" not in warnings)


def test_the_papers_scores_are_hollow_marks_on_lines_of_their_own(runs, tmp_path):
    path = runs / "scores" / "model" / "metrics.json"
    path.write_text(path.read_text().replace('"builder": null', '"builder": "Prom300"'))
    [task] = next(spec["vconcat"] for spec in specs_of(report_of(runs, tmp_path)) if "vconcat" in spec)
    ours, paper = task["data"]["values"], task["layer"][-1]["data"]["values"]
    assert {one["mcc"] for one in ours} == {0.457, 0.1}
    assert {(one["method"], one["paper"]) for one in paper} == {
        ("the paper's GROVER", 0.996), ("the paper's TF-IDF", 0.67)
    }


def test_bases_that_were_trained_on_are_warned_of(tmp_path):
    folder = write_runs(tmp_path / "runs", share_of_bases_seen_in_training=0.959)
    assert "95.9% of the judged bases were trained on" in " ".join(
        one["text"] for one in report_of(folder, tmp_path).all("li")
    )


def test_tokens_are_those_of_the_table_with_nothing_where_nothing_was_measured(runs, tmp_path):
    parsed = report_of(runs, tmp_path)
    cells = [(one.get("data-sort"), one["text"]) for one in parsed.all("td") if "data-sort" in one]
    assert ("CG", "CG") in cells
    assert ("0.1", "10.0%") in cells
    start = cells.index(("TTTT", "TTTT"))
    assert [text for _, text in cells[start : start + 6]] == ["TTTT", "4", "0%", "7", "", ""]


HOSTILE = '</script><script>alert(1)</script><img src=x onerror=alert(2)>"\'{{ 7*7 }}'


def test_hostile_names_are_text(tmp_path):
    folder = write_runs(tmp_path / "<img src=x onerror=alert(3)>")
    dataset = dataset_identity(name=HOSTILE, config=HOSTILE)
    (folder / "scores" / HOSTILE.replace("/", "_")).mkdir()
    scores = {"mcc": 0.4, "accuracy": 0.7, "auroc": 0.8}
    report = finetuning_report(task=HOSTILE, dataset=dataset, metrics=scores, ci95={"mcc": (0.3, 0.5)})
    page_of = folder / "scores" / HOSTILE.replace("/", "_")
    (page_of / "metrics.json").write_text(json.dumps(report.as_dict()))
    parsed = report_of(folder, tmp_path)
    scripts = parsed.all("script")
    assert [one.get("type") for one in scripts if one.get("type") != "application/json"] == [None, None]
    assert all(one["src"].startswith("data:image/") for one in parsed.all("img"))
    assert not [one for one in parsed.elements for name in one if name.startswith("on")]
    assert any(HOSTILE in one["text"] for one in parsed.all("td"))
    assert "49" not in "".join(one["text"] for one in parsed.all("td"))


def test_the_policy_lets_the_two_scripts_run_and_nothing_else(runs, tmp_path):
    parsed = report_of(runs, tmp_path)
    [given] = [one["content"] for one in parsed.all("meta") if one.get("http-equiv")]
    scripts = [one["text"] for one in parsed.all("script") if "type" not in one]
    assert given == policy(scripts)
    digests = re.findall(r"'sha256-([^']+)'", given)
    assert digests == [base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in scripts]
    assert given.startswith("default-src 'none'")
    assert "unsafe-eval" not in given
    loads = [one.get(name) for one in parsed.elements for name in ("src", "href") if one.get(name)]
    assert all(address.startswith(("data:", "#")) for address in loads)


def test_a_corpus_gives_the_vocabulary_and_a_map_its_windows(runs, tmp_path, small_corpus):
    shutil.copytree(small_corpus.path, runs / "corpus")
    (runs / "map").mkdir()
    pd.DataFrame({
        "chrom": ["sim1"] * 3, "start": [0, 10, 20], "end": [10, 20, 30],
        "x": [0.5, 1.5, 2.0], "y": [1.0, 1.0, 3.0],
        "LINE": np.array([0.5, 0.0, np.nan], np.float32),
    }).to_parquet(runs / "map" / "map.parquet")
    (runs / "map" / "scores.csv").write_text(
        "annotation,question,predictor,auroc,auroc_low,auroc_high,model_minus_auroc,model_minus_auroc_low,"
        "model_minus_auroc_high\nLINE,presence,model,0.9,0.85,0.95,,,\n"
        "LINE,presence,GC content,0.6,0.5,0.7,0.3,0.2,0.4\n"
    )
    parsed = report_of(runs, tmp_path)
    told = [one["text"] for one in parsed.all("td")]
    assert "0.900 (0.850 to 0.950)" in told
    assert "0.300 (0.200 to 0.400)" in told
    headings = [one["text"] for one in parsed.all("h3")]
    assert any("bpe-600 of " in text for text in headings)
    rows = [spec.get("data", {}).get("values", [{}]) for spec in specs_of(parsed)]
    windows = next(values for values in rows if "window" in values[0])
    assert [(one["window"], one["x"], one["a0"]) for one in windows] == [
        ("sim1:1-10", 0.5, 1), ("sim1:11-20", 1.5, 0), ("sim1:21-30", 2.0, 0)
    ]


def test_tracks_are_drawn_from_their_first_value_on(tmp_path):
    pytest.importorskip("pyBigWig")
    import pyBigWig

    (tmp_path / "g.fa").write_text(f">a\n{'N' * 50}\n>c\n{'N' * 30}{random_dna(300)}\n")
    model = save(tmp_path / "model", tiny_masked_model())
    plan = TrackPlan(genome=tmp_path / "g.fa", model=str(model))
    write_tracks(plan, tmp_path / "tracks")
    [spec] = specs_of(report_of(tmp_path / "tracks", tmp_path))
    surprisal = next(one for one in spec["vconcat"] if one["title"]["text"] == "surprisal")
    rows = surprisal["data"]["values"]
    with pyBigWig.open(str(tmp_path / "tracks" / "surprisal.bw")) as file:
        values = file.values("c", 30, 330)
    # The browser counts from 1.
    assert [one["position"] for one in rows] == list(range(31, 331))
    np.testing.assert_allclose([one["value"] for one in rows], values)
    (tmp_path / "tracks" / "surprisal.bw").write_bytes(b"torn")
    with pytest.raises(InputError, match="bigWig file that cannot be read"):
        write_report([tmp_path / "tracks"], tmp_path / "other.html")


def test_a_chart_has_a_picture_for_readers_without_scripts(runs, tmp_path):
    pictures = report_of(runs, tmp_path).all("img")
    assert len(pictures) == 4
    for one in pictures:
        kind, _, data = one["src"].partition(";base64,")
        assert kind == "data:image/svg+xml"
        assert base64.b64decode(data).startswith(b"<svg")
        assert one["alt"]


def test_hidden_folders_and_checkpoints_are_left_out_but_not_what_lies_below_the_users_own(runs, tmp_path):
    for name in (".report.partial", "checkpoints"):
        shutil.copytree(runs / "scores" / "majority", runs / name / "majority")
    shown = {one["data-source"] for one in report_of(runs, tmp_path).all("data")}
    assert not [source for source in shown if ".report.partial" in source or "checkpoints" in source]
    hidden = runs.rename(tmp_path / ".hidden")
    write_report([hidden], tmp_path / "other.html")
    assert "majority" in (tmp_path / "other.html").read_text()


def test_what_cannot_be_shown_or_written_is_named(runs, tmp_path):
    with pytest.raises(InputError, match="There is no folder .*none"):
        write_report([tmp_path / "none"], tmp_path / "r.html")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="There is nothing to show below .*empty"):
        write_report([tmp_path / "empty"], tmp_path / "r.html")
    with pytest.raises(InputError, match="must end in .html"):
        write_report([runs], tmp_path / "r.txt")
    (tmp_path / "mine.html").write_text("<p>mine")
    with pytest.raises(InputError, match="is there already"):
        write_report([runs], tmp_path / "mine.html")
    with pytest.raises(InputError, match="is no report of this command"):
        write_report([runs], tmp_path / "mine.html", overwrite=True)
    assert (tmp_path / "mine.html").read_text() == "<p>mine"
    write_report([runs], tmp_path / "r.html")
    write_report([runs], tmp_path / "r.html", overwrite=True)
    (runs / "run" / "log.jsonl").write_text('{"loss": 1, "step"')
    with pytest.raises(InputError, match="log.jsonl, line 1 is not JSON"):
        write_report([runs], tmp_path / "r.html", overwrite=True)
