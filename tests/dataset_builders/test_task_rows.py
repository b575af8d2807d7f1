import numpy as np
import pandas as pd
import pytest

from dataset_builders import task_rows
from dataset_builders.task_rows import in_slices, spelled_sequences, tokens_in_context


@pytest.mark.parametrize("bases", [1, 40, 10**9])
def test_slices_hold_every_row_once_and_few_rows_and_bases(monkeypatch, bases):
    monkeypatch.setattr(task_rows, "ROWS_A_TABLE", 7)
    monkeypatch.setattr(task_rows, "BASES_A_TABLE", bases)
    lengths = np.sort(np.random.default_rng(0).integers(1, 30, 50))
    rows = pd.DataFrame({"start": 0, "end": lengths})
    found = list(in_slices(rows))
    assert pd.concat([some for _, some in found]).equals(rows)
    assert [first for first, _ in found] == [some.index[0] for _, some in found]
    assert all(len(some) <= 7 for _, some in found)
    assert all(len(some) == 1 or some["end"].sum() <= 2 * bases for _, some in found)
    assert list(in_slices(rows.iloc[:0])) == []


def test_sequences_are_the_tokens_strings_joined(corpora, start_sites):
    corpus = corpora["bpe-600"]
    rows = pd.DataFrame([(c, t - 40, t + 40) for c, t, _ in start_sites[:30]], columns=["chrom", "start", "end"])
    tokens = tokens_in_context(corpus, rows)
    for i, text in enumerate(spelled_sequences(corpus.encoder, tokens).to_pylist()):
        ids = tokens.input_ids[tokens.offsets[i] : tokens.offsets[i + 1]]
        assert text == "".join(corpus.encoder.tokens[j] for j in ids)
