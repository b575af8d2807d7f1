import gzip

import pytest


@pytest.fixture
def write(tmp_path):
    def make(text, name="file.bed"):
        path = tmp_path / name
        if name.endswith(".gz"):
            path.write_bytes(gzip.compress(text.encode()))
        else:
            path.write_text(text)
        return path

    return make
