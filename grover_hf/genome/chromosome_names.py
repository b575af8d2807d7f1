"""Names of one chromosome in different genomes: chr1, Chr1, 1 and chr01; chrM and MT."""

import re
from collections.abc import Collection, Iterable

from grover_hf.errors import InputError, shorten

_SHOWN = 3


def synonyms(names: Iterable[str], known: Iterable[str]) -> dict[str, str]:
    """Return which names seem to mean which known ones: they differ by "chr", case, zeros, or as M and MT do.

    Nothing is renamed by it: who knows the file decides.

    Args:
        names: Those that are looked for; others than the known ones.
        known: The chromosomes of a genome.

    Examples:
        >>> synonyms(["1", "Chr02", "MT", "scaffold_3"], ["chr1", "chr2", "chrM"])
        {'1': 'chr1', 'Chr02': 'chr2', 'MT': 'chrM'}
    """
    meant: dict[str, list[str]] = {}
    for name in known:
        meant.setdefault(_plain(name), []).append(name)
    found = {name: meant.get(_plain(name), []) for name in names}
    # A name that could mean two is not one to offer.
    return {name: candidates[0] for name, candidates in found.items() if len(candidates) == 1}


def require_chromosome(name: str, known: Collection[str], owner: object) -> None:
    """Raise `InputError`, with the name that seems meant, if `owner` has no chromosome of this name."""
    if name not in known:
        shown = shorten(list(known))
        raise InputError(f"{owner} has no chromosome {name!r}; it has {shown}.{offer([name], known)}")


def offer(names: Iterable[str], known: Iterable[str]) -> str:
    """Return a sentence that offers the names of the genome, with a space before it; or nothing."""
    found = list(synonyms(names, known).items())
    if not found:
        return ""
    shown = ", ".join(f"{name} for {one}" for one, name in found[:_SHOWN])
    return f" Did you mean {shown}{' and so on' * (len(found) > _SHOWN)}? Nothing is renamed on a guess."


def _plain(name: str) -> str:
    bare = re.sub(r"^(chromosome|chrom|chr)[_.-]?(?=.)", "", name.lower())
    bare = re.sub(r"^0+(?=\d)", "", bare)
    return "m" if bare in ("mt", "mito") else bare
