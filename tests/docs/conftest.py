"""What `grover quickstart` leaves, made in seconds: the pages and docstrings use it."""

import os
from pathlib import Path

import pytest
import torch
from transformers import BertForMaskedLM

from grover_hf import GenomeEncoder, MergeTable, ReferenceGenome, TokenizedGenome, grover_config, train_bpe
from grover_hf.genome.synthetic import simulate_genome
from grover_hf.tokenization.export import write_tokenizer_files
from tests.authors.stand_in import write_stand_in


@pytest.fixture(scope="session")
def quickstart(tmp_path_factory) -> Path:
    """The genome, vocabulary and tokens of a quickstart; its model has random weights."""
    folder = tmp_path_factory.mktemp("docs") / "quickstart"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GROVER_CACHE", str(folder.parent / "cache"))
        genome = ReferenceGenome(simulate_genome(folder / "simulated.fa"))
        merges = train_bpe(genome, n_cycles=600)
        merges.write(folder / "merges.txt")
        encoder = GenomeEncoder(merges)
        TokenizedGenome.build(genome, encoder, folder / "corpus")
    torch.manual_seed(0)
    BertForMaskedLM(grover_config(merges.vocab_size, "tiny")).save_pretrained(folder / "run" / "model")
    (folder / "tokenizer").mkdir()
    for name in ("tokenizer", "run/model"):
        write_tokenizer_files(encoder, folder / name)
    return folder


@pytest.fixture(scope="session")
def authors_files(quickstart) -> Path:
    """A folder laid out as the authors' repository, with the vocabulary of the quickstart."""
    return write_stand_in(quickstart.parent / "GROVER", MergeTable.read(quickstart / "merges.txt").merges)


@pytest.fixture
def beside_quickstart(quickstart, authors_files, tmp_path, monkeypatch) -> Path:
    """A working directory with the quickstart's folder in it, and one laid out as the authors' repository."""
    os.symlink(quickstart, tmp_path / "quickstart")
    os.symlink(authors_files, tmp_path / "GROVER")
    monkeypatch.chdir(tmp_path)
    return tmp_path
