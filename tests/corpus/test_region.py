"""Tokens of a region, from a stretch of the genome around it, are those of the whole tokenized chromosome."""

import numpy as np
import pytest

from grover_hf import DnaModel
from grover_hf.corpus.region import tokenize_each, tokenize_region
from grover_hf.corpus.tokenized_genome import TokenizedGenome
from grover_hf.errors import InputError
from grover_hf.genome import Interval, ReferenceGenome
from grover_hf.genome.acgt import base_codes
from grover_hf.genome.letters import reverse_complement
from grover_hf.tokenization.bpe_context import PROVEN, tokens_of, trusted
from grover_hf.tokenization.bpe_encoding import GenomeEncoder
from grover_hf.tokenization.bpe_training import train_bpe
from grover_hf.tokenization.export import save_tokenizer
from grover_hf.tokenization.kmer import KmerEncoder
from tests.tiny_models import random_dna, save, tiny_masked_model


def require_equal(found, expected, where):
    for name in ("input_ids", "starts", "ends"):
        np.testing.assert_array_equal(getattr(found, name), getattr(expected, name), err_msg=f"{where}: {name}")
    assert (found.partial_start, found.partial_end) == (expected.partial_start, expected.partial_end), where
    assert found.vocabulary_sha256 == expected.vocabulary_sha256


def turned(tokens, size):
    """The tokens of a reverse-complemented chromosome with the positions of the chromosome itself."""
    return tokens._replace(
        starts=size - tokens.ends, ends=size - tokens.starts, partial_start=tokens.partial_end,
        partial_end=tokens.partial_start,
    )


def random_intervals(sizes, n, seed, longest=400):
    rng = np.random.default_rng(seed)
    for _ in range(n):
        chrom = str(rng.choice(list(sizes)))
        start = int(rng.integers(0, sizes[chrom]))
        yield Interval(chrom, start, min(sizes[chrom], start + int(rng.integers(0, longest))))


@pytest.fixture(scope="module")
def made_up(simulated_merges, tmp_path_factory):
    """A genome with N, lower case, one-letter contigs, and long runs that only their ends decide."""
    folder = tmp_path_factory.mktemp("made up")
    runs = {"A": "A" * 4_000, "CA": "CA" * 2_000, "AT": "AT" * 2_000}
    records = {f"run{name}": random_dna(300, seed=i) + run + random_dna(300, seed=i + 9)
               for i, (name, run) in enumerate(runs.items())}
    records |= {f"bare{name}": run for name, run in runs.items()}
    mixed = random_dna(6_000, seed=5)
    records["gaps"] = "NN" + mixed[:900] + "N" + mixed[900:901] + "R" + mixed[901:3_000].lower() + "N" * 40 + mixed
    records["one"] = "G"
    (folder / "g.fa").write_text("".join(f">{name}\n{bases}\n" for name, bases in records.items()))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GROVER_CACHE", str(folder / "cache"))
        genome = ReferenceGenome(folder / "g.fa")
        # Learnt on runs too: tokens of long repeats are what forgets its context last.
        merges = train_bpe(genome, 60)
        corpora = [
            TokenizedGenome.build(genome, encoder, folder / name)
            for name, encoder in (("own", GenomeEncoder(merges)), ("other", GenomeEncoder(simulated_merges)))
        ]
    return genome, corpora


@pytest.fixture(scope="module")
def reversed_corpora(made_up, tmp_path_factory):
    """Each chromosome of the genome as its reverse complement, with the vocabularies of the corpora and 5-mers."""
    genome, corpora = made_up
    folder = tmp_path_factory.mktemp("reversed")
    records = {name: genome.fetch(Interval(name, 0, size, "-")) for name, size in genome.sizes.items()}
    (folder / "g.fa").write_text("".join(f">{name}\n{bases}\n" for name, bases in records.items()))
    encoders = [*(corpus.encoder for corpus in corpora), KmerEncoder(5)]
    return [
        TokenizedGenome.build(ReferenceGenome(folder / "g.fa"), encoder, folder / str(number))
        for number, encoder in enumerate(encoders)
    ]


@pytest.mark.parametrize("which", [0, 1, 2], ids=["merges of runs", "other merges", "5-mers"])
def test_tokens_of_the_reverse_strand_are_those_of_the_reverse_complement(made_up, reversed_corpora, which):
    genome, corpus = made_up[0], reversed_corpora[which]
    intervals = list(random_intervals(genome.sizes, 400, seed=which))
    each = list(tokenize_each(genome, intervals, corpus.encoder, strand="-"))
    for interval, tokens in zip(intervals, each, strict=True):
        size = genome.sizes[interval.chrom]
        there = Interval(interval.chrom, size - interval.end, size - interval.start)
        require_equal(tokens, turned(corpus.tokens_in(there), size), interval)
        assert tokens.strand == "-"
    some = intervals[0]
    require_equal(tokenize_region(genome, some, corpus.encoder, strand="-"), each[0], some)


