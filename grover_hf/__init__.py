"""DNA language models of the GROVER kind: from a FASTA file to a model that AutoModel loads.

The rooms, from the ground up; each imports only from those before it:

    genome/         bases and coordinates: FASTA files, intervals, annotations, motifs, a simulated genome
    inputs/         public inputs, to be downloaded
    tokenization/   bases to tokens: byte-pair training and encoding, k-mers, tokenizer export
    corpus/         the genome as token ids: the tokenized genome, pretraining windows, splits
    model.py        the architecture and its sizes (a stock BertConfig)
    masking.py      the masked-language collator
    metrics/        masked tokens and classification; metrics.json
    inference/      a model on DNA of any length: reader, windows, DnaModel, pipeline, endpoint
    baselines/      what a task gives without a model of context
    analysis/       arrays in, tables and figures out
    hub/            to the Hub: cards and publications
    tracks/         what a model says along a genome: bigWig, bedGraph, hub.txt
    variants/       VCF files and tables of variants: scores of a model
    authors/        the authors' checkpoint and vocabulary
    quickstart.py   the whole way once
    cli/            the command `grover`

`dataset_builders/` and `training/` stand beside the package and use it. `_internals/` and `errors` lie
below all rooms.

Shapes in docstrings: B batch, L tokens of an input, V vocabulary size, n bases.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from grover_hf.authors.checkpoint import load_authors_checkpoint
    from grover_hf.corpus.region import tokenize_region
    from grover_hf.corpus.tokenized_genome import TokenizedGenome
    from grover_hf.errors import InputError
    from grover_hf.genome import Interval, ReferenceGenome
    from grover_hf.inference.dna_model import DnaModel
    from grover_hf.inference.embeddings.writing import embed_regions
    from grover_hf.model import grover_config
    from grover_hf.tokenization.bpe_encoding import GenomeEncoder
    from grover_hf.tokenization.bpe_training import train_bpe
    from grover_hf.tokenization.kmer import KmerEncoder
    from grover_hf.tokenization.merges import MergeTable

    __version__: str

_HOMES = {
    "DnaModel": "grover_hf.inference.dna_model",
    "GenomeEncoder": "grover_hf.tokenization.bpe_encoding",
    "InputError": "grover_hf.errors",
    "Interval": "grover_hf.genome",
    "KmerEncoder": "grover_hf.tokenization.kmer",
    "MergeTable": "grover_hf.tokenization.merges",
    "ReferenceGenome": "grover_hf.genome",
    "TokenizedGenome": "grover_hf.corpus.tokenized_genome",
    "embed_regions": "grover_hf.inference.embeddings.writing",
    "grover_config": "grover_hf.model",
    "load_authors_checkpoint": "grover_hf.authors.checkpoint",
    "tokenize_region": "grover_hf.corpus.region",
    "train_bpe": "grover_hf.tokenization.bpe_training",
}

__all__ = [
    "DnaModel", "GenomeEncoder", "InputError", "Interval", "KmerEncoder", "MergeTable", "ReferenceGenome",
    "TokenizedGenome", "embed_regions", "grover_config", "load_authors_checkpoint", "tokenize_region",
    "train_bpe",
]


def __getattr__(name: str) -> object:
    # Public names load on first use: `grover --help` must not wait for numba or transformers.
    if name == "__version__":
        from importlib.metadata import version

        return version("grover-hf")
    if name in _HOMES:
        from importlib import import_module

        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
