"""`grover interpret attribute`: tables and figures of what a model's answer rests on in regions.

OUTPUT/_attributions.json   what was made of what
OUTPUT/regions.parquet      a row for each region
OUTPUT/tokens.parquet       a row for each token
OUTPUT/bases.parquet        a row for each base
OUTPUT/figures/             a picture of each of the first regions, as PNG and SVG
"""

import importlib.metadata
import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from grover_hf._internals.files import atomic_folder, sha256_of_files
from grover_hf._internals.outputs import only_writer, require_writable
from grover_hf._internals.progress import progress_bar
from grover_hf.analysis.figure_style import require_matplotlib, save_figure
from grover_hf.errors import InputError, shorten
from grover_hf.genome import ReferenceGenome
from grover_hf.genome.letters import BASES
from grover_hf.inference.dna_model import DnaModel
from grover_hf.inference.genome_models import encoder_of
from grover_hf.interpretation.attribution.figures import (
    DRAWN_BP,
    DrawnRegion,
    logo_figure,
    require_logomaker,
    token_figure,
)
from grover_hf.interpretation.attribution.methods import (
    Attention,
    ExpectedBases,
    Gradients,
    Method,
    Opened,
    Substitutions,
    letter_heights,
)
from grover_hf.interpretation.attribution.regions import Attribution, Region, regions_to_read
from grover_hf.model import identity_of_model

logger = logging.getLogger(__name__)

FACTS = "_attributions.json"
_TABLES = ("regions", "tokens", "bases")
_ENDINGS = (".png", ".svg")
MethodName = Literal["gradients", "attention", "mutagenesis"]
Background = Literal["uniform", "chromosome", "tokens"]
_LAST_LAYER, _STEPS, _UNIFORM = -1, 64, "uniform"


@dataclass(frozen=True, kw_only=True)
class AttributionPlan:
    """Which regions, of which model, and how they are looked at."""

    regions: Path
    """A BED file, or a table with `chrom`, `start`, `end`; their strand is read."""
    genome: Path
    """A FASTA file."""
    model: str
    """Folder of a model whose tokenizer is one of ours, or its name on the Hub."""
    method: MethodName
    revision: str | None = None
    """Of the model on the Hub."""
    class_label: str | None = None
    """Of a classifier; by default the most probable class of each region."""
    steps: int | None = None
    """Of integrated gradients; 64 by default."""
    layer: int | None = None
    """Of attention, from 1, or back from -1, the last, which is the default."""
    rollout: bool = False
    """Of attention: all layers multiplied."""
    background: Background | None = None
    """Of the information of a masked language model; uniform by default."""
    n_figures: int = 10
    """How many regions are drawn, from the first on."""

    def require_sound(self) -> None:
        """Raise `InputError` if it asks for what does not go together."""
        only_for = {
            "--class": (self.class_label is not None, ("gradients", "mutagenesis")),
            "--steps": (self.steps is not None, ("gradients",)),
            "--layer": (self.layer is not None, ("attention",)),
            "--rollout": (self.rollout, ("attention",)),
            "--background": (self.background is not None, ("mutagenesis",)),
        }
        for option, (is_given, methods) in only_for.items():
            if is_given and self.method not in methods:
                raise InputError(f"{option} is for --method {' or '.join(methods)}, not for {self.method}.")
        if self.rollout and self.layer is not None:
            raise InputError("--rollout is over all layers; leave out --layer.")
        if self.n_figures < 0:
            raise InputError(f"figures is {self.n_figures}; it is 0 or more.")


@dataclass(frozen=True, kw_only=True)
class AttributionsWritten:
    """What a run of `write_attributions` wrote."""

    n_regions: int
    n_tokens: int
    n_bases: int
    n_figures: int


def write_attributions(plan: AttributionPlan, output: Path, *, overwrite: bool = False) -> AttributionsWritten:
    """Write tables and figures of what a model says of regions.

    Memory: the tables; with mutagenesis, 5 bytes a base of the longest chromosome on each strand.

    Args:
        plan: What is looked at.
        output: Folder of the tables.
        overwrite: Replace it if it holds attributions.

    Raises:
        InputError: If a file or the model cannot be used, the method is not for such a model, a region is not in
            the genome, is too long or has no token, or `output` may not be written.
    """
    plan.require_sound()
    require_matplotlib()
    if plan.method == "mutagenesis":
        require_logomaker()
    with only_writer(output):
        require_writable(
            output, overwrite=overwrite, marker=FACTS, inputs=[plan.regions, plan.genome, plan.model],
            contents=[*(f"{name}.parquet" for name in _TABLES), "figures",
                      *(f"figures/region-*{ending}" for ending in _ENDINGS)],
        )
        genome = ReferenceGenome(plan.genome)
        regions = regions_to_read(plan.regions, genome)
        dna = DnaModel.opened(plan.model, plan.revision)
        opened = Opened(dna, encoder_of(dna, plan.model), genome)
        method = _method(plan, opened)
        found = _of_regions(method, regions)
        _warn_of_incomplete(regions, found)
        facts = _facts(plan, opened, method)
        with atomic_folder(output) as beside:
            (beside / FACTS).write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")
            tables = _tables(opened, regions, found)
            for name, table in tables.items():
                _write_table(table, facts, beside / f"{name}.parquet")
            drawn = list(zip(regions, found, strict=True))[: plan.n_figures]
            for region, attribution in drawn:
                _draw(method, region, attribution, beside / "figures")
    return AttributionsWritten(
        n_regions=len(regions), n_tokens=len(tables["tokens"]), n_bases=len(tables["bases"]), n_figures=len(drawn)
    )


