"""The rows of a dataset made here, read as its facts say, whatever its folder is called."""

import glob
from pathlib import Path

import datasets

from grover_hf.corpus.facts import DatasetFacts, split_files
from grover_hf.errors import InputError

_PATTERN = set("[]*?")


def require_plain_name(folder: str | Path) -> None:
    """Raise `InputError` if `datasets` takes a folder's name for a pattern or an address, and reads others."""
    if "::" in str(folder):
        raise InputError(f"{folder}: load_dataset takes a name with :: for an address. Name another one.")
    if odd := sorted(set(str(Path(folder).resolve())) & _PATTERN):
        raise InputError(
            f"{folder} has {' '.join(odd)} in its path: load_dataset takes that for a pattern, and may read "
            "another folder. Name another one."
        )


def load_rows(folder: str | Path, facts: DatasetFacts) -> datasets.DatasetDict:
    """Return the splits of a configuration, with as many rows as its facts say.

    Args:
        folder: Folder of the dataset.
        facts: Those of the configuration, from `choose_config`, which looks whether the files are whole.

    Raises:
        InputError: If the files cannot be read, or have another number of rows.
    """
    # By the files' names, in which no letter stands for others, and not by the folder's.
    files = {
        split: [glob.escape(str(path)) for path in paths] for split, paths in split_files(folder, facts).items()
    }
    try:
        splits = datasets.load_dataset("parquet", data_files=files)
    except (OSError, ValueError, datasets.exceptions.DatasetGenerationError) as error:
        raise InputError(f"{folder} ({facts.config}) cannot be read: {error.__cause__ or error}") from error
    n_rows = {split: rows.num_rows for split, rows in splits.items()}
    if n_rows != facts.splits:
        raise InputError(f"{folder} ({facts.config}) has {n_rows} rows, and its facts say {facts.splits}.")
    return splits
