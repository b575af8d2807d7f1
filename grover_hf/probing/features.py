"""Features of rows: embeddings of a model, of one with random weights, k-mers, GC content."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import sparse
from sklearn.feature_extraction.text import TfidfVectorizer
from transformers import AutoModel

from grover_hf._internals.progress import progress_bar
from grover_hf.baselines.documents import documents_of
from grover_hf.baselines.no_model import gc_shares
from grover_hf.inference.dna_model import DnaModel, Pooling
from grover_hf.tokenization.identity import vocabulary_sha256
from grover_hf.tokenization.kmer import KmerEncoder

Features = NDArray[np.float32] | sparse.csr_array
"""A row each, shape (n_rows, n_features)."""
_AT_ONCE = 2_000


class LooseTokens(NamedTuple):
    """Token ids of a row, which a model takes as they are, and where each lies in the row."""

    input_ids: NDArray[np.integer]
    starts: NDArray[np.int64]
    ends: NDArray[np.int64]
    vocabulary_sha256: str


def embeddings(
    dna: DnaModel, rows: Sequence[NDArray[np.integer]], *, layer: int, pooling: Pooling, what: str
) -> NDArray[np.float32]:
    """Return a vector for each row, shape (n_rows, H).

    Args:
        dna: The model.
        rows: Token ids of each row, of the model's vocabulary.
        layer: As for `DnaModel.embed`.
        pooling: As for `DnaModel.embed`.
        what: What the progress bar says.
    """
    tokens = [token or "" for token in dna.tokenizer.convert_ids_to_tokens(range(len(dna.tokenizer)))]
    vocabulary = vocabulary_sha256(tokens)
    # [UNK] stands for a base.
    n_bases = np.where(dna.reader.spells_bases, np.array(list(map(len, tokens))), 1)
    parts = []
    with progress_bar(total=len(rows), what=what) as bar:
        for first in range(0, len(rows), _AT_ONCE):
            some = []
            for ids in rows[first : first + _AT_ONCE]:
                ends = n_bases[ids].cumsum()
                some.append(LooseTokens(ids.astype(np.int64), ends - n_bases[ids], ends, vocabulary))
            parts.append(dna.embed(some, layer=layer, pooling=pooling))
            bar.update(len(some))
    return np.concatenate(parts)


def with_random_weights(dna: DnaModel, seed: int) -> DnaModel:
    """Return a model of the same architecture and vocabulary that has learnt nothing."""
    torch.manual_seed(seed)
    device: Any = dna.model.device
    return DnaModel(AutoModel.from_config(dna.model.config).to(device), dna.tokenizer)


def kmer_features(train: list[str], sequences: list[str], k: int) -> sparse.csr_array | None:
    """Return TF-IDF of overlapping k-mers, shape (n_sequences, n_words); None if no train row has one.

    Args:
        train: Whose words there are, and how much each weighs.
        sequences: To be described.
        k: Letters of a word.
    """
    documents, described = (documents_of(rows, KmerEncoder(k), 1) for rows in (train, sequences))
    if not any(documents):
        return None
    # The default pattern drops words of one letter.
    vectorizer = TfidfVectorizer(lowercase=False, token_pattern=r"\S+").fit(documents)
    found: sparse.csr_array = vectorizer.transform(described).astype(np.float32)
    return found


def gc_features(sequences: list[str]) -> NDArray[np.float32]:
    """Return GC content and its square, so that what lies between can be told, shape (n_rows, 2)."""
    share = gc_shares(sequences)
    return np.stack([share, share**2], 1).astype(np.float32)