def _method(plan: AttributionPlan, opened: Opened) -> Method:
    if plan.method == "gradients":
        return Gradients(opened, label=plan.class_label, n_steps=_STEPS if plan.steps is None else plan.steps)
    if plan.method == "attention":
        return Attention(opened, layer=_LAST_LAYER if plan.layer is None else plan.layer, rollout=plan.rollout)
    if opened.dna.has_head("ForSequenceClassification"):
        if plan.background is not None:
            raise InputError("--background is for masked language models; this model is a classifier.")
        return Substitutions(opened, label=plan.class_label)
    opened.dna.require_masked_head()
    if plan.class_label is not None:
        raise InputError("--class is for classifiers; this model is a masked language model.")
    return ExpectedBases(opened, background=plan.background or _UNIFORM)


def _of_regions(method: Method, regions: Sequence[Region]) -> list[Attribution]:
    """Return what a method says of each region; those of a chromosome are looked at together."""
    found: dict[int, Attribution] = {}
    with progress_bar(total=len(regions), what="regions") as bar:
        for region in sorted(regions, key=lambda region: region.interval.chrom):
            found[region.number] = method.of_region(region)
            bar.update()
    return [found[region.number] for region in regions]


def _warn_of_incomplete(regions: Sequence[Region], found: Sequence[Attribution]) -> None:
    odd = [
        f"{region.shown} (delta {one.summary['delta']:.2g} of {one.summary['log_odds']:.2g})"
        for region, one in zip(regions, found, strict=True) if one.summary.get("is_complete") is False
    ]
    if odd:
        logger.warning(
            "Integrated gradients do not add up to the difference in log-odds within 5 %%: %s. Take more --steps.",
            shorten(odd, 3),
        )


def _facts(plan: AttributionPlan, opened: Opened, method: Method) -> dict[str, Any]:
    identity = identity_of_model(plan.model, plan.revision)
    return {
        "version": importlib.metadata.version("grover-hf"), "method": plan.method, "statement": method.statement,
        "model": plan.model, "model_revision": identity["revision"], "model_sha256": identity["sha256"],
        "vocabulary_sha256": opened.encoder.vocabulary_sha256, "genome": plan.genome.name,
        "genome_sha256": opened.genome.sha256(), "regions_sha256": sha256_of_files([plan.regions]),
        "class": plan.class_label, "steps": plan.steps, "layer": plan.layer, "rollout": plan.rollout,
        "background": plan.background,
    }


def _tables(opened: Opened, regions: Sequence[Region], found: Sequence[Attribution]) -> dict[str, pd.DataFrame]:
    pairs = list(zip(regions, found, strict=True))
    of_regions = [
        {"region": region.number, "name": region.name, "chrom": region.interval.chrom,
         "start": region.interval.start, "end": region.interval.end, "strand": region.interval.strand,
         "n_tokens": len(one.tokens.input_ids), **one.summary}
        for region, one in pairs
    ]
    of_tokens = [
        pd.DataFrame({
            "region": region.number, "chrom": region.interval.chrom, "start": one.tokens.starts,
            "end": one.tokens.ends, "strand": region.interval.strand,
            "token": [opened.encoder.tokens[token] for token in one.tokens.input_ids.tolist()],
            "value": one.token_values, **one.of_tokens,
        })
        for region, one in pairs
    ]
    of_bases = [
        pd.DataFrame({
            "region": region.number, "chrom": region.interval.chrom, "pos": one.positions,
            "strand": region.interval.strand, "base": list(one.letters), "value": one.base_values,
            **{f"{name}_{base}": column for name, columns in one.by_base.items()
               for base, column in zip(BASES, columns.T, strict=True)},
        })
        for region, one in pairs
    ]
    return {"regions": pd.DataFrame(of_regions), "tokens": pd.concat(of_tokens), "bases": pd.concat(of_bases)}


def _write_table(table: pd.DataFrame, facts: dict[str, Any], path: Path) -> None:
    written = pa.Table.from_pandas(table, preserve_index=False)
    metadata = {f"grover.{name}": str(value) for name, value in facts.items() if value is not None}
    pq.write_table(written.replace_schema_metadata(metadata), path, compression="zstd")


def _draw(method: Method, region: Region, found: Attribution, folder: Path) -> None:
    n_bases = len(found.positions)
    # Of a long region its middle.
    first = max(0, (n_bases - DRAWN_BP) // 2)
    shown = slice(first, first + DRAWN_BP)
    step = -1 if region.interval.strand == "-" else 1
    leftmost = int(found.positions[first])
    edges = zip(found.tokens.starts, found.tokens.ends, strict=True)
    borders = [
        (int(start) - leftmost, int(end) - leftmost) if step == 1 else
        (leftmost - int(end) + 1, leftmost - int(start) + 1)
        for start, end in edges
    ]
    part = f", the middle {DRAWN_BP:,} of {n_bases:,} bases" if n_bases > DRAWN_BP else ""
    summary = found.summary
    of_class = f"class {summary['class']!r}, log-odds {summary['log_odds']:.2f}: " if "class" in summary else ""
    drawn = DrawnRegion(
        f"{region.shown}{part}", f"{of_class}{method.statement}", method.axis, region.interval.chrom,
        found.positions[shown], found.letters[shown], borders,
    )
    if method.is_of_tokens:
        lengths = np.array([end - start for start, end in borders])
        figure = token_figure(drawn, found.token_values / lengths)
    else:
        figure = logo_figure(drawn, letter_heights(found)[shown])
    for ending in _ENDINGS:
        save_figure(figure, folder / f"region-{region.number:05}{ending}")
