"""What a laboratory has: a YAML file that names its files, or a folder of downloads."""

import dataclasses
import glob
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from grover_hf.errors import InputError
from grover_hf.inputs.sources import SOURCES


class Known(NamedTuple):
    """An input: what it is, and where it comes from."""

    what: str
    source: str | None = None
    """The name that `grover fetch` takes; None if it fetches no such thing."""
    by_hand: str = ""
    """Where it comes from otherwise."""

    @property
    def where(self) -> str:
        """Return where it comes from, in a clause."""
        if self.source is None:
            return self.by_hand
        source = SOURCES[self.source]
        how = "says what to do" if source.by_hand else "downloads it"
        return f"`grover fetch {self.source}` {how}, from {source.page}"


KNOWN: Mapping[str, Known] = {
    "genome": Known("a FASTA file of hg19", "hg19"),
    "chromosomes": Known("which of them, as `grover tokenize --chromosomes` takes it", by_hand="yours to say"),
    "run": Known(
        "a pretraining, or a model alone", by_hand="`accelerate launch -m training.pretrain --config bpe_600`, "
        "hours on a GPU; or the authors' weights, docs/authors_checkpoint.md",
    ),
    **{
        f"run_{k}mer": Known(
            f"a pretraining with {k}-mers",
            by_hand=f"`accelerate launch -m training.pretrain --config kmer_{k}`, hours on a GPU",
        )
        for k in (4, 5, 6)
    },
    "windows": Known(
        "the windows that `run` was trained on, or is judged on", by_hand="`grover build genome-windows`"
    ),
    "promoters": Known("start sites of EPDnew", "epd"),
    "chain": Known("the chain file from hg38 to hg19, if the promoters are of hg38", "chain"),
    "peaks": Known("ChIP-seq peaks of CTCF in HepG2", "ctcf"),
    "motif": Known("the motif of CTCF", "jaspar"),
    "gue": Known("the folder of GUE's CSV files", "gue"),
    "nt": Known("the folder of the Nucleotide Transformer's tasks", "nt"),
    "annotation": Known(
        "RepeatMasker's repeats: rmsk.txt, .out, or BED with repeat|class in column 4",
        by_hand="rmsk.txt.gz of hg19 lies at UCSC, https://hgdownload.soe.ucsc.edu/goldenPath/hg19/database/",
    ),
}


@dataclass(frozen=True, kw_only=True)
class Inputs:
    """What there is of each input; None for what there is not."""

    genome: str | None = None
    chromosomes: str | None = None
    run: str | None = None
    run_4mer: str | None = None
    run_5mer: str | None = None
    run_6mer: str | None = None
    windows: str | None = None
    promoters: str | None = None
    chain: str | None = None
    peaks: str | None = None
    motif: str | None = None
    gue: str | None = None
    nt: str | None = None
    annotation: str | None = None

    def has(self, name: str) -> bool:
        """Say whether an input is there."""
        return getattr(self, name) is not None

    def shown(self, name: str) -> str:
        """Return an input as a command names it: in capitals if it is not there."""
        return getattr(self, name) or name.upper()

    @property
    def paths(self) -> list[Path]:
        """All files and folders."""
        names = (name for name in KNOWN if name != "chromosomes" and self.has(name))
        return [Path(getattr(self, name)) for name in names]


def read_inputs(path: Path) -> Inputs:
    """Read what there is.

    Args:
        path: A YAML file of names and paths, which are relative to its folder; or a folder that holds what
            `grover fetch` downloads, under the names that it gives.

    Raises:
        InputError: If it is neither, names an unknown input, or a file or folder is not there.
    """
    values = _of_folder(path) if path.is_dir() else _of_yaml(path)
    inputs = Inputs(**values)
    if inputs.has("windows") and not inputs.has("run"):
        raise InputError(f"{path}: windows are those that run was trained on, and there is no run. Name both.")
    return inputs


def _of_yaml(path: Path) -> dict[str, str]:
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InputError(f"There is no file {path}.") from None
    except (UnicodeDecodeError, yaml.YAMLError) as error:
        raise InputError(f"{path} is not YAML: {' '.join(str(error).split())}") from error
    content = {} if content is None else content
    if not isinstance(content, dict):
        raise InputError(f"{path} does not hold names with paths; a line is such as `genome: hg19.fa.gz`.")
    if unknown := [name for name in content if name not in KNOWN]:
        raise InputError(f"{path} names {unknown[0]!r}, which is not an input; there are {', '.join(KNOWN)}.")
    return {name: _checked(name, value, path) for name, value in content.items() if value is not None}


def _checked(name: str, value: Any, path: Path) -> str:
    if not isinstance(value, str):
        raise InputError(f"{path}: {name} is {value!r}; it must be text.")
    if name == "chromosomes":
        return value
    place = Path(value).expanduser()
    place = place if place.is_absolute() else path.parent / place
    if not place.exists():
        raise InputError(f"{path}: {name} is {value}, and there is no {place}.")
    return str(place)


def _of_folder(folder: Path) -> dict[str, str]:
    found = {}
    for name, known in KNOWN.items():
        files = SOURCES[known.source].files if known.source else ()
        if not files:
            continue
        first = folder / files[0].name
        # Those of several files lie in folders of their own, by task.
        if first.exists():
            found[name] = str(first if len(files) == 1 else folder)
    if not found:
        names = ", ".join(field.name for field in dataclasses.fields(Inputs))
        raise InputError(
            f"{folder} has nothing that `grover fetch` downloads. Write a YAML file that names what you have; the "
            f"inputs are {names}."
        )
    return found


def named(name: str) -> str:
    """Return an input as a table names it where it is missing: what it is, and where it lies.

    >>> named("gue")[:36]
    "`gue` (the folder of GUE's CSV files"
    """
    return f"`{name}` ({KNOWN[name].what}: {KNOWN[name].where})"


def has_file(folder: str, pattern: str) -> bool:
    """Say whether a folder has a file, plain or compressed.

    >>> has_file("/nowhere", "tf/4/train.*")
    False
    """
    return bool(glob.glob(str(Path(glob.escape(folder)) / pattern)))
