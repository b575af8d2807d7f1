import gzip
import itertools

import numpy as np
import pytest

from grover_hf.errors import InputError
from grover_hf.genome import ReferenceGenome
from grover_hf.genome.motifs import (
    FIMO_BACKGROUND,
    PSEUDOCOUNT,
    UNIFORM_BACKGROUND,
    find_motif,
    motif_scores,
    read_motif,
)
from grover_hf.genome.score_distribution import ScoreDistribution

COUNTS = np.array([[8, 0, 1, 1, 7], [1, 9, 0, 1, 1], [0, 1, 8, 0, 1], [1, 0, 1, 8, 1]], float)


MEME = "MEME version 4\nMOTIF x\nletter-probability matrix: alength= 4 {}\n{}\n"


@pytest.fixture
def genome(write_fasta):
    rng = np.random.default_rng(0)
    sequence = "".join(rng.choice(list("ACGT"), 5_000))
    return ReferenceGenome(write_fasta(f">a\n{sequence[:3000]}NNACGTNN{sequence[3000:]}\n>b\nACG\n"))


def by_enumeration(genome, counts, threshold, background):
    """Score all positions, and add up the probabilities of all 4^w sequences that score as much."""
    width = counts.shape[1]
    added = counts + PSEUDOCOUNT * np.array(background)[:, None]
    scores = np.log2(added / added.sum(0)) - np.log2(background)[:, None]
    words = list(itertools.product(range(4), repeat=width))
    every = np.array([sum(scores[base, i] for i, base in enumerate(word)) for word in words])
    probabilities = np.array([np.prod([background[base] for base in word]) for word in words])
    found = {}
    for chrom in genome.chromosomes:
        codes = genome.codes(chrom)
        for start in range(codes.size - width + 1):
            word = codes[start : start + width]
            if (word == 4).any():
                continue
            for strand, read in (("+", word), ("-", 3 - word[::-1])):
                score = sum(scores[base, i] for i, base in enumerate(read))
                p = probabilities[every >= score - 1e-9].sum()
                if p < threshold:
                    found[chrom, start, start + width, strand] = score, p
    return found


@pytest.mark.parametrize("background", [FIMO_BACKGROUND, UNIFORM_BACKGROUND, (0.1, 0.2, 0.3, 0.4)])
@pytest.mark.parametrize("seed", range(4))
def test_hits_are_those_of_exact_enumeration_to_the_last(genome, background, seed):
    rng = np.random.default_rng(seed)
    counts = COUNTS if seed == 0 else rng.integers(0, 12, (4, 2 + seed)).astype(float) + 0.5
    for threshold in (0.001, 0.004, 0.03):
        expected = by_enumeration(genome, counts, threshold, background)
        table = find_motif(genome, counts, p_value=threshold, background=background)
        rows = table.itertuples()
        hits = {(row.chrom, row.start, row.end, row.strand): (row.score, row.p_value) for row in rows}
        assert hits.keys() == expected.keys()
        same = list(hits)
        assert np.allclose([hits[k][0] for k in same], [expected[k][0] for k in same], rtol=0, atol=1e-9)
        assert np.allclose([hits[k][1] for k in same], [expected[k][1] for k in same], rtol=1e-3)
        assert table.sort_values(["chrom", "start", "strand"], ignore_index=True).equals(table)
    assert len(expected) > 5


@pytest.mark.parametrize("p_value", [1e-4, 3e-3, 0.2])
def test_the_lowest_score_is_where_the_exact_tail_falls_below_the_p_value(p_value, monkeypatch):
    scores = motif_scores(np.random.default_rng(1).integers(0, 20, (4, 6)) + 0.5, FIMO_BACKGROUND)
    words = list(itertools.product(range(4), repeat=6))
    sums = np.array([sum(scores[base, i] for i, base in enumerate(word)) for word in words])
    p_words = np.array([np.prod([FIMO_BACKGROUND[base] for base in word]) for word in words])
    tails = {score: p_words[sums >= score - 1e-9].sum() for score in np.unique(sums)[::7]}
    for n_enumerated in (9, 3):
        monkeypatch.setattr("grover_hf.genome.score_distribution._ENUMERATED_COLUMNS", n_enumerated)
        distribution = ScoreDistribution.of(scores, FIMO_BACKGROUND)
        lowest = distribution.lowest_score(p_value)
        assert all((score >= lowest) == (tail < p_value) for score, tail in tails.items())
        p_values = distribution.p_values(np.array(list(tails)))
        assert np.allclose(p_values, list(tails.values()), rtol=0, atol=1e-9 if n_enumerated == 9 else 5e-3)


def test_a_p_value_below_that_of_the_best_word_finds_nothing(genome):
    assert len(find_motif(genome, COUNTS, p_value=1e-5)) == 0


@pytest.mark.real_data
def test_ctcf_on_real_sequence_has_the_exact_hits(real_data):
    genome = ReferenceGenome(real_data / "genome" / "hg19.sparse.fa.gz")
    _, counts = read_motif(real_data / "ctcf" / "MA0139.1.jaspar")
    for background, n_hits in ((UNIFORM_BACKGROUND, 6_633), (FIMO_BACKGROUND, 10_995)):
        assert len(find_motif(genome, counts, p_value=1e-4, background=background)) == n_hits


def test_a_motif_across_n_is_no_hit(write_fasta):
    genome = ReferenceGenome(write_fasta(">a\nNNACGTANNACNTANN\n"))
    assert set(find_motif(genome, COUNTS, p_value=0.5)["start"]) == {2}


