"""Whether Python finds the packages that belong to `grover_hf`, or others of the same names.

`training`, `dataset_builders` and `model_card` are names that users give to folders of their own. Where such a
folder is a package and comes first on `sys.path`, Python imports it in place of ours.
"""

import sys
from importlib.util import find_spec
from pathlib import Path

from grover_hf.errors import InputError

_NAMES = ("training", "dataset_builders", "model_card")
_HOME = Path(__file__).resolve().parents[2]
"""The folder of `grover_hf` and of these packages: a checkout, or site-packages."""


def require_own_packages() -> None:
    """Raise `InputError` if Python finds another package under the name of one of ours.

    Nothing is imported: where a package lies says whose it is.
    """
    for name in _NAMES:
        place = _place(name)
        if place != _HOME / name:
            raise InputError(
                f"Python finds {place or 'nothing'} for the package {name!r}; the one of grover_hf is "
                f"{_HOME / name}. {_remedy(place)}"
            )


def _place(name: str) -> Path | None:
    spec = find_spec(name)
    if spec is None:
        return None
    # None is a folder without __init__.py, which Python takes where there is no package.
    if spec.origin is None:
        return Path(next(iter(spec.submodule_search_locations or [name]))).resolve()
    origin = Path(spec.origin).resolve()
    return origin.parent if origin.name == "__init__.py" else origin


def _remedy(place: Path | None) -> str:
    if place is None:
        return "Install grover-hf again."
    if place.parent == Path.cwd():
        return f"Run the command in another folder or with PYTHONSAFEPATH=1, or rename {place.name}."
    first = next((path for path in sys.path if path and Path(path).resolve() == place.parent), place.parent)
    return f"Take {first} out of PYTHONPATH, or rename {place.name}."
