import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from grover_hf.corpus.corpus_facts import Organism, write_corpus_facts
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


def test_many_intervals_at_once_are_as_one_by_one(simulated):
    _, corpus = simulated
    rng = np.random.default_rng(0)
    chroms, starts, ends = [], [], []
    for number, start, end, _ in corpus.segments.tolist():
        for _ in range(40):
            a, b = sorted(rng.integers(start, end + 1, 2).tolist())
            if a < b:
                chroms, starts, ends = [*chroms, corpus.chromosomes[number]], [*starts, a], [*ends, b]
    # The very first and last base, and the whole, of every segment.
    for number, start, end, _ in corpus.segments.tolist():
        for a, b in ((start, start + 1), (end - 1, end), (start, end)):
            chroms, starts, ends = [*chroms, corpus.chromosomes[number]], [*starts, a], [*ends, b]
    order = rng.permutation(len(chroms))
    chroms, starts, ends = np.array(chroms)[order], np.array(starts)[order], np.array(ends)[order]
    found = corpus.tokens_in_each(chroms, starts, ends)
    for i, (chrom, start, end) in enumerate(zip(chroms, starts, ends, strict=True)):
        alone = corpus.tokens_in(Interval(str(chrom), int(start), int(end)))
        assert np.array_equal(found.input_ids[found.offsets[i] : found.offsets[i + 1]], alone.input_ids)
        assert (found.token_starts[i], found.token_ends[i]) == (alone.starts[0], alone.ends[-1])


def test_only_intervals_that_the_tokens_of_one_segment_cover_are_held(tiny, write_fasta, tmp_path):
    #      aNACTTAANNNGTTT: segments 1-7 and 10-14; empty: none; b: 0-5
    rows = [("a", 1, 7), ("a", 0, 3), ("a", 5, 8), ("a", 6, 11), ("a", 10, 14), ("b", 2, 5)]
    rows += [("empty", 1, 2), ("z", 0, 1)]
    chroms, starts, ends = (np.array(column) for column in zip(*rows, strict=True))
    assert tiny.segments_holding(chroms, starts, ends).tolist() == [0, -1, -1, -1, 1, 2, -1, -1]
    with pytest.raises(InputError, match="a:0-3 is not covered by the tokens of one segment"):
        tiny.tokens_in_each(chroms, starts, ends)
    # With 4-mers, two bases of the first segment are a tail that belongs to no token.
    kmers = TokenizedGenome.build(ReferenceGenome(write_fasta(TINY)), KmerEncoder(4), tmp_path / "kmers")
    assert kmers.segments_holding(["a", "a"], np.array([1, 1]), np.array([5, 7])).tolist() == [0, -1]


def test_the_codes_of_a_chromosome_are_those_of_the_genome(simulated, write_fasta, tmp_path):
    genome, corpus = simulated
    for chrom in genome.chromosomes:
        assert np.array_equal(corpus.codes(chrom), genome.codes(chrom))
    kmers = TokenizedGenome.build(ReferenceGenome(write_fasta(TINY)), KmerEncoder(4), tmp_path / "kmers")
    assert kmers.codes("a").tolist() == [4, 0, 1, 3, 3, 4, 4, 4, 4, 4, 2, 3, 3, 3]


def test_digests_and_counts_are_kept(tiny, encoder, write_fasta):
    assert tiny.facts.genome.sha256 == ReferenceGenome(write_fasta(TINY)).sha256()
    assert tiny.vocabulary_sha256 == encoder.vocabulary_sha256
    assert (tiny.facts.n_tokens, tiny.facts.n_bases) == (9, 15)
    assert tiny.input_ids.dtype == np.uint16
    assert isinstance(tiny.input_ids, np.memmap)


