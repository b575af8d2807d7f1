"""`metrics.json`: the only source of numbers in cards and tables. Its writer and its reader.

`{schema, task, model, dataset, split, metrics, ci95, seed, command, versions, date}`; fractions, never
per cent.
"""

import datetime
import importlib.metadata
import json
import platform
import sys
from pathlib import Path
from typing import Any

from grover_hf._internals.files import atomic_write
from grover_hf.errors import InputError

_SCHEMA = 1
_PACKAGES = (
    "grover-hf", "torch", "transformers", "tokenizers", "datasets", "accelerate", "numpy", "scikit-learn",
)


def versions() -> dict[str, str]:
    """Return the versions that a number depends on."""
    return {"python": platform.python_version()} | {
        name: importlib.metadata.version(name) for name in _PACKAGES
    }


def with_environment(content: dict[str, Any]) -> dict[str, Any]:
    """Return the content of `metrics.json` with schema, command, versions and date."""
    return {
        "schema": _SCHEMA,
        **content,
        "command": " ".join(sys.orig_argv),
        "versions": versions(),
        "date": datetime.date.today().isoformat(),
    }


def write_metrics(run: Path, content: dict[str, Any]) -> dict[str, Any]:
    """Write `RUN/metrics.json`, with schema, command, versions and date; return its content."""
    whole = with_environment(content)
    with atomic_write(run / "metrics.json") as beside:
        beside.write_text(json.dumps(whole, indent=2) + "\n")
    return whole


def read_metrics(run: Path) -> dict[str, Any]:
    """Return the content of `RUN/metrics.json`.

    Raises:
        InputError: If there is none, or it has another schema.
    """
    path = run / "metrics.json"
    try:
        content = dict(json.loads(path.read_text()))
    except (FileNotFoundError, NotADirectoryError):
        raise InputError(f"{run} has no metrics.json.") from None
    except ValueError as error:
        raise InputError(f"{path} is damaged: {error}") from error
    if content.get("schema") != _SCHEMA:
        raise InputError(f"{path} has schema {content.get('schema')}; this version reads {_SCHEMA}.")
    return content
