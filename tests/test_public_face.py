"""What somebody meets in a REPL: names, reprs, comparisons."""

import rlcompleter
import subprocess
import sys

import numpy as np
import pytest

import grover_hf
from grover_hf import (
    DnaModel,
    GenomeEncoder,
    Interval,
    KmerEncoder,
    MergeTable,
    ReferenceGenome,
    TokenizedGenome,
)
from tests.tiny_models import MERGES, random_dna, tiny_masked_model, tiny_tokenizer


def test_completion_shows_the_public_names_and_no_others():
    completer, shown = rlcompleter.Completer({"grover_hf": grover_hf}), []
    while name := completer.complete("grover_hf.", len(shown)):
        shown.append(name.removeprefix("grover_hf.").rstrip("("))
    assert sorted(shown) == sorted(grover_hf.__all__)
    assert dir(grover_hf) == sorted([*grover_hf.__all__, "__version__"])
    for name in grover_hf.__all__:
        assert getattr(grover_hf, name).__doc__, name


def test_the_package_is_imported_without_its_dependencies():
    heavy = "numpy", "numba", "torch", "transformers", "pandas"
    code = f"import sys, grover_hf; dir(grover_hf); print([name for name in {heavy} if name in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "[]\n"


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="has no attribute 'embed'"):
        grover_hf.embed  # noqa: B018


@pytest.fixture(scope="module")
def objects(tmp_path_factory):
    folder = tmp_path_factory.mktemp("face")
    names = [f"contig{i}" for i in range(50)]
    (folder / "g.fa").write_text("".join(f">{name}\n{random_dna(100, i)}\n" for i, name in enumerate(names)))
    merges = MergeTable(MERGES)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GROVER_CACHE", str(folder / "cache"))
        genome = ReferenceGenome(folder / "g.fa")
        corpus = TokenizedGenome.build(genome, GenomeEncoder(merges), folder / "corpus")
    dna = DnaModel(tiny_masked_model(), tiny_tokenizer())
    return {
        "interval": Interval("chr1", 3, 7, "-"),
        "merges": merges,
        "encoder": GenomeEncoder(merges),
        "kmers": KmerEncoder(6),
        "genome": genome,
        "corpus": corpus,
        "tokens": corpus.tokens_in(Interval("contig0", 3, 90)),
        "tokens of each": corpus.tokens_in_each(["contig0"], np.array([3]), np.array([90])),
        "encoding": GenomeEncoder(merges).encode_with_offsets("ACGTN" * 50),
        "model": dna,
        "vectors": dna.embed_tokens(["ACGT"])[0],
        "logits": dna.token_logits(["ACGT"])[0],
    }


SAYS = {
    "interval": "chr1",
    "merges": "8 merges, 17 token ids",
    "encoder": "bpe-8, 17 token ids",
    "kmers": "6, 4101 token ids",
    "genome": r"contig0, contig1, contig2, ... (50 in all); 5,000 bases",
    "corpus": "5,000 bases",
    "tokens": "tokens, 3-90",
    "tokens of each": "1 intervals",
    "encoding": "250 bases",
    "model": "BertForMaskedLM, 0.0 M parameters, 17 token ids, windows of 14 tokens",
    "vectors": "1 tokens",
    "logits": "1 tokens",
}


@pytest.mark.parametrize("name", SAYS)
def test_a_repr_is_one_line_that_says_what_a_thing_is(objects, name):
    shown = repr(objects[name])
    assert "\n" not in shown
    assert len(shown) < 200
    assert SAYS[name].replace("1 tokens", "tokens") in shown


@pytest.mark.parametrize("name", SAYS)
def test_things_can_be_compared_and_hashed(objects, name):
    one = objects[name]
    assert one == one
    assert one != object()
    assert isinstance(hash(one), int)
    assert one in {one}


def test_equal_vocabularies_and_intervals_are_equal():
    assert MergeTable(MERGES) == MergeTable(MERGES)
    assert hash(MergeTable(MERGES)) == hash(MergeTable(MERGES))
    assert Interval("chr1", 3, 7) == Interval("chr1", 3, 7) != Interval("chr1", 3, 7, "-")


def test_an_interval_prints_its_strand():
    assert str(Interval("chr1", 3, 7)) == "chr1:3-7(+)"
    assert str(Interval("chr1", 3, 7, "-")) == "chr1:3-7(-)"


@pytest.mark.parametrize("vocabulary", [MergeTable(MERGES), KmerEncoder(3)])
def test_the_tokenizer_of_a_vocabulary_gives_the_ids_of_its_encoder(vocabulary):
    encoder = GenomeEncoder(vocabulary) if isinstance(vocabulary, MergeTable) else vocabulary
    tokenizer = vocabulary.to_tokenizer()
    sequence = random_dna(301, 7)
    assert tokenizer(sequence, add_special_tokens=False).input_ids == encoder.encode(sequence).tolist()
    assert len(tokenizer) == len(encoder.tokens)
