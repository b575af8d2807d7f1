"""`grover tokenize --shard I/N`: each job tokenizes some of a genome's contigs; joined they are the whole corpus.

A part is a tokenized genome of its own contigs, but for one without any token, which `TokenizedGenome.open`
refuses.
"""

import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from grover_hf._internals.files import atomic_folder, sha256_of_files
from grover_hf._internals.gathering import Gathered
from grover_hf._internals.outputs import require_writable
from grover_hf._internals.records import plain, record_of
from grover_hf._internals.shards import Origin, Shard, ShardWritten, write_shard
from grover_hf.corpus.corpus_facts import (
    CORPUS_FILE,
    CorpusFacts,
    Organism,
    read_corpus_facts,
    write_corpus_facts,
)
from grover_hf.corpus.soft_mask import SOFT_MASK_FILE, BitWriter, unpacked
from grover_hf.corpus.token_lookup import anchor_offsets
from grover_hf.corpus.tokenized_genome import ARRAYS, CONTENTS, write_arrays
from grover_hf.errors import InputError
from grover_hf.genome.reference import ReferenceGenome
from grover_hf.tokenization.encoding import Encoder
from grover_hf.tokenization.export import load_encoder

KIND = "tokenized genome"


def build_shard(
    genome: ReferenceGenome, encoder: Encoder, output: Path, shard: Shard, *, overwrite: bool = False,
    n_threads: int = 2, organism: Organism | None = None,
) -> ShardWritten:
    """Tokenize the contigs of one shard, such that shards have about the same number of bases.

    The whole genome is read for its digest, at some Gbp a second.

    Args:
        genome: The genome; those of its chromosomes that were chosen, in all shards the same.
        encoder: The tokenizer.
        output: The folder that `grover gather` will make.
        shard: Which one.
        overwrite: Replace a shard of another genome, tokenizer or organism.
        n_threads: Segments that are tokenized at once.
        organism: Whose genome it is.

    Raises:
        InputError: If the genome cannot be read, or the folder of shards has others.
    """
    origin = Origin(
        kind=KIND, inputs={"genome": genome.sha256()}, vocabulary_sha256=encoder.vocabulary_sha256,
        options={"genome_file": genome.path.name, "tokenizer": encoder.name,
                 "organism": plain(organism or Organism())},
    )

    def write(path: Path, contigs: range) -> int:
        names = genome.chromosomes[contigs.start : contigs.stop]
        mine = ReferenceGenome(genome.path, names)
        with atomic_folder(path) as beside:
            write_corpus_facts(beside, write_arrays(mine, encoder, beside, n_threads, may_be_empty=True))
        return len(names)

    costs = [max(1, size) for size in genome.sizes.values()]
    return write_shard(output, shard, origin, costs=costs, write=write, suffix=".corpus", overwrite=overwrite)


def join_shards(shards: Gathered, output: Path, *, overwrite: bool) -> None:
    """Write the tokenized genome that its shards make, byte for byte that of `TokenizedGenome.build`.

    Raises:
        InputError: If the genome has no token, or `output` may not be replaced.
    """
    require_writable(
        output, overwrite=overwrite, marker=CORPUS_FILE, contents=CONTENTS, inputs=[shards.folder]
    )
    facts = [read_corpus_facts(path) for path in shards.paths]
    if not any(one.n_tokens for one in facts):
        raise InputError(f"{shards.folder}: its genome has no A, C, G or T.")
    token_lengths = load_encoder(shards.paths[0] / "tokenizer").token_lengths
    segments, anchors = [np.empty((0, 4), np.int64)], [np.empty(0, np.int64)]
    n_chromosomes = n_tokens = 0
    with atomic_folder(output) as beside:
        with open(beside / ARRAYS[0], "wb") as out:
            for path, one in zip(shards.paths, facts, strict=True):
                with open(path / ARRAYS[0], "rb") as file:
                    shutil.copyfileobj(file, out, 1 << 22)
                rows = np.load(path / "segments.npy", allow_pickle=False)
                anchors += _anchors(path, one, rows, token_lengths, n_tokens)
                segments.append(rows + np.array([n_chromosomes, 0, 0, n_tokens]))
                n_chromosomes, n_tokens = n_chromosomes + len(one.chromosomes), n_tokens + one.n_tokens
        n_soft_masked = _join_soft_masks(shards.paths, facts, beside)
        np.save(beside / "segments.npy", np.concatenate(segments))
        np.save(beside / "anchors.npy", np.concatenate(anchors))
        shutil.copytree(shards.paths[0] / "tokenizer", beside / "tokenizer")
        organism = record_of(Organism, shards.origin.options["organism"], shards.folder)
        known = None if organism == Organism() else organism
        write_corpus_facts(beside, replace(
            facts[0],
            genome=replace(facts[0].genome, sha256=shards.origin.inputs["genome"], organism=known),
            chromosomes=tuple(chromosome for one in facts for chromosome in one.chromosomes),
            n_tokens=n_tokens, n_bases=sum(one.n_bases for one in facts),
            n_tail_bases=sum(one.n_tail_bases for one in facts),
            n_ambiguous=sum(one.n_ambiguous for one in facts),
            sha256=sha256_of_files([beside / name for name in ARRAYS]),
            n_soft_masked=n_soft_masked or None,
            soft_masked_sha256=sha256_of_files([beside / SOFT_MASK_FILE]) if n_soft_masked else None,
        ))


def _join_soft_masks(parts: Sequence[Path], facts: Sequence[CorpusFacts], folder: Path) -> int:
    """Write which tokens of all parts are soft-masked, if some are; return how many."""
    if not any(one.n_soft_masked for one in facts):
        return 0
    with open(folder / SOFT_MASK_FILE, "wb") as out:
        bits = BitWriter(out)
        for path, one in zip(parts, facts, strict=True):
            if one.n_soft_masked:
                bits.add(unpacked(np.fromfile(path / SOFT_MASK_FILE, np.uint8), 0, one.n_tokens))
            else:
                bits.add(np.zeros(one.n_tokens, np.bool_))
        bits.finish()
    return bits.n_true


def _anchors(
    path: Path, facts: CorpusFacts, rows: NDArray[np.int64], token_lengths: NDArray[np.uint16], n_before: int
) -> list[NDArray[np.int64]]:
    """Return the anchors of each segment of a shard: every so many tokens, as the whole genome counts them."""
    if not facts.n_tokens:
        return []
    input_ids = np.memmap(path / ARRAYS[0], "<u2", "r")
    ends = [*rows[1:, 3].tolist(), facts.n_tokens]
    offsets = [
        (start, anchor_offsets(token_lengths[input_ids[first:end]], n_before + first))
        for (_, start, _, first), end in zip(rows.tolist(), ends, strict=True)
    ]
    return [start + some for start, some in offsets if some.size]
