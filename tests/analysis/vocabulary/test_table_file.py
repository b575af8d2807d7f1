import numpy as np
import pandas as pd
import pytest

from grover_hf.analysis.vocabulary.report import vocabulary_report
from grover_hf.analysis.vocabulary.table import kmer_frequencies
from grover_hf.corpus.tokenized_genome import TokenizedGenome
from grover_hf.errors import InputError
from grover_hf.genome import ReferenceGenome
from grover_hf.tokenization.bpe_encoding import GenomeEncoder
from grover_hf.tokenization.merges import MergeTable


def test_the_table_has_each_value_as_a_number_and_replaces_only_its_like(tmp_path):
    (tmp_path / "g.fa").write_text(">a\nTATATTACGTATTTATAACG\n")
    encoder = GenomeEncoder(MergeTable([("T", "A"), ("TA", "T")]))
    corpus = TokenizedGenome.build(ReferenceGenome(tmp_path / "g.fa"), encoder, tmp_path / "corpus")
    path = tmp_path / "table.csv"
    vocabulary_report(encoder, corpus, None, [2, 6], table=path)
    table = pd.read_csv(path, keep_default_na=False).set_index("quantity")
    assert float(table.loc["mean bases a token", "value"]) == 20 / corpus.input_ids.size
    assert float(table.loc["share of A and T in the bases", "value"]) == 16 / 20
    assert table.loc["CG is a token", ["ours", "value", "agrees"]].tolist() == ["no", "", "True"]
    # 6-mers alone have a range in the paper.
    counts = kmer_frequencies(corpus, 6)
    assert float(table.loc["tokens of the rarest 6-mer", "value"]) == np.min(counts)
    assert float(table.loc["tokens of the most frequent 6-mer", "value"]) == np.max(counts)
    assert not any("2-mer" in quantity and "rarest" in quantity for quantity in table.index)
    with pytest.raises(InputError, match="is there already"):
        vocabulary_report(encoder, corpus, None, [], table=path)
    vocabulary_report(encoder, None, None, [], table=path, overwrite=True)
    assert "mean bases a token" not in path.read_text()
    path.write_text("mine")
    with pytest.raises(InputError, match="this command did not make it"):
        vocabulary_report(encoder, corpus, None, [], table=path, overwrite=True)
