import itertools

import numpy as np
import pytest

from grover_hf.errors import InputError
from grover_hf.genome import ReferenceGenome
from grover_hf.genome import motifs as motifs_module
from grover_hf.genome.motifs import PSEUDOCOUNT, find_motif, read_jaspar

COUNTS = np.array([[8, 0, 1, 1, 7], [1, 9, 0, 1, 1], [0, 1, 8, 0, 1], [1, 0, 1, 8, 1]], float)


@pytest.fixture
def genome(write_fasta):
    rng = np.random.default_rng(0)
    sequence = "".join(rng.choice(list("ACGT"), 5_000))
    return ReferenceGenome(write_fasta(f">a\n{sequence[:3000]}NNACGTNN{sequence[3000:]}\n>b\nACG\n"))


def by_enumeration(genome, counts, threshold):
    """Score all positions, and count which share of all 4^w sequences scores as much."""
    width = counts.shape[1]
    added = counts + PSEUDOCOUNT / 4
    scores = np.log2(added / added.sum(0)) - np.log2(0.25)
    every = np.sort([
        sum(scores[base, i] for i, base in enumerate(word)) for word in itertools.product(range(4), repeat=width)
    ])
    found = {}
    for chrom in genome.chromosomes:
        codes = genome.codes(chrom)
        for start in range(codes.size - width + 1):
            word = codes[start : start + width]
            if (word == 4).any():
                continue
            for strand, read in (("+", word), ("-", 3 - word[::-1])):
                score = sum(scores[base, i] for i, base in enumerate(read))
                p = np.mean(every >= score - 1e-9)
                if p < threshold:
                    found[chrom, start, start + width, strand] = p
    return found


@pytest.mark.parametrize("threshold", [0.002, 0.02])
def test_hits_are_those_of_exact_enumeration(genome, threshold):
    expected = by_enumeration(genome, COUNTS, threshold)
    table = find_motif(genome, COUNTS, p_value=threshold)
    found = {(row.chrom, row.start, row.end, row.strand): row.p_value for row in table.itertuples()}
    # memelite rounds scores to tenths: a score may fall to the other side of the threshold.
    differ = set(found) ^ set(expected)
    assert len(differ) <= 0.1 * len(expected)
    assert len(expected) > 5
    same = set(found) & set(expected)
    assert np.allclose([found[k] for k in same], [expected[k] for k in same], rtol=0.35)


def test_blocks_miss_nothing_and_find_nothing_twice(genome, monkeypatch):
    whole = find_motif(genome, COUNTS, p_value=0.01)
    monkeypatch.setattr(motifs_module, "_BLOCK_BP", 97)
    assert find_motif(genome, COUNTS, p_value=0.01).equals(whole)
    assert whole.sort_values(["chrom", "start", "strand"], ignore_index=True).equals(whole)


def test_a_motif_across_n_is_no_hit(write_fasta):
    genome = ReferenceGenome(write_fasta(">a\nNNACGTANNACNTANN\n"))
    assert set(find_motif(genome, COUNTS, p_value=0.5)["start"]) == {2}


def test_a_genome_without_the_motif_gives_an_empty_table(write_fasta):
    table = find_motif(ReferenceGenome(write_fasta(">a\nTTTTTTTTTTTT\n")), COUNTS, p_value=1e-3)
    assert (len(table), list(table)) == (0, ["chrom", "start", "end", "strand", "score", "p_value"])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("A [1 2]\nC [1 2]\nG [1 2]\nT [1 2]\n", "0 JASPAR motifs"),
        (">x y\nA [1 2]\nC [1 2]\nG [1 2]\n", "1 JASPAR motifs"),
        (">x y\nA [1 2]\nC [1 2]\nG [1 2]\nT [1]\n", "rows of x have 2, 2, 2, 1 columns"),
        (">x y\nA [1 2]\nC [1 b]\nG [1 2]\nT [1 2]\n", "a count of x is not a number"),
    ],
)
def test_damaged_motifs_are_refused(tmp_path, text, message):
    (tmp_path / "m.jaspar").write_text(text)
    with pytest.raises(InputError, match=message):
        read_jaspar(tmp_path / "m.jaspar")
    with pytest.raises(InputError, match="no file"):
        read_jaspar(tmp_path / "none.jaspar")
