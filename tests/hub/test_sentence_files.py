"""A published model opens with sentence-transformers, by name, over HTTP and from the cache."""

import json

import numpy as np
import pytest
from transformers import BertForSequenceClassification

from grover_hf.genome import Interval, ReferenceGenome
from grover_hf.hub.publications import License, model_publication
from grover_hf.hub.publish import publish
from grover_hf.hub.sentence_files import SENTENCE_FILES
from grover_hf.inference.dna_model import DnaModel
from grover_hf.model import grover_config
from tests.hub.made_here import write_run

pytest.importorskip("sentence_transformers", reason="sentence-transformers is not installed")

EMBED = """
import json, sys
from sentence_transformers import SentenceTransformer
model = SentenceTransformer(sys.argv[1], device="cpu")
print(json.dumps([model.max_seq_length, model.encode(json.loads(sys.argv[2])).tolist()]))
"""


def cosine(one, other):
    return (one * other).sum(1) / np.linalg.norm(one, axis=1) / np.linalg.norm(other, axis=1)


@pytest.mark.slow
def test_sentence_transformers_opens_a_published_model_and_embeds_nearly_as_we_do(
    hub, repo_id, tmp_path, simulated_fasta, simulated_merges, in_fresh_process
):
    folder = write_run(tmp_path / "run", simulated_merges) / "model"
    publish(model_publication(folder, repo_id, License("cc-by-4.0")))
    genome = ReferenceGenome(simulated_fasta)
    chrom = genome.chromosomes[0]
    sequences = [genome.fetch(Interval(chrom, start, start + 300)) for start in range(50_000, 60_000, 1_000)]
    longest, vectors = in_fresh_process(EMBED, repo_id, json.dumps(sequences))
    assert longest == 512
    ours = DnaModel.from_pretrained(folder).embed(sequences)
    # It counts [CLS] and [SEP] too.
    assert (cosine(np.array(vectors), ours) > 0.99).all()
    hub.stop()
    assert in_fresh_process(EMBED, repo_id, json.dumps(sequences), offline=True) == [longest, vectors]


def test_a_classifier_published_over_it_takes_the_files_away(hub, repo_id, tmp_path, simulated_merges):
    folder = write_run(tmp_path / "run", simulated_merges) / "model"
    publish(model_publication(folder, repo_id, License("cc-by-4.0")))
    assert set(SENTENCE_FILES) <= hub.commits(repo_id)[-1].files.keys()
    BertForSequenceClassification(grover_config(609, "tiny")).save_pretrained(folder)
    publish(model_publication(folder, repo_id, License("cc-by-4.0")))
    assert not set(SENTENCE_FILES) & hub.commits(repo_id)[-1].files.keys()
