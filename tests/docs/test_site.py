"""The documentation's own code: the map of the rooms, the help of the verbs, what comes from elsewhere."""

import importlib.util

import nbformat
import pytest

from grover_hf import cli
from tests.docs.pages import ROOT, TUTORIAL


def load(path):
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


site_hooks = load(ROOT / "docs" / "site_hooks.py")
render_tutorial = load(ROOT / "notebooks" / "render_tutorial.py")


def test_the_map_names_every_module_and_what_it_is():
    lines = site_hooks.rooms().splitlines()
    assert any(line.split()[:1] == ["reference.py"] and "ReferenceGenome" in line for line in lines)
    silent = [line for line in lines[1:-1] if len(line.split()) < 2]
    assert silent == []


def test_the_command_line_page_holds_what_each_verb_says_of_itself():
    from typer.main import get_command

    text = site_hooks.commands()
    for verb, command in get_command(cli.app).commands.items():
        assert f"## `grover {verb}`" in text
        for parameter in command.params:
            assert all(option.lower() in text.lower() for option in parameter.opts)


@pytest.mark.parametrize(
    "html",
    [
        '<script src="https://unpkg.com/iframe-worker/shim"></script>',
        '<link rel="stylesheet" href="//fonts.googleapis.com/css?family=Roboto">',
        "<img src=https://img.shields.io/badge.svg>",
    ],
)
def test_what_a_page_loads_from_elsewhere_is_found(tmp_path, html):
    (tmp_path / "index.html").write_text(f"<html>{html}</html>")
    assert len(list(site_hooks.loads_from_elsewhere(tmp_path))) == 1


def test_fonts_in_styles_are_found(tmp_path):
    (tmp_path / "site.css").write_text("@import url(https://fonts.example/roboto.css);")
    assert len(list(site_hooks.loads_from_elsewhere(tmp_path))) == 1


def test_links_for_readers_may_lead_elsewhere(tmp_path):
    html = '<a href="https://doi.org/10.1038/s42256-024-00872-0">paper</a><link rel="canonical" href="https://x.org">'
    (tmp_path / "index.html").write_text(html + '<img src="figures/tutorial-1.png">')
    assert list(site_hooks.loads_from_elsewhere(tmp_path)) == []


def test_the_tutorials_outputs_are_of_the_notebook_as_it_is():
    notebook = nbformat.read(ROOT / "notebooks" / "tutorial.ipynb", as_version=4)
    first_line = TUTORIAL.read_text().splitlines()[0]
    assert first_line == render_tutorial.code_line(notebook), "run notebooks/render_tutorial.py"
