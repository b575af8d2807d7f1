"""`grover tracks`: what a model says along regions or whole chromosomes, as bigWig or bedGraph, with a hub.txt.

OUTPUT/_tracks.json      what was made of what
OUTPUT/marginal_A.bw ... a file for each track
OUTPUT/hub.txt           opens all of them in a genome browser, once the folder is on a web server
"""

import hashlib
import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from grover_hf._internals.files import atomic_folder, sha256_of_file, sha256_of_files
from grover_hf._internals.gathering import Gathered
from grover_hf._internals.outputs import only_writer, require_not_an_input, require_writable
from grover_hf._internals.partial import PartialArrays, read_arrays, remove_finished
from grover_hf._internals.progress import progress_bar
from grover_hf._internals.records import plain, read_json_object, record_of
from grover_hf._internals.shards import Origin, Shard, ShardWritten, write_shard
from grover_hf.corpus.region_table import require_in_genome
from grover_hf.corpus.strand_tokens import StrandTokens, strands_of
from grover_hf.errors import InputError
from grover_hf.genome import Interval, ReferenceGenome
from grover_hf.genome.annotations import read_regions
from grover_hf.inference.base_marginals import MaskGrid
from grover_hf.inference.dna_model import DnaModel
from grover_hf.inference.genome_models import class_key, classifier_like, encoder_of
from grover_hf.model import identity_of_model
from grover_hf.tracks.files import (
    BIGWIG,
    ENDINGS,
    TRACKS_FILE,
    hub_text,
    require_writable_format,
    write_bedgraph,
    write_bigwig,
)
from grover_hf.tracks.values import (
    Components,
    LikelihoodTracks,
    Values,
    class_values,
    token_vectors,
    tokens_over,
)

KIND = "tracks"
HUB = "hub.txt"
_HELD = "_blocks.json"
"""What a shard has beside the files of its blocks."""
_BLOCK_BP = 1_000_000
_SAMPLE_STRETCHES, _SAMPLE_BP = 64, 1_000


@dataclass(frozen=True, kw_only=True)
class TrackPlan:
    """Which tracks, of what."""

    genome: Path
    """A FASTA file."""
    model: str
    """Folder of a model whose tokenizer is one of ours, or its name on the Hub."""
    revision: str | None = None
    """Of the model on the Hub."""
    regions: Path | None = None
    """A BED file or table; overlapping regions are joined. Whole chromosomes by default."""
    chromosomes: list[str] | None = None
    """As `ReferenceGenome` takes them; all by default."""
    likelihood: bool = True
    """Base marginals, surprisal and token probability, of a masked language model."""
    components: int = 0
    """Principal components of token vectors."""
    classifier: str | None = None
    """A fine-tuned classifier of the same vocabulary."""
    classifier_bp: int = 300
    """Bases that it reads."""
    step_bp: int = 50
    """From one of its values to the next."""
    strands: str = "both"
    """Of the likelihoods: both (the mean), + or -."""
    window_tokens: int | None = None
    """Tokens that the model reads at once; as many as it takes by default."""
    apart: int = 16
    """Tokens from one that is masked to the next in a window."""
    track_format: str = BIGWIG
    """bigwig or bedgraph."""
    assembly: str | None = None
    """The genome's name in a browser, for hub.txt: hg19. By default that of the file."""
    email: str = "nobody@example.org"
    """For hub.txt."""


@dataclass(frozen=True, kw_only=True)
class TracksWritten:
    """What a run of `write_tracks` wrote."""

    n_values: dict[str, int]
    """Bases that have a value, by track."""
    sums: dict[str, float]
    """Sum of the values, by track."""


def write_tracks(
    plan: TrackPlan, output: Path, *, overwrite: bool = False, shard: Shard | None = None
) -> TracksWritten | ShardWritten:
    """Write tracks along a genome; a stopped run goes on from OUTPUT.partial.

    Memory: 5 bytes a base of the longest chromosome, and some arrays of 1 Mbp.

    Args:
        plan: Which tracks.
        output: Their folder.
        overwrite: Replace it if it holds tracks.
        shard: Make the values of this part alone; see `_internals.shards`. Blocks of 1 Mbp stay together.

    Raises:
        InputError: If a file or model cannot be used, a region is not in the genome, or `output` may not be
            written.
    """
    require_not_an_input(output, [plan.genome, plan.model, *([plan.regions] if plan.regions else [])])
    require_writable_format(plan.track_format)
    if shard is not None:
        return _write_shard(plan, output, shard, overwrite=overwrite)
    with only_writer(output):
        remove_finished(output)
        _require_writable(output, overwrite=overwrite)
        maker, blocks, tracks = _opened(plan)
        parts = PartialArrays(output, tracks.origin, overwrite=overwrite)
        _compute(maker, blocks, blocks, parts)
        parts.finish()
        places = [(block, parts.path(_name(block))) for block in blocks]
        written = _write_folder(tracks, places, output)
        parts.remove()
    return written


