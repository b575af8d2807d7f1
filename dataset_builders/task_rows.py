"""Rows of the tasks that have genome coordinates: which can be used, their split, their tokens.

A task makes a table `chrom, start, end, strand, label` (and columns of its own); this room drops
what the genome cannot answer for, counts it by reason, splits it, and adds `token_start, token_end,
sequence, input_ids` from the tokenized genome.
"""

import itertools
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import datasets
import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from grover_hf.corpus.splits import SPLITS, chromosome_split, overlapping_groups, random_split
from grover_hf.corpus.token_lookup import TokensOfEach
from grover_hf.corpus.tokenized_genome import TokenizedGenome
from grover_hf.errors import InputError, shorten
from grover_hf.genome.acgt import base_codes
from grover_hf.genome.annotations import require_same_names
from grover_hf.genome.letters import reverse_complement
from grover_hf.tokenization.encoding import Encoder
from grover_hf.tokenization.vocabulary import spelled

ROWS_A_TABLE = 10_000
BASES_A_TABLE = 1 << 29
"""Arrow's offsets of letters and tokens must fit 32 bits."""
_INTERVAL = ["chrom", "start", "end", "strand"]


def interval_features(class_names: Sequence[str], **extra: Any) -> datasets.Features:
    """Return the columns of a task with coordinates (`extra` between `input_ids` and `label`)."""
    text, position = datasets.Value("string"), datasets.Value("int64")
    return datasets.Features(
        {
            "chrom": text, "start": position, "end": position, "strand": text, "token_start": position,
            "token_end": position, "sequence": text, "input_ids": datasets.List(datasets.Value("uint16")),
            **extra, "label": datasets.ClassLabel(names=list(class_names)),
        }
    )


def usable_rows(
    corpus: TokenizedGenome, rows: pd.DataFrame, dropped: dict[str, int], *, source: str, sense: bool = False
) -> pd.DataFrame:
    """Return the rows that the tokenized genome covers, each sequence once, ordered by coordinate.

    Args:
        corpus: The tokenized genome.
        rows: With `chrom, start, end, strand`.
        dropped: Takes the number of rows dropped, by reason.
        source: Name of the file, for errors.
        sense: Whether an interval is read along its strand. Where it is not, the same interval on the
            other strand is the same sequence: a duplicate.

    Raises:
        InputError: If no chromosome is in the genome, or no row is left.
    """
    rows = rows.sort_values(_INTERVAL, kind="stable", ignore_index=True)
    require_same_names(rows["chrom"].tolist(), corpus.chromosomes, what=source, genome=corpus.shown)
    size = rows["chrom"].map(corpus.sizes)
    past = (rows["start"] < 0) | (rows["end"] > size)
    held = corpus.segments_holding(rows["chrom"], rows["start"].to_numpy(), rows["end"].to_numpy()) >= 0
    reasons = {
        "duplicate": rows.duplicated(_INTERVAL if sense else _INTERVAL[:3]).to_numpy(),
        "chromosome not in the genome": size.isna().to_numpy(),
        "past the end of the chromosome": past.to_numpy(),
        "overlaps N, or bases that no token covers": ~held,
    }
    left = np.ones(len(rows), bool)
    for reason, applies in reasons.items():
        dropped[reason] = dropped.get(reason, 0) + int((left & applies).sum())
        left &= ~applies
    if not left.any():
        lost = "; ".join(f"{reason}: {n}" for reason, n in dropped.items() if n)
        raise InputError(f"{source}: none of its {len(rows)} rows can be used in {corpus.shown} ({lost}).")
    return rows[left].reset_index(drop=True)


def split_of(
    rows: pd.DataFrame, keys: NDArray[np.uint64], *, by: str, seed: int, regions: pd.DataFrame | None = None
) -> NDArray[np.int64]:
    """Return the number of each row's split.

    Args:
        rows: With `chrom, start, end`.
        keys: Keys of the rows, for a split at random.
        by: "random"; "chromosome"; else rows that overlap, or whose regions do, stay together.
        seed: Another seed gives another split.
        regions: `chrom, start, end` of what must not be torn, row by row; the rows themselves if None.
    """
    if by == "random":
        return random_split(keys, seed=seed)
    if by == "chromosome":
        return chromosome_split(rows["chrom"], seed=seed)
    whole = rows if regions is None else regions
    groups = overlapping_groups(whole["chrom"], whole["start"].to_numpy(), whole["end"].to_numpy())
    return random_split(groups, seed=seed)


def split_generators(
    rows: pd.DataFrame, split: NDArray[np.integer], class_names: Sequence[str]
) -> list[datasets.SplitGenerator]:
    """Return a generator for each of train, validation and test, each with its `rows`.

    Raises:
        InputError: If a class is missing from a split: nothing could be trained, or scored.
    """
    classes = set(range(len(class_names)))
    generators = []
    for number, name in enumerate(SPLITS):
        chosen = rows[split == number]
        if missing := classes - set(chosen["label"]):
            raise InputError(
                f"The {name} split would have {len(chosen)} rows and none of class "
                f"{shorten([class_names[i] for i in sorted(missing)])}: too few rows, {len(rows)} in all and "
                f"{min((rows['label'] == i).sum() for i in classes)} of the rarest class. Are the files right?"
            )
        generators.append(datasets.SplitGenerator(name=name, gen_kwargs={"rows": chosen}))
    return generators


def count_classes(
    rows: pd.DataFrame, split: NDArray[np.integer], class_names: Sequence[str]
) -> dict[str, dict[str, int]]:
    """Return the number of rows by class and split, for the card."""
    return {
        title: {
            name: int(((rows["label"] == label) & (split == number)).sum()) for number, name in enumerate(SPLITS)
        }
        for label, title in enumerate(class_names)
    }


