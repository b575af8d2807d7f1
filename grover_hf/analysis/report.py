"""`grover vocabulary`: from files to the table, and to the figure."""

from pathlib import Path

from grover_hf.analysis.figures import require_format, require_matplotlib, vocabulary_figure
from grover_hf.analysis.vocabulary import Row, kmer_frequencies, vocabulary_of, vocabulary_table
from grover_hf.corpus.tokenized_genome import TokenizedGenome
from grover_hf.errors import InputError
from grover_hf.tokenization.export import load_encoder


def vocabulary_report(
    vocabulary: Path, corpus: Path | None, figure: Path | None, kmers: list[int]
) -> list[Row]:
    """Return the paper's table beside a vocabulary's; write the figure if a path is given.

    Args:
        vocabulary: A merges file or a tokenizer folder.
        corpus: A genome tokenized with it; without one the table has no frequencies.
        figure: A PNG or PDF to write; needs `corpus`.
        kmers: k-mer vocabularies to draw beside it.

    Raises:
        InputError: If the corpus has another vocabulary, or a figure is asked for without one.
    """
    if figure is not None:
        require_matplotlib()
        require_format(figure)
        if corpus is None:
            raise InputError("The figure shows frequencies: name a tokenized genome with --corpus.")
    encoder = load_encoder(vocabulary)
    genome = None if corpus is None else TokenizedGenome.open(corpus, encoder)
    found = vocabulary_of(encoder.tokens, genome)
    if figure is not None and genome is not None:
        vocabulary_figure(figure, found, encoder.name, {k: kmer_frequencies(genome, k) for k in kmers})
    return vocabulary_table(found)
