"""Vectors of token types, with what they are of."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from grover_hf.inference.dna_model import DnaModel
from grover_hf.inference.embeddings.static import static_embeddings

Kind = Literal["static", "output", "contextual_mean", "word2vec"]


@dataclass(frozen=True, eq=False)
class TokenVectors:
    """The vectors of those token types that are looked at, in the order of their ids."""

    kind: Kind
    """static: the rows of the model's input table, the paper's 'word_embeddings'; output: those of its output
    table, where that is another one; contextual_mean: means over contexts in a layer; word2vec."""
    layer: int | None
    """Of contextual means; 0 is what enters the first layer."""
    tokens: list[str]
    """Shape (n,)."""
    ids: NDArray[np.int64]
    """Ascending, shape (n,)."""
    counts: NDArray[np.int64]
    """Occurrences that a vector was made from; of tables, occurrences in the source. Shape (n,)."""
    vectors: NDArray[np.float32]
    """Shape (n, H)."""

    def __repr__(self) -> str:
        """Say what they are of, and how many there are."""
        return f"TokenVectors({self.name}, {len(self.ids)} types, vectors of {self.vectors.shape[1]})"

    @property
    def name(self) -> str:
        """What they are called in tables and files."""
        return self.kind if self.layer is None else f"{self.kind}_layer_{self.layer}"


def types_of(
    kind: Kind, table: NDArray[np.floating], tokens: list[str], counts: NDArray[np.int64],
    is_shown: NDArray[np.bool_], *, layer: int | None = None,
) -> TokenVectors:
    """Return the vectors of the types that are looked at.

    Args:
        kind: What the vectors are.
        table: A row for each id, shape (V, H).
        tokens: Every token, in the order of the ids, shape (V,).
        counts: Of each, shape (V,).
        is_shown: Which are looked at, shape (V,).
        layer: Of contextual means.
    """
    ids = np.flatnonzero(is_shown[: len(table)])
    return TokenVectors(
        kind, layer, [tokens[i] for i in ids], ids, counts[ids], np.ascontiguousarray(table[ids], np.float32)
    )


def static_vectors(dna: DnaModel, counts: NDArray[np.int64], is_shown: NDArray[np.bool_]) -> TokenVectors:
    """Return the rows of a model's input table.

    Args:
        dna: The model.
        counts: How often each type occurs, shape (V,).
        is_shown: Which types are looked at, shape (V,).

    Examples:
        >>> import numpy as np
        >>> from grover_hf import DnaModel
        >>> from grover_hf.interpretation.token_vectors.vectors import static_vectors
        >>> dna = DnaModel.from_pretrained("quickstart/run/model", device="cpu")
        >>> counts = np.ones(609, np.int64)
        >>> static_vectors(dna, counts, dna.reader.spells_bases)
        TokenVectors(static, 604 types, vectors of 128)
    """
    found = static_embeddings(dna)
    return types_of("static", found.vectors, found.tokens, counts, is_shown)


def output_vectors(dna: DnaModel, counts: NDArray[np.int64], is_shown: NDArray[np.bool_]) -> TokenVectors | None:
    """Return the rows of a model's output table, or None if it has none, or if that is its input table.

    Args:
        dna: The model.
        counts: How often each type occurs, shape (V,).
        is_shown: Which types are looked at, shape (V,).
    """
    head = dna.model.get_output_embeddings() if dna.has_head("ForMaskedLM") else None
    if head is None or head.weight.data_ptr() == dna.model.get_input_embeddings().weight.data_ptr():
        return None
    table = head.weight.detach().float().cpu().numpy()
    tokens = dna.tokenizer.convert_ids_to_tokens(list(range(len(dna.tokenizer))))
    return types_of("output", table, tokens, counts, is_shown)