def test_what_decides_the_tokens_of_the_reverse_strand_stands_on_the_other_side(made_up, reversed_corpora):
    genome, (corpus, _) = made_up
    reverse = reversed_corpora[0].path.parent / "g.fa"
    for interval in random_intervals(genome.sizes, 100, seed=7):
        size = genome.sizes[interval.chrom]
        there = Interval(interval.chrom, size - interval.end, size - interval.start)
        here = tokenize_region(genome, interval, corpus.encoder, strand="-")
        other = tokenize_region(reverse, there, corpus.encoder)
        assert (here.bases_left, here.bases_right) == (other.bases_right, other.bases_left)


@pytest.mark.parametrize("which", [0, 1], ids=["merges of runs", "other merges"])
def test_tokens_of_any_region_are_those_of_the_whole_genome(made_up, which):
    genome, corpus = made_up[0], made_up[1][which]
    for interval in random_intervals(genome.sizes, 600, seed=which):
        require_equal(tokenize_region(genome, interval, corpus.encoder), corpus.tokens_in(interval), interval)


@pytest.mark.parametrize("strand", ["+", "-"])
def test_every_base_is_found_again_in_its_token(made_up, strand):
    genome, (corpus, _) = made_up
    # Lower case, N and R among them.
    encoder, letters = corpus.encoder, genome.fetch(Interval("gaps", 0, genome.sizes["gaps"]))
    bases = [Interval("gaps", place, place + 1) for place in range(len(letters))]
    each = tokenize_each(genome, bases, encoder, strand=strand)
    for place, (letter, found) in enumerate(zip(letters, each, strict=True)):
        if letter not in "ACGT":
            assert not len(found.input_ids)
            continue
        [token], [start], [end] = found.input_ids, found.starts, found.ends
        spelled = encoder.tokens[token] if strand == "+" else reverse_complement(encoder.tokens[token])
        assert spelled == letters[start:end]
        assert spelled[place - start] == letter


def test_what_is_said_to_decide_the_tokens_does_and_less_does_not(made_up):
    genome, (corpus, _) = made_up
    encoder, size = corpus.encoder, genome.sizes["runCA"]
    letters = genome.fetch(Interval("runCA", 0, size))
    rng = np.random.default_rng(0)
    for interval in [i for i in random_intervals(genome.sizes, 200, seed=3) if i.chrom == "runCA" and len(i)]:
        found = tokenize_region(genome, interval, encoder)
        first, last = interval.start - found.bases_left, interval.end + found.bases_right
        for _ in range(5):
            # Anything else around what is said to decide; at the ends of the record nothing.
            before = random_dna(int(rng.integers(0, 40)), seed=int(rng.integers(1 << 30))) if first else ""
            after = random_dna(int(rng.integers(0, 40)), seed=int(rng.integers(1 << 30))) if last < size else ""
            other = before + letters[first:last] + after
            encoding = encoder.encode_with_offsets(other)
            shift = first - len(before)
            overlap = (encoding.ends + shift > interval.start) & (encoding.starts + shift < interval.end)
            np.testing.assert_array_equal(encoding.input_ids[overlap], found.input_ids)
            np.testing.assert_array_equal(encoding.starts[overlap] + shift, found.starts)
        codes = base_codes(letters)
        for left, right in ((1, 0), (0, 1)):
            if (found.bases_left, found.bases_right)[right] == 0:
                continue
            part = codes[first + left : last - right]
            low = interval.start - first - left
            proven = tokens_of(encoder, part, (low, low + len(interval)), begins=False, ends=False)
            assert proven.outcome != PROVEN


def test_long_runs_ask_for_more_context_than_random_sequence(made_up):
    genome, (corpus, _) = made_up
    in_run = tokenize_region(genome, Interval("runA", 2_000, 2_010), corpus.encoder)
    outside = tokenize_region(genome, Interval("runA", 100, 110), corpus.encoder)
    assert in_run.bases_left > 300
    assert outside.bases_left < 100


def test_kmers_count_from_the_start_of_their_segment(made_up, tmp_path):
    genome, _ = made_up
    encoder = KmerEncoder(5)
    corpus = TokenizedGenome.build(genome, encoder, tmp_path / "kmers")
    for interval in random_intervals(genome.sizes, 300, seed=4):
        require_equal(tokenize_region(genome, interval, encoder), corpus.tokens_in(interval), interval)


