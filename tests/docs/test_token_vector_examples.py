"""The examples in the docstrings of what reads token vectors run."""

import doctest
import importlib

import pytest

MODULES = ("components", "contexts", "properties", "token_windows", "vectors")


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_of_a_module_run(beside_quickstart, name):
    module = importlib.import_module(f"grover_hf.interpretation.token_vectors.{name}")
    result = doctest.testmod(module, optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE)
    assert result.attempted > 0
    assert result.failed == 0
