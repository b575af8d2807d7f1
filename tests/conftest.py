"""Fixtures and the rules of the run: offline, a cache of its own, real data only where it is given."""

import atexit
import os
import shutil
import tempfile
from pathlib import Path

# datasets reads these when it is imported; the user's own cache stays as it is.
_DATASETS_CACHE = tempfile.mkdtemp(prefix="grover-tests-")
atexit.register(shutil.rmtree, _DATASETS_CACHE, ignore_errors=True)
os.environ.update(
    HF_DATASETS_CACHE=_DATASETS_CACHE, HF_HUB_OFFLINE="1", HF_HUB_DISABLE_TELEMETRY="1",
    HF_UPDATE_DOWNLOAD_COUNTS="0", TOKENIZERS_PARALLELISM="false",
)

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
def own_cache(tmp_path_factory, monkeypatch):
    """Each test has an empty cache."""
    monkeypatch.setenv("GROVER_CACHE", str(tmp_path_factory.mktemp("cache")))


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
