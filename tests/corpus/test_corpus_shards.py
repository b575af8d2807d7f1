"""The shards of a tokenized genome, joined, are the folder that one job makes, byte for byte."""

import pytest

from grover_hf import GenomeEncoder, KmerEncoder, MergeTable, ReferenceGenome, TokenizedGenome
from grover_hf._internals.gathering import whole_shards
from grover_hf._internals.shards import Shard, shard_folder
from grover_hf.corpus.corpus_facts import Organism
from grover_hf.corpus.corpus_shards import build_shard, join_shards
from grover_hf.errors import InputError
from tests.tiny_models import MERGES, random_dna


@pytest.fixture(scope="module")
def fasta(tmp_path_factory):
    """Contigs of all sizes: one in N, one of two bases, one with ambiguous letters, one with many segments."""
    contigs = {
        "a": random_dna(3_000), "n": "N" * 70, "b": random_dna(40, seed=1) + "NN" + random_dna(500, seed=2),
        "repeats": random_dna(333, seed=7).lower() + random_dna(200, seed=8), "tiny": "AC",
        "iupac": "RYN" + random_dna(900, seed=3) + "K",
        "many": "N".join(random_dna(length, seed=length) for length in range(1, 60)), "c": random_dna(10, seed=4),
    }
    path = tmp_path_factory.mktemp("genome") / "g.fa"
    path.write_text("".join(f">{name}\n{sequence}\n" for name, sequence in contigs.items()))
    return path


def tree(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("count", [1, 2, 7, 30])
@pytest.mark.parametrize("encoder", [GenomeEncoder(MergeTable(MERGES)), KmerEncoder(4)], ids=["bpe", "kmer"])
def test_joined_shards_are_the_folder_of_one_job(fasta, tmp_path, count, encoder):
    organism = Organism(species="Mus musculus", taxon=10090)
    genome = ReferenceGenome(fasta)
    whole = TokenizedGenome.build(genome, encoder, tmp_path / "whole", organism=organism).path
    for number in reversed(range(count)):
        build_shard(genome, encoder, tmp_path / "out", Shard(number, count), organism=organism)
    shards = whole_shards(shard_folder(tmp_path / "out"))
    assert len(shards.paths) == len([manifest for manifest in shards.manifests if manifest.n_rows])
    join_shards(shards, tmp_path / "out", overwrite=False)
    assert tree(tmp_path / "out") == tree(whole)
    TokenizedGenome.open(tmp_path / "out").require_whole()


def test_chosen_chromosomes_are_shared_out_alone(fasta, tmp_path):
    genome, encoder = ReferenceGenome(fasta, ["many", "a"]), KmerEncoder(3)
    for number in range(2):
        build_shard(genome, encoder, tmp_path / "out", Shard(number, 2))
    join_shards(whole_shards(shard_folder(tmp_path / "out")), tmp_path / "out", overwrite=False)
    assert TokenizedGenome.open(tmp_path / "out").chromosomes == ["a", "many"]


def test_another_genome_tokenizer_or_organism_is_refused_by_name(fasta, tmp_path):
    genome, encoder, output = ReferenceGenome(fasta), KmerEncoder(3), tmp_path / "out"
    build_shard(genome, encoder, output, Shard(0, 2))
    for other, message in (
        ((ReferenceGenome(fasta, ["a"]), encoder, None), "another genome"),
        ((genome, KmerEncoder(4), None), "another vocabulary sha256"),
        ((genome, encoder, Organism(taxon=7)), "another --organism"),
    ):
        with pytest.raises(InputError, match=message):
            build_shard(other[0], other[1], output, Shard(1, 2), organism=other[2])


def test_a_corpus_is_replaced_when_asked_to_alone_and_one_without_tokens_is_refused(fasta, tmp_path):
    genome, encoder, output = ReferenceGenome(fasta), KmerEncoder(3), tmp_path / "out"
    build_shard(genome, encoder, output, Shard(0, 1))
    shards = whole_shards(shard_folder(output))
    join_shards(shards, output, overwrite=False)
    with pytest.raises(InputError, match="is there already"):
        join_shards(shards, output, overwrite=False)
    join_shards(shards, output, overwrite=True)
    build_shard(ReferenceGenome(fasta, ["n"]), encoder, tmp_path / "n", Shard(0, 1))
    with pytest.raises(InputError, match="has no A, C, G or T"):
        join_shards(whole_shards(shard_folder(tmp_path / "n")), tmp_path / "n", overwrite=False)
