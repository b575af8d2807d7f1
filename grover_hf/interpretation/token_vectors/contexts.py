"""One pass of a model over windows: sums of the vectors of each type in every layer, and what they say."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from grover_hf._internals.progress import progress_bar
from grover_hf.inference.dna_model import DnaModel
from grover_hf.inference.reader import Batch
from grover_hf.interpretation.token_vectors.token_windows import TokenWindows, evenly_spaced_contexts
from grover_hf.interpretation.token_vectors.vectors import TokenVectors, types_of
from grover_hf.probing.features import loose_tokens

MOST_CONTEXTS = 5_000
"""Contexts of a type (Methods, "Self-similarity": "Five thousand embeddings per token")."""
_WINDOWS_AT_ONCE = 512


@dataclass(frozen=True, eq=False)
class ContextSums:
    """Sums over the contexts of each type; layer 0 is what enters the first layer."""

    sums: NDArray[np.float64]
    """Of the vectors of all occurrences, shape (n_layers + 1, V, H)."""
    unit_sums: NDArray[np.float64]
    """Of the vectors, each divided by its length, of the chosen contexts; shape (n_layers + 1, V, H)."""
    all_unit_sum: NDArray[np.float64]
    """The same of all occurrences of all types together, shape (n_layers + 1, H)."""
    n_occurrences: NDArray[np.int64]
    """Shape (V,)."""
    n_contexts: NDArray[np.int64]
    """Of those, chosen for self-similarity; shape (V,)."""

    @property
    def self_similarity(self) -> NDArray[np.float64]:
        """Mean cosine of the contexts of a type, shape (n_layers + 1, V); NaN with fewer than two contexts."""
        return mean_cosine(self.unit_sums, self.n_contexts)

    @property
    def anisotropy(self) -> NDArray[np.float64]:
        """Mean cosine of any two tokens of the windows in each layer, shape (n_layers + 1,)."""
        return mean_cosine(self.all_unit_sum, self.n_occurrences.sum())

    def mean_vectors(self, layer: int, tokens: list[str], is_shown: NDArray[np.bool_]) -> TokenVectors:
        """Return the mean vector of each type that occurs in the windows.

        Args:
            layer: 0 is what enters the first layer, -1 what leaves the last.
            tokens: Every token, in the order of the ids, shape (V,).
            is_shown: Which types are looked at, shape (V,); those without an occurrence are left out.
        """
        n = self.n_occurrences
        means = self.sums[layer] / np.maximum(n, 1)[:, None]
        number = range(len(self.sums))[layer]
        return types_of("contextual_mean", means, tokens, n, is_shown & (n > 0), layer=number)


def mean_cosine(unit_sum: NDArray[np.floating], n: NDArray[np.int64] | np.int64) -> NDArray[np.float64]:
    """Return the mean cosine of all pairs of n vectors from the sum S of the vectors divided by their lengths.

    The sum of all n**2 cosines is |S|**2, and n of them are 1: the mean over pairs is (|S|**2 - n) / (n(n - 1)).
    It is the self-similarity of Ethayarajh (EMNLP 2019), without a loop over pairs.

    Args:
        unit_sum: S, shape (..., H).
        n: How many vectors it is of, shape (...).

    Returns:
        Shape (...), NaN where n is below 2.

    Examples:
        >>> import numpy as np
        >>> from grover_hf.interpretation.token_vectors.contexts import mean_cosine
        >>> units = np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 0.0]])
        >>> float(mean_cosine(units.sum(0), np.int64(3)))    # of three pairs, one is alike
        0.3333333333333333
    """
    square = np.square(unit_sum, dtype=np.float64).sum(-1)
    pairs = np.asarray(n * (n - 1), np.float64)
    mean = np.full(square.shape, np.nan)
    np.divide(square - n, pairs, out=mean, where=np.broadcast_to(n > 1, square.shape))
    return mean


def read_contexts(dna: DnaModel, windows: TokenWindows, *, most_contexts: int = MOST_CONTEXTS) -> ContextSums:
    """Run a model once over windows, and sum what it gives for each type in each layer.

    Memory: two sums of layers x V x H float64, 97 MB for a base model; and the layers of one batch.

    Args:
        dna: The model.
        windows: Windows of its own vocabulary.
        most_contexts: Contexts of a type for self-similarity, evenly spaced among its occurrences.
    """
    is_context = evenly_spaced_contexts(windows.input_ids, most_contexts)
    n_types = len(dna.tokenizer)
    n_layers, width = dna.model.config.num_hidden_layers + 1, dna.model.config.hidden_size
    options: dict[str, Any] = {"dtype": torch.float64, "device": dna.model.device}
    sums, unit_sums = (torch.zeros((n_layers, n_types, width), **options) for _ in range(2))
    all_unit_sum = torch.zeros((n_layers, width), **options)
    with progress_bar(total=len(windows), what="contexts", unit=" windows") as bar:
        for first in range(0, len(windows), _WINDOWS_AT_ONCE):
            last = min(first + _WINDOWS_AT_ONCE, len(windows))
            for batch, layers in _layers(dna, windows.rows(first, last)):
                row, column = np.nonzero(batch.share)
                ids = torch.from_numpy(batch.input_ids[row, column]).to(dna.model.device)
                begins = np.array([windows.borders[first + one.sequence] + one.start for one in batch.windows])
                chosen = torch.from_numpy(is_context[begins[row] + column - batch.first_column]).to(ids.device)
                for number, hidden in enumerate(layers):
                    vectors = hidden[torch.from_numpy(row), torch.from_numpy(column)].double()
                    units = torch.nn.functional.normalize(vectors, dim=1)
                    sums[number].index_add_(0, ids, vectors)
                    unit_sums[number].index_add_(0, ids[chosen], units[chosen])
                    all_unit_sum[number] += units.sum(0)
            bar.update(last - first)
    counted = (windows.input_ids, windows.input_ids[is_context])
    n_occurrences, n_contexts = (np.bincount(ids, minlength=n_types) for ids in counted)
    return ContextSums(
        sums=sums.cpu().numpy(), unit_sums=unit_sums.cpu().numpy(), all_unit_sum=all_unit_sum.cpu().numpy(),
        n_occurrences=n_occurrences, n_contexts=n_contexts,
    )


def _layers(
    dna: DnaModel, rows: list[NDArray[np.uint16]]
) -> Iterator[tuple[Batch, tuple[torch.Tensor, ...]]]:
    """Yield batches of windows with the vectors of every layer, each of shape (B, L, H)."""
    read = dna.reader.read(loose_tokens(dna, rows))
    for batch in dna.reader.batches(read, dna.reader.windows(read)):
        arrays = {"input_ids": batch.input_ids}
        if dna.reader.rules.takes_mask:
            arrays["attention_mask"] = batch.attention_mask
        inputs = {name: torch.from_numpy(array).to(dna.model.device) for name, array in arrays.items()}
        with torch.inference_mode():
            hidden = dna.model.base_model(**inputs, output_hidden_states=True).hidden_states
        yield batch, hidden
