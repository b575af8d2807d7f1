"""Load models and datasets by the usual one-liners, and print digests of what came as JSON.

The arguments are names of repos, or folders: a masked model, a classifier, Prom300, windows, and a revision of
the first or nothing. With HF_HUB_OFFLINE=1 nothing is streamed or listed, which needs the Hub, and the default
configuration is named: of several in its cache `datasets` does not know which it was.
"""

import hashlib
import json
import os
import sys

import numpy as np
import torch
from datasets import get_dataset_config_names, load_dataset
from transformers import (
    AutoModel,
    AutoModelForMaskedLM,
    AutoModelForSequenceClassification,
    AutoTokenizer,
    pipeline,
)

SEQUENCE = "acgtNNTTAGGGTTAGGGATTACAGGC" * 4
MASKED = "ATTACAGGCATGAGCCACC[MASK]GCCTGGCC"


def digest(values):
    return hashlib.sha256(np.ascontiguousarray(values).tobytes()).hexdigest()


def digest_of_rows(splits):
    return {name: hashlib.sha256(json.dumps(list(rows)).encode()).hexdigest() for name, rows in splits.items()}


def first_output(auto_class, name, **options):
    model = auto_class.from_pretrained(name, **options).eval()
    with torch.inference_mode():
        return digest(model(torch.arange(30)[None])[0].numpy())


def load_everything(masked, classifier, prom300, windows, revision=None, *, offline=False):
    tokenizer = AutoTokenizer.from_pretrained(masked, revision=revision)
    vectors = pipeline("feature-extraction", model=masked)(SEQUENCE, return_tensors=True)
    return {
        "tokenizer": [type(tokenizer).__name__, len(tokenizer), tokenizer(SEQUENCE)["input_ids"]],
        "masked": first_output(AutoModelForMaskedLM, masked, revision=revision),
        "base": first_output(AutoModel, masked),
        "classifier": first_output(AutoModelForSequenceClassification, classifier),
        "fill-mask": [answer["token_str"] for answer in pipeline("fill-mask", model=masked)(MASKED)],
        "feature-extraction": [list(vectors.shape), digest(vectors.numpy())],
        "text-classification": pipeline("text-classification", model=classifier)(SEQUENCE)[0]["label"],
        "default": digest_of_rows(load_dataset(prom300, "bpe-600" if offline else None)),
        "retokenized": digest_of_rows(load_dataset(prom300, "bpe-600.retokenized")),
        "windows": digest_of_rows(load_dataset(windows, "bpe-600")),
    } | ({} if offline else {
        "streamed": digest_of_rows(load_dataset(windows, "bpe-600", streaming=True)),
        "configurations": sorted(get_dataset_config_names(prom300)),
    })


if __name__ == "__main__":
    print(json.dumps(load_everything(*sys.argv[1:], offline=os.environ["HF_HUB_OFFLINE"] == "1")))
