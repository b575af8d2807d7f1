"""Steps are run one after another; a finished one is not run again.

What a finished step was made of, and the files that it left, stand in DIR/steps/NAME.json, written when it ends.
What it printed is in DIR/steps/NAME.log.
"""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from grover_hf._internals.files import atomic_write, file_key
from grover_hf._internals.records import plain, read_json_object, record_of
from grover_hf.errors import InputError
from grover_hf.reproduction.inputs import Inputs
from grover_hf.reproduction.step import BY_HAND, CPU, GPU, Step, duration

_PROGRAMS = {"grover": "grover_hf.cli", "accelerate": "accelerate.commands.accelerate_cli"}
_SECONDS_TO_END = 5.0
Run = Callable[[Step, Sequence[str], Path], int]
"""Runs the words of a step, prints into a file, and returns the exit code."""


@dataclass(frozen=True, kw_only=True)
class Record:
    """What stands of a finished step in its file."""

    command: str
    made_of: dict[str, str]
    """Keys of the inputs, and of the records of the steps before it."""
    files: dict[str, int]
    """The files of the output, with their bytes."""
    seconds: float


@dataclass(frozen=True)
class Outcome:
    """How it stands with a step."""

    kind: str
    """finished, missing, not started, failed, or not run."""
    why: str = ""
    """What is missing, what it would take, or what it said when it failed."""
    ran: bool = False
    """Whether it ran now."""


class Runner:
    """Runs steps.

    Args:
        inputs: What there is.
        folder: Of outputs, records and logs.
        run: Runs a command; for tests another.
        has_gpu: Whether there is one; None for asking PyTorch, if a step needs it.
    """

    def __init__(
        self, inputs: Inputs, folder: Path, *, run: Run | None = None, has_gpu: bool | None = None
    ) -> None:
        self.inputs = inputs
        self.folder = folder
        self.outcomes: dict[str, Outcome] = {}
        self._run = run_command if run is None else run
        self._has_gpu = has_gpu
        self._shown = 0
        self._pace = 1.0

    def plan(self, steps: Sequence[Step]) -> list[Step]:
        """Decide of each step whether it will run, and return those that will, in order."""
        to_run: list[Step] = []
        for step in steps:
            outcome = self._foreseen(step, {one.name for one in to_run})
            self.outcomes[step.name] = outcome
            if outcome.kind == "not run":
                to_run.append(step)
        return to_run

    def run_all(self, steps: Sequence[Step], say: Callable[[str], None]) -> None:
        """Run what is not finished; a step that fails leaves the others to run."""
        to_run = self.plan(steps)
        for number, step in enumerate(to_run, 1):
            failed = [name for name in step.after if self.outcomes[name].kind != "finished"]
            if failed:
                self.outcomes[step.name] = Outcome("failed", f"{failed[0]} failed, which it needs")
                continue
            left = sum(one.minutes for one in to_run[number - 1 :]) * self._pace
            say(f"step {number} of {len(to_run)}, about {duration(left)} left: {step.command}")
            began = time.perf_counter()
            self.outcomes[step.name] = self._go(step)
            taken = (time.perf_counter() - began) / 60
            # Estimates are for all of hg19: what the steps so far took says how far off they are here.
            self._shown += 1
            self._pace += (min(1.0, taken / step.minutes) - self._pace) / self._shown
            if self.outcomes[step.name].kind == "failed":
                say(f"  failed: {self.outcomes[step.name].why}")

    def _foreseen(self, step: Step, to_run: set[str]) -> Outcome:
        if step.is_given:
            there = step.is_whole()
            return Outcome("finished" if there else "missing", "" if there else f"{step.output} is not whole")
        if absent := list(step.absent(self.inputs)):
            return Outcome("missing", "; ".join(absent))
        for name in step.after:
            before = self.outcomes[name]
            if before.kind not in ("finished", "not run"):
                return before
        # A user may have run a long one by hand, in the place that the table names: then it has no record.
        if step.hardware != CPU and step.is_whole() and not self._record(step).exists():
            return Outcome("finished")
        if not (set(step.after) & to_run) and self._is_finished(step):
            return Outcome("finished")
        if step.hardware == BY_HAND or (step.hardware == GPU and not self._gpu()):
            return Outcome("not started", f"it takes about {duration(step.minutes)} of a GPU")
        return Outcome("not run")

    def _is_finished(self, step: Step) -> bool:
        try:
            record = record_of(Record, read_json_object(self._record(step)), self._record(step))
        except (FileNotFoundError, InputError):
            return False
        return (record.command, record.made_of, record.files) == (
            step.command, self._made_of(step), _files(step.output)
        )

    def _go(self, step: Step) -> Outcome:
        self._record(step).unlink(missing_ok=True)
        self.folder.mkdir(parents=True, exist_ok=True)
        made_of = self._made_of(step)
        flags = ("true",) if step.words[0] != "grover" or step.words[1] == "evaluate" else ()
        words = (*step.words, "--overwrite", *flags) if step.output.exists() else step.words
        log = self.folder / f"{step.name}.log"
        began = time.perf_counter()
        code = self._run(step, words, log)
        if code or not step.is_whole():
            return Outcome("failed", f"{_last_word(log)} ({log})", ran=True)
        record = Record(
            command=step.command, made_of=made_of, files=_files(step.output), seconds=time.perf_counter() - began
        )
        with atomic_write(self._record(step)) as beside:
            beside.write_text(json.dumps(plain(record), indent=2) + "\n", encoding="utf-8")
        return Outcome("finished", ran=True)

    def _made_of(self, step: Step) -> dict[str, str]:
        keys = {need.name: _key(Path(self.inputs.shown(need.name))) for need in step.needs}
        return keys | {name: file_key(self._record_named(name)) for name in step.after if self._has_record(name)}

    def _has_record(self, name: str) -> bool:
        return self._record_named(name).exists()

    def _record_named(self, name: str) -> Path:
        return self.folder / f"{name}.json"

    def _record(self, step: Step) -> Path:
        return self._record_named(step.name)

    def _gpu(self) -> bool:
        if self._has_gpu is None:
            import torch  # here: it takes a second, and most steps need none

            self._has_gpu = torch.cuda.is_available()
        return self._has_gpu


