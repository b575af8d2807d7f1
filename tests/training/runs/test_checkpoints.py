import pytest

from training.runs.checkpoints import MANIFEST, is_whole, newest_whole, read_manifest, remove_older, seal


@pytest.fixture
def checkpoints(tmp_path):
    """Three sealed checkpoints; their numbers sort otherwise as text."""
    for step in (9, 10, 100):
        folder = tmp_path / "checkpoints" / f"checkpoint-{step}"
        (folder / "shards").mkdir(parents=True)
        (folder / "weights").write_bytes(b"w" * step)
        (folder / "shards" / "0").write_bytes(b"s")
        seal(folder, {"run": {"seed": step}})
    return tmp_path / "checkpoints"


def names(folders):
    return [folder.name for folder in folders]


def test_a_sealed_checkpoint_is_whole_and_says_what_it_is_of(checkpoints):
    folder = checkpoints / "checkpoint-10"
    assert is_whole(folder)
    manifest = read_manifest(folder)
    assert manifest["run"] == {"seed": 10}
    assert sorted(manifest["sha256"]) == ["shards/0", "weights"]


def test_a_checkpoint_that_lacks_what_other_processes_wrote_is_not_sealed(tmp_path):
    (tmp_path / "rng_state_0.pth").write_bytes(b"0")
    with pytest.raises(FileNotFoundError, match="no rng_state_1.pth: not all processes see this folder"):
        seal(tmp_path, {}, needed=["rng_state_0.pth", "rng_state_1.pth"])
    assert not is_whole(tmp_path)


@pytest.mark.parametrize(
    "damage",
    [
        lambda folder: (folder / MANIFEST).unlink(),
        lambda folder: (folder / MANIFEST).write_text('{"schema": 1, "sha'),
        lambda folder: (folder / MANIFEST).write_text("[]"),
        lambda folder: (folder / "weights").unlink(),
        lambda folder: (folder / "weights").write_bytes(b"w" * 99),
        lambda folder: (folder / "weights").write_bytes(b"v" + b"w" * 99),
        lambda folder: (folder / "shards" / "0").write_bytes(b""),
    ],
)
def test_a_damaged_checkpoint_is_torn_and_passed_over(checkpoints, damage):
    damage(checkpoints / "checkpoint-100")
    assert not is_whole(checkpoints / "checkpoint-100")
    newest, torn = newest_whole(checkpoints)
    assert (newest.name, names(torn)) == ("checkpoint-10", ["checkpoint-100"])


def test_the_newest_is_that_of_the_latest_step(checkpoints, tmp_path):
    (checkpoints / "checkpoint-best").mkdir()
    newest, torn = newest_whole(checkpoints)
    assert (newest.name, torn) == ("checkpoint-100", [])
    assert newest_whole(tmp_path / "none") == (None, [])


def test_what_a_kill_left_of_a_manifest_is_no_part_of_the_next_one(checkpoints):
    folder = checkpoints / "checkpoint-100"
    (folder / f".{MANIFEST}.123.part").write_text("{")
    seal(folder, {})
    (folder / f".{MANIFEST}.123.part").unlink()
    assert is_whole(folder)


@pytest.mark.parametrize(("keep", "left"), [(1, {100}), (2, {10, 100}), (3, {9, 10, 100}), (5, {9, 10, 100})])
def test_the_last_ones_stay(checkpoints, keep, left):
    remove_older(checkpoints / "checkpoint-100", keep)
    assert {path.name for path in checkpoints.iterdir()} == {f"checkpoint-{step}" for step in left}


def test_torn_ones_do_not_count_among_those_that_stay(checkpoints):
    (checkpoints / "checkpoint-10" / MANIFEST).unlink()
    remove_older(checkpoints / "checkpoint-100", 2)
    assert {path.name for path in checkpoints.iterdir()} == {"checkpoint-100", "checkpoint-9"}


def test_the_one_just_written_stays_beside_a_damaged_one_of_a_later_step(checkpoints):
    # The run went on from 9, because 100 was damaged.
    (checkpoints / "checkpoint-100" / "weights").write_bytes(b"")
    remove_older(checkpoints / "checkpoint-10", 1)
    newest, torn = newest_whole(checkpoints)
    assert (newest.name, names(torn)) == ("checkpoint-10", ["checkpoint-100"])


def test_a_removal_that_stops_halfway_leaves_nothing_that_looks_whole(checkpoints, monkeypatch):
    def stopped(folder):
        raise KeyboardInterrupt

    monkeypatch.setattr("training.runs.checkpoints.shutil.rmtree", stopped)
    with pytest.raises(KeyboardInterrupt):
        remove_older(checkpoints / "checkpoint-100", 1)
    assert not is_whole(checkpoints / "checkpoint-9")
    assert is_whole(checkpoints / "checkpoint-100")
