"""A folder of the user's that has the name of one of our packages is named, and what to do."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import training
from grover_hf._internals.own_packages import require_own_packages
from grover_hf.errors import InputError

ROOT = Path(training.__file__).parents[1]


@pytest.fixture(params=["training", "dataset_builders", "model_card"])
def foreign(request, tmp_path):
    """A package of the user's in a folder of theirs."""
    (tmp_path / "mine" / request.param).mkdir(parents=True)
    (tmp_path / "mine" / request.param / "__init__.py").write_text("MINE = True\n")
    return tmp_path / "mine" / request.param


def in_folder(folder, *arguments, **environment):
    return subprocess.run(
        [sys.executable, *arguments], cwd=folder, env={**os.environ, **environment}, capture_output=True,
        text=True, check=False,
    )


CHECK = """
from grover_hf._internals.own_packages import require_own_packages
require_own_packages()
print("ours")
"""


def test_our_own_packages_are_those_beside_grover_hf():
    require_own_packages()


def test_a_package_that_comes_first_on_the_path_is_named_and_not_imported(foreign):
    (foreign / "__init__.py").write_text("raise SystemExit('imported')\n")
    path = f"{foreign.parent}{os.pathsep}{ROOT}"
    done = in_folder(ROOT.parent, "-P", "-c", CHECK, PYTHONPATH=path)
    assert done.returncode == 1
    last = done.stderr.splitlines()[-1]
    assert f"finds {foreign} for the package {foreign.name!r}; " in last
    assert f"the one of grover_hf is {ROOT / foreign.name}. " in last
    assert last.endswith(f"Take {foreign.parent} out of PYTHONPATH, or rename {foreign.name}.")


def test_a_package_in_the_folder_one_stands_in_is_named_and_the_remedy_helps(foreign):
    done = in_folder(foreign.parent, "-c", CHECK, PYTHONPATH=str(ROOT))
    assert f"finds {foreign}" in (last := done.stderr.splitlines()[-1])
    assert "Run the command in another folder or with PYTHONSAFEPATH=1" in last
    assert in_folder(foreign.parent, "-c", CHECK, PYTHONPATH=str(ROOT), PYTHONSAFEPATH="1").stdout == "ours\n"


def test_a_folder_that_is_not_a_package_does_no_harm(foreign):
    (foreign / "__init__.py").unlink()
    assert in_folder(foreign.parent, "-c", CHECK, PYTHONPATH=str(ROOT)).stdout == "ours\n"


def test_quickstart_and_build_say_whose_package_was_found(foreign, tmp_path):
    for verb in (["quickstart"], ["build", "genome-windows", "--corpus", "c", "--output", "o"]):
        done = in_folder(foreign.parent, "-m", "grover_hf.cli", *verb, PYTHONPATH=str(ROOT))
        assert done.returncode == 1
        assert done.stderr.startswith(f"error: Python finds {foreign} for the package {foreign.name!r}")
        assert not (foreign.parent / "quickstart").exists()


@pytest.mark.slow
def test_a_training_ends_before_it_begins_where_the_cards_are_of_another_package(tmp_path):
    (tmp_path / "model_card").mkdir()
    (tmp_path / "model_card" / "__init__.py").touch()
    done = in_folder(
        tmp_path, "-m", "training.pretrain", "--config", "tiny_cpu", PYTHONPATH=f"{tmp_path}{os.pathsep}{ROOT}"
    )
    assert done.returncode == 1
    assert f"error: Python finds {tmp_path / 'model_card'} for the package 'model_card'" in done.stderr


@pytest.mark.slow
def test_a_training_starts_beside_a_package_of_that_name_with_a_safe_path(tmp_path):
    (tmp_path / "training").mkdir()
    (tmp_path / "training" / "__init__.py").touch()
    command = ("-m", "training.pretrain", "--help")
    assert "--warmup-share" in in_folder(tmp_path, *command, PYTHONPATH=str(ROOT), PYTHONSAFEPATH="1").stdout


def test_a_package_that_is_not_there_is_told_so(monkeypatch):
    monkeypatch.setattr("grover_hf._internals.own_packages.find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"finds nothing for the package 'training'.*Install grover-hf again"):
        require_own_packages()
