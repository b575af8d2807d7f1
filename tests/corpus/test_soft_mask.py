import io
import itertools

import numpy as np
import pytest

from grover_hf.corpus.soft_mask import SOFT_MASK_FILE, BitWriter, looked_up, mostly_covered, unpacked
from grover_hf.corpus.tokenized_genome import TokenizedGenome
from grover_hf.errors import InputError
from grover_hf.genome import ReferenceGenome
from grover_hf.tokenization.bpe_encoding import GenomeEncoder
from grover_hf.tokenization.kmer import KmerEncoder
from tests.tiny_models import random_dna


def test_a_token_is_covered_if_more_than_half_of_its_bases_are():
    rng = np.random.default_rng(0)
    for _ in range(300):
        n = int(rng.integers(1, 60))
        lower = rng.random(n) < rng.random()
        flags = np.concatenate([[False], lower, [False]]).astype(int)
        stretches = np.flatnonzero(np.diff(flags)).reshape(-1, 2)
        start = int(rng.integers(0, n))
        lengths, end = [], start
        while end < n:
            lengths.append(min(n - end, int(rng.integers(1, 9))))
            end += lengths[-1]
        borders = start + np.cumsum([0, *lengths])
        expected = [
            2 * lower[first:last].sum() > last - first for first, last in itertools.pairwise(borders)
        ]
        found = mostly_covered(start, np.array(lengths, np.uint16), stretches)
        assert found.tolist() == expected


def test_bits_that_were_written_in_pieces_are_read_again():
    rng = np.random.default_rng(0)
    values = rng.random(1_003) < 0.4
    file = io.BytesIO()
    writer = BitWriter(file)
    for part in np.split(values, np.sort(rng.integers(0, values.size, 40))):
        writer.add(part)
    writer.finish()
    assert (writer.n_values, writer.n_true) == (values.size, values.sum())
    bits = np.frombuffer(file.getvalue(), np.uint8)
    assert bits.size == 126
    for first, last in [(0, 1_003), (5, 5), (7, 9), (16, 24), (990, 1_003)]:
        assert unpacked(bits, first, last).tolist() == values[first:last].tolist()
    numbers = rng.integers(0, values.size, (4, 9))
    assert looked_up(bits, numbers).tolist() == values[numbers].tolist()


@pytest.fixture
def letters():
    """Two chromosomes with lower case, also of N, and N in both cases."""
    one = "".join(base.lower() if i // 37 % 3 == 0 else base for i, base in enumerate(random_dna(2_000, seed=1)))
    return {"a": one[:500] + "nnNN" + one[500:], "b": "n" * 9 + random_dna(300, seed=2)}


@pytest.mark.parametrize("encoder", ["bpe", "5-mers"])
def test_a_corpus_knows_which_tokens_are_lower_case(letters, encoder, simulated_merges, tmp_path):
    (tmp_path / "g.fa").write_text("".join(f">{name}\n{bases}\n" for name, bases in letters.items()))
    encoder = GenomeEncoder(simulated_merges) if encoder == "bpe" else KmerEncoder(5)
    corpus = TokenizedGenome.build(ReferenceGenome(tmp_path / "g.fa"), encoder, tmp_path / "corpus")
    expected = []
    for number, start, _, first in corpus.segments.tolist():
        segment = corpus.segment_ids(int(np.searchsorted(corpus.segments[:, 3], first)))
        for token in segment:
            spelled = letters[corpus.chromosomes[number]][start : start + len(encoder.tokens[token])]
            assert spelled.upper() == encoder.tokens[token]
            expected.append(2 * sum(map(str.islower, spelled)) > len(spelled))
            start += len(spelled)
    assert corpus.soft_masked(0, corpus.input_ids.size).tolist() == expected
    assert corpus.facts.n_soft_masked == sum(expected) > 50
    corpus.require_whole()
    path = corpus.path / SOFT_MASK_FILE
    path.write_bytes(bytes([path.read_bytes()[0] ^ 1]) + path.read_bytes()[1:])
    with pytest.raises(InputError, match="damaged or were changed"):
        TokenizedGenome.open(corpus.path).require_whole()
    path.unlink()
    with pytest.raises(InputError, match="it is incomplete"):
        TokenizedGenome.open(corpus.path)


def test_a_genome_without_lower_case_has_no_file_of_it(tmp_path):
    (tmp_path / "g.fa").write_text(f">a\n{random_dna(300)}nnn\n")
    corpus = TokenizedGenome.build(ReferenceGenome(tmp_path / "g.fa"), KmerEncoder(3), tmp_path / "corpus")
    assert not (corpus.path / SOFT_MASK_FILE).exists()
    assert corpus.facts.n_soft_masked is None
    with pytest.raises(InputError, match="does not say what is lower case"):
        corpus.soft_masked(0, 1)
