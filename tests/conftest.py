"""Fixtures and the rules of the run: a Hub of its own, a cache of its own, real data only where it is given."""

import atexit
import itertools
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.hub_server import HubServer

# The libraries read these when they are imported. The user's own caches and token stay as they are.
_HOME = Path(tempfile.mkdtemp(prefix="grover-tests-"))
atexit.register(shutil.rmtree, _HOME, ignore_errors=True)
_HUB = HubServer(_HOME / "hub").start()
for _name in [name for name in os.environ if name.startswith(("HF_", "HUGGING", "TRANSFORMERS_"))]:
    del os.environ[_name]
# Threads that wait for each other cost more than they bring to models so small, most of all on a busy machine.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.update(_HUB.environment, HF_HOME=str(_HOME / "huggingface"), TOKENIZERS_PARALLELISM="false")

import pytest  # noqa: E402
from hypothesis import settings  # noqa: E402

# Imported before GROVER_CACHE changes: compiled code stays in the user's cache between runs.
from grover_hf.genome import ReferenceGenome  # noqa: E402
from grover_hf.genome.synthetic import simulate_genome  # noqa: E402
from grover_hf.tokenization.bpe_training import train_bpe  # noqa: E402

# The first example of a test may have to compile.
settings.register_profile("grover", deadline=None)
settings.load_profile("grover")

REAL_DATA = os.environ.get("GROVER_DATA")


def pytest_collection_modifyitems(config, items):
    if REAL_DATA:
        return
    real = [item for item in items if item.get_closest_marker("real_data")]
    if real:
        config.hook.pytest_deselected(items=real)
        items[:] = [item for item in items if item not in real]


def pytest_terminal_summary(terminalreporter):
    if not REAL_DATA:
        terminalreporter.write_line("GROVER_DATA is not set: tests on real sequence were left out.")


@pytest.fixture(autouse=True)
def one_thread():
    """Each test begins with one thread of torch: forests and pools of other tests may have set more."""
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(1)


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory, monkeypatch):
    """Each test has an empty cache."""
    monkeypatch.setenv("GROVER_CACHE", str(tmp_path_factory.mktemp("cache")))


@pytest.fixture(scope="session")
def hub_server():
    """The Hub of the run, for fixtures that live long; tests take `hub`."""
    return _HUB


@pytest.fixture
def hub(hub_server):
    """The Hub of the run with an empty log; what a test did to it is undone, its repos stay."""
    hub_server.log.clear()
    yield hub_server
    hub_server.reset_faults()
    if not hub_server.running:
        hub_server.start()


_REPO_NUMBERS = itertools.count()


@pytest.fixture
def repo_id():
    """The name of a repo that no other test has."""
    return f"grover/test-{next(_REPO_NUMBERS)}"


@pytest.fixture
def write_fasta(tmp_path):
    """Write text to a FASTA file and return its path."""

    def write(text: str, name: str = "genome.fa") -> Path:
        path = tmp_path / name
        path.write_bytes(text.encode())
        return path

    return write


@pytest.fixture(scope="session")
def simulated_fasta(tmp_path_factory):
    return simulate_genome(tmp_path_factory.mktemp("simulated") / "sim.fa", 400_000, seed=1)


@pytest.fixture(scope="session")
def simulated_merges(simulated_fasta):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GROVER_CACHE", str(simulated_fasta.parent / "cache"))
        return train_bpe(ReferenceGenome(simulated_fasta), 600)


@pytest.fixture(scope="session")
def real_data():
    """The folder of real sequence."""
    return Path(REAL_DATA)


@pytest.fixture
def in_fresh_process(tmp_path):
    """Run Python that has imported nothing yet, against the same Hub; return the JSON of its last printed line.

    `code` is text, or the path of a script. `home` is the process's HF_HOME, empty unless another process of
    the test had the same; with `offline` it has nothing else. The working directory is empty, so that no
    folder there is taken for a repo.
    """
    empty = tmp_path / "empty"
    empty.mkdir()

    def run(code: str | Path, *arguments: str, home: str = "home", offline: bool = False):
        environment = {**os.environ, "HF_HOME": str(tmp_path / home), "HF_HUB_OFFLINE": str(int(offline))}
        command = [sys.executable, *(["-c"] if isinstance(code, str) else []), str(code), *arguments]
        done = subprocess.run(command, cwd=empty, env=environment, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stderr[-4_000:]
        return json.loads(done.stdout.splitlines()[-1])

    return run
