"""Models that run in milliseconds: hidden 32, two layers, random weights that are far from each other."""

import numpy as np
import torch
from transformers import BertConfig, BertForMaskedLM, BertForSequenceClassification

from grover_hf.tokenization.merges import MergeTable

MERGES = (("T", "T"), ("A", "A"), ("T", "G"), ("C", "A"), ("TT", "TT"), ("A", "CA"), ("TG", "G"), ("AA", "TT"))
MAX_TOKENS = 16
"""Windows of 14 tokens, 10 apart."""


def tiny_tokenizer():
    return MergeTable(MERGES).to_tokenizer()


def tiny_config(vocab_size: int = 17, **changes) -> BertConfig:
    sizes = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
    return BertConfig(
        vocab_size=vocab_size, max_position_embeddings=MAX_TOKENS, pad_token_id=0, initializer_range=0.5, **sizes,
        **changes,
    )


def tiny_masked_model(**changes) -> BertForMaskedLM:
    torch.manual_seed(0)
    return BertForMaskedLM(tiny_config(**changes)).eval()


def tiny_classifier(**changes) -> BertForSequenceClassification:
    torch.manual_seed(1)
    labels = {"id2label": {0: "no promoter", 1: "weak", 2: "promoter"}, "num_labels": 3}
    return BertForSequenceClassification(tiny_config(**{**labels, **changes})).eval()


def save(folder, model, tokenizer=None):
    """Write a model's folder; return it."""
    model.save_pretrained(folder)
    (tokenizer or tiny_tokenizer()).save_pretrained(folder)
    return folder


def random_dna(n_bases: int, seed: int = 0) -> str:
    return "".join(np.random.default_rng(seed).choice(list("ACGT"), n_bases))
