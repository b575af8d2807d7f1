import numpy as np
import pandas as pd
import pytest
from datasets import Dataset
from transformers import pipeline

import grover_hf.inference.pipeline  # noqa: F401
from grover_hf.errors import InputError
from grover_hf.inference.dna_model import DnaModel
from tests.tiny_models import random_dna, save, tiny_masked_model

LONG = random_dna(200)
SEQUENCES = [LONG, "acgttg", random_dna(60, seed=2), "A"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return save(tmp_path_factory.mktemp("model"), tiny_masked_model())


@pytest.fixture(scope="module")
def embed(folder):
    return pipeline("dna-embedding", model=str(folder), device="cpu")


@pytest.fixture(scope="module")
def dna(folder):
    return DnaModel.from_pretrained(folder, device="cpu")


def test_the_pipeline_gives_the_embeddings_of_the_package(embed, dna):
    expected = dna.embed(SEQUENCES)
    assert np.array_equal(np.array(embed(SEQUENCES)), expected)
    assert np.array_equal(embed(LONG), dna.embed([LONG])[0])
    assert embed(LONG).dtype == np.float32


@pytest.mark.parametrize("parameters", [{"pooling": "cls"}, {"layer": 1}, {"pooling": "mean", "layer": 0}])
def test_parameters_of_a_call_and_of_the_pipeline_are_those_of_the_package(embed, dna, folder, parameters):
    expected = dna.embed(SEQUENCES, **parameters)
    assert np.array_equal(np.array(embed(SEQUENCES, **parameters)), expected)
    made_so = pipeline("dna-embedding", model=str(folder), device="cpu", **parameters)
    assert np.array_equal(np.array(made_so(SEQUENCES)), expected)
    assert not np.allclose(expected, embed(SEQUENCES), atol=1e-3)


def test_tokens_come_with_their_offsets(embed, dna):
    [ours] = dna.embed_tokens(["acg[MASK]ttN"], layer=1)
    theirs = embed("acg[MASK]ttN", pooling="token", layer=1)
    for name in ("input_ids", "vectors", "starts", "ends"):
        assert np.array_equal(getattr(theirs, name), getattr(ours, name))
    assert len(embed(["ACG", "TT"], pooling="token")) == 2


@pytest.mark.parametrize("batch_size", [1, 3, 100])
def test_batch_size_changes_nothing_but_the_speed(embed, dna, batch_size):
    np.testing.assert_allclose(embed(SEQUENCES, batch_size=batch_size), dna.embed(SEQUENCES), rtol=0, atol=1e-5)


def test_columns_of_tables_are_sequences_too(embed, dna):
    expected = dna.embed(SEQUENCES)
    table = pd.DataFrame({"sequence": SEQUENCES})
    for column in (table["sequence"], Dataset.from_pandas(table)["sequence"], tuple(SEQUENCES)):
        assert np.array_equal(np.array(embed(column)), expected)
    assert embed([]) == []


def test_an_error_counts_over_the_whole_list(embed):
    with pytest.raises(InputError, match=r"sequences\[70\] has 'X'"):
        embed(["ACGTA"] * 70 + ["XX"])


def test_a_generator_is_read_as_it_goes(embed, dna):
    taken = []

    def sequences():
        for sequence in SEQUENCES:
            taken.append(sequence)
            yield sequence

    results = embed(sequences(), batch_size=2)
    np.testing.assert_allclose(next(iter(results)), dna.embed([LONG])[0], rtol=0, atol=1e-5)
    assert len(taken) < len(SEQUENCES)


def test_the_checkpoint_is_opened_without_new_weights(folder, caplog):
    made = pipeline("dna-embedding", model=str(folder), device="cpu")
    assert type(made.model).__name__ == "BertForMaskedLM"
    assert "newly initialized" not in caplog.text


def test_wrong_parameters_and_sequences_are_refused(embed):
    with pytest.raises(InputError, match="knows no truncation; it takes pooling, layer and batch_size"):
        embed(LONG, truncation=True)
    with pytest.raises(InputError, match=r"sequences\[1\] has 'U' at position 3"):
        embed(["ACGT", "ACGU"])
    with pytest.raises(InputError, match="no pooling 'max'"):
        embed(LONG, pooling="max")
