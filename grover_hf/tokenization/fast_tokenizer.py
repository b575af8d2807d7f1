"""Vocabularies as tokenizers of Hugging Face: the same ids as our encoders, on transformers 4 and 5."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors

from grover_hf.genome.letters import BASES
from grover_hf.tokenization.special_tokens import CLS_ID, MODEL_MAX_LENGTH, SEP_ID, SPECIAL_TOKENS

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

SPECIAL_NAMES = ("pad_token", "unk_token", "cls_token", "sep_token", "mask_token")
SETTINGS: dict[str, Any] = {
    **dict(zip(SPECIAL_NAMES, SPECIAL_TOKENS, strict=True)),
    "clean_up_tokenization_spaces": False,
    "model_max_length": MODEL_MAX_LENGTH,
    "padding_side": "right",
}
"""What `tokenizer_config.json` says of every tokenizer of ours."""

_ONE_LETTER = pre_tokenizers.Split(Regex(f"[^{BASES}]"), "isolated")
"""Each letter other than A, C, G, T is a word, and so one [UNK]."""


def bpe_backend(tokens: Sequence[str], merges: Sequence[tuple[str, str]]) -> Tokenizer:
    """Return the tokenizer of a byte-pair vocabulary.

    Args:
        tokens: In id order.
        merges: In the order learnt.
    """
    ids = {token: i for i, token in enumerate(tokens)}
    return _backend(models.BPE(vocab=ids, merges=list(merges), unk_token="[UNK]"), _ONE_LETTER)


def kmer_backend(tokens: Sequence[str], k: int) -> Tokenizer:
    """Return the tokenizer of non-overlapping k-mers; the tail of a sequence is one [UNK].

    Args:
        tokens: In id order.
        k: Bases a token.
    """
    ids = {token: i for i, token in enumerate(tokens)}
    kmer = pre_tokenizers.Split(Regex(f"[{BASES}]{{{k}}}"), "isolated")
    return _backend(models.WordLevel(vocab=ids, unk_token="[UNK]"), pre_tokenizers.Sequence([_ONE_LETTER, kmer]))


def as_pretrained(backend: Tokenizer) -> PreTrainedTokenizerFast:
    """Return the tokenizer of transformers around one of tokenizers."""
    from transformers import PreTrainedTokenizerFast

    return PreTrainedTokenizerFast(tokenizer_object=backend, **SETTINGS)


def first_difference(
    one: Tokenizer, other: Tokenizer, words: Sequence[str], *, n_sequences: int, any_case: bool
) -> tuple[str, list[int], list[int]] | None:
    """Return a sequence to which two tokenizers give different ids, with both; None if they agree on all.

    Args:
        one: A tokenizer.
        other: Another one.
        words: The tokens that spell bases.
        n_sequences: How many random sequences to try beside the tokens themselves: over A, C, G, T and N,
            and of tokens one after another, which merge more.
        any_case: Whether to try them in lower case too.
    """
    repeats = [unit * 40 for unit in (*BASES, "AC", "AG", "AT", "CG", "CT", "GT")]
    sequences = ["[MASK]A", "ACGT ACGT", *words, *repeats, *_random_sequences(words, n_sequences)]
    if any_case:
        sequences += [sequence.lower() for sequence in sequences[1:]]
    ids_of_one, ids_of_other = ([found.ids for found in each.encode_batch(sequences)] for each in (one, other))
    pairs = zip(sequences, ids_of_one, ids_of_other, strict=True)
    return next(((sequence, ids, others) for sequence, ids, others in pairs if ids != others), None)


def _random_sequences(words: Sequence[str], n_sequences: int) -> list[str]:
    rng = np.random.default_rng(0)
    of_letters = ["".join(rng.choice([*BASES, "N"], rng.integers(1, 200))) for _ in range(n_sequences // 2)]
    of_words = ["".join(rng.choice([*words, "N"], rng.integers(1, 50))) for _ in range(n_sequences // 2)]
    return [*of_letters, *of_words]


def _backend(model: models.Model, split: pre_tokenizers.PreTokenizer) -> Tokenizer:
    tokenizer = Tokenizer(model)
    # tokenizers has no upper-case normalizer.
    tokenizer.normalizer = normalizers.Sequence([normalizers.Replace(base.lower(), base) for base in BASES])
    tokenizer.pre_tokenizer = split
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS]:0 $A:0 [SEP]:0",
        pair="[CLS]:0 $A:0 [SEP]:0 $B:1 [SEP]:1",
        special_tokens=[("[CLS]", CLS_ID), ("[SEP]", SEP_ID)],
    )
    tokenizer.decoder = decoders.Fuse()
    tokenizer.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in SPECIAL_TOKENS])
    return tokenizer
