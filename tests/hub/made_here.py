"""What is published in the tests: a run as a pretraining leaves it."""

import json

import torch
from transformers import BertForMaskedLM

from grover_hf.corpus.corpus_facts import GenomeFacts
from grover_hf.hub.cards import pretrained_card
from grover_hf.metrics.report import PretrainedModel, write_metrics
from grover_hf.model import grover_config
from grover_hf.tokenization.bpe_encoding import GenomeEncoder
from grover_hf.tokenization.export import write_tokenizer_files
from tests.made_up import dataset_identity, pretraining_report


def write_run(folder, merges, *, seed=0):
    """Write the folder of a pretraining of no step."""
    torch.manual_seed(seed)
    encoder = GenomeEncoder(merges)
    model = BertForMaskedLM(grover_config(len(encoder.tokens), "tiny"))
    model.save_pretrained(folder / "model")
    write_tokenizer_files(encoder, folder / "model")
    report = pretraining_report(
        model=PretrainedModel(size="tiny", parameters=model.num_parameters()), seed=seed,
        dataset=dataset_identity(
            name="genome-windows", sha256="ab" * 32, vocabulary_sha256=encoder.vocabulary_sha256,
            genome=GenomeFacts(name="sim.fa", sha256="cd" * 32),
        ),
    )
    write_metrics(folder, report)
    recipe = {"dataset": str(folder), "learning_rate": 4e-4, "max_steps": 0, "output": str(folder), "seed": seed}
    (folder / "model" / "README.md").write_text(pretrained_card(report, recipe, encoder.name, "ACGT[MASK]ACGT"))
    # What a training leaves beside it, and must not leave the house.
    (folder / "model" / "training_args.bin").write_bytes(b"pickled")
    (folder / "model" / "optimizer.lock").write_bytes(b"")
    (folder / "recipe.yaml").write_text(json.dumps(recipe))
    return folder
