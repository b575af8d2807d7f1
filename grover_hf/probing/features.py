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
MODEL, RANDOM, GC = "model", "random weights", "GC content"
"""What features are called beside each other."""
_AT_ONCE = 2_000


class LooseTokens(NamedTuple):
    """Token ids of a row, which a model takes as they are, and where each lies in the row."""

    input_ids: NDArray[np.integer]
    starts: NDArray[np.int64]
    ends: NDArray[np.int64]
    vocabulary_sha256: str


def loose_tokens(dna: DnaModel, rows: Sequence[NDArray[np.integer]]) -> list[LooseTokens]:
    """Return token ids of rows as a model takes them, each row from its own position 0 on.

    Args:
        dna: The model.
        rows: Token ids of each row, of the model's vocabulary.
    """
    tokens = [token or "" for token in dna.tokenizer.convert_ids_to_tokens(range(len(dna.tokenizer)))]
    vocabulary = vocabulary_sha256(tokens)
    # [UNK] stands for a base.
    n_bases = np.where(dna.reader.spells_bases, np.array(list(map(len, tokens))), 1)
    found = []
    for ids in rows:
        ends = n_bases[ids].cumsum()
        found.append(LooseTokens(ids.astype(np.int64), ends - n_bases[ids], ends, vocabulary))
    return found


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
    parts = []
    with progress_bar(total=len(rows), what=what) as bar:
        for first in range(0, len(rows), _AT_ONCE):
            some = loose_tokens(dna, rows[first : first + _AT_ONCE])
            parts.append(dna.embed(some, layer=layer, pooling=pooling))
            bar.update(len(some))
    return np.concatenate(parts)


def with_random_weights(dna: DnaModel, seed: int) -> DnaModel:
    """Return a model of the same architecture and vocabulary that has learnt nothing."""
    torch.manual_seed(seed)
    device: Any = dna.model.device
    return DnaModel(AutoModel.from_config(dna.model.config).to(device), dna.tokenizer)


def mean_vectors(table: NDArray[np.floating], rows: Sequence[NDArray[np.integer]]) -> NDArray[np.float32]:
    """Return the mean of the vectors of each row's tokens, whatever their order, shape (n_rows, H).

    Args:
        table: A vector for each id, shape (V, H); NaN for ids without one, which count in no mean. A row of such
            ids alone has zeros.
        rows: Token ids of each row.
    """
    is_known = ~np.isnan(table).any(1)
    known = [ids[is_known[ids]] for ids in rows]
    n = np.array([len(ids) for ids in known])
    owner, ids = np.repeat(np.arange(len(rows)), n), np.concatenate(known)
    counts = sparse.csr_array((1 / n[owner], (owner, ids)), shape=(len(rows), len(table)))
    means: NDArray[np.float32] = (counts @ np.where(is_known[:, None], table, 0)).astype(np.float32)
    return means


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
