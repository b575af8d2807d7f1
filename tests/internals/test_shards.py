"""Shards of an output: each whole or absent, all of one origin, and together what one job writes."""

import json
import os
import shutil
import signal
import subprocess
import sys

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from grover_hf._internals.files import atomic_write, sha256_of_file
from grover_hf._internals.gathering import join_lines, join_parquet, whole_shards
from grover_hf._internals.shards import Origin, Shard, row_runs, shard_folder, write_shard
from grover_hf.errors import InputError

N_UNITS = 10


def origin(**changes):
    facts = {"kind": "lines", "suffix": ".txt", "inputs": {"regions": "a" * 64}, "model": "b" * 64,
             "options": {"layer": -1}}
    return Origin(**facts | changes)


def write(path, units):
    with atomic_write(path) as beside:
        beside.write_text("header\n" + "".join(f"unit {unit}\n" for unit in units))
    return len(units)


def run(output, text, n_units=N_UNITS, write=write, **changes):
    overwrite = changes.pop("overwrite", False)
    costs = [1] * n_units
    return write_shard(
        output, Shard.parse(text), origin(**changes), costs=costs, write=write, overwrite=overwrite
    )


def run_all(output, count, **options):
    for number in range(count):
        run(output, f"{number}/{count}", **options)
    return shard_folder(output)


@pytest.mark.parametrize("text", ["7/7", "-1/7", "1", "a/b", "1/0", "1/7/3", " 1/7"])
def test_what_is_no_shard_is_refused(text):
    with pytest.raises(InputError, match="it is I/N, with I from 0 to N - 1"):
        Shard.parse(text)


@pytest.mark.parametrize("count", [1, 2, 3, 7, 50])
@pytest.mark.parametrize("costs", [[1] * 10, [5, 1, 1, 1, 1], [1, 100, 1], [3], []])
def test_each_unit_is_in_one_shard_and_they_stay_in_order(count, costs):
    shares = [Shard(number, count).share(costs) for number in range(count)]
    assert [unit for share in shares for unit in share] == list(range(len(costs)))


def test_shards_have_about_the_same_cost():
    costs = [7, 3, 9, 1, 1, 1, 8, 2, 5, 4] * 20
    loads = [sum(costs[unit] for unit in Shard(number, 8).share(costs)) for number in range(8)]
    assert max(loads) - min(loads) <= 2 * max(costs)


def test_runs_of_rows_end_with_the_table():
    assert row_runs(7, 3) == [slice(0, 3), slice(3, 6), slice(6, 7)]
    assert row_runs(0, 3) == []


@pytest.mark.parametrize("count", [1, 7, 23])
def test_joined_shards_are_what_one_job_writes(tmp_path, count):
    write(tmp_path / "whole.txt", range(N_UNITS))
    gathered = whole_shards(run_all(tmp_path / "out.txt", count))
    assert gathered.n_rows == N_UNITS
    assert len(gathered.paths) == min(count, N_UNITS)
    join_lines(gathered.paths, tmp_path / "out.txt", n_header_lines=1)
    assert (tmp_path / "out.txt").read_bytes() == (tmp_path / "whole.txt").read_bytes()


def test_an_output_without_units_has_its_header_from_shard_0(tmp_path):
    gathered = whole_shards(run_all(tmp_path / "out.txt", 3, n_units=0))
    assert [path.read_text() for path in gathered.paths] == ["header\n"]


def test_a_shard_that_is_whole_is_left_and_one_that_is_not_is_made_again(tmp_path):
    assert run(tmp_path / "out.txt", "1/3").was_whole is False
    path = tmp_path / "out.txt.shards" / "part-1-of-3.txt"
    before = path.read_bytes()
    assert run(tmp_path / "out.txt", "1/3", write=None).was_whole is True
    for harm in (lambda: path.write_text("changed"), path.unlink,
                 lambda: path.with_name("part-1-of-3.manifest.json").write_text("{"),
                 lambda: path.with_name("part-1-of-3.manifest.json").unlink()):
        harm()
        assert run(tmp_path / "out.txt", "1/3").was_whole is False
        assert path.read_bytes() == before


KILLED = """
import sys, time
from pathlib import Path
from tests.internals.test_shards import run, write
def slow(path, units):
    n_rows = write(path, units)
    print("written", flush=True)
    time.sleep(60)
run(Path(sys.argv[1]), "1/3", write=slow)
"""


def test_a_killed_shard_has_no_manifest_and_it_alone_is_run_again(tmp_path):
    output = tmp_path / "out.txt"
    run(output, "0/3")
    run(output, "2/3")
    process = subprocess.Popen([sys.executable, "-c", KILLED, output], stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "written\n"
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    with pytest.raises(InputError, match="lacks the shards 1/3; run the command with --shard of each"):
        whole_shards(shard_folder(output))
    kept = {path.name: path.stat().st_mtime_ns for path in shard_folder(output).glob("part-[02]*")}
    assert run(output, "1/3").was_whole is False
    assert whole_shards(shard_folder(output)).n_rows == N_UNITS
    assert kept == {path.name: path.stat().st_mtime_ns for path in shard_folder(output).glob("part-[02]*")}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model": "c" * 64}, r"another model \(cccccccccccc... here, bbbbbbbbbbbb... there\)"),
        ({"inputs": {"regions": "d" * 64}}, "another regions"),
        ({"options": {"layer": 2}}, r"another --layer \(2 here, -1 there\)"),
        ({"vocabulary_sha256": "e" * 64}, r"another vocabulary sha256 \(eeeeeeeeeeee... here, none there\)"),
        ({"code_version": "0.0.1"}, "another code version"),
    ],
)
def test_a_shard_of_another_origin_is_refused_by_name(tmp_path, changes, message):
    output = tmp_path / "out.txt"
    run_all(output, 2)
    with pytest.raises(InputError, match=message):
        run(output, "1/2", **changes)
    before = (shard_folder(output) / "part-1-of-2.manifest.json").read_bytes()
    run(output, "1/2", overwrite=True, **changes)
    assert (shard_folder(output) / "part-1-of-2.manifest.json").read_bytes() != before
    with pytest.raises(InputError, match="shard 1/2 is of another .* than shard 0/2"):
        whole_shards(shard_folder(output))