def _write_shard(plan: TrackPlan, output: Path, shard: Shard, *, overwrite: bool) -> ShardWritten:
    maker, blocks, tracks = _opened(plan)

    def write(path: Path, units: range) -> int:
        mine = blocks[units.start : units.stop]
        parts = PartialArrays(path, tracks.origin, overwrite=overwrite)
        _compute(maker, mine, blocks, parts)
        with atomic_folder(path) as beside:
            for block in mine:
                shutil.copyfile(parts.path(_name(block)), beside / f"{_name(block)}.npz")
            held = [[block.chrom, block.start, block.end] for block in mine]
            content = json.dumps({"tracks": plain(tracks), "blocks": held}, indent=2)
            (beside / _HELD).write_text(content + "\n", encoding="utf-8")
        parts.remove()
        return len(mine)

    options = {name: value for name, value in tracks.origin.items() if not name.endswith("_sha256")}
    digests = {name: str(value) for name, value in tracks.origin.items() if name.endswith("_sha256")}
    origin = Origin(kind=KIND, inputs=digests, options={**options, "format": plan.track_format})
    costs = [len(block) for block in blocks]
    return write_shard(output, shard, origin, costs=costs, write=write, suffix=".blocks", overwrite=overwrite)


def _opened(plan: TrackPlan) -> "tuple[_Maker, list[Interval], Tracks]":
    """Return what makes the values, of which blocks, and what is written of them."""
    genome = ReferenceGenome(plan.genome, plan.chromosomes)
    blocks = _blocks(plan, genome)
    maker = _Maker(plan, genome)
    hub = hub_text(maker.names, genome=_assembly(plan), model=plan.model, email=plan.email)
    return maker, blocks, Tracks(
        names=maker.names, track_format=plan.track_format, sizes=dict(genome.sizes), hub=hub, origin=maker.origin
    )


def join_shards(shards: Gathered, output: Path, *, overwrite: bool) -> None:
    """Write the tracks that shards of `write_tracks` make, byte for byte those without shards."""
    require_not_an_input(output, [shards.folder])
    _require_writable(output, overwrite=overwrite)
    held = [(path, read_json_object(path / _HELD)) for path in shards.paths]
    tracks = record_of(Tracks, held[0][1]["tracks"], held[0][0] / _HELD)
    require_writable_format(tracks.track_format)
    places = [
        (block, path / f"{_name(block)}.npz")
        for path, content in held
        for block in [Interval(*row) for row in content["blocks"]]
    ]
    _write_folder(tracks, places, output)


@dataclass(frozen=True, kw_only=True)
class Tracks:
    """What is written of the values of all blocks."""

    names: list[str]
    track_format: str
    sizes: dict[str, int]
    """Of the chromosomes, in order."""
    hub: str
    origin: dict[str, Any]
    """What they follow from, for `_tracks.json`."""


