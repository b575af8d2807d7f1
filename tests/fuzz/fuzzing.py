"""Writes inputs, many of them damaged, reads them as a user would, and holds the answers against slow readers.

An input has three outcomes that are right: the answer that the oracle gives; an `InputError` where the oracle
finds the file damaged; and, where what is right is a matter of taste, either. Anything else is a failure:
another exception, a wrong answer, a refusal of a sound file, or more than `SECONDS` of work.
"""

import contextlib
import json
import logging
import os
import shutil
import signal
import tempfile
import traceback
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any
from unittest import mock

from grover_hf.errors import InputError

SECONDS = 20
"""The longest that one small input may take."""


class Malformed(Exception):  # noqa: N818 - it is an answer
    """An oracle's word that a file must be refused."""


@dataclass(frozen=True)
class Expected:
    """What an oracle says of an input that need not be refused."""

    answers: Sequence[Any]
    """Those that are right."""
    may_refuse: bool = False
    """Whether it may also be refused."""


@dataclass(frozen=True)
class Kind:
    """A kind of input."""

    name: str
    weight: float
    """How many of these there are among a thousand inputs, or so."""
    write: Callable[[Random, Path], Any]
    """Writes the input into a folder; what it returns goes to the other two."""
    read: Callable[[Path, Any], Any]
    """Returns the answer of the package."""
    expect: Callable[[Path, Any], Expected]
    """Returns what is right, or raises `Malformed`."""


@dataclass
class Totals:
    """How inputs ended."""

    outcomes: dict[str, Counter[str]] = field(default_factory=dict)
    """By kind: how many were read, refused, or failed."""
    failures: list[str] = field(default_factory=list)
    """What went wrong, and where the input lies."""

    def add(self, kind: str, outcome: str) -> None:
        self.outcomes.setdefault(kind, Counter())[outcome] += 1

    def table(self) -> str:
        """Return the totals as lines of text."""
        names = ("read", "refused", "failed")
        rows = [("kind", *names)]
        rows += [(kind, *(n[name] for name in names)) for kind, n in sorted(self.outcomes.items())]
        rows.append(("all", *(sum(n[name] for n in self.outcomes.values()) for name in names)))
        return "\n".join(f"{row[0]:<22}" + "".join(f"{value:>10}" for value in row[1:]) for row in rows)


def fuzz(
    kinds: Sequence[Kind], numbers: Sequence[int], *, seed: int, keep: Path, done: Callable[[], object] = int
) -> Totals:
    """Try inputs by their numbers; save those that fail in `keep`.

    Args:
        kinds: From which each number draws its own.
        numbers: A number and the seed give the same input again.
        seed: Of all inputs.
        keep: Gets a folder for each failure, with the files and `what.txt`.
        done: Called after each.
    """
    totals = Totals()
    logging.disable(logging.ERROR)
    try:
        for number in numbers:
            rng = Random(f"{seed} {number}")
            kind = rng.choices(kinds, [kind.weight for kind in kinds])[0]
            with tempfile.TemporaryDirectory(prefix="fuzz-") as scratch:
                folder = Path(scratch) / "input"
                folder.mkdir()
                with mock.patch.dict(os.environ, {"GROVER_CACHE": f"{scratch}/cache"}):
                    outcome, what = _outcome(kind, rng, folder)
                if what is not None:
                    kept = keep / f"{kind.name}-{seed}-{number}"
                    shutil.copytree(folder, kept, dirs_exist_ok=True)
                    (kept / "what.txt").write_text(what, errors="backslashreplace")
                    totals.failures.append(f"{kept}: {what.strip().splitlines()[-1][:300]}")
            totals.add(kind.name, outcome)
            done()
    finally:
        logging.disable(logging.NOTSET)
    return totals


def _outcome(kind: Kind, rng: Random, folder: Path) -> tuple[str, str | None]:
    """Return how an input ended, and what was wrong with that, or None."""
    given = kind.write(rng, folder)
    try:
        with _silent():
            expected = kind.expect(folder, given)
    except Malformed as malformed:
        expected, why = None, str(malformed)
    try:
        with _in_time(), _silent():
            answer = kind.read(folder, given)
    except InputError as error:
        if expected is None or expected.may_refuse:
            return "refused", None
        return "failed", f"a sound input was refused: {error}"
    except KeyboardInterrupt:
        raise
    except BaseException:
        # What panics in Rust is no Exception.
        return "failed", traceback.format_exc()
    if expected is None:
        return "failed", f"read, and it is malformed ({why}): {_shown(answer)}"
    if all(answer != right for right in expected.answers):
        return "failed", f"{_shown(answer)}\ninstead of\n{' or '.join(map(_shown, expected.answers))}"
    return "read", None


@contextlib.contextmanager
def _silent() -> Iterator[None]:
    """Keep the standard error of the process shut: what panics in Rust prints pages."""
    kept, nothing = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nothing)


@contextlib.contextmanager
def _in_time() -> Iterator[None]:
    def stop(*_: object) -> None:
        raise TimeoutError(f"not done in {SECONDS} seconds")

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _shown(answer: Any) -> str:
    with contextlib.suppress(TypeError, ValueError):
        return json.dumps(answer, default=repr)[:2_000]
    return repr(answer)[:2_000]
