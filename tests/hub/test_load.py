"""What was published is loaded by the usual one-liners: over HTTP, then with the Hub down, from the cache."""

from pathlib import Path

import pytest
import torch
from huggingface_hub import snapshot_download
from transformers import BertForSequenceClassification

from dataset_builders.build import prepare
from dataset_builders.genome_windows.builder import plan as plan_windows
from dataset_builders.prom300.builder import plan as plan_prom300
from grover_hf.corpus.tokenized_genome import TokenizedGenome
from grover_hf.genome import ReferenceGenome
from grover_hf.hub.publications import License, dataset_publication, model_publication
from grover_hf.hub.publish import publish
from grover_hf.model import grover_config
from grover_hf.tokenization.bpe_encoding import GenomeEncoder
from tests.hub import load_everything
from tests.hub.made_here import write_run

LICENSE = License("cc-by-4.0")
REPOS = {
    "masked": "grover/grover-bpe-600", "classifier": "grover/grover-promoters", "prom300": "grover/prom300",
    "windows": "grover/genome-windows",
}


@pytest.fixture
def folders(tmp_path, simulated_fasta, simulated_merges):
    """A masked model, a classifier and two datasets, one of them with two configurations."""
    folders = {name: tmp_path / name for name in REPOS}
    write_run(folders["masked"], simulated_merges)
    folders["masked"] /= "model"

    write_run(folders["classifier"], simulated_merges)
    folders["classifier"] /= "model"
    torch.manual_seed(1)
    model = BertForSequenceClassification(grover_config(609, "tiny", id2label={0: "other", 1: "promoter"}))
    model.save_pretrained(folders["classifier"])

    genome, encoder = ReferenceGenome(simulated_fasta), GenomeEncoder(simulated_merges)
    corpus = TokenizedGenome.build(genome, encoder, tmp_path / "corpus")
    sites = ((chrom, at) for chrom, size in corpus.sizes.items() for at in range(20_000, size - 1_000, 700))
    promoters = tmp_path / "promoters.bed"
    promoters.write_text("".join(f"{chrom}\t{at}\t{at + 1}\t.\t1\t{'+-'[at % 2]}\n" for chrom, at in sites))
    prepare(plan_prom300(corpus.path, promoters), folders["prom300"])
    prepare(plan_prom300(corpus.path, promoters, retokenized=True), folders["prom300"])
    prepare(plan_windows(corpus.path, split_by="window"), folders["windows"])
    return {name: str(folder) for name, folder in folders.items()}


def test_all_loads_over_http_and_again_with_the_hub_down_give_what_lies_here(hub, folders, in_fresh_process):
    for name, repo in REPOS.items():
        make = dataset_publication if name in ("prom300", "windows") else model_publication
        publish(make(folders[name], repo, LICENSE))
    commit = hub.commits(REPOS["masked"])[-1].oid
    hub.commit(REPOS["masked"], {"later.txt": b"a later commit"})

    script = Path(load_everything.__file__)
    expected = load_everything.load_everything(**folders)
    there = in_fresh_process(script, *REPOS.values(), commit)
    assert there == expected
    # `datasets` asks the viewer of the Hub for its own Parquet export, and goes on without an answer.
    assert all(url.startswith("http://datasets-server.127.0.0.1:") for url in hub.outside)
    hub.stop()
    del expected["streamed"], expected["configurations"]
    assert in_fresh_process(script, *REPOS.values(), commit, offline=True) == expected


def test_a_snapshot_of_a_revision_has_its_files_alone(hub, folders, tmp_path):
    repo = "grover/grover-snapshot"
    publish(model_publication(folders["masked"], repo, LICENSE))
    commit = hub.commits(repo)[-1].oid
    hub.commit(repo, {"later.txt": b"a later commit"})
    folder = Path(snapshot_download(repo, revision=commit))
    files = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert files == hub.commits(repo)[-2].files.keys()
    assert "later.txt" not in files
