import hashlib
import itertools
import json

import pytest
import typer
from typer.testing import CliRunner

from grover_hf.authors.known_files import KNOWN_FILES, KnownFile
from grover_hf.authors.verify import verify_tokenizer
from grover_hf.cli import authors as cli
from grover_hf.corpus.tokenized_genome import TokenizedGenome
from grover_hf.errors import InputError
from grover_hf.genome import ReferenceGenome
from grover_hf.tokenization.bpe_encoding import GenomeEncoder
from grover_hf.tokenization.export import save_tokenizer
from grover_hf.tokenization.kmer import KmerEncoder
from grover_hf.tokenization.merges import MergeTable
from tests.authors.stand_in import SPECIALS, tokenizer_content, write_stand_in


def known(text):
    return KnownFile(len(text), hashlib.sha256(text.encode()).hexdigest())


def vocab_txt(merges, bases="ACGT"):
    return "\n".join([*SPECIALS, *bases, *(left + right for left, right in merges)])


def tokenizer_json(merges):
    return json.dumps(tokenizer_content(merges), indent=2)


def as_the_paper_says():
    """600 merges made to meet every known value, in none of the authors' orders but for the first."""
    pairs = [("T", "T"), *itertools.product("A", "ACGT"), *itertools.product("T", "ACG"), ("C", "A"), ("G", "G")]
    two = ["".join(pair) for pair in pairs]
    fours = [*itertools.product(two[:8], two), ("CA", "AA"), ("CA", "TT")]
    four = ["".join(pair) for pair in fours]
    fives = [*itertools.product(four[80:], "ACGT"), *itertools.product(four[:80], "ACGT")][:213]
    named = [("ATTA", "CA"), ("TGTA", "AT"), ("TTTA", "GG"), ("CAAA", "AA"), ("CATT", "AA")]
    six = [*named, *(pair for pair in itertools.product(four[:80], two) if pair not in named)][:224]
    three = [("GG", "C"), *itertools.product(two[:8], "ACG")][:20]
    seven = [("TGTAAT", "C"), *((a + b, "T") for a, b in six[5:])][:42]
    long = [("ATTACA", "GGC"), ("TGTAATC", "C"), ("TGTAATCC", "CA"), ("TGTAATCCCA", "G"), ("TGTAATCCCAG", "C")]
    runs = [(base * n, base * n) for base in "AT" for n in (4, 8)]
    return (*pairs, *fours, *fives, *six, *three, *seven, *long, *runs)


@pytest.fixture
def write(tmp_path):
    """Write merges to a file and return its path."""

    def write(merges):
        MergeTable(tuple(merges)).write(tmp_path / "merges.txt")
        return tmp_path / "merges.txt"

    return write


def disagreeing(path, corpus=None):
    return [one.quantity for one in verify_tokenizer(path, corpus).findings if one.agrees is False]


DIGESTS = ["SHA-256 of vocab.txt", "SHA-256 of tokenizer.json"]


def test_all_that_is_known_can_hold_and_the_vocabulary_still_be_another(write):
    found = verify_tokenizer(write(as_the_paper_says()))
    assert [one.quantity for one in found.findings if one.agrees is False] == DIGESTS
    assert not found.identical
    assert found.verdict.startswith("differs: 16 of 18 values agree, and more can be compared with --corpus; ")
    assert "have 3,209 bases in all, the authors' 3,207 to 3,210" in found.verdict
    assert "Which merges differ cannot be said" in found.verdict


def swapped(merges):
    return (merges[1], merges[0], *merges[2:])


def with_last(*last):
    return lambda merges: (*(merge for merge in merges if merge[1] != "T" * 8), last)


@pytest.mark.parametrize(
    ("change", "quantities"),
    [
        (swapped, ["first merge"]),
        (lambda merges: merges[:-1], ["token ids", "bases of all merged types", "longest types", "A16 and T16"]),
        (with_last("C", "G"), ["CG is a token", "types of 2 bases", "share of possible 2-mers"]),
        (with_last("TGTAATCCCAGC", "C"), ["longest types", "A16 and T16"]),
    ],
)
def test_each_value_that_is_off_is_named(write, change, quantities):
    found = disagreeing(write(change(as_the_paper_says())))
    assert set(quantities) <= set(found)
    assert found[:2] == DIGESTS


@pytest.mark.parametrize(("n_fours", "agrees"), [(80, False), (81, True), (83, True), (84, False)])
def test_32_per_cent_of_256_are_81_to_83(write, n_fours, agrees):
    pairs = list(itertools.product("ACGT", repeat=2))
    fours = list(itertools.product(map("".join, pairs), repeat=2))[:n_fours]
    found = {one.quantity: one.agrees for one in verify_tokenizer(write([*pairs, *fours])).findings}
    assert found["types of 4 bases"] is found["share of possible 4-mers"] is agrees


