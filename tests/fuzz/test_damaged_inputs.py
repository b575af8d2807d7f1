"""Damaged files are refused, others read as a slow, plain reader reads them; killed commands leave nothing odd."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from tests.fuzz.fuzzing import Expected, Kind, Malformed, fuzz
from tests.fuzz.kinds import KINDS


def test_two_thousand_damaged_inputs_give_right_answers_or_clear_errors(tmp_path):
    totals = fuzz(KINDS, range(2_000), seed=0, keep=tmp_path)
    assert not totals.failures, "\n".join(totals.failures)
    # Neither may all be refused, nor all be sound.
    for kind in KINDS:
        assert sum(totals.outcomes[kind.name].values()), kind.name
    assert min(sum(n[name] for n in totals.outcomes.values()) for name in ("read", "refused")) > 500


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(1, 3))
def test_twenty_thousand_damaged_inputs_give_right_answers_or_clear_errors(seed, tmp_path):
    totals = fuzz(KINDS, range(10_000), seed=seed, keep=tmp_path)
    assert not totals.failures, "\n".join(totals.failures)


def reading(answer=None, error=None):
    def read(folder, given):
        if error:
            raise error
        return answer

    return read


@pytest.mark.parametrize(
    ("read", "said"),
    [
        (reading(2), "2\ninstead of\n1"), (reading(1, KeyError("x")), "KeyError: 'x'"),
        (reading(1, BaseException("Rust panics")), "Rust panics"),
    ],
)
def test_a_wrong_answer_and_any_error_but_ours_are_failures_whose_input_is_kept(read, said, tmp_path):
    def write(rng, folder):
        (folder / "input.txt").write_text("some input")

    kind = Kind("made up", 1, write, read, lambda folder, given: Expected([1]))
    totals = fuzz([kind], [7], seed=3, keep=tmp_path)
    assert totals.outcomes == {"made up": {"failed": 1}}
    assert len(totals.failures) == 1
    assert (tmp_path / "made up-3-7" / "input.txt").read_text() == "some input"
    assert said in (tmp_path / "made up-3-7" / "what.txt").read_text()


def test_what_is_malformed_must_be_refused(tmp_path):
    def expect(folder, given):
        raise Malformed("it is torn")

    kind = Kind("made up", 1, lambda rng, folder: None, reading(1), expect)
    assert "it is torn" in fuzz([kind], [0], seed=0, keep=tmp_path).failures[0]


def test_an_input_is_the_same_again_by_its_number(tmp_path):
    def read(folder, given):
        seen.append({path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()})

    seen = []
    kinds = [replace(kind, read=read, expect=lambda folder, given: Expected([None])) for kind in KINDS]
    for _ in range(2):
        fuzz(kinds, range(60), seed=5, keep=tmp_path)
    assert seen[:60] == seen[60:]


@pytest.mark.slow
def test_commands_killed_at_any_moment_and_run_again_leave_the_bytes_of_undisturbed_ones(tmp_path):
    # In a process that has done nothing yet: it forks, and threads do not come along.
    command = [sys.executable, "-m", "tests.fuzz.kills", "--kills", "20", "--seed", "1", "--keep", tmp_path / "k"]
    done = subprocess.run(
        list(map(str, command)), cwd=Path(__file__).parents[2], capture_output=True, text=True, timeout=900
    )
    assert done.returncode == 0, f"{done.stdout[-6_000:]}\n{done.stderr[-3_000:]}"
    assert "0 of " in done.stdout
