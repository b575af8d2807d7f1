"""The README is true: its commands exist, its tree is the tree, its links lead somewhere."""

import re
from pathlib import Path

import pytest
from typer.main import get_command

from grover_hf import cli
from training.evaluation.plan import plan_from_command_line
from training.runs.recipe import recipe_from_command_line
from training.sweep.recipe import SweepRecipe

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
TEXTS = {name: (ROOT / name).read_text() for name in ("README.md", "CONTRIBUTING.md", "training/README.md")}


def commands(text):
    """All `grover VERB --option ...` lines in code blocks, continued lines joined."""
    blocks = re.findall(r"```bash\n(.*?)```", text, re.DOTALL)
    lines = "\n".join(blocks).replace("\\\n", " ").splitlines()
    return [line.split("#")[0].split() for line in lines if line.startswith("grover ")]


PARSERS = {
    "evaluate": lambda words: plan_from_command_line(words, "grover evaluate"),
    "sweep": lambda words: recipe_from_command_line(SweepRecipe, "", words, prog="grover sweep"),
}
"""Verbs that read their own words."""


@pytest.mark.parametrize("name", TEXTS)
def test_every_grover_command_in_the_texts_has_its_verb_and_options(name):
    root = get_command(cli.app)
    for words in commands(TEXTS[name]):
        if words[1] in PARSERS:
            PARSERS[words[1]](words[2:])
            continue
        at, rest = root, words[1:]
        while rest and hasattr(at, "commands"):
            assert rest[0] in at.commands, words
            at, rest = at.commands[rest[0]], rest[1:]
        options = {option for parameter in at.params for option in parameter.opts}
        assert {word for word in rest if word.startswith("--")} <= options, words


def test_the_two_commands_are_targets_of_the_makefile():
    makefile = (ROOT / "Makefile").read_text()
    for target in ("quickstart", "test"):
        assert f"make {target}" in README
        assert f"\n{target}:" in makefile


def test_the_tree_names_what_there_is():
    tree = re.search(r"```\n(grover_hf/\n.*?)```", README, re.DOTALL).group(1)
    folders = []
    named = set()
    for line in tree.splitlines():
        depth = (len(line) - len(line.lstrip())) // 2
        name = line.split()[0]
        folders[depth:] = [name]
        path = ROOT / "".join(folders)
        assert path.exists(), path
        named.add(path)
    for package in ("grover_hf", "dataset_builders", "training"):
        for path in (ROOT / package).glob("*"):
            if not path.name.startswith("__") and not path.name.startswith("."):
                assert path in named, f"{path} is not in the README's tree"


@pytest.mark.parametrize("name", TEXTS)
def test_links_to_files_lead_somewhere(name):
    for target in re.findall(r"\]\((?!http)([^)#]+)", TEXTS[name]):
        assert ((ROOT / name).parent / target).exists(), target


def test_the_version_is_in_the_changelog():
    from grover_hf import __version__

    assert f"## {__version__}" in (ROOT / "CHANGELOG.md").read_text()