def test_kmers_leave_the_tail_of_a_segment_to_no_token(write_fasta, tmp_path):
    genome = ReferenceGenome(write_fasta(TINY))
    corpus = TokenizedGenome.build(genome, KmerEncoder(4), tmp_path / "kmers")
    found = corpus.tokens_in(Interval("a", 0, 14))
    assert names(corpus, found) == ["ACTT", "GTTT"]
    assert found.ends.tolist() == [5, 14]
    # Tails of CTTAA|N, GTTT and TTTTT; a segment shorter than k is all tail.
    assert (corpus.facts.n_bases, corpus.facts.n_tail_bases) == (15, 3)
    short = ReferenceGenome(write_fasta(">a\nACGTACGNACNACGT\n", "short.fa"))
    facts = TokenizedGenome.build(short, KmerEncoder(4), tmp_path / "short").facts
    assert (facts.n_tokens, facts.n_bases, facts.n_tail_bases) == (2, 13, 5)


def test_ambiguous_bases_are_counted(write_fasta, encoder, tmp_path):
    genome = ReferenceGenome(write_fasta(">a\nACRYT\n>b\nAKT\n", "iupac.fa"))
    assert TokenizedGenome.build(genome, encoder, tmp_path / "iupac").facts.n_ambiguous == 3


def test_a_damaged_folder_is_refused(tiny, tmp_path):
    for name in ("segments.npy", "corpus.json"):
        path = tmp_path / "corpus" / name
        path.write_bytes(path.read_bytes()[:-9])
        with pytest.raises(InputError, match="is damaged"):
            TokenizedGenome.open(tmp_path / "corpus")


def test_a_folder_of_something_else_or_of_an_input_is_never_replaced(write_fasta, encoder, tmp_path):
    from grover_hf._internals.outputs import require_writable

    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "thesis.txt").write_text("mine")
    genome = ReferenceGenome(write_fasta(TINY))
    with pytest.raises(InputError, match="it has no corpus.json"):
        TokenizedGenome.build(genome, encoder, tmp_path / "thesis", overwrite=True)
    with pytest.raises(InputError, match="is, or holds, the input"):
        require_writable(tmp_path, overwrite=True, marker="corpus.json", inputs=[genome.path])
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
    with pytest.raises(InputError, match="is not a tokenized genome"):
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
    path.write_text(json.dumps({**json.loads(path.read_text()), "format": 99}))
    with pytest.raises(InputError, match="format 99; this version reads 3"):
        TokenizedGenome.open(tmp_path / "corpus")


def test_an_organism_stands_in_the_facts_and_none_where_nothing_is_known(write_fasta, encoder, tmp_path):
    genome, human = ReferenceGenome(write_fasta(TINY)), Organism(species="Homo sapiens", taxon=9606)
    for number, (given, known) in enumerate([(human, human), (Organism(), None), (None, None)]):
        path = TokenizedGenome.build(genome, encoder, tmp_path / str(number), organism=given).path
        assert TokenizedGenome.open(path).facts.genome.organism == known


def changed(array, index, value):
    array = array.copy()
    array[index] = value
    return array


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("segments", lambda a: changed(a, (0, 3), -1)),
        ("segments", lambda a: changed(a, (1, 3), 10**12)),
        ("segments", lambda a: changed(a, (1, 3), 0)),
        ("segments", lambda a: changed(a, (0, 1), -5)),
        ("segments", lambda a: changed(a, (0, 2), 10**12)),
        ("segments", lambda a: changed(a, (0, 0), 7)),
        ("segments", lambda a: changed(a, (1, 1), 0)),
        ("segments", lambda a: a[::-1]),
        ("segments", lambda a: a[:0]),
        ("segments", lambda a: a[:, :3]),
        ("segments", lambda a: a.astype(np.int32)),
        ("anchors", lambda a: np.zeros_like(a)),
        ("anchors", lambda a: a[:-1]),
        ("anchors", lambda a: a[::-1]),
        ("anchors", lambda a: changed(a, 3, a[2])),
        ("anchors", lambda a: a.astype(float)),
    ],
)
def test_arrays_that_cannot_be_are_refused_at_opening(simulated, tmp_path, name, change):
    _, corpus = simulated
    copy = Path(shutil.copytree(corpus.path, tmp_path / "copy"))
    array = np.load(copy / f"{name}.npy")
    np.save(copy / f"{name}.npy", np.ascontiguousarray(change(array)))
    with pytest.raises(InputError, match=r"is damaged \(it has .*make it again with `grover tokenize`"):
        TokenizedGenome.open(copy)


