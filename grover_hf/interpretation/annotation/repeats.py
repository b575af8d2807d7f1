"""Repeats of RepeatMasker by class, in BED, as UCSC's `rmsk.txt` or as RepeatMasker's own `.out`."""

from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from grover_hf.errors import InputError, shorten
from grover_hf.genome.annotations import TextTable, text_lines, with_intervals
from grover_hf.genome.bulk_rows import RowForm, read_bulk_bed, read_bulk_rows
from grover_hf.interpretation.annotation.places import COLUMNS

CLASSES = ("SINE", "LINE", "LTR", "DNA", "Satellite", "Simple_repeat", "Low_complexity", "rRNA")
"""Those that have an annotation of their own. The paper names them but for DNA in Figs. 4 and 5 and the text about
them; that DNA is one is ours."""
OTHER = "other repeats"
FAMILIES = {("SINE", "Alu"): "Alu", ("LINE", "L1"): "L1"}
"""Families that have an annotation beside that of their class."""
LITTLE_FRAGMENTED = {
    "L1": ("L1 6 kb", 5_700, 6_300), "Alu": ("Alu 300 bp", 270, 330), "LTR": ("LTR > 1 kb", 1_001, np.inf)
}
"""By family or class: annotation, and the fewest and most bases of "repeat elements with little fragmentation
(LINE1 6 kb +/- 300 bp, LTR > 1 kb, Alus 300 bp +/- 30 bp)" (Results, Fig. 5d)."""
_RMSK = RowForm(
    {"chrom": 5, "start": 6, "end": 7, "strand": 9, "class": 11, "family": 12},
    "rmsk.txt of UCSC has 17", 17,
)
_OUT_HEADER, _OUT_COLUMNS = ("SW", "score"), 11


def read_repeats(path: str | Path) -> pd.DataFrame:
    """Read repeats, each with its class and, where they are told apart, its family and length.

    A class with a question mark is pooled with that without; classes that are not in `CLASSES` are "other repeats"
    (Methods, "Genome annotation").

    Args:
        path: BED with `repeat|class` or `class` in column 4, as in `AluSg|SINE/Alu`; UCSC's `rmsk.txt.gz`; or
            RepeatMasker's `.out`.

    Returns:
        `chrom, start, end, strand, annotation`. A repeat has a row for each of its annotations.

    Raises:
        InputError: If the file is none of these, or has no class that is known, with its line where that can be.
    """
    path = Path(path)
    suffixes = {suffix.lower() for suffix in path.suffixes}
    if ".bed" in suffixes:
        rows = read_bulk_bed(path)
        kinds, codes = rows["name"].cat.categories.str.rpartition("|").get_level_values(2), rows["name"].cat.codes
    elif ".out" in suffixes:
        rows = _read_out(path)
        kinds, codes = rows["name"].cat.categories, rows["name"].cat.codes
    elif ".txt" in suffixes:
        rows = read_bulk_rows(path, _RMSK)
        classes, families = rows["class"].cat, rows["family"].cat
        kinds = pd.Index([f"{one}/{two}" for one in classes.categories for two in families.categories])
        codes = classes.codes.astype(np.int64) * len(families.categories) + families.codes
    else:
        raise InputError(
            f"{path} is not taken for repeats: name it .bed (repeat|class in column 4), .txt (rmsk.txt of UCSC) "
            "or .out (of RepeatMasker), each with .gz behind it if it is compressed."
        )
    return _with_annotations(rows, [_class_and_family(kind) for kind in kinds], codes.to_numpy(), path)


def _class_and_family(kind: str) -> tuple[str, str]:
    repeat_class, _, family = kind.partition("/")
    return repeat_class.strip().rstrip("?"), family.strip().rstrip("?")


def _with_annotations(
    rows: pd.DataFrame, kinds: list[tuple[str, str]], codes: NDArray[np.integer], path: Path
) -> pd.DataFrame:
    """Return a row for each annotation of each repeat."""
    used = set(np.unique(codes).tolist())
    if not any(kinds[code][0] in CLASSES for code in used):
        seen = sorted({kinds[code][0] for code in used})
        raise InputError(
            f"{path} has no class of RepeatMasker, such as {', '.join(CLASSES[:4])}; it has {shorten(seen, 3)}. "
            "In BED the class stands in column 4, as in AluSg|SINE/Alu."
        )
    names = [*CLASSES, OTHER, *FAMILIES.values(), *(name for name, *_ in LITTLE_FRAGMENTED.values())]
    number = {name: code for code, name in enumerate(names)}
    length = (rows["end"] - rows["start"]).to_numpy()
    of_class = np.array([number.get(one, number[OTHER]) for one, _ in kinds], np.int8)[codes]
    of_family = np.array([number.get(FAMILIES.get(kind, ""), -1) for kind in kinds], np.int8)[codes]
    found = [(np.arange(len(rows)), of_class)]
    found.append(((is_one := np.flatnonzero(of_family >= 0)), of_family[is_one]))
    for whole, (name, fewest, most) in LITTLE_FRAGMENTED.items():
        is_whole = (of_class == number[whole]) | (of_family == number[whole])
        chosen = np.flatnonzero(is_whole & (length >= fewest) & (length <= most))
        found.append((chosen, np.full(chosen.size, number[name], np.int8)))
    taken, annotations = (np.concatenate(column) for column in zip(*found, strict=True))
    table = rows[COLUMNS[:4]].iloc[taken].reset_index(drop=True)
    annotation = pd.Categorical.from_codes(annotations, names)
    return table.assign(annotation=annotation.remove_unused_categories())


def _read_out(path: Path) -> pd.DataFrame:
    """Read RepeatMasker's own table, whose fields are apart by spaces and whose positions include the end."""
    rows, numbers = [], []
    for number, line in text_lines(path):
        fields = line.split()
        if fields[0] in _OUT_HEADER:
            continue
        if len(fields) < _OUT_COLUMNS:
            raise InputError(f"{path}, line {number}: {line.strip()[:60]!r} is not a line of RepeatMasker's .out.")
        rows.append((fields[4], fields[5], fields[6], fields[8], fields[10]))
        numbers.append(number)
    if not rows:
        raise InputError(f"{path} has no repeat.")
    columns = pd.DataFrame(rows, columns=["chrom", "start", "end", "strand", "name"])
    # C stands for the complement.
    columns["strand"] = columns["strand"].replace("C", "-")
    table = with_intervals(TextTable(path, columns, numbers), first_base=1)
    return table.astype(dict.fromkeys(["chrom", "strand", "name"], "category"))