def in_slices(rows: pd.DataFrame) -> Iterator[tuple[int, pd.DataFrame]]:
    """Yield rows some thousands at a time, with the number of the first."""
    if "start" in rows:
        n_bases = (rows["end"] - rows["start"]).to_numpy()
    else:
        n_bases = rows["sequence"].str.len().to_numpy()
    parts = np.stack([np.arange(len(rows)) // ROWS_A_TABLE, np.cumsum(n_bases) // BASES_A_TABLE])
    borders = [0, *(np.flatnonzero(np.diff(parts).any(0)) + 1).tolist(), len(rows)]
    for first, last in itertools.pairwise(borders):
        if last > first:
            yield first, rows.iloc[first:last]


def in_context(corpus: TokenizedGenome, rows: pd.DataFrame) -> dict[str, Any]:
    """Return the columns of rows with the tokens of the genome that overlap each interval."""
    tokens = tokens_in_context(corpus, rows)
    return row_columns(rows, tokens, spelled_sequences(corpus.encoder, tokens))


def alone(encoder: Encoder, rows: pd.DataFrame, sequences: Sequence[str]) -> dict[str, Any]:
    """Return the columns of rows whose sequences are tokenized alone, cut out of the genome."""
    return row_columns(rows, tokens_alone(encoder, rows, sequences), pa.array(sequences, pa.string()))


def tokens_in_context(corpus: TokenizedGenome, rows: pd.DataFrame) -> TokensOfEach:
    """Return the tokens of the genome that overlap the interval of each row."""
    return corpus.tokens_in_each(rows["chrom"], rows["start"].to_numpy(), rows["end"].to_numpy())


def tokens_alone(encoder: Encoder, rows: pd.DataFrame, sequences: Iterable[str]) -> TokensOfEach:
    """Return the tokens of sequences that are tokenized alone; they span the intervals of the rows."""
    ids = tokenized_alone(encoder, sequences)
    return TokensOfEach(
        ids.values.to_numpy(), ids.offsets.to_numpy(), rows["start"].to_numpy(), rows["end"].to_numpy()
    )


def tokenized_alone(encoder: Encoder, sequences: Iterable[str]) -> pa.ListArray:
    """Return the token ids of sequences, each tokenized alone."""
    ids = [encoder.encode(str(sequence)) for sequence in sequences]
    return _list_column(np.concatenate(ids), np.cumsum([0, *map(len, ids)]))


def row_columns(rows: pd.DataFrame, tokens: TokensOfEach, sequences: pa.Array) -> dict[str, Any]:
    """Return the columns of rows, those of their tokens, and the sequences that these spell."""
    return {
        **{name: rows[name].to_numpy() for name in rows.columns},
        "token_start": tokens.token_starts,
        "token_end": tokens.token_ends,
        "sequence": sequences,
        "input_ids": _list_column(tokens.input_ids, tokens.offsets),
    }


def spelled_sequences(encoder: Encoder, tokens: TokensOfEach) -> pa.StringArray:
    """Return what the tokens of each row spell."""
    n_letters = np.cumsum(encoder.token_lengths[tokens.input_ids], dtype=np.int32)
    ends = np.concatenate([np.zeros(1, np.int32), n_letters])[tokens.offsets]
    letters = spelled(encoder.tokens, tokens.input_ids)
    return pa.StringArray.from_buffers(len(ends) - 1, pa.py_buffer(ends), pa.py_buffer(letters))


def sequences_of(corpus: TokenizedGenome, rows: pd.DataFrame, *, sense: bool) -> list[str]:
    """Return exactly the bases of each interval; with `sense`, of a "-" interval the reverse complement."""
    all_letters, first = _letters(corpus, rows)
    letters = all_letters.tobytes().decode()
    ends = first + (rows["end"] - rows["start"]).to_numpy()
    forward = [letters[a:b] for a, b in zip(first.tolist(), ends.tolist(), strict=True)]
    if not sense:
        return forward
    return [
        reverse_complement(sequence) if strand == "-" else sequence
        for sequence, strand in zip(forward, rows["strand"], strict=True)
    ]


def codes_of(corpus: TokenizedGenome, rows: pd.DataFrame) -> NDArray[np.uint8]:
    """Return the base codes of intervals of one length, each along its strand, shape (n, length)."""
    letters, first = _letters(corpus, rows)
    length = int((rows["end"] - rows["start"]).iloc[0])
    forward = base_codes(letters.tobytes())[first[:, None] + np.arange(length)]
    # A and T, C and G are as far from the ends of 0 to 3.
    reverse = (rows["strand"] == "-").to_numpy()[:, None]
    codes: NDArray[np.uint8] = np.where(reverse, 3 - forward[:, ::-1], forward)
    return codes


def _letters(corpus: TokenizedGenome, rows: pd.DataFrame) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Return what the tokens of all intervals spell, and where in it each interval begins, shape (n,)."""
    tokens = tokens_in_context(corpus, rows)
    letters = spelled(corpus.encoder.tokens, tokens.input_ids)
    spans = tokens.token_ends - tokens.token_starts
    return letters, np.cumsum(spans) - spans + rows["start"].to_numpy() - tokens.token_starts


def arrow_table(columns: dict[str, Any], features: datasets.Features) -> pa.Table:
    """Return the columns as a table with the types of the dataset."""
    return pa.table({name: columns[name] for name in features}, schema=features.arrow_schema)


def _list_column(values: NDArray[Any], offsets: NDArray[np.integer]) -> pa.ListArray:
    return pa.ListArray.from_arrays(pa.array(offsets.astype(np.int32)), pa.array(values))
