"""Tokens of both strands of a chromosome are the encoder's, with the places they have."""

import numpy as np
import pytest

from grover_hf import GenomeEncoder, ReferenceGenome, TokenizedGenome
from grover_hf.corpus.strand_tokens import StrandTokens, reverse_complement_codes
from grover_hf.genome.acgt import sequence_of
from grover_hf.genome.letters import reverse_complement
from grover_hf.tokenization.kmer import KmerEncoder


@pytest.fixture
def genome(simulated_fasta):
    return ReferenceGenome(simulated_fasta)


@pytest.fixture(params=["bpe", "kmer"])
def encoder(request, simulated_merges):
    return GenomeEncoder(simulated_merges) if request.param == "bpe" else KmerEncoder(4)


def test_forward_tokens_are_those_of_the_tokenized_genome(genome, encoder, tmp_path):
    corpus = TokenizedGenome.build(genome, encoder, tmp_path / "corpus")
    ids = [StrandTokens.of(genome, chrom, encoder).input_ids for chrom in genome.chromosomes]
    np.testing.assert_array_equal(np.concatenate(ids), corpus.input_ids)


@pytest.mark.parametrize("strand", ["+", "-"])
def test_each_token_spells_the_strand_where_it_lies(genome, encoder, strand):
    tokens = StrandTokens.of(genome, "sim3", encoder, strand)
    text = sequence_of(genome.codes("sim3"))
    text = text if strand == "+" else reverse_complement(text)
    assert sequence_of(tokens.codes) == text
    numbers = np.arange(len(tokens.input_ids))
    ends = tokens.ends_of(numbers)
    assert all(
        text[start:end] == encoder.tokens[token]
        for token, start, end in zip(tokens.input_ids.tolist(), tokens.starts.tolist(), ends.tolist(), strict=True)
    )
    segments = tokens.segments[tokens.segment_of(numbers)]
    assert (segments[:, 0] <= tokens.starts).all()
    assert (ends <= segments[:, 1]).all()


@pytest.mark.parametrize("strand", ["+", "-"])
def test_every_base_lies_in_the_token_over_it_and_none_in_n(genome, encoder, strand):
    tokens = StrandTokens.of(genome, "sim3", encoder, strand)
    positions = np.arange(tokens.codes.size)
    over = tokens.token_over(positions)
    held = over >= 0
    assert (tokens.starts[over[held]] <= positions[held]).all()
    assert (positions[held] < tokens.ends_of(over[held])).all()
    # All bases of A, C, G, T, but for tails that no k-mer spells.
    is_base = tokens.codes != 4
    missing = int(is_base.sum() - held.sum())
    assert not (held & ~is_base).any()
    assert missing == 0 if isinstance(encoder, GenomeEncoder) else 0 <= missing < 4 * len(tokens.segments)
    np.testing.assert_array_equal(tokens.position(tokens.position(positions)), positions)


def test_the_reverse_complement_of_codes_is_that_of_letters():
    codes = np.array([0, 1, 2, 3, 4, 0], np.uint8)
    assert sequence_of(reverse_complement_codes(codes)) == reverse_complement(sequence_of(codes))


def test_a_chromosome_of_n_has_no_token(write_fasta, simulated_merges):
    genome = ReferenceGenome(write_fasta(">n\nNNNNNN\n>a\nACGT\n"))
    tokens = StrandTokens.of(genome, "n", GenomeEncoder(simulated_merges))
    assert tokens.token_over(np.arange(6)).tolist() == [-1] * 6
