"""Where contexts come from: windows of a dataset's test split, or bins of a tokenized genome."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from grover_hf.analysis.vocabulary.table import vocabulary_of
from grover_hf.corpus.facts import choose_config
from grover_hf.corpus.row_choice import evenly_spaced_rows
from grover_hf.corpus.tokenized_genome import TokenizedGenome
from grover_hf.corpus.window_store import WindowStore, open_windows
from grover_hf.errors import InputError
from grover_hf.tokenization.encoding import Encoder
from grover_hf.tokenization.special_tokens import MAX_TOKENS, N_SPECIAL

_CHUNK_TOKENS = 1 << 20


@dataclass(frozen=True, eq=False)
class TokenWindows:
    """Some windows, and how often each type occurs where they come from."""

    source: str
    """What they are, in words, for figures and tables."""
    genome: str
    """Of which genome."""
    sha256: str
    """Digest of what they come from."""
    input_ids: NDArray[np.uint16]
    """Of all windows, one after another, shape (n_tokens,)."""
    borders: NDArray[np.int64]
    """Where in `input_ids` each begins, and the end, shape (n_windows + 1,)."""
    n_available: int
    """How many windows there are to choose from."""
    counts: NDArray[np.int64]
    """How often each id occurs in all of the tokenized genome, or in the windows of all splits, shape (V,)."""

    def __len__(self) -> int:
        return len(self.borders) - 1

    def rows(self, first: int, last: int) -> list[NDArray[np.uint16]]:
        """Return the windows from number `first` to `last`, exclusive."""
        return [self.input_ids[self.borders[i] : self.borders[i + 1]] for i in range(first, last)]


def dataset_windows(folder: Path, config: str | None, encoder: Encoder, n_windows: int) -> TokenWindows:
    """Return windows of the test split of a dataset that `grover build genome-windows` made, evenly spaced.

    Args:
        folder: Of the dataset.
        config: Its configuration; None for the default.
        encoder: The vocabulary that the ids must be of.
        n_windows: How many, or all if there are fewer.

    Raises:
        InputError: If it is not such a dataset, has no test split, or has another vocabulary.
    """
    name, facts = choose_config(folder, config)
    facts.require_vocabulary(encoder.vocabulary_sha256, what=str(folder), other=f"the tokenizer {encoder.name}")
    stores = open_windows(folder, facts)
    if not len(stores.get("test", ())):
        raise InputError(f"{folder} ({name}) has no test windows; it has {', '.join(stores) or 'nothing'}.")
    counts = sum(_counted(store.input_ids, encoder) for store in stores.values())
    genomes = ", ".join(genome.name for genome in facts.genomes_by_name.values())
    chosen = evenly_spaced_rows(len(stores["test"]), n_windows)
    input_ids, borders = _rows_of(stores["test"], chosen)
    source = f"{len(chosen):,} test windows of {genomes}"
    return TokenWindows(
        source, genomes, facts.sha256, input_ids, borders, len(stores["test"]), np.asarray(counts)
    )


def genome_bin_windows(corpus: TokenizedGenome, n_windows: int) -> TokenWindows:
    """Return bins of 510 tokens of a tokenized genome, evenly spaced; a model may have been trained on them.

    Args:
        corpus: The genome.
        n_windows: How many, or all if there are fewer. The last bin of each segment has fewer tokens.

    Examples:
        >>> from grover_hf import TokenizedGenome
        >>> from grover_hf.interpretation.token_vectors.token_windows import genome_bin_windows
        >>> windows = genome_bin_windows(TokenizedGenome.open("quickstart/corpus"), 20)
        >>> len(windows), windows.source
        (20, '20 bins of simulated.fa')
    """
    bins = [np.empty((0, 2), np.int64)]
    for segment, (*_, first) in enumerate(corpus.segments.tolist()):
        after_last = first + len(corpus.segment_ids(segment))
        starts = np.arange(first, after_last, MAX_TOKENS)
        bins.append(np.column_stack([starts, np.append(starts[1:], after_last)]))
    every = np.concatenate(bins)
    chosen = every[evenly_spaced_rows(len(every), n_windows)]
    of_types = vocabulary_of(corpus.encoder.tokens, corpus).counts
    assert of_types is not None
    return TokenWindows(
        f"{len(chosen):,} bins of {corpus.facts.genome.name}", corpus.facts.genome.name, corpus.facts.sha256,
        np.concatenate([corpus.input_ids[first:last] for first, last in chosen]),
        np.concatenate([[0], np.cumsum(chosen[:, 1] - chosen[:, 0])]), len(every),
        np.concatenate([np.zeros(N_SPECIAL, np.int64), of_types]),
    )


def evenly_spaced_contexts(input_ids: NDArray[np.uint16], most: int) -> NDArray[np.bool_]:
    """Return which tokens are contexts of their type: up to so many of each, evenly spaced, shape (n_tokens,).

    Args:
        input_ids: Shape (n_tokens,).
        most: Contexts of a type.

    Examples:
        >>> import numpy as np
        >>> from grover_hf.interpretation.token_vectors.token_windows import evenly_spaced_contexts
        >>> evenly_spaced_contexts(np.array([7, 7, 8, 7, 7, 7], np.uint16), 3).astype(int).tolist()
        [1, 0, 1, 1, 0, 1]
    """
    order = np.argsort(input_ids, kind="stable")
    _, first, n = np.unique(input_ids[order], return_index=True, return_counts=True)
    chosen = np.zeros(len(input_ids), np.bool_)
    for start, length in zip(first.tolist(), n.tolist(), strict=True):
        chosen[order[start + evenly_spaced_rows(length, most)]] = True
    return chosen


def _rows_of(store: WindowStore, chosen: NDArray[np.int64]) -> tuple[NDArray[np.uint16], NDArray[np.int64]]:
    pieces = [store.input_ids[store.borders[row] : store.borders[row + 1]] for row in chosen]
    return np.concatenate(pieces), np.concatenate([[0], np.cumsum(store.lengths[chosen])])


def _counted(input_ids: NDArray[np.uint16], encoder: Encoder) -> NDArray[np.int64]:
    counts = np.zeros(len(encoder.tokens), np.int64)
    for first in range(0, len(input_ids), _CHUNK_TOKENS):
        some = np.bincount(input_ids[first : first + _CHUNK_TOKENS], minlength=len(counts))
        if len(some) > len(counts):
            raise InputError(f"The windows have the id {len(some) - 1}, which {encoder.name} does not have.")
        counts += some
    return counts
