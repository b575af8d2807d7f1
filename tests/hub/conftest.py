import json
import os
import subprocess
import sys
from pathlib import Path

import pytest


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
