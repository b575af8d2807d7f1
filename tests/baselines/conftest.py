import numpy as np
import pytest


@pytest.fixture
def windows():
    """Windows of a chain in which each token depends on the one before, some of them very short."""
    rng = np.random.default_rng(0)
    lengths = [0, 1, 2, 3, *rng.integers(4, 40, 60)]
    moves = rng.dirichlet(np.full(7, 0.3), 7)
    rows = []
    for length in lengths:
        row = [5]
        while len(row) < length:
            row.append(5 + rng.choice(7, p=moves[row[-1] - 5]))
        rows.append(row[:length])
    return rows
