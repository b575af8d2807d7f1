"""Sequences and located tokens of any length as a model takes them: checked, in batches of windows.

A sequence is tokenized whole, because its tokens depend on their neighbours; the tokens, not the bases,
are then cut into windows (`windows`). Nothing is ever cut off. Tokens that a genome gives, with their
coordinates, are taken as they are.
"""

from collections.abc import Iterator, Sequence
from functools import cached_property
from itertools import pairwise
from typing import Any, NamedTuple, Protocol, cast

import numpy as np
from numpy.typing import NDArray

from grover_hf.errors import InputError
from grover_hf.genome.letters import BASES, normalized
from grover_hf.inference.input_rules import InputRules
from grover_hf.inference.windows import output_borders, window_starts
from grover_hf.tokenization.identity import require_same_vocabulary, vocabulary_sha256


class LocatedTokens(Protocol):
    """Tokens with their coordinates, such as `IntervalTokens` of a tokenized genome."""

    @property
    def input_ids(self) -> NDArray[np.integer]:
        """Shape (L,), without special tokens; masks are allowed where a method says so."""
    @property
    def starts(self) -> NDArray[np.integer]:
        """Lowest position of each token, ascending; of tokens whose `strand` is "-" descending. Shape (L,)."""
    @property
    def ends(self) -> NDArray[np.integer]:
        """Position after each token's highest, shape (L,)."""
    @property
    def vocabulary_sha256(self) -> str:
        """The digest of the vocabulary that the ids belong to."""


class Tokenized(NamedTuple):
    """A sequence as the model reads it."""

    text: str
    """What the tokens spell, in upper case; masks and unknown letters as they were given."""
    input_ids: NDArray[np.int64]
    """Shape (L,), without special tokens."""
    spells_bases: NDArray[np.bool_]
    """Which tokens do: not [UNK], masks and letters that stand for several bases. Shape (L,)."""
    starts: NDArray[np.int64]
    """Where tokens begin, in the text or the genome, shape (L,); empty where nobody asked."""
    ends: NDArray[np.int64]
    """Where they end, exclusive, shape (L,)."""
    runs: list[tuple[int, int]]
    """First and last token (exclusive) of each stretch without a gap. Windows do not cross gaps."""


class Window(NamedTuple):
    """A run of a sequence's tokens; those from `first` to `last`, counted from `start`, get their output here."""

    sequence: int
    start: int
    length: int
    first: int
    last: int


class Batch(NamedTuple):
    """Windows that the model takes together."""

    windows: list[Window]
    input_ids: NDArray[np.int64]
    """Shape (B, L), with special tokens and padding."""
    attention_mask: NDArray[np.int64]
    """Shape (B, L)."""
    first_column: int
    """Where the windows' own tokens begin, behind the special ones."""

    @property
    def owner(self) -> NDArray[np.int64]:
        """The sequence that each window belongs to, shape (B,)."""
        return np.array([window.sequence for window in self.windows])

    @property
    def share(self) -> NDArray[np.bool_]:
        """Which tokens get their output here, shape (B, L)."""
        token = np.arange(self.input_ids.shape[1]) - self.first_column
        first, last = (np.array([getattr(w, name) for w in self.windows])[:, None] for name in ("first", "last"))
        return (token >= first) & (token < last)


