"""The slow, obvious versions that the fast ones are held against."""

import itertools
import json

from tokenizers import Tokenizer, models, trainers

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
