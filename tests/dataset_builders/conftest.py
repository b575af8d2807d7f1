import re

import numpy as np
import pytest

from grover_hf.corpus.tokenized_genome import TokenizedGenome
from grover_hf.genome import ReferenceGenome
from grover_hf.hub.cards import read_card
from grover_hf.tokenization.bpe_encoding import GenomeEncoder
from grover_hf.tokenization.kmer import KmerEncoder
from tests.golden_files import hold_against_golden


@pytest.fixture(scope="session")
def corpora(simulated_fasta, simulated_merges, tmp_path_factory):
    """The simulated genome, tokenized."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GROVER_CACHE", str(tmp_path_factory.mktemp("cache")))
        genome = ReferenceGenome(simulated_fasta)
        folder = tmp_path_factory.mktemp("corpora")
        encoders = [GenomeEncoder(simulated_merges), KmerEncoder(4), KmerEncoder(6)]
        return {one.name: TokenizedGenome.build(genome, one, folder / one.name) for one in encoders}


@pytest.fixture(scope="session")
def start_sites(corpora):
    """(chrom, tss, strand): 1,000 bp apart on all chromosomes, on both strands in turn, N-free 700 bp around."""
    corpus = corpora["bpe-600"]
    sites = []
    for chrom, size in corpus.sizes.items():
        at = np.arange(1_000, size - 1_000, 1_000)
        held = corpus.segments_holding([chrom] * len(at), at - 700, at + 700) >= 0
        sites += [(chrom, int(tss), "+-"[number % 2]) for number, tss in enumerate(at[held])]
    return sites


@pytest.fixture
def golden_card():
    """Hold the card of a dataset against tests/golden/cards: digests, numbers and versions are left open."""

    def check(folder, name):
        card = re.sub(r"\b[0-9a-f]{16,64}\b", "<digest>", (folder / "README.md").read_text())
        _, body = read_card(card)
        # The metadata and the prose stand as they are; in the tables numbers are open.
        pattern = card.removesuffix(body) + re.sub(r"(?m)^(\|[^|]*\|).*$", r"\1 ... |", body)
        hold_against_golden(pattern, f"cards/{name}.md")

    return check


@pytest.fixture
def write_bed(tmp_path):
    """Write rows to a BED file and return its path."""

    def write(rows, name="rows.bed"):
        path = tmp_path / name
        path.write_text("".join("\t".join(map(str, row)) + "\n" for row in rows))
        return path

    return write


@pytest.fixture
def promoters(start_sites, write_bed):
    """The start sites as BED of 1 bp."""
    return write_bed([(c, tss, tss + 1, f"p{tss}", 1, strand) for c, tss, strand in start_sites], "promoters.bed")
