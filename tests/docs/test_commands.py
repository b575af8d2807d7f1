"""Commands and links on the pages are true: verbs, options, targets and files exist."""

import dataclasses
import re
import shlex
from pathlib import Path

import pytest
import yaml
from typer.main import get_command

from grover_hf import __version__, cli
from tests.docs.pages import PAGES, ROOT, blocks
from training.context import ContextPlan
from training.evaluation.plan import EvaluationPlan
from training.finetune import FinetuneRecipe
from training.pretrain import PretrainRecipe
from training.probe import ProbePlan
from training.runs.recipe import plan_from_command_line, recipe_from_command_line
from training.sweep.recipe import SweepRecipe

RECIPES = {"training.pretrain": PretrainRecipe, "training.finetune": FinetuneRecipe}
PARSERS = {
    "evaluate": lambda words: plan_from_command_line(EvaluationPlan, "run", "", "grover evaluate", words),
    "probe": lambda words: plan_from_command_line(ProbePlan, "dataset", "", "grover probe", words),
    "sweep": lambda words: recipe_from_command_line(SweepRecipe, "", words, prog="grover sweep"),
    "interpret context": lambda words: plan_from_command_line(ContextPlan, "run", "", "grover", words),
}
"""Verbs that read their own words."""


def commands(path: Path) -> list[list[str]]:
    """All commands in the bash blocks of a page, continued lines joined, each as its words."""
    code = "\n".join(block.code for block in blocks(path.read_text()) if block.language == "bash")
    lines = code.replace("\\\n", " ").splitlines()
    return [words for line in lines if (words := shlex.split(line, comments=True))]


ALL = [(name, words) for name, path in PAGES.items() for words in commands(path)]


def options_of(words: list[str]) -> set[str]:
    return {word.split("=")[0] for word in words if word.startswith("--")}


def test_every_grover_command_has_its_verb_and_options():
    verbs = 0
    for name, words in ALL:
        if words[0].split("/")[-1] != "grover":
            continue
        command, rest = get_command(cli.app), words[1:]
        own = next((verb for verb in PARSERS if rest[: len(verb.split())] == verb.split()), None)
        if own is not None:
            PARSERS[own](rest[len(own.split()) :])
            continue
        while rest and hasattr(command, "commands"):
            assert rest[0] in command.commands, (name, words)
            command, rest = command.commands[rest[0]], rest[1:]
        known = {option for parameter in command.params for option in parameter.opts} | {"--help"}
        assert options_of(rest) <= known, (name, words)
        verbs += 1
    assert verbs > 20


def test_every_training_command_has_its_module_and_fields():
    trainings = 0
    for name, words in ALL:
        modules = [word for word in words if word in RECIPES]
        if not modules:
            assert not any(word.startswith("training.") for word in words), (name, words)
            continue
        rest = words[words.index(modules[0]) + 1 :]
        fields = {field.name for field in dataclasses.fields(RECIPES[modules[0]])} | {"config", "help"}
        assert {option[2:].replace("-", "_") for option in options_of(rest)} <= fields, (name, words)
        trainings += 1
    assert trainings > 5


def test_every_make_command_has_its_target():
    makefile = (ROOT / "Makefile").read_text()
    for name, words in ALL:
        if words[0] == "make":
            for target in words[1:]:
                assert "=" in target or f"\n{target}:" in makefile, (name, words)


def test_the_two_commands_are_in_the_readme():
    made = [words for name, words in ALL if name == "README.md" and words[0] == "make"]
    assert {"quickstart", "test"} <= {words[1] for words in made}


@pytest.mark.parametrize("name", PAGES)
def test_links_to_files_lead_somewhere(name):
    path = PAGES[name]
    prose = re.sub(r"```.*?```", "", path.read_text(), flags=re.DOTALL)
    for target in re.findall(r"\]\((?!https?:|#)([^)#\s]+)", prose):
        # The site has these two beside its own pages; see docs/site_hooks.py.
        shown = (path.parent / target).resolve()
        inside = shown.relative_to(ROOT / "docs") if shown.is_relative_to(ROOT / "docs") else None
        moved = inside and (ROOT / "CHANGELOG.md" if str(inside) == "changelog.md" else ROOT / inside)
        assert shown.exists() or (moved and moved.exists()), target


def test_the_readme_fits_a_page():
    assert (ROOT / "README.md").read_text().count("\n") <= 150


def test_the_version_is_in_the_changelog_and_in_the_citation():
    assert re.search(rf"^## {re.escape(__version__)}\b", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert yaml.safe_load((ROOT / "CITATION.cff").read_text())["version"] == __version__


def test_numbers_in_the_readme_are_those_of_the_benchmarks():
    """The README's table of what is measured: each row's number stands in benchmarks/README.md too."""
    readme, benchmarks = (ROOT / "README.md").read_text(), (ROOT / "benchmarks" / "README.md").read_text()
    table = readme.split("## What is measured")[1].split("\n## ")[0]
    rows = [line.split("|") for line in table.splitlines() if line.startswith("| ") and "**" in line]
    assert len(rows) >= 5
    for row in rows:
        for number in re.findall(r"\*\*([\d.,]+)", row[2]):
            assert number in benchmarks, row
