"""Jobs as processes of their own, several at once: one that is killed stops only those that need it."""

import contextlib
import fcntl
import os
import shlex
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from grover_hf.errors import InputError

_LOOK_EVERY_SECONDS = 0.1


@dataclass(frozen=True, kw_only=True)
class Job:
    """A command, and what has to be done before it."""

    name: str
    command: tuple[str, ...]
    log: Path
    """Takes its output, after that of earlier tries."""
    is_done: Callable[[], bool]
    """Whether everything is there that the command makes."""
    needs: tuple[str, ...] = ()
    """Names of jobs that must have succeeded; names that are not among the jobs count as done."""


@dataclass(frozen=True)
class Failure:
    """A job that failed, or was not begun because another failed."""

    job: Job
    reason: str


class Stopped(Exception):  # noqa: N818
    """Some jobs were stopped before they were done."""


@contextlib.contextmanager
def only_one(folder: Path) -> Iterator[int]:
    """Yield a descriptor that locks a folder; processes that inherit it hold the lock on.

    So jobs that outlive the process that began them, because it was killed, keep another one from beginning
    them a second time.

    Raises:
        InputError: If the folder is locked.
    """
    descriptor = os.open(folder / ".lock", os.O_CREAT | os.O_RDWR, 0o644)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise InputError(
                f"Another process works in {folder}: wait for it, or end it. It may be a job that a stopped "
                f"command left behind; `fuser {folder}/.lock` names it."
            ) from None
        yield descriptor
    finally:
        os.close(descriptor)


def run_side_by_side(
    jobs: Sequence[Job], *, slots: Sequence[dict[str, str]], stop: threading.Event, lock: int,
    report: Callable[[str], None] = print,
) -> list[Failure]:
    """Run jobs, as many at once as there are slots; return those that failed, in their order.

    Args:
        jobs: In the order of preference; a job waits for those that it needs.
        slots: The environment of each place for a process: variables that set its device and threads.
        stop: When it is set, the jobs that run get SIGTERM, are waited for, and no other begins.
        lock: From `only_one`.
        report: Takes a line for each job that ends.

    Raises:
        Stopped: If `stop` was set.
    """
    waiting = list(jobs)
    names = {job.name for job in jobs}
    done: set[str] = set()
    failures: dict[str, Failure] = {}
    running: dict[int, _Running] = {}
    free = list(range(len(slots)))
    try:
        while waiting or running:
            for job in list(waiting):
                if lost := [name for name in job.needs if name in failures]:
                    waiting.remove(job)
                    failures[job.name] = Failure(job, f"not begun: it needs {', '.join(lost)}")
                elif free and names.isdisjoint(set(job.needs) - done):
                    waiting.remove(job)
                    slot = free.pop(0)
                    running[slot] = _Running(job, slots[slot], lock)
            time.sleep(_LOOK_EVERY_SECONDS)
            for slot, process in list(running.items()):
                if (code := process.poll()) is None:
                    continue
                del running[slot]
                free.append(slot)
                reason = _what_went_wrong(process, code)
                if reason is None:
                    done.add(process.job.name)
                else:
                    failures[process.job.name] = Failure(process.job, reason)
                progress = f"[{len(done) + len(failures)}/{len(jobs)}]"
                report(f"{progress} {process.job.name}: {reason or 'done'}, {process.seconds:.0f} s")
            if stop.is_set():
                raise Stopped(f"stopped; {len(done)} of {len(jobs)} jobs are done")
    finally:
        for process in running.values():
            process.ask_to_end()
        for process in running.values():
            process.wait()
    return [failures[job.name] for job in jobs if job.name in failures]


class _Running:
    """A job's process."""

    def __init__(self, job: Job, environment: dict[str, str], lock: int) -> None:
        self.job = job
        self._begin = time.monotonic()
        job.log.parent.mkdir(parents=True, exist_ok=True)
        with open(job.log, "a") as log:
            log.write(f"$ {shlex.join(job.command)}\n")
            log.flush()
            self._output_starts = log.tell()
            self._process = _started(job.command, log, environment, lock)

    @property
    def seconds(self) -> float:
        return time.monotonic() - self._begin

    def poll(self) -> int | None:
        return self._process.poll()

    def last_line(self) -> str:
        with open(self.job.log, errors="replace") as log:
            log.seek(self._output_starts)
            lines = [line.strip() for line in log if line.strip()]
        errors = [line for line in lines if line.startswith("error:")]
        return (errors or lines or [""])[-1]

    def ask_to_end(self) -> None:
        """Send SIGTERM, as schedulers do, at which a pretraining writes a checkpoint."""
        self._process.terminate()

    def wait(self) -> None:
        self._process.wait()


def _started(
    command: Sequence[str], log: IO[str], environment: dict[str, str], lock: int
) -> "subprocess.Popen[bytes]":
    # A session of its own: Ctrl-C is for us, and we send SIGTERM, at which runs write a checkpoint.
    return subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, start_new_session=True,
        pass_fds=[lock], env={**os.environ, **environment},
    )


def _what_went_wrong(process: _Running, code: int) -> str | None:
    if code < 0:
        return f"killed by {signal.Signals(-code).name}"
    if code:
        return f"failed with code {code}: {process.last_line()}"
    return None if process.job.is_done() else "ended without what it should have made"