def run_command(step: Step, words: Sequence[str], log: Path) -> int:
    """Run a command of the product with this Python; what it prints goes into a file."""
    with open(log, "w", encoding="utf-8") as file:
        file.write(f"{step.command}\n")
        file.flush()
        command = (sys.executable, "-m", _PROGRAMS[words[0]], *words[1:])
        # Of the same group: Ctrl-C reaches it, and it ends as it does alone.
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=file, stderr=subprocess.STDOUT)
        try:
            return process.wait()
        except BaseException:
            _end(process)
            raise


def _end(process: "subprocess.Popen[bytes]") -> None:
    """Wait for a process that has had Ctrl-C too; end it if it has not."""
    try:
        process.wait(_SECONDS_TO_END)
    except subprocess.TimeoutExpired:
        process.terminate()
        process.wait()


def _last_word(log: Path) -> str:
    """Return what a command said last: its error, if it said one."""
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines() if log.exists() else []
    said = [line.strip() for line in lines if line.strip()]
    errors = [line for line in said if line.startswith("error:")]
    return (errors or said or ["it left nothing"])[-1].removeprefix("error: ")


def _files(output: Path) -> dict[str, int]:
    if output.is_file():
        return {output.name: output.stat().st_size}
    paths = sorted(path for path in output.rglob("*") if path.is_file())
    return {path.relative_to(output).as_posix(): path.stat().st_size for path in paths}


def _key(path: Path) -> str:
    """Return a key of an input; of a folder that of its newest file, without what a run gets later."""
    if not path.is_dir():
        return file_key(path) if path.exists() else str(path)
    place = path / "model" if (path / "model").is_dir() else path
    files = sorted(one for one in place.rglob("*") if one.is_file())
    return f"{len(files)} files, {file_key(max(files, key=lambda one: one.stat().st_mtime_ns))}" if files else ""
