"""The Python blocks of the README and the documentation run, and print what stands below them."""

import contextlib
import io

import pytest

from tests.docs.pages import PAGES, TUTORIAL, blocks

# The tutorial's blocks are the cells of a notebook that has a test of its own.
PYTHON = {
    name: [block for block in blocks(path.read_text()) if block.language == "python"]
    for name, path in PAGES.items()
    if path != TUTORIAL
}
NOT_RUN = 3
"""Blocks that need the Hub or hours. Whoever marks another one says why here."""


@pytest.mark.parametrize("name", [name for name, python in PYTHON.items() if python])
def test_the_python_blocks_of_a_page_run_one_after_another(beside_quickstart, name):
    shared = {"__name__": "__main__"}
    for block in PYTHON[name]:
        if block.not_run:
            continue
        # Empty lines before it: a traceback names the line of the page.
        code = compile("\n" * (block.line - 1) + block.code, name, "exec")
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(code, shared)
        if block.output is not None:
            assert printed.getvalue().rstrip() == block.output.rstrip(), f"{name}, line {block.line}"


def test_few_blocks_are_marked_as_not_run_and_each_says_why():
    marked = [block for python in PYTHON.values() for block in python if block.not_run]
    assert len(marked) == NOT_RUN
    assert sum(len(python) for python in PYTHON.values()) > 3 * NOT_RUN


def test_the_readme_has_a_block_that_prints_its_result():
    assert any(block.output for block in PYTHON["README.md"])
