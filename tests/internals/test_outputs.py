"""One process writes at a time, and what killed ones left goes."""

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from grover_hf._internals.files import cache_dir
from grover_hf._internals.outputs import (
    names_in,
    only_writer,
    remove_left_overs,
    remove_left_overs_in,
    scratch_folder,
)
from grover_hf.errors import InputError

WRITER = """
import sys, time
from pathlib import Path
from grover_hf._internals.files import atomic_folder
from grover_hf._internals.outputs import only_writer, scratch_folder
path = Path(sys.argv[1])
with only_writer(path), scratch_folder(path.parent / "scratch"), atomic_folder(path) as beside:
    (beside / "new.txt").write_text("new")
    print("writing", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def writer(tmp_path):
    """A process that is writing a folder; it is killed at the end."""
    process = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(tmp_path / "out")], stdout=subprocess.PIPE, text=True,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])},
    )
    assert process.stdout.readline() == "writing\n"
    yield process
    process.kill()
    process.wait()


def test_a_second_writer_is_told_at_once_and_may_write_when_the_first_is_dead(writer, tmp_path):
    with pytest.raises(InputError, match=r"Another process is writing .*out; wait, or name another"):
        with only_writer(tmp_path / "out"):
            pass
    with only_writer(tmp_path / "another"):
        pass
    writer.send_signal(signal.SIGKILL)
    writer.wait()
    assert len(list(tmp_path.glob(".out.*.part"))) == 1
    with only_writer(tmp_path / "out"):
        assert not list(tmp_path.glob(".out.*"))


def test_another_thread_is_told_too_or_waits(tmp_path):
    def write(*, wait):
        try:
            with only_writer(tmp_path / "out", wait=wait):
                said.append("written")
        except InputError as error:
            said.append(str(error))

    said = []
    waiting = threading.Thread(target=write, kwargs={"wait": True})
    with only_writer(tmp_path / "out"):
        told = threading.Thread(target=write, kwargs={"wait": False})
        told.start()
        told.join()
        assert len(said) == 1
        assert "is writing" in said[0]
        waiting.start()
        assert len(said) == 1
    waiting.join()
    assert said[1] == "written"


def test_a_child_that_outlives_its_killed_parent_holds_no_lock(tmp_path):
    code = (
        "import os, sys, time\nfrom grover_hf._internals.outputs import only_writer\n"
        "with only_writer(sys.argv[1]):\n"
        "    child = os.fork()\n"
        "    if child:\n        print(child, flush=True)\n"
        "    time.sleep(60)\n"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "out")]
    parent = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    with parent:
        child = int(parent.stdout.readline())
        parent.kill()
    try:
        with only_writer(tmp_path / "out"):
            pass
    finally:
        os.kill(child, signal.SIGKILL)


def test_scratch_of_a_killed_process_goes_and_that_of_a_living_one_stays(writer, tmp_path):
    with scratch_folder(tmp_path / "scratch") as own:
        assert list(own.iterdir()) == []
        assert len(list((tmp_path / "scratch").iterdir())) == 2
    writer.send_signal(signal.SIGKILL)
    writer.wait()
    assert len(list((tmp_path / "scratch").iterdir())) == 1
    with scratch_folder(tmp_path / "scratch"):
        assert len(list((tmp_path / "scratch").iterdir())) == 1
    assert list((tmp_path / "scratch").iterdir()) == []


def test_an_old_folder_without_its_successor_is_put_back(tmp_path):
    (tmp_path / ".run.0123abcd.old").mkdir()
    (tmp_path / ".run.0123abcd.old" / "old.txt").write_text("old")
    (tmp_path / ".run.4567abcd.part").mkdir()
    remove_left_overs(tmp_path / "run")
    assert [path.name for path in tmp_path.iterdir()] == ["run"]
    assert names_in(tmp_path / "run") == ["old.txt"]


def test_only_what_is_ours_is_removed(tmp_path):
    kept = (".run.part", ".runs.0123abcd.part", ".run.0123abcdef.part", "run.0123abcd.part", ".git")
    for name in (*kept, ".run.0123abcd.part"):
        (tmp_path / name).write_text("")
    remove_left_overs(tmp_path / "run")
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(kept)
    assert ".git" in names_in(tmp_path)


def test_left_overs_in_a_folder_go_whatever_they_were_of(tmp_path):
    for name in (".a.0123abcd.part", ".b.c.0123abcd.old", ".a.0123abcd.part_builder.lock"):
        (tmp_path / name).write_text("")
    (tmp_path / "b.c").write_text("")
    remove_left_overs_in(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["b.c"]


def test_locks_lie_in_the_cache_and_not_beside_the_output(tmp_path):
    with only_writer(tmp_path / "out"):
        assert list(tmp_path.glob("*")) == []
        assert len(list((cache_dir() / "locks").iterdir())) == 1
