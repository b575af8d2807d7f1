import pytest

from dataset_builders.build import prepare
from dataset_builders.genome_windows.builder import plan
from grover_hf.corpus.tokenized_genome import TokenizedGenome
from grover_hf.genome import ReferenceGenome
from grover_hf.tokenization.bpe_encoding import GenomeEncoder
from tests.training.launches import STOCK
from training.pretrain import PretrainRecipe
from training.runs.recipe import read_recipe


@pytest.fixture(scope="session")
def inputs(simulated_fasta, simulated_merges, tmp_path_factory):
    """A corpus, its windows and its tokenizer."""
    folder = tmp_path_factory.mktemp("inputs")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GROVER_CACHE", str(folder / "cache"))
        encoder = GenomeEncoder(simulated_merges)
        TokenizedGenome.build(ReferenceGenome(simulated_fasta), encoder, folder / "corpus")
        prepare(plan(folder / "corpus", split_by="window"), folder / "windows")
    return {"dataset": str(folder / "windows"), "tokenizer": str(folder / "corpus" / "tokenizer")}


@pytest.fixture
def recipe(inputs, tmp_path):
    """Return a recipe for some steps of the tiny model, from stock weights; keywords change it."""

    def make(**changes) -> PretrainRecipe:
        defaults = {
            **inputs, "output": str(tmp_path / "run"), "batch_size": 8, "per_device_batch_size": 4,
            "max_steps": 4, "warmup_steps": 1, "eval_windows": 8, "bf16": False, **STOCK,
        }
        return read_recipe(PretrainRecipe, "tiny_cpu", "pretrain", {**defaults, **changes})

    return make