def test_files_are_opened_and_what_is_not_there_is_refused(made_up, tmp_path):
    genome, (corpus, _) = made_up
    save_tokenizer(corpus.encoder, tmp_path / "tokenizer")
    interval = Interval("gaps", 1_000, 1_050, "-")
    found = tokenize_region(genome.path, interval, tmp_path / "tokenizer")
    require_equal(found, corpus.tokens_in(interval), interval)
    assert "tokens" in repr(found)
    with pytest.raises(InputError, match=r"strand is '\.'; it is '\+' or '-'"):
        tokenize_region(genome, interval, corpus.encoder, strand=".")
    for encoder in (corpus.encoder, KmerEncoder(3)):
        with pytest.raises(InputError, match="has no chromosome|chr9"):
            tokenize_region(genome, Interval("chr9", 0, 5), encoder)
        with pytest.raises(InputError, match="ends past gaps"):
            tokenize_region(genome, Interval("gaps", 0, 99_999), encoder)


def test_a_model_takes_the_tokens_of_a_region(write_fasta, tmp_path):
    from grover_hf.tokenization.merges import MergeTable
    from tests.tiny_models import MERGES

    path, encoder = write_fasta(f">c\n{random_dna(500)}\n"), GenomeEncoder(MergeTable(MERGES))
    dna = DnaModel.from_pretrained(save(tmp_path / "model", tiny_masked_model()), device="cpu")
    tokens = tokenize_region(path, Interval("c", 100, 130), encoder)
    vectors = dna.embed_tokens([tokens])[0]
    np.testing.assert_array_equal(vectors.starts, tokens.starts)
    assert len(vectors.vectors) == len(tokens.input_ids)


def test_trusted_tokens_of_a_loose_sequence_are_those_of_every_longer_one(made_up):
    encoder = made_up[1][0].encoder
    rng = np.random.default_rng(0)
    n_trusted = n_tokens = n_wrong = 0
    for number in range(60):
        sequence = random_dna(int(rng.integers(1, 120)), seed=number)
        if number % 3 == 0:
            sequence += "CA" * int(rng.integers(0, 60))
        if number % 5 == 0:
            sequence = sequence[:20] + "N" + sequence[20:]
        encoding, is_trusted = trusted(sequence, encoder)
        np.testing.assert_array_equal(encoding.input_ids, encoder.encode(sequence))
        stays = np.ones(len(is_trusted), np.bool_)
        for around in range(12):
            before, after = (
                random_dna(int(rng.integers(0, 30)), seed=1_000 * number + 2 * around + side) for side in (0, 1)
            )
            longer = encoder.encode_with_offsets(before + sequence + after)
            there = dict(zip(longer.starts - len(before), longer.input_ids, strict=True))
            stays &= [
                there.get(s) == i for s, i in zip(encoding.starts, encoding.input_ids, strict=True)
            ]
        assert not (is_trusted & ~stays).any(), sequence
        n_trusted += is_trusted.sum()
        n_tokens += len(stays)
        n_wrong += (~stays).sum()
    # Neither all nor none: some tokens at the ends do change.
    assert n_wrong > 20
    assert n_tokens / 3 < n_trusted < n_tokens


@pytest.mark.real_data
def test_tokens_of_ten_thousand_regions_of_hg19_are_those_of_the_whole_genome(real_data, tmp_path):
    genome = ReferenceGenome(real_data / "genome" / "hg19.sparse.fa.gz")
    corpus = TokenizedGenome.build(genome, GenomeEncoder(train_bpe(genome, 600)), tmp_path / "corpus")
    rng = np.random.default_rng(0)
    segments = corpus.segments[rng.choice(len(corpus.segments), 10_000)]
    intervals = []
    for number, start, end, _ in segments.tolist():
        chrom = corpus.chromosomes[number]
        first = int(rng.integers(max(0, start - 50), end))
        intervals.append(Interval(chrom, first, min(genome.sizes[chrom], first + int(rng.integers(20, 5_001)))))
    for interval, tokens in zip(intervals, tokenize_each(genome, intervals, corpus.encoder), strict=True):
        require_equal(tokens, corpus.tokens_in(interval), interval)
    with open(tmp_path / "reverse.fa", "w") as file:
        for chrom, size in genome.sizes.items():
            file.write(f">{chrom}\n{genome.fetch(Interval(chrom, 0, size, '-'))}\n")
    reverse = TokenizedGenome.build(ReferenceGenome(tmp_path / "reverse.fa"), corpus.encoder, tmp_path / "reverse")
    each = tokenize_each(genome, intervals, corpus.encoder, strand="-")
    for interval, tokens in zip(intervals, each, strict=True):
        size = genome.sizes[interval.chrom]
        there = Interval(interval.chrom, size - interval.end, size - interval.start)
        require_equal(tokens, turned(reverse.tokens_in(there), size), interval)


def test_lower_case_and_upper_case_are_one_sequence(made_up):
    encoder = made_up[1][0].encoder
    upper, lower = (trusted(text, encoder) for text in ("ACGTTGCATTAC" * 9, "acgttgcattac" * 9))
    np.testing.assert_array_equal(upper[0].input_ids, lower[0].input_ids)
    np.testing.assert_array_equal(upper[1], lower[1])
