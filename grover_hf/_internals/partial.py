"""Arrays that a stopped run has made: OUTPUT.partial/, a file for each part, which the next run goes on with."""

import json
import shutil
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from grover_hf._internals.files import atomic_write
from grover_hf._internals.records import read_json_object
from grover_hf.errors import InputError

_WHAT, _DONE = "what.json", "done"


class PartialArrays:
    """The parts of an output that is being made.

    Args:
        output: The output; parts lie in a folder beside it.
        what: All that the arrays follow from.
        overwrite: Whether parts of something else are removed.

    Raises:
        InputError: If there are parts of something else, or anything that is none.
    """

    def __init__(self, output: Path, what: Mapping[str, object], *, overwrite: bool) -> None:
        self.folder = output.with_name(output.name + ".partial")
        if self.folder.exists():
            self._require_same(what, overwrite=overwrite)
        self.folder.mkdir(parents=True, exist_ok=True)
        with atomic_write(self.folder / _WHAT) as beside:
            beside.write_text(json.dumps(what, indent=2) + "\n", encoding="utf-8")

    def __contains__(self, name: str) -> bool:
        """Say whether a part is there."""
        return self.path(name).exists()

    def path(self, name: str) -> Path:
        """Return the file of a part."""
        return self.folder / f"{name}.npz"

    def save(self, name: str, arrays: Mapping[str, Any]) -> None:
        """Keep the arrays of a part, none of them of objects."""
        with atomic_write(self.path(name)) as beside, open(beside, "wb") as file:
            np.savez(file, **arrays)

    def load(self, name: str) -> dict[str, NDArray[Any]]:
        """Return the arrays of a part that is there.

        Raises:
            InputError: If it is damaged.
        """
        return read_arrays(self.path(name))

    def finish(self) -> None:
        """Say that all parts are there, before the output is written."""
        (self.folder / _DONE).touch()

    def remove(self) -> None:
        """Remove all parts: the output is whole."""
        shutil.rmtree(self.folder)

    def _require_same(self, what: Mapping[str, object], *, overwrite: bool) -> None:
        try:
            there = read_json_object(self.folder / _WHAT)
        except FileNotFoundError:
            if any(self.folder.iterdir()):
                raise InputError(
                    f"{self.folder} is not replaced: it has no {_WHAT}, so this command did not make it. Name "
                    "another --output, or remove it yourself."
                ) from None
            return
        if there == dict(what):
            return
        if not overwrite:
            differing = next((key for key in {**there, **what} if there.get(key) != what.get(key)), _WHAT)
            raise InputError(
                f"{self.folder} holds what an earlier run made with another {differing} ({there.get(differing)}, "
                f"now {what.get(differing)}). Run it as before, name another --output, or say --overwrite."
            )
        shutil.rmtree(self.folder)


def remove_finished(output: Path) -> None:
    """Remove the parts of an output that is there, if the run that wrote it was killed before it removed them."""
    folder = output.with_name(output.name + ".partial")
    if output.exists() and (folder / _DONE).exists():
        shutil.rmtree(folder)


def read_arrays(path: Path, keys: list[str] | None = None) -> dict[str, NDArray[Any]]:
    """Return the arrays of a file, or those named and no other.

    Raises:
        InputError: If it is damaged.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            return {key: file[key] for key in (file.files if keys is None else keys)}
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise InputError(f"{path} is damaged ({error}); remove {path.parent} and begin anew.") from error
