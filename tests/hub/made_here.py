"""What is published in the tests: a run as a pretraining leaves it."""

import json

import torch
from transformers import BertForMaskedLM

from grover_hf.hub.cards import pretrained_card
from grover_hf.metrics.report import write_metrics
from grover_hf.model import grover_config
from grover_hf.tokenization.bpe_encoding import GenomeEncoder
from grover_hf.tokenization.export import write_tokenizer_files

METRICS = {
    "accuracy": 0.0213, "accuracy_top_10_percent": 0.31, "most_frequent_token": 0.01, "perplexity": 431.0,
    "share_of_vocabulary": 0.7, "bits_per_base": 2.01, "n_masked": 812.0,
}


def write_run(folder, merges, *, seed=0):
    """Write the folder of a pretraining of no step."""
    torch.manual_seed(seed)
    encoder = GenomeEncoder(merges)
    model = BertForMaskedLM(grover_config(len(encoder.tokens), "tiny"))
    model.save_pretrained(folder / "model")
    write_tokenizer_files(encoder, folder / "model")
    report = write_metrics(
        folder,
        {
            "task": "masked-token", "model": {"size": "tiny", "parameters": model.num_parameters()},
            "dataset": {
                "name": "genome-windows", "config": "bpe-600", "vocabulary_sha256": encoder.vocabulary_sha256,
                "sha256": "ab" * 32, "genome": {"name": "sim.fa", "sha256": "cd" * 32},
            },
            "split": "test", "n_windows": 40, "metrics": METRICS, "ci95": {}, "processes": 1, "seed": seed,
        },
    )
    recipe = {"dataset": str(folder), "learning_rate": 4e-4, "max_steps": 0, "output": str(folder), "seed": seed}
    (folder / "model" / "README.md").write_text(pretrained_card(report, recipe, encoder.name))
    # What a training leaves beside it, and must not leave the house.
    (folder / "model" / "training_args.bin").write_bytes(b"pickled")
    (folder / "model" / "optimizer.lock").write_bytes(b"")
    (folder / "recipe.yaml").write_text(json.dumps(recipe))
    return folder
