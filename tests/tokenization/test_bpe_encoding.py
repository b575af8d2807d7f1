import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from grover_hf.errors import InputError
from grover_hf.genome import Interval, ReferenceGenome
from grover_hf.genome.acgt import base_codes, sequence_of
from grover_hf.tokenization.bpe_encoding import GenomeEncoder
from grover_hf.tokenization.bpe_training import train_bpe
from grover_hf.tokenization.merges import MergeTable
from tests.oracles import encoder_by_tokenizers


@pytest.fixture(scope="module")
def encoder(simulated_merges):
    return GenomeEncoder(simulated_merges)


@pytest.fixture(scope="module")
def oracle(simulated_merges):
    return encoder_by_tokenizers(simulated_merges)


def differing(encoder, oracle, sequences):
    return [s for s in sequences if encoder.encode(s).tolist() != oracle.encode(s).ids]


def test_all_strings_up_to_length_6(encoder, oracle):
    strings = ("".join(word) for n in range(1, 7) for word in itertools.product("ACGT", repeat=n))
    assert differing(encoder, oracle, strings) == []


def test_ten_thousand_random_strings_of_7_to_12(encoder, oracle):
    rng = np.random.default_rng(0)
    strings = [sequence_of(rng.integers(0, 4, int(n), np.uint8)) for n in rng.integers(7, 13, 10_000)]
    assert differing(encoder, oracle, strings) == []


@pytest.mark.parametrize("unit", range(1, 9))
def test_tandem_repeats(encoder, oracle, unit):
    rng = np.random.default_rng(unit)
    strings = []
    for n in rng.integers(1, 3_000, 40):
        exact = np.resize(rng.integers(0, 4, unit, np.uint8), n)
        mutated = np.where(rng.random(n) < 0.02, rng.integers(0, 4, n, np.uint8), exact)
        strings += [sequence_of(exact), sequence_of(mutated)]
    assert differing(encoder, oracle, strings) == []


@pytest.mark.parametrize("base", "ACGT")
def test_runs_longer_than_any_token(encoder, oracle, base):
    assert differing(encoder, oracle, [base * n for n in (1, 2, 31, 32, 33, 100, 1_001, 40_000)]) == []
    assert differing(encoder, oracle, ["G" + base * 9_999 + "GT", "CA" + base * 10_002]) == []


def test_long_random_sequence_of_every_remainder(encoder, oracle):
    # The passes work on pairs of bases and on quarters: 8 lengths meet every remainder.
    rng = np.random.default_rng(1)
    strings = [sequence_of(rng.integers(0, 4, n, np.uint8)) for n in range(50_000, 50_008)]
    assert differing(encoder, oracle, strings) == []


def random_table(rng, n_merges):
    """A table that no training gives: merges in any order, also ones that are never made."""
    tokens, merges = list("ACGT"), []
    while len(merges) < n_merges:
        left, right = rng.choice(len(tokens), 2)
        merged = tokens[left] + tokens[right]
        if merged not in tokens and len(merged) <= 12:
            merges.append((tokens[left], tokens[right]))
            tokens.append(merged)
    return MergeTable(tuple(merges))


@pytest.mark.parametrize("seed", range(20))
def test_any_merge_table_encodes_as_tokenizers_does(seed):
    rng = np.random.default_rng(seed)
    table = random_table(rng, int(rng.integers(1, 120)))
    strings = [sequence_of(rng.integers(0, 4, n, np.uint8)) for n in rng.integers(1, 300, 200)]
    strings += ["".join(rng.choice(table.tokens[5:], 30)) for _ in range(100)]
    assert differing(GenomeEncoder(table), encoder_by_tokenizers(table), strings) == []


def test_tables_of_repetitive_training_have_long_tokens_and_encode():
    table = train_bpe(["ACG" * 300 + "A" * 500], 18)
    assert max(map(len, table.tokens)) > 150
    strings = ["ACG" * n + "A" * m for n, m in ((1, 3_000), (999, 17), (1_700, 2_600))]
    assert differing(GenomeEncoder(table), encoder_by_tokenizers(table), strings) == []


@given(st.text("ACGTacgtNnRY-", max_size=200))
def test_tokens_spell_the_sequence_at_their_offsets(encoder, sequence):
    encoding = encoder.encode_with_offsets(sequence)
    upper = sequence.upper()
    assert encoding.starts.tolist() == [0, *encoding.ends.tolist()][: len(encoding.starts)]
    assert (encoding.ends[-1] if len(encoding.ends) else 0) == len(sequence)
    for token_id, start, end in zip(*encoding, strict=True):
        piece = upper[start:end]
        assert encoder.tokens[token_id] == (piece if set(piece) <= set("ACGT") else "[UNK]")


def test_letters_bytes_and_codes_give_the_same_uint16_ids(encoder):
    sequence = "ACGTTTTGNACcaGT"
    ids = encoder.encode(sequence)
    assert ids.dtype == np.uint16
    assert (ids == encoder.encode(sequence.encode())).all()
    assert (ids == encoder.encode(base_codes(sequence))).all()
    assert encoder.encode("").size == 0


def test_what_are_no_base_codes_is_refused(encoder):
    for array in (np.frombuffer(b"ACGT" * 9, np.uint8), np.array([0, 1]), np.array([5], np.uint8)):
        with pytest.raises(InputError, match="not a sequence of base codes"):
            encoder.encode(array)


def test_a_vocabulary_of_huge_repeats_is_refused_in_time():
    with pytest.raises(InputError, match="repeat themselves over thousands of bases"):
        GenomeEncoder(MergeTable(tuple(("A" * 2**n, "A" * 2**n) for n in range(14)))).encode("A")


def test_no_merges_leave_single_bases():
    assert GenomeEncoder(MergeTable(())).encode("ACGTN").tolist() == [5, 6, 7, 8, 1]


@pytest.mark.real_data
def test_real_sequence_encodes_as_tokenizers_does(real_data):
    genome = ReferenceGenome(real_data / "genome" / "hg38.islands.fa.gz")
    table = train_bpe(genome, 600)
    encoder, oracle = GenomeEncoder(table), encoder_by_tokenizers(table)
    for chrom in genome.chromosomes[:10]:
        piece = genome.fetch(Interval(chrom, 0, min(300_000, genome.sizes[chrom])))
        assert encoder.encode(piece).tolist() == oracle.encode(piece).ids
