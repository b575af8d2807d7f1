"""The slow, obvious versions that the fast ones are held against."""

import itertools
import json

import numpy as np
import torch
from tokenizers import Tokenizer, models, trainers

from grover_hf._internals.counter_rng import keyed_uniform

BASES = "ACGT"


def merges_by_tokenizers(words: list[str], n_cycles: int) -> list[tuple[str, str]]:
    """Train with Hugging Face `tokenizers`, each word one piece."""
    tokenizer = Tokenizer(models.BPE())
    trainer = trainers.BpeTrainer(
        vocab_size=4 + n_cycles, show_progress=False, initial_alphabet=list(BASES)
    )
    tokenizer.train_from_iterator(words, trainer)
    return [tuple(merge) for merge in json.loads(tokenizer.to_str())["model"]["merges"]]


def encoder_by_tokenizers(table) -> Tokenizer:
    """Return the `tokenizers` model of a merge table, for sequences of A, C, G, T."""
    ids = {token: i for i, token in enumerate(table.tokens)}
    return Tokenizer(models.BPE(vocab=ids, merges=list(table.merges)))


def merges_by_definition(words: list[str], n_cycles: int) -> list[tuple[str, str]]:
    """Train by the rule as it is written: count all pairs, take the best, replace, repeat."""
    order = {base: i for i, base in enumerate(BASES)}
    sequences = [list(word) for word in words]
    merges = []
    for _ in range(n_cycles):
        counts = {}
        for tokens in sequences:
            for pair in itertools.pairwise(tokens):
                counts[pair] = counts.get(pair, 0) + 1
        if not counts:
            break
        best = min(counts, key=lambda pair: (-counts[pair], order[pair[0]], order[pair[1]]))
        merges.append(best)
        order["".join(best)] = len(order)
        sequences = [_merged(tokens, best) for tokens in sequences]
    return merges


def _merged(tokens, pair):
    out, i = [], 0
    while i < len(tokens):
        if tuple(tokens[i : i + 2]) == pair:
            out.append(tokens[i] + tokens[i + 1])
            i += 2
        else:
            out.append(tokens[i])
            i += 1
    return out


def masked_batch(examples, *, vocab_size, seed, p_select, p_mask, p_random):
    """Pad and mask a batch position by position: examples are (ids, epoch, number in the dataset)."""
    length = max(len(ids) for ids, _, _ in examples) + 2
    names = ("input_ids", "attention_mask", "labels")
    batch = {name: np.zeros((len(examples), length), np.int64) for name in names}
    batch["labels"][:] = -100
    for row, (ids, epoch, example) in enumerate(examples):
        n = len(ids)
        batch["input_ids"][row, : n + 2] = [2, *ids, 3]
        batch["attention_mask"][row, : n + 2] = 1
        column = np.arange(1, n + 1)
        choose, fate, replacement = (keyed_uniform(seed, epoch, example, column, purpose) for purpose in range(3))
        for i in range(n):
            if ids[i] < 5 or choose[i] >= p_select:
                continue
            batch["labels"][row, i + 1] = ids[i]
            if fate[i] < p_mask:
                batch["input_ids"][row, i + 1] = 4
            elif fate[i] < p_mask + p_random:
                batch["input_ids"][row, i + 1] = 5 + int(replacement[i] * (vocab_size - 5))
    return {name: torch.from_numpy(values) for name, values in batch.items()}