def test_a_folder_with_another_count_or_other_files_is_refused(tmp_path):
    output = tmp_path / "out.txt"
    folder = run_all(output, 2)
    with pytest.raises(InputError, match="of 2 shards; this is 0/3"):
        run(output, "0/3")
    (folder / "mine.txt").write_text("mine")
    with pytest.raises(InputError, match="is not a folder of shards: it has mine.txt"):
        run(output, "0/2")


def missing(folder):
    (folder / "part-1-of-3.manifest.json").unlink()


def without_its_file(folder):
    (folder / "part-1-of-3.txt").unlink()


def damaged(folder):
    (folder / "part-1-of-3.txt").write_text("header\nunit 3\n")


def doubled(folder):
    shutil.copy(folder / "part-0-of-3.manifest.json", folder / "part-1-of-3.manifest.json")


def twice(folder):
    shutil.copy(folder / "part-0-of-3.manifest.json", folder / "copy-of-0.manifest.json")


def another_count(folder):
    run(folder.parent / "b.txt", "1/4")
    for path in (folder.parent / "b.txt.shards").iterdir():
        shutil.move(path, folder)


def other_units(folder):
    manifest = json.loads((folder / "part-1-of-3.manifest.json").read_text())
    manifest["end_unit"] -= 1
    (folder / "part-1-of-3.manifest.json").write_text(json.dumps(manifest))


def last_units_missing(folder):
    manifest = json.loads((folder / "part-2-of-3.manifest.json").read_text())
    manifest["end_unit"] -= 1
    (folder / "part-2-of-3.manifest.json").write_text(json.dumps(manifest))


def torn_manifest(folder):
    (folder / "part-1-of-3.manifest.json").write_text('{"schema": 1')


@pytest.mark.parametrize(
    ("harm", "message"),
    [
        (missing, "lacks the shards 1/3"),
        (without_its_file, "shard 1/3: part-1-of-3.txt is missing. Run the command with --shard 1/3 again"),
        (damaged, "shard 1/3: part-1-of-3.txt is damaged or was changed"),
        (doubled, "part-1-of-3.manifest.json says that it is shard 0/3: a shard is there twice"),
        (twice, "copy-of-0.manifest.json says that it is shard 0/3: a shard is there twice"),
        (another_count, "has shards of 3 and of 4"),
        (other_units, "shard 2/3 does not begin where the one before it ends"),
        (last_units_missing, "its shards are not of one output"),
        (torn_manifest, "part-1-of-3.manifest.json is damaged"),
    ],
)
def test_shards_that_do_not_fit_together_are_not_joined(tmp_path, harm, message):
    folder = run_all(tmp_path / "out.txt", 3)
    harm(folder)
    with pytest.raises(InputError, match=message):
        whole_shards(folder)


def test_what_is_no_folder_of_shards_is_refused(tmp_path):
    with pytest.raises(InputError, match="There is no folder"):
        whole_shards(tmp_path / "nowhere")
    with pytest.raises(InputError, match="has no whole shard"):
        whole_shards(tmp_path)


def test_digests_are_those_of_sha256sum(tmp_path):
    folder = run_all(tmp_path / "out.txt", 1)
    files = json.loads((folder / "part-0-of-1.manifest.json").read_text())["files"]
    said = subprocess.run(["sha256sum", folder / "part-0-of-1.txt"], capture_output=True, text=True, check=True)
    assert files == {"part-0-of-1.txt": said.stdout.split()[0]}
    assert sha256_of_file(folder / "part-0-of-1.txt") == said.stdout.split()[0]


def test_joined_row_groups_are_the_bytes_of_one_writer(tmp_path):
    schema = pa.schema(
        [("name", pa.string()), ("ids", pa.list_(pa.uint16())), ("vector", pa.list_(pa.float32(), 2))],
        metadata={"grover.model": "m"},
    )
    groups = [
        pa.table([[f"r{n}"] * 1500, [[n, n + 1]] * 1500, [[np.nan] * 2, *[[n, 0.5]] * 1499]], schema=schema)
        for n in range(5)
    ]

    def written(name, some):
        with pq.ParquetWriter(tmp_path / name, schema, compression="zstd") as writer:
            for group in some:
                writer.write_table(group)
        return tmp_path / name

    whole = written("whole", groups)
    join_parquet([written("a", groups[:2]), written("b", groups[2:])], tmp_path / "out", compression="zstd")
    assert (tmp_path / "out").read_bytes() == whole.read_bytes()