class SequenceReader:
    """From sequences and located tokens to batches of windows.

    Args:
        rules: What the model takes.
        tokenizer: Its tokenizer.
        max_batch_tokens: Most tokens in a batch, padding included; a batch has one window at least.
    """

    def __init__(self, rules: InputRules, tokenizer: Any, max_batch_tokens: int) -> None:
        self.rules = rules
        self.tokenizer = tokenizer
        self._max_batch_tokens = max_batch_tokens

    @cached_property
    def spells_bases(self) -> NDArray[np.bool_]:
        """Which ids spell bases, shape (V,)."""
        special = set(self.tokenizer.all_special_tokens)
        # By the letters: [UNK] and N are told from bases even where a tokenizer does not declare them.
        return np.array([
            bool(token) and token not in special and set(token.upper()) <= set(BASES) for token in self._tokens
        ])

    def read(
        self, inputs: Sequence[str | LocatedTokens], *, masks: bool = False, offsets: bool = False
    ) -> list[Tokenized]:
        """Return the tokens of each input.

        Args:
            inputs: Sequences as `letters.normalized` says, or located tokens.
            masks: Whether they may have masks.
            offsets: Whether to say where the tokens of sequences lie in them.

        Raises:
            InputError: If there is none; if one of them is not DNA, is shorter than any token, or is of
                another vocabulary; or if located tokens have ids or coordinates that cannot be.
        """
        if isinstance(inputs, str) or not hasattr(inputs, "__len__") or len(inputs) == 0:
            raise InputError("sequences is one str, or empty; give a list of one sequence or more.")
        loose = {number: given for number, given in enumerate(inputs) if not hasattr(given, "input_ids")}
        read = self._read_sequences(loose, masks=masks, offsets=offsets)
        for number, given in enumerate(inputs):
            if number not in loose:
                read[number] = self._read_located(cast(LocatedTokens, given), number, masks=masks)
        for number, tokens in read.items():
            if not tokens.spells_bases.any():
                raise InputError(
                    f"sequences[{number}] has no token that spells bases: it is shorter than the tokens of this "
                    "model, or empty."
                )
        return [read[number] for number in range(len(inputs))]

    def windows(self, read: list[Tokenized]) -> list[Window]:
        """Return the windows of all sequences, in their order."""
        windows = []
        for number, tokens in enumerate(read):
            for run_start, run_end in tokens.runs:
                n_tokens = run_end - run_start
                starts = window_starts(n_tokens, self.rules.window_tokens).tolist()
                borders = output_borders(n_tokens, self.rules.window_tokens).tolist()
                length = min(n_tokens, self.rules.window_tokens)
                for start, first, last in zip(starts, borders[:-1], borders[1:], strict=True):
                    windows.append(Window(number, run_start + start, length, first - start, last - start))
        return windows

    def batches(self, read: list[Tokenized], windows: list[Window]) -> Iterator[Batch]:
        """Yield windows of like length together, the longest first; those of one sequence stay in order."""
        waiting: list[Window] = []
        for window in sorted(windows, key=lambda window: -window.length):
            if waiting:
                longest = waiting[0].length
                full = (len(waiting) + 1) * (longest + self.rules.n_special) > self._max_batch_tokens
                full |= len(waiting) == self.rules.max_rows
                if full or (window.length < longest and not self.rules.pads):
                    yield self._batch(read, waiting)
                    waiting = []
            waiting.append(window)
        yield self._batch(read, waiting)

    def _read_sequences(self, sequences: dict[int, Any], *, masks: bool, offsets: bool) -> dict[int, Tokenized]:
        if not sequences:
            return {}
        mask_token = self.tokenizer.mask_token if masks else None
        texts = [normalized(given, f"sequences[{number}]", mask_token) for number, given in sequences.items()]
        encoded = self.tokenizer(
            texts, add_special_tokens=False, return_attention_mask=False, return_token_type_ids=False,
            return_offsets_mapping=offsets, verbose=False,
        )
        read = {}
        for row, (number, text) in enumerate(zip(sequences, texts, strict=True)):
            input_ids = np.array(encoded["input_ids"][row], np.int64)
            spans = encoded["offset_mapping"][row] if offsets else []
            starts, ends = np.array(spans, np.int64).reshape(-1, 2).T
            whole = [(0, len(input_ids))]
            read[number] = Tokenized(text, input_ids, self.spells_bases[input_ids], starts, ends, whole)
        return read

    def _read_located(self, tokens: LocatedTokens, number: int, *, masks: bool) -> Tokenized:
        what = f"sequences[{number}]"
        if missing := [name for name in ("starts", "ends", "vocabulary_sha256") if not hasattr(tokens, name)]:
            raise InputError(
                f"{what} has token ids without {missing[0]}; give a sequence, or tokens with coordinates such as "
                "TokenizedGenome.tokens_in gives."
            )
        require_same_vocabulary(
            tokens.vocabulary_sha256, self._vocabulary_sha256, what=what, other="the model's tokenizer"
        )
        given = [np.asarray(array) for array in (tokens.input_ids, tokens.starts, tokens.ends)]
        if any(array.dtype.kind not in "iu" and array.size for array in given):
            raise InputError(f"{what} has ids, starts or ends that are not integers.")
        input_ids, starts, ends = (array.astype(np.int64) for array in given)
        if not input_ids.shape == starts.shape == ends.shape == (input_ids.size,):
            raise InputError(f"{what} has {input_ids.shape} ids, {starts.shape} starts and {ends.shape} ends.")
        is_mask = input_ids == self.tokenizer.mask_token_id if masks else np.zeros(input_ids.size, bool)
        # Of a loose row: what stands for N, or for a tail shorter than a k-mer.
        is_mask |= input_ids == self.tokenizer.unk_token_id
        known = (input_ids >= 0) & (input_ids < self.spells_bases.size)
        spells_bases = self.spells_bases[np.where(known, input_ids, 0)] & known
        if odd := np.flatnonzero(~spells_bases & ~is_mask).tolist():
            raise InputError(f"{what} has the id {input_ids[odd[0]]}, which spells no bases, at token {odd[0]}.")
        reverse = getattr(tokens, "strand", "+") == "-"
        # Bases between a token and the next, in the order of reading.
        gaps = starts[:-1] - ends[1:] if reverse else starts[1:] - ends[:-1]
        if (ends <= starts).any() or (gaps < 0).any():
            order = "descending" if reverse else "ascending"
            raise InputError(f"{what} has tokens that are empty, overlap, or are not in {order} order.")
        differs = (ends - starts != self._lengths[np.where(is_mask, 0, input_ids)]) & ~is_mask
        if differs.any():
            token = int(differs.argmax())
            spelt = self._tokens[input_ids[token]]
            raise InputError(f"{what}: token {token} spans {starts[token]}-{ends[token]} and spells {spelt}.")
        borders = [0, *(np.flatnonzero(gaps) + 1).tolist(), input_ids.size]
        runs = [(first, last) for first, last in pairwise(borders) if first < last]
        text = "".join(self._tokens[token] for token in input_ids)
        return Tokenized(text, input_ids, spells_bases, starts, ends, runs)

    def _batch(self, read: list[Tokenized], windows: list[Window]) -> Batch:
        tokens = [read[w.sequence].input_ids[w.start : w.start + w.length] for w in windows]
        return Batch(windows, *self.rules.batch(tokens), len(self.rules.before))

    @cached_property
    def _tokens(self) -> list[str]:
        return [token or "" for token in self.tokenizer.convert_ids_to_tokens(range(len(self.tokenizer)))]

    @cached_property
    def _lengths(self) -> NDArray[np.int64]:
        return np.array([len(token) for token in self._tokens], np.int64)

    @cached_property
    def _vocabulary_sha256(self) -> str:
        return vocabulary_sha256(self._tokens)
