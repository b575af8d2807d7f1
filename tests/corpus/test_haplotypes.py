"""An allele changes the tokens that it would change if the whole segment were tokenized anew, and no others."""

import numpy as np
import pytest

from grover_hf import GenomeEncoder, ReferenceGenome
from grover_hf.corpus.haplotypes import retokenized
from grover_hf.corpus.strand_tokens import StrandTokens
from grover_hf.genome.acgt import base_codes
from grover_hf.tokenization.kmer import KmerEncoder

REPEATS = ("T" * 700, "CA" * 400, "TTAGGG" * 90)


def strand_of(write_fasta, encoder, *segments, strand="+"):
    genome = ReferenceGenome(write_fasta(">c\n" + "NN".join(segments) + "\n"))
    return StrandTokens.of(genome, "c", encoder, strand)


def random_allele(rng, codes, start, end):
    at = int(rng.integers(start, end))
    n_ref = int(rng.integers(0, min(6, end - at) + 1))
    alt = rng.integers(0, 4, int(rng.integers(0 if n_ref else 1, 6))).astype(np.uint8)
    return at, n_ref, alt


@pytest.mark.parametrize("strand", ["+", "-"])
def test_tokens_with_an_allele_are_those_of_the_changed_segment(write_fasta, simulated_merges, strand):
    encoder = GenomeEncoder(simulated_merges)
    rng = np.random.default_rng(0)
    random = ["".join(rng.choice(list("ACGT"), size)) for size in (1_500, 40, 3)]
    tokens = strand_of(write_fasta, encoder, *random, *REPEATS, strand=strand)
    n_changed = []
    for number, (start, end) in enumerate(tokens.segments.tolist()):
        first, last = tokens.first_tokens[number : number + 2]
        for _ in range(60):
            at, n_ref, alt = random_allele(rng, tokens.codes, start, end)
            found = retokenized(tokens, encoder, at, n_ref, alt)
            codes = np.concatenate([tokens.codes[start:at], alt, tokens.codes[at + n_ref : end]])
            expected = encoder.encode_segment(codes) if codes.size else np.empty(0, np.uint16)
            ids = tokens.input_ids
            whole = np.concatenate([ids[first : found.first], found.input_ids, ids[found.last : last]])
            np.testing.assert_array_equal(whole, expected)
            n_changed.append(found.last - found.first)
    # No more is replaced than has to be: a few tokens, but for repeats.
    assert np.median(n_changed) <= 4


def test_tokens_that_stay_are_not_replaced(write_fasta, simulated_merges):
    encoder = GenomeEncoder(simulated_merges)
    rng = np.random.default_rng(1)
    tokens = strand_of(write_fasta, encoder, "".join(rng.choice(list("ACGT"), 2_000)))
    for _ in range(200):
        at, n_ref, alt = random_allele(rng, tokens.codes, 100, 1_900)
        found = retokenized(tokens, encoder, at, n_ref, alt)
        old = tokens.input_ids[found.first : found.last]
        # The outermost token on each side is another, or holds a base of the allele.
        # Pure insertions and deletions may lie anywhere in a repeat.
        if n_ref and alt.size and old.size and found.input_ids.size:
            assert old[0] != found.input_ids[0] or tokens.ends_of(np.array([found.first]))[0] > at
            assert old[-1] != found.input_ids[-1] or tokens.starts[found.last - 1] < at + n_ref


def test_kmers_change_with_a_base_and_shift_with_an_indel(write_fasta):
    encoder = KmerEncoder(3)
    tokens = strand_of(write_fasta, encoder, "ACGTTTACGA")
    found = retokenized(tokens, encoder, 4, 1, base_codes("G"))
    assert (found.first, found.last) == (1, 2)
    assert [encoder.tokens[token] for token in found.input_ids] == ["TGT"]
    found = retokenized(tokens, encoder, 5, 2, base_codes("CC"))
    assert [encoder.tokens[token] for token in found.input_ids] == ["TTC", "CCG"]
    assert retokenized(tokens, encoder, 4, 0, base_codes("G")) is None
    # The tail that no k-mer spells.
    assert retokenized(tokens, encoder, 9, 1, base_codes("G")) is None


def test_an_allele_over_n_or_outside_of_segments_has_none(write_fasta, simulated_merges):
    encoder = GenomeEncoder(simulated_merges)
    tokens = strand_of(write_fasta, encoder, "ACGT", "TTTTT")
    assert retokenized(tokens, encoder, 3, 3, base_codes("A")) is None
    assert retokenized(tokens, encoder, 4, 1, base_codes("A")) is None