def test_ids_that_no_token_has_are_an_error_and_nothing_is_read_past_a_table(simulated, tmp_path):
    _, corpus = simulated
    copy = Path(shutil.copytree(corpus.path, tmp_path / "copy"))
    ids = np.fromfile(copy / "ids.uint16", "<u2")
    ids[1_000:1_200] = 65_535
    ids.tofile(copy / "ids.uint16")
    damaged = TokenizedGenome.open(copy)
    chrom = damaged.chromosomes[0]
    with pytest.raises(InputError, match="its tokens are damaged or were changed"):
        damaged.tokens_in(Interval(chrom, 0, damaged.sizes[chrom]))
    start = int(damaged.starts_of(0, np.array([1_100]))[0])
    assert damaged.tokens_in_each([chrom], np.array([start]), np.array([start + 1])).input_ids.size > 0
    with pytest.raises(InputError, match="its tokens are damaged or were changed"):
        damaged.require_whole()


def test_short_segments_are_tokenized_as_one_by_one(write_fasta, tmp_path, monkeypatch):
    rng = np.random.default_rng(0)
    pieces = ["".join(rng.choice(list("ACGT"), rng.integers(1, 60))) for _ in range(400)]
    genome = ReferenceGenome(write_fasta(">a\n" + "N".join(pieces) + "\n>b\n" + "NN".join(pieces[:7]) + "\n"))
    monkeypatch.setattr("grover_hf.corpus.tokenized_genome._BASES_A_TASK", 50)
    monkeypatch.setattr("grover_hf.corpus.tokenized_genome._SEGMENTS_A_TASK", 3)
    encoder = KmerEncoder(3)
    corpus = TokenizedGenome.build(genome, encoder, tmp_path / "corpus")
    expected = [encoder.encode(piece) for piece in [*pieces, *pieces[:7]]]
    expected = [ids[:-1] if ids[-1] == 1 else ids for ids in expected]
    assert np.array_equal(corpus.input_ids, np.concatenate(expected))


def test_a_damaged_corpus_in_the_cache_is_made_again(simulated_fasta, simulated_merges, tmp_path):
    simulated_merges.write(tmp_path / "m.txt")
    corpus = TokenizedGenome.cached(simulated_fasta, tmp_path / "m.txt")
    ids = np.array(corpus.input_ids)
    (corpus.path / "anchors.npy").write_bytes(b"damaged")
    assert np.array_equal(TokenizedGenome.cached(simulated_fasta, tmp_path / "m.txt").input_ids, ids)


def test_an_interval_of_no_base_has_no_token_however_it_is_asked(simulated):
    _, corpus = simulated
    chrom, start, *_ = corpus.segments[0].tolist()
    name, position = corpus.chromosomes[chrom], start + 1_003
    assert corpus.tokens_in(Interval(name, position, position)).input_ids.size == 0
    assert corpus.tokens_in_each([name], np.array([position]), np.array([position])).input_ids.size == 0


def test_what_others_put_into_the_folder_of_the_tokenizer_is_never_replaced(write_fasta, encoder, tmp_path):
    genome = ReferenceGenome(write_fasta(TINY))
    path = TokenizedGenome.build(genome, encoder, tmp_path / "corpus").path
    TokenizedGenome.build(genome, encoder, path, overwrite=True)
    for name in ("tokenizer/notes.md", "tokenizer/mine.json", "embeddings.npy"):
        (path / name).write_text("mine")
        with pytest.raises(InputError, match=f"it has {name}, which this command did not make"):
            TokenizedGenome.build(genome, encoder, path, overwrite=True)
        assert (path / name).read_text() == "mine"
        (path / name).unlink()


def test_two_chromosomes_of_one_name_are_refused(simulated, tmp_path):
    copy = Path(shutil.copytree(simulated[1].path, tmp_path / "copy"))
    facts = simulated[1].facts
    first, second, *others = facts.chromosomes
    doubled = (first, replace(second, name=first.name), *others)
    write_corpus_facts(copy, replace(facts, chromosomes=doubled))
    with pytest.raises(InputError, match="two chromosomes have one name"):
        TokenizedGenome.open(copy)
