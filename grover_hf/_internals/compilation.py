"""Compiled loops: `@cached_njit` is `numba.njit` with the code cached on disk and the GIL released.

Compiled code is kept in the cache folder (see `grover_hf._internals.files`), not beside the package, so
that a read-only installation compiles once too. The first call on a machine takes some seconds.
"""

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numba

from grover_hf._internals.files import cache_dir

F = TypeVar("F", bound=Callable[..., object])


def cached_njit(function: F) -> F:
    """Compile `function` on first use for the types it is called with."""
    # numba reads its cache folder when it decorates; other packages keep their own setting.
    config: Any = numba.config  # its settings are set as it is imported: no type knows them
    kept = config.CACHE_DIR
    config.CACHE_DIR = str(cache_dir() / "numba")
    try:
        return cast(F, numba.njit(cache=True, nogil=True)(function))
    finally:
        config.CACHE_DIR = kept
