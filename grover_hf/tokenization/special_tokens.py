"""The five special tokens and their ids, in one place (the ids of the published checkpoint)."""

SPECIAL_TOKENS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
PAD_ID, UNK_ID, CLS_ID, SEP_ID, MASK_ID = range(5)
N_SPECIAL = len(SPECIAL_TOKENS)

MAX_TOKENS = 510
"""Longest input in tokens without [CLS] and [SEP] (Methods, "The DLM GROVER")."""

MODEL_MAX_LENGTH = MAX_TOKENS + 2
