import json

import numpy as np
import pytest

from grover_hf.corpus.tokenized_genome import TokenizedGenome
from grover_hf.errors import InputError
from grover_hf.genome import Interval, ReferenceGenome
from grover_hf.tokenization.bpe_encoding import GenomeEncoder
from grover_hf.tokenization.kmer import KmerEncoder

# Tokens of the tiny genome: A C | TT AA | (N) | GT ...; ids A 5, C 6, G 7, T 8, then the merges.
TINY = ">a\nNACTTAANNNGTTT\n>empty\nNNNN\n>b\nTTTTT\n"


@pytest.fixture
def encoder():
    from grover_hf.tokenization.merges import MergeTable

    return GenomeEncoder(MergeTable((("T", "T"), ("A", "A"), ("TT", "AA"))))


@pytest.fixture
def tiny(write_fasta, encoder, tmp_path):
    return TokenizedGenome.build(ReferenceGenome(write_fasta(TINY)), encoder, tmp_path / "corpus")


@pytest.fixture(scope="module")
def simulated(simulated_fasta, simulated_merges, tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GROVER_CACHE", str(tmp_path_factory.mktemp("cache")))
        genome = ReferenceGenome(simulated_fasta)
        folder = tmp_path_factory.mktemp("simulated") / "corpus"
        return genome, TokenizedGenome.build(genome, GenomeEncoder(simulated_merges), folder)


def names(corpus, tokens):
    return [corpus.encoder.tokens[i] for i in tokens.input_ids]


def test_tokens_have_genome_coordinates_and_n_belongs_to_none(tiny):
    found = tiny.tokens_in(Interval("a", 0, 14))
    assert names(tiny, found) == ["A", "C", "TTAA", "G", "TT", "T"]
    assert found.starts.tolist() == [1, 2, 3, 10, 11, 13]
    assert found.ends.tolist() == [2, 3, 7, 11, 13, 14]
    assert not found.partial_start
    assert not found.partial_end


def test_every_overlapping_token_is_returned_and_partial_ends_are_flagged(tiny):
    found = tiny.tokens_in(Interval("a", 4, 12))
    assert names(tiny, found) == ["TTAA", "G", "TT"]
    assert found.partial_start
    assert found.partial_end
    inside = tiny.tokens_in(Interval("a", 4, 12), inside=True)
    assert names(tiny, inside) == ["G"]
    assert not inside.partial_start
    assert not inside.partial_end


@pytest.mark.parametrize("interval", [Interval("a", 7, 10), Interval("a", 5, 5), Interval("empty", 0, 4)])
def test_intervals_without_a_token_are_empty(tiny, interval):
    found = tiny.tokens_in(interval)
    assert found.input_ids.size == found.starts.size == found.ends.size == 0


def test_tokens_in_agrees_with_encoding_whole_segments(simulated):
    genome, corpus = simulated
    rng = np.random.default_rng(0)
    for chrom, size in genome.sizes.items():
        codes = genome.codes(chrom)
        ids, starts, ends = [], [], []
        for first, last in genome.segments(chrom):
            encoding = corpus.encoder.encode_with_offsets(codes[first:last])
            ids.append(encoding.input_ids)
            starts.append(encoding.starts + first)
            ends.append(encoding.ends + first)
        ids, starts, ends = map(np.concatenate, (ids, starts, ends))
        for _ in range(100):
            start = int(rng.integers(0, size))
            end = int(rng.integers(start, min(size, start + rng.choice([5, 300, 20_000])) + 1))
            found = corpus.tokens_in(Interval(chrom, start, end))
            here = (starts < end) & (ends > start) & (start < end)
            assert found.input_ids.tolist() == ids[here].tolist()
            assert found.starts.tolist() == starts[here].tolist()
            assert found.ends.tolist() == ends[here].tolist()


def test_digests_and_counts_are_kept(tiny, encoder, write_fasta):
    assert tiny.facts["genome"]["sha256"] == ReferenceGenome(write_fasta(TINY)).sha256()
    assert tiny.vocabulary_sha256 == encoder.vocabulary_sha256
    assert (tiny.facts["n_tokens"], tiny.facts["n_bases"]) == (9, 15)
    assert tiny.input_ids.dtype == np.uint16
    assert isinstance(tiny.input_ids, np.memmap)


def test_kmers_leave_the_tail_of_a_segment_to_no_token(write_fasta, tmp_path):
    genome = ReferenceGenome(write_fasta(TINY))
    corpus = TokenizedGenome.build(genome, KmerEncoder(4), tmp_path / "kmers")
    found = corpus.tokens_in(Interval("a", 0, 14))
    assert names(corpus, found) == ["ACTT", "GTTT"]
    assert found.ends.tolist() == [5, 14]
    # Tails of CTTAA|N, GTTT and TTTTT; a segment shorter than k is all tail.
    assert (corpus.facts["n_bases"], corpus.facts["n_tail_bases"]) == (15, 3)
    short = ReferenceGenome(write_fasta(">a\nACGTACGNACNACGT\n", "short.fa"))
    facts = TokenizedGenome.build(short, KmerEncoder(4), tmp_path / "short").facts
    assert (facts["n_tokens"], facts["n_bases"], facts["n_tail_bases"]) == (2, 13, 5)


def test_ambiguous_bases_are_counted(write_fasta, encoder, tmp_path):
    genome = ReferenceGenome(write_fasta(">a\nACRYT\n>b\nAKT\n", "iupac.fa"))
    assert TokenizedGenome.build(genome, encoder, tmp_path / "iupac").facts["n_ambiguous"] == 3


def test_a_damaged_folder_is_refused(tiny, tmp_path):
    for name in ("segments.npy", "corpus.json"):
        path = tmp_path / "corpus" / name
        path.write_bytes(path.read_bytes()[:-9])
        with pytest.raises(InputError, match="is damaged"):
            TokenizedGenome.open(tmp_path / "corpus")


def test_a_folder_of_something_else_or_of_an_input_is_never_replaced(write_fasta, encoder, tmp_path):
    from grover_hf.files import refuse_existing

    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "thesis.txt").write_text("mine")
    genome = ReferenceGenome(write_fasta(TINY))
    with pytest.raises(InputError, match="it has no corpus.json"):
        TokenizedGenome.build(genome, encoder, tmp_path / "thesis", overwrite=True)
    with pytest.raises(InputError, match="is, or holds, the input"):
        refuse_existing(tmp_path, overwrite=True, marker="corpus.json", inputs=[genome.path])
    with pytest.raises(InputError, match="is a file"):
        TokenizedGenome.build(genome, encoder, genome.path, overwrite=True)


