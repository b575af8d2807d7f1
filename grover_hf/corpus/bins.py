"""The whole genome in bins of 510 tokens, the longest input of BERT."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from grover_hf.corpus.tokenized_genome import TokenizedGenome
from grover_hf.genome.reference import choose_chromosomes
from grover_hf.tokenization.special_tokens import MAX_TOKENS


def genome_bins(corpus: TokenizedGenome, chromosomes: Sequence[str] | None = None) -> pd.DataFrame:
    """Return the bins of 510 tokens of a tokenized genome, the last of each segment with fewer.

    Returns:
        `chrom, start, end, strand, name`; strand and name are empty. A bin is the span of its tokens.

    Raises:
        InputError: If a chromosome is unknown.
    """
    chosen = set(choose_chromosomes(corpus.sizes, chromosomes, Path(corpus.shown)))
    chroms, starts, ends = [], [np.empty(0, np.int64)], [np.empty(0, np.int64)]
    for segment, (number, *_, first) in enumerate(corpus.segments.tolist()):
        if corpus.chromosomes[number] not in chosen:
            continue
        after_last = first + len(corpus.segment_ids(segment))
        places = corpus.starts_of(segment, np.append(np.arange(first, after_last, MAX_TOKENS), after_last))
        chroms += [corpus.chromosomes[number]] * (len(places) - 1)
        starts.append(places[:-1])
        ends.append(places[1:])
    columns = {"chrom": chroms, "start": np.concatenate(starts), "end": np.concatenate(ends)}
    return pd.DataFrame(columns).assign(strand=".", name="")