def test_a_genome_without_the_motif_gives_an_empty_table(write_fasta):
    table = find_motif(ReferenceGenome(write_fasta(">a\nTTTTTTTTTTTT\n")), COUNTS, p_value=1e-3)
    assert (len(table), list(table)) == (0, ["chrom", "start", "end", "strand", "score", "p_value"])


def test_the_forms_of_a_motif_file_give_the_same_counts(tmp_path):
    rows = [[str(int(value)) for value in row] for row in COUNTS]
    lines = [f"{base}  [ {' '.join(row)} ]\n" for base, row in zip("ACGT", rows, strict=True)]
    bracketed = ">M1 x\n" + "".join(lines)
    raw = ">M1\n" + "".join("\t".join(row) + "\n" for row in rows)
    columns = "\n".join(" ".join(f"{value / 10:.3f}" for value in column) for column in COUNTS.T)
    header = "MEME version 4\n\nALPHABET= ACGT\n\nMOTIF M1 x\n"
    meme = f"{header}letter-probability matrix: alength= 4 w= 5 nsites= 10\n{columns}\n"
    for name, text in (("a.jaspar", bracketed), ("a.pfm", raw), ("a.meme", meme), ("b.jaspar", bracketed)):
        data = text.encode()
        (tmp_path / name).write_bytes(gzip.compress(data) if name == "b.jaspar" else data)
        found_name, counts = read_motif(tmp_path / name)
        assert found_name == "M1"
        assert np.allclose(counts, COUNTS)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("A [1 2]\nC [1 2]\nG [1 2]\nT [1 2]\n", "0 motifs in a form that is read"),
        (">x y\nA [1 2]\nC [1 2]\nG [1 2]\n", "The forms are JASPAR"),
        (">x\nA [1]\nC [1]\nG [1]\nT [1]\n>y\nA [1]\nC [1]\nG [1]\nT [1]\n", "2 motifs"),
        (">x y\nA [1 2]\nC [1 2]\nG [1 2]\nT [1]\n", "rows of x have 2, 2, 2, 1 columns"),
        (">x y\nA []\nC []\nG []\nT []\n", "rows of x have 0, 0, 0, 0 columns"),
        (">x y\nA [1 2]\nC [1 b]\nG [1 2]\nT [1 2]\n", "a count of x is not a number"),
        (">x\nA [1 2]\nC [1 -2]\nG [1 2]\nT [1 2]\n", "counts below 0"),
        (">x\nA [1 nan]\nC [1 2]\nG [1 2]\nT [1 2]\n", "not finite"),
        (">x\nA [1 inf]\nC [1 2]\nG [1 2]\nT [1 2]\n", "not finite"),
        (">x\nA [1 0]\nC [1 0]\nG [1 0]\nT [1 0]\n", "a column without any"),
        (">x\nA [.4 .1]\nC [.2 .1]\nG [.2 .7]\nT [.2 .1]\n", "these are probabilities"),
        (">x\nA [.4 .12]\nC [.2 .1]\nG [.2 .7]\nT [.2 .1]\n", "these are probabilities"),
        (">ATAA\tx\t6.1\n.1 .2 .3 .4\n.7 .1 .1 .1\n.2 .2 .2 .4\n.3 .3 .3 .1\n", "these are probabilities"),
        (">x\nA [1 2]\nC [1 2]\nG [1 2]\nT [1 2]\n0 7 ]\n", "'0 7 ]' is no row of counts"),
        ("MEME version 4\nMOTIF x\n", "1 motifs in a form that is read"),
        (MEME.format("w= 3 nsites= 9", "0.25 0.25 0.25 0.25"), "has 1 lines, and its header says 3"),
        (MEME.format("w= 1", "0.5 0.5 0.5 0"), "is not four probabilities that add up to 1"),
        (MEME.format("w= 1", "0.5 0.5"), "is not four probabilities"),
        (MEME.format("w= 1", "0.5 0.5 0 x"), "could not convert"),
        (MEME.format("w= 1 nsites= 1.2.3", "0.5 0.5 0 0"), "could not convert"),
        (">x\nA [1]\nA [2]\nC [1]\nG [1]\nT [1]\n", "a base has more than one row"),
        ("\xe9\n", "cannot be read as text"),
        ("", "0 motifs"),
    ],
)
def test_damaged_motifs_are_refused(tmp_path, text, message):
    (tmp_path / "m.jaspar").write_bytes(text.encode("latin-1"))
    with pytest.raises(InputError, match=message):
        read_motif(tmp_path / "m.jaspar")
    with pytest.raises(InputError, match="no file"):
        read_motif(tmp_path / "none.jaspar")


def test_nsites_may_have_an_exponent(tmp_path):
    (tmp_path / "m.meme").write_text(MEME.format("w= 1 nsites= 2e3", "0.5 0.5 0 0"))
    assert read_motif(tmp_path / "m.meme")[1].T.tolist() == [[1000, 1000, 0, 0]]


@pytest.mark.parametrize("width", [10, 12, 19, 30, 40])
def test_the_best_word_of_a_wide_motif_has_its_own_probability(width):
    rng = np.random.default_rng(width)
    for _ in range(5):
        scores = motif_scores(rng.integers(0, 12, (4, width)) + 0.5, FIMO_BACKGROUND)
        distribution = ScoreDistribution.of(scores, FIMO_BACKGROUND)
        is_best = scores > scores.max(0) - 1e-9  # two bases may share a column's best score
        p_best = np.prod(np.array(FIMO_BACKGROUND) @ is_best)
        [p_value] = distribution.p_values(np.array([scores.max(0).sum()]))
        assert p_best * 0.99 <= p_value < p_best * 1.5 + 1e-15
