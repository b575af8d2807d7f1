"""The genome of a sweep, and the chromosomes of its rows."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path

from grover_hf._internals.files import atomic_write
from grover_hf.errors import InputError
from grover_hf.genome.reference import ReferenceGenome
from training.sweep.recipe import SweepRecipe

_NAME = "genome.json"


@dataclass(frozen=True)
class SweptGenome:
    """A FASTA file, and the chromosomes of it that a part of the sweep is of."""

    name: str
    sha256: str
    chromosomes: list[str]

    @classmethod
    def of(cls, genome: ReferenceGenome) -> SweptGenome:
        """Return what a genome is known by."""
        return cls(genome.path.name, genome.sha256(), genome.chromosomes)

    def file(self) -> dict[str, str]:
        """Return what the facts of tokenized genomes and datasets say of their genome."""
        return {"name": self.name, "sha256": self.sha256}


def is_sweep(folder: Path) -> bool:
    """Say whether a folder is one of a sweep."""
    return (folder / _NAME).exists()


def require_same_genome(output: Path, genome: SweptGenome, *, overwrite: bool) -> None:
    """Write down which genome a sweep is of; with `overwrite`, the merges of another one are removed.

    Raises:
        InputError: If the sweep in the folder is of another genome.
    """
    path, content = output / _NAME, dataclasses.asdict(genome)
    if path.exists() and json.loads(path.read_text()) != content:
        if not overwrite:
            raise InputError(f"{output} is a sweep of another genome or other chromosomes; name another output.")
        (output / "merges.txt").unlink(missing_ok=True)
    with atomic_write(path) as part:
        part.write_text(json.dumps(content, indent=2) + "\n")


def genomes_of(recipe: SweepRecipe) -> tuple[SweptGenome, SweptGenome]:
    """Return the genome of vocabulary and pretraining, and that of the rows to predict.

    Raises:
        InputError: If the chromosomes are not there, or none is left.
    """
    named = {"all": None, "primary": "primary"}
    chosen = recipe.chromosomes
    if isinstance(chosen, str) and chosen not in named:
        raise InputError(f"chromosomes is {chosen!r}; it is all, primary, or a list of names.")
    genome = ReferenceGenome(recipe.genome, named[chosen] if isinstance(chosen, str) else chosen)
    task = ReferenceGenome(recipe.genome, recipe.task_chromosomes)
    if recipe.hold_out:
        kept = [name for name in genome.chromosomes if name not in task.chromosomes]
        if not kept:
            raise InputError("No chromosome is left without task_chromosomes, which hold_out leaves out.")
        genome = ReferenceGenome(recipe.genome, kept)
    return SweptGenome.of(genome), SweptGenome.of(task)