class _Maker:
    """Makes the values of blocks."""

    def __init__(self, plan: TrackPlan, genome: ReferenceGenome) -> None:
        if plan.components < 0 or plan.step_bp < 1 or plan.classifier_bp < 1:
            raise InputError(
                f"components is {plan.components}, step_bp {plan.step_bp}, classifier_bp {plan.classifier_bp}; "
                "they are at least 0, 1 and 1."
            )
        if not (plan.likelihood or plan.components or plan.classifier):
            raise InputError("No track is asked for: likelihood, components and classifier are all off.")
        strands_of(plan.strands)
        self._plan = plan
        self._genome = genome
        self._dna = DnaModel.opened(plan.model, plan.revision)
        self.encoder = encoder_of(self._dna, plan.model)
        self._likelihood = None
        if plan.likelihood:
            grid = MaskGrid.for_model(self._dna, window_tokens=plan.window_tokens, apart=plan.apart)
            self._likelihood = LikelihoodTracks(self._dna, self.encoder, grid)
        self._classifier = classifier_like(plan.classifier, self.encoder, plan.model) if plan.classifier else None
        self._components: Components | None = None

    @property
    def strands(self) -> str:
        """Those that blocks need."""
        forward = "+" if self._plan.components or self._classifier else ""
        return "".join(sorted({*(strands_of(self._plan.strands) if self._plan.likelihood else ""), *forward}))

    @property
    def names(self) -> list[str]:
        """Of the tracks."""
        labels = self._classifier.model.config.id2label.values() if self._classifier else []
        return [
            *(LikelihoodTracks.names if self._likelihood else ()),
            *(f"component_{number}" for number in range(1, self._plan.components + 1)),
            *(class_key(str(label)) for label in labels),
        ]

    @property
    def origin(self) -> dict[str, Any]:
        """What the tracks follow from."""
        plan, identity = self._plan, identity_of_model(self._plan.model, self._plan.revision)
        regions = sha256_of_files([plan.regions]) if plan.regions else None
        of_classifier = identity_of_model(plan.classifier, None) if plan.classifier else {}
        return {
            "version": version("grover-hf"), "model": plan.model, "model_revision": identity["revision"],
            "model_sha256": identity["sha256"], "vocabulary_sha256": self.encoder.vocabulary_sha256,
            "genome": plan.genome.name, "genome_sha256": self._genome.sha256(), "regions_sha256": regions,
            "strands": plan.strands, "window_tokens": plan.window_tokens, "apart": plan.apart,
            "classifier": plan.classifier, "classifier_revision": of_classifier.get("revision"),
            "classifier_sha256": of_classifier.get("sha256"), "classifier_bp": plan.classifier_bp,
            "step_bp": plan.step_bp, "tracks": self.names,
        }

    def find_components(self, blocks: list[Interval], parts: PartialArrays) -> None:
        """Find the principal components on tokens of stretches that are evenly spaced in the blocks."""
        if not self._plan.components:
            return
        if "components" not in parts:
            vectors = [
                token_vectors(self._dna, strand, tokens_over(strand, stretch))
                for chrom, stretches in _by_chromosome(_stretches(blocks))
                for strand in [self.strand(chrom, "+")]
                for stretch in stretches
            ]
            found = Components.of(np.concatenate(vectors), self._plan.components)
            parts.save("components", {"mean": found.mean, "axes": found.axes})
        self._components = Components(**parts.load("components"))

    def strand(self, chrom: str, strand: str) -> StrandTokens:
        """Return the tokens of a strand."""
        return StrandTokens.of(self._genome, chrom, self.encoder, strand)

    def values(self, block: Interval, strands: dict[str, StrandTokens]) -> Values:
        """Return all tracks of a block, each (n_bases,)."""
        found: dict[str, NDArray[np.float32]] = {}
        if self._likelihood:
            each = [self._likelihood.of_strand(strands[one], block) for one in strands_of(self._plan.strands)]
            for name in LikelihoodTracks.names:
                of_strands = np.stack([values[name] for values in each])
                found[name] = of_strands.mean(0, dtype=np.float64).astype(np.float32)
        if self._components:
            found |= self._components.of_tokens(self._dna, strands["+"], block)
        if self._classifier:
            plan = self._plan
            found |= class_values(
                self._classifier, strands["+"], block, window_bp=plan.classifier_bp, step_bp=plan.step_bp
            )
        return found


def _compute(maker: _Maker, blocks: list[Interval], all_blocks: list[Interval], parts: PartialArrays) -> None:
    """Make the values of blocks that are not there yet; components are of all blocks."""
    with progress_bar(total=sum(map(len, blocks)), what="tracks", unit="bp", scale=True) as bar:
        maker.find_components(all_blocks, parts)
        for chrom, of_chrom in _by_chromosome(blocks):
            strands: dict[str, StrandTokens] = {}
            for block in of_chrom:
                if _name(block) not in parts:
                    strands = strands or {one: maker.strand(chrom, one) for one in maker.strands}
                    parts.save(_name(block), maker.values(block, strands))
                bar.update(len(block))


