"""Every public name has an example in its docstring, and the examples run."""

import doctest
import sys

import pytest

import grover_hf


def examples(name: str) -> list[doctest.DocTest]:
    """The examples of a name and its methods. They see the public names: two docstrings are part of the
    endpoint's handler, in which no line may import from grover_hf."""
    thing = getattr(grover_hf, name)
    public = {other: getattr(grover_hf, other) for other in grover_hf.__all__}
    found = doctest.DocTestFinder().find(thing, name, module=sys.modules[thing.__module__], globs=public)
    return [test for test in found if test.examples]


@pytest.mark.parametrize("name", grover_hf.__all__)
def test_a_public_name_has_an_example_that_runs(beside_quickstart, name):
    tests = examples(name)
    assert tests, f"{name} has no example in its docstring"
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE)
    for test in tests:
        report = []
        runner.run(test, out=report.append)
        assert not runner.failures, "".join(report)