@pytest.mark.parametrize("end", ["", "\n", "\n\n", "\n \n", '\n""'])
def test_the_authors_tokens_are_identical_however_their_file_ends(simulated_merges, write, monkeypatch, end):
    merges = simulated_merges.merges
    monkeypatch.setitem(KNOWN_FILES, "vocab.txt", known(vocab_txt(merges) + end))
    found = verify_tokenizer(write(merges))
    assert found.identical
    assert found.verdict.startswith("identical: tokens and ids are the authors'")
    assert "not shown" in found.verdict
    assert [one.agrees for one in found.findings[:2]] == [True, None]
    assert not verify_tokenizer(write(merges[:-1])).identical


def test_the_authors_merges_are_shown_by_tokenizer_json(simulated_merges, write, monkeypatch):
    merges = simulated_merges.merges
    monkeypatch.setitem(KNOWN_FILES, "vocab.txt", known(vocab_txt(merges) + "\n"))
    monkeypatch.setitem(KNOWN_FILES, "tokenizer.json", known(tokenizer_json(merges)))
    assert "and so are the merges" in verify_tokenizer(write(merges)).verdict
    # The same token of another pair: same tokens and ids, other merges.
    at, (left, right) = next(
        (i, (word[:1], word[1:])) for i, (a, b) in enumerate(merges) for word in [a + b]
        if len(a) > 1 and word[1:] in {c + d for c, d in merges[:i]}
    )
    other = verify_tokenizer(write([*merges[:at], (left, right), *merges[at + 1 :]]))
    assert other.identical
    assert "is not shown" in other.verdict


def test_the_inferred_layout_has_the_published_size_with_3207_bases():
    merges = as_the_paper_says()
    n_bases = sum(len(left + right) for left, right in merges)
    assert len(tokenizer_json(merges)) - 2 * (n_bases - 3_207) == KNOWN_FILES["tokenizer.json"].n_bytes


def test_their_own_file_is_identical(simulated_merges, tmp_path, monkeypatch):
    raw = write_stand_in(tmp_path / "raw", simulated_merges.merges)
    assert not verify_tokenizer(raw).identical
    monkeypatch.setitem(KNOWN_FILES, "tokenizer.json", known((raw / "tokenizer.json").read_text()))
    assert verify_tokenizer(raw).identical


def test_the_same_tokens_with_other_ids_are_told_apart(simulated_merges, write, monkeypatch):
    monkeypatch.setitem(KNOWN_FILES, "vocab.txt", known(vocab_txt(simulated_merges.merges, "ACTG")))
    found = verify_tokenizer(write(simulated_merges.merges))
    assert not found.identical
    assert found.verdict.startswith("differs in ids alone")
    assert "in the order ACTG, here ACGT" in found.verdict


def test_a_folder_and_its_merges_file_say_the_same(simulated_merges, write, tmp_path):
    save_tokenizer(GenomeEncoder(simulated_merges), tmp_path / "tokenizer")
    assert verify_tokenizer(tmp_path / "tokenizer") == verify_tokenizer(write(simulated_merges.merges))


def test_frequencies_are_judged_with_a_corpus(simulated_fasta, simulated_merges, write, tmp_path):
    genome, encoder = ReferenceGenome(simulated_fasta), GenomeEncoder(simulated_merges)
    corpus = TokenizedGenome.build(genome, encoder, tmp_path / "corpus")
    found = verify_tokenizer(write(simulated_merges.merges), corpus.path)
    judged = {one.quantity: one.agrees for one in found.findings}
    assert judged["types that occur"] is not None
    assert judged["median frequency of a type"] is False
    assert "--corpus" not in found.verdict
    with pytest.raises(InputError, match="has vocabulary"):
        verify_tokenizer(write(as_the_paper_says()), corpus.path)


def test_what_is_no_byte_pair_vocabulary_is_refused(tmp_path):
    save_tokenizer(KmerEncoder(4), tmp_path / "kmer")
    with pytest.raises(InputError, match="not a byte-pair encoding but WordLevel"):
        verify_tokenizer(tmp_path / "kmer")
    with pytest.raises(InputError, match="no merges file"):
        verify_tokenizer(tmp_path / "gone.txt")


def test_the_verb_prints_the_verdict_and_ends_with_3_or_0(simulated_merges, write, monkeypatch):
    app = typer.Typer()
    app.command()(cli.verify_tokenizer)
    path = str(write(simulated_merges.merges))
    done = CliRunner().invoke(app, [path])
    assert done.exit_code == 3
    assert "differs: " in done.output
    assert "types that start with A or T" in done.output
    monkeypatch.setitem(KNOWN_FILES, "vocab.txt", known(vocab_txt(simulated_merges.merges)))
    done = CliRunner().invoke(app, [path])
    assert done.exit_code == 0
    assert "identical: " in done.output