def _require_writable(output: Path, *, overwrite: bool) -> None:
    endings = [f"*{ending}" for ending in ENDINGS.values()]
    require_writable(output, overwrite=overwrite, marker=TRACKS_FILE, contents=[HUB, *endings])


def _write_folder(tracks: Tracks, places: list[tuple[Interval, Path]], output: Path) -> TracksWritten:
    """Write the folder of tracks, from the files of their blocks, in the order of the genome."""
    n_values, sums = dict.fromkeys(tracks.names, 0), dict.fromkeys(tracks.names, 0.0)

    def of_track(name: str) -> Iterator[tuple[Interval, NDArray[np.float32]]]:
        for block, path in places:
            values = read_arrays(path, [name])[name]
            n_values[name] += int(np.isfinite(values).sum())
            sums[name] += float(np.nansum(values, dtype=np.float64))
            yield block, values

    is_bigwig = tracks.track_format == BIGWIG
    write = partial(write_bigwig, sizes=tracks.sizes) if is_bigwig else write_bedgraph
    with atomic_folder(output) as beside:
        for name in tracks.names:
            write(beside / f"{name}{ENDINGS[tracks.track_format]}", blocks=of_track(name))
        if not any(n_values.values()):
            raise InputError(f"{output} would be empty: no base of {tracks.origin['genome']} there has a token.")
        if is_bigwig:
            (beside / HUB).write_text(tracks.hub, encoding="utf-8")
        files = {path.name: sha256_of_file(path) for path in sorted(beside.iterdir())}
        facts = tracks.origin | {"n_values": n_values, "sums": sums, "files": files}
        (beside / TRACKS_FILE).write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")
    return TracksWritten(n_values=n_values, sums=sums)


def _blocks(plan: TrackPlan, genome: ReferenceGenome) -> list[Interval]:
    """Return what tracks are made of, in the order of the genome, cut where a million bases end."""
    whole = [Interval(chrom, 0, size) for chrom, size in genome.sizes.items()]
    blocks = []
    for interval in _joined(plan.regions, genome, plan.genome) if plan.regions else whole:
        firsts = range(interval.start - interval.start % _BLOCK_BP, interval.end, _BLOCK_BP)
        cuts = [max(interval.start, first) for first in firsts] + [interval.end]
        blocks += [Interval(interval.chrom, start, end) for start, end in pairwise(cuts)]
    return blocks


def _joined(regions: Path, genome: ReferenceGenome, path: Path) -> list[Interval]:
    table = read_regions(regions)
    require_in_genome(table, genome, regions, path)
    order = {chrom: number for number, chrom in enumerate(genome.chromosomes)}
    columns = zip(*(table[name].tolist() for name in ("chrom", "start", "end")), strict=True)
    joined: list[Interval] = []
    for chrom, start, end in sorted(columns, key=lambda row: (order[row[0]], row[1])):
        if joined and joined[-1].chrom == chrom and start <= joined[-1].end:
            joined[-1] = Interval(chrom, joined[-1].start, max(end, joined[-1].end))
        else:
            joined.append(Interval(chrom, start, end))
    return joined


def _stretches(blocks: list[Interval]) -> list[Interval]:
    """Return stretches that are evenly spaced in the bases of blocks."""
    ends = np.cumsum([len(block) for block in blocks])
    places = np.linspace(0, ends[-1] - 1, _SAMPLE_STRETCHES).astype(np.int64)
    numbers = np.searchsorted(ends, places, side="right")
    found = []
    for place, number in zip(places.tolist(), numbers.tolist(), strict=True):
        block = blocks[number]
        start = block.end - (int(ends[number]) - place)
        found.append(Interval(block.chrom, start, min(block.end, start + _SAMPLE_BP)))
    return found


def _by_chromosome(intervals: list[Interval]) -> list[tuple[str, list[Interval]]]:
    by_chrom: dict[str, list[Interval]] = {}
    for interval in intervals:
        by_chrom.setdefault(interval.chrom, []).append(interval)
    return list(by_chrom.items())


def _name(block: Interval) -> str:
    # A digest: names of contigs may hold anything.
    return "block-" + hashlib.sha256(f"{block.chrom}\0{block.start}".encode()).hexdigest()[:16]


def _assembly(plan: TrackPlan) -> str:
    return plan.assembly or plan.genome.name.partition(".")[0]
