"""Static embeddings: the vector that each token has before any context, from the model's first table."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from grover_hf.inference.dna_model import DnaModel


class StaticEmbeddings(NamedTuple):
    """The tokens of a model and their vectors, in the order of the ids."""

    tokens: list[str]
    """Special ones too, shape (V,)."""
    vectors: NDArray[np.float32]
    """Shape (V, H)."""


def static_embeddings(dna: DnaModel) -> StaticEmbeddings:
    """Return the vector of each token as the model's embedding table has it; positions and layers add to it.

    Examples:
        >>> from grover_hf import DnaModel
        >>> from grover_hf.inference.embeddings.static import static_embeddings
        >>> static = static_embeddings(DnaModel.from_pretrained("quickstart/run/model", device="cpu"))
        >>> static.tokens[5:8], static.vectors.shape
        (['A', 'C', 'G'], (609, 128))
    """
    tokens = dna.tokenizer.convert_ids_to_tokens(list(range(len(dna.tokenizer))))
    weights = dna.model.get_input_embeddings().weight.detach().float().cpu().numpy()
    # A model may have more rows than there are tokens, and the authors' has one fewer.
    n_rows = min(len(tokens), len(weights))
    return StaticEmbeddings(tokens[:n_rows], weights[:n_rows])