def test_another_vocabulary_is_refused_and_both_are_named(tiny, encoder, tmp_path):
    assert TokenizedGenome.open(tmp_path / "corpus", encoder).vocabulary_sha256 == encoder.vocabulary_sha256
    other = KmerEncoder(3)
    with pytest.raises(InputError) as error:
        TokenizedGenome.open(tmp_path / "corpus", other)
    assert encoder.vocabulary_sha256[:12] in str(error.value)
    assert other.vocabulary_sha256[:12] in str(error.value)


def test_what_is_no_whole_corpus_is_refused(tiny, tmp_path):
    with pytest.raises(InputError, match="is no tokenized genome"):
        TokenizedGenome.open(tmp_path)
    with pytest.raises(InputError, match="is there already"):
        TokenizedGenome.build(None, None, tmp_path / "corpus")
    ids = tmp_path / "corpus" / "ids.uint16"
    ids.write_bytes(ids.read_bytes()[:-2])
    with pytest.raises(InputError, match="does not hold 9 tokens"):
        TokenizedGenome.open(tmp_path / "corpus")


def test_a_failing_build_leaves_nothing(write_fasta, encoder, tmp_path):
    genome = ReferenceGenome(write_fasta(">a\nACGT\n>b\nACXT\n"))
    with pytest.raises(InputError, match="'X'"):
        TokenizedGenome.build(genome, encoder, tmp_path / "corpus")
    assert [path.name for path in tmp_path.iterdir()] == ["genome.fa"]
    with pytest.raises(InputError, match="no A, C, G or T"):
        TokenizedGenome.build(ReferenceGenome(write_fasta(">a\nNN\n", "n.fa")), encoder, tmp_path / "corpus")


def test_another_format_is_refused(tiny, tmp_path):
    path = tmp_path / "corpus" / "corpus.json"
    path.write_text(json.dumps({**tiny.facts, "format": 99}))
    with pytest.raises(InputError, match="format 99; this version reads 1"):
        TokenizedGenome.open(tmp_path / "corpus")
