"""What is written appears whole or not at all, and nothing that must stay is replaced."""

import errno
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from grover_hf._internals.files import atomic_folder, atomic_write, file_key, sha256_of_files
from grover_hf._internals.outputs import require_not_an_input, require_writable
from grover_hf.errors import InputError


def names_in(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture
def folder(tmp_path):
    """A folder that was written before."""
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "old.txt").write_text("old")
    return tmp_path / "run"


def test_a_file_appears_when_the_block_ends_and_its_folder_is_made(tmp_path):
    path = tmp_path / "a" / "b" / "table.csv"
    with atomic_write(path) as beside:
        beside.write_text("whole")
        assert not path.exists()
        assert beside.parent == path.parent
    assert path.read_text() == "whole"
    assert names_in(path.parent) == ["table.csv"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_a_block_that_fails_leaves_the_old_file_and_nothing_beside(tmp_path, error):
    path = tmp_path / "table.csv"
    path.write_text("old")
    with pytest.raises(error), atomic_write(path) as beside:  # noqa: PT012 - the block is what fails
        beside.write_text("half")
        raise error
    assert path.read_text() == "old"
    assert names_in(tmp_path) == ["table.csv"]


def test_an_error_of_the_disk_names_the_file_that_the_user_knows(tmp_path):
    path = tmp_path / "table.csv"
    with pytest.raises(OSError, match="table.csv cannot be written: No") as error, atomic_write(path) as beside:
        raise OSError(errno.ENOSPC, "No space left on device", str(beside))
    assert error.value.errno == errno.ENOSPC
    assert "part" not in str(error.value)
    (tmp_path / "file").write_text("")
    below_a_file = atomic_write(tmp_path / "file" / "table.csv")
    with pytest.raises(OSError, match=r"file/table.csv cannot be written: (Not a directory|File exists)"):
        below_a_file.__enter__()


def test_a_folder_takes_the_place_of_the_old_one_with_all_that_was_in_it(folder):
    with atomic_folder(folder) as beside:
        (beside / "new.txt").write_text("new")
        assert names_in(folder) == ["old.txt"]
    assert names_in(folder) == ["new.txt"]
    assert names_in(folder.parent) == ["run"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_a_block_that_fails_leaves_the_old_folder_and_nothing_beside(folder, error):
    with pytest.raises(error), atomic_folder(folder) as beside:  # noqa: PT012 - the block is what fails
        (beside / "new.txt").write_text("half")
        raise error
    assert names_in(folder) == ["old.txt"]
    assert names_in(folder.parent) == ["run"]


def test_a_folder_that_cannot_be_moved_into_place_leaves_the_old_one_there(folder, monkeypatch):
    replace = os.replace

    def refused(source, target):
        if str(source).endswith(".part"):
            raise OSError(errno.EIO, "Input/output error")
        replace(source, target)

    monkeypatch.setattr(os, "replace", refused)
    with pytest.raises(OSError, match="run cannot be written: Input/output"), atomic_folder(folder) as beside:
        (beside / "new.txt").write_text("new")
    assert names_in(folder) == ["old.txt"]
    assert names_in(folder.parent) == ["run"]


KILLED = """
import os, signal, sys
from pathlib import Path
from grover_hf._internals.files import atomic_folder, atomic_write
replace, calls = os.replace, []
def killed(*paths):
    calls.append(paths)
    if len(calls) == int(sys.argv[2]):
        os.kill(os.getpid(), signal.SIGKILL)
    replace(*paths)
os.replace = killed
path = Path(sys.argv[1])
if path.suffix:
    with atomic_write(path) as beside:
        beside.write_text("new")
else:
    with atomic_folder(path) as beside:
        (beside / "new.txt").write_text("new")
"""


def killed_at_rename(path, number):
    root = str(Path(__file__).parents[2])
    command = [sys.executable, "-c", KILLED, str(path), str(number)]
    done = subprocess.run(command, env=os.environ | {"PYTHONPATH": root}, check=False)
    assert done.returncode == -signal.SIGKILL


def test_a_kill_before_a_rename_leaves_the_old_file_or_folder(folder, tmp_path):
    (tmp_path / "table.csv").write_text("old")
    killed_at_rename(tmp_path / "table.csv", 1)
    assert (tmp_path / "table.csv").read_text() == "old"
    killed_at_rename(folder, 1)
    assert names_in(folder) == ["old.txt"]


def test_a_kill_between_the_renames_of_a_folder_leaves_both_whole_under_hidden_names(folder):
    killed_at_rename(folder, 2)
    assert not folder.exists()
    contents = {path.suffix: names_in(path) for path in folder.parent.glob(".run.*")}
    assert contents == {".old": ["old.txt"], ".part": ["new.txt"]}


def test_what_is_not_there_or_empty_may_be_written(tmp_path):
    require_writable(tmp_path / "table.csv", overwrite=False)
    require_writable(tmp_path / "run", overwrite=False, marker="recipe.yaml")
    (tmp_path / "run").mkdir()
    require_writable(tmp_path / "run", overwrite=False, marker="recipe.yaml")


def test_what_is_there_is_replaced_only_if_asked_and_only_if_it_is_of_the_kind(folder, tmp_path):
    (tmp_path / "table.csv").write_text("old")
    with pytest.raises(InputError, match="table.csv is there already; name another --output, or say --overwrite"):
        require_writable(tmp_path / "table.csv", overwrite=False)
    require_writable(tmp_path / "table.csv", overwrite=True)
    require_writable(tmp_path / "table.csv", overwrite=True, begins="ol")
    with pytest.raises(InputError, match="does not begin with 'new', so this command did not make it"):
        require_writable(tmp_path / "table.csv", overwrite=True, begins="new")
    with pytest.raises(InputError, match="run is there already"):
        require_writable(folder, overwrite=False, marker="recipe.yaml")
    with pytest.raises(InputError, match="has no recipe.yaml, so this command did not make it"):
        require_writable(folder, overwrite=True, marker="recipe.yaml")
    (folder / "recipe.yaml").write_text("")
    with pytest.raises(InputError, match="it has old.txt, which this command did not make"):
        require_writable(folder, overwrite=True, marker="recipe.yaml")
    require_writable(folder, overwrite=True, marker="recipe.yaml", contents=["*.txt"])


def test_a_folder_is_not_replaced_by_a_file_nor_a_file_by_a_folder(folder, tmp_path):
    (tmp_path / "table.csv").write_text("old")
    with pytest.raises(InputError, match="run is a folder"):
        require_writable(folder, overwrite=True)
    with pytest.raises(InputError, match="table.csv is a file"):
        require_writable(tmp_path / "table.csv", overwrite=True, marker="recipe.yaml")


def test_an_output_that_is_or_holds_an_input_is_refused_and_one_inside_it_is_not(folder, tmp_path, monkeypatch):
    given = folder / "old.txt"
    monkeypatch.chdir(tmp_path)
    for output in (given, folder, Path("run"), tmp_path / "run" / ".." / "run"):
        with pytest.raises(InputError, match=f"is, or holds, the input {given}"):
            require_not_an_input(output, [given])
        with pytest.raises(InputError, match="is, or holds, the input"):
            require_writable(output, overwrite=True, marker="old.txt", inputs=[str(given)])
    (tmp_path / "link").symlink_to(folder)
    with pytest.raises(InputError, match="is, or holds, the input"):
        require_not_an_input(tmp_path / "link", [given])
    require_not_an_input(folder / "results", [folder])
    require_not_an_input(tmp_path / "runs", [folder])


def test_the_digest_of_files_follows_content_and_order_and_not_names(tmp_path):
    paths = [tmp_path / name for name in "abc"]
    for path, text in zip(paths, ("1", "2", "1"), strict=True):
        path.write_text(text)
    a, b, c = paths
    assert sha256_of_files([a, b]) == sha256_of_files([c, b]) != sha256_of_files([b, a])


def test_the_key_of_a_file_changes_with_its_size_and_its_time(tmp_path):
    path = tmp_path / "a"
    path.write_text("1")
    keys = {file_key(path)}
    os.utime(path, ns=(0, 1))
    keys.add(file_key(path))
    path.write_text("22")
    os.utime(path, ns=(0, 1))
    keys.add(file_key(path))
    assert len(keys) == 3
