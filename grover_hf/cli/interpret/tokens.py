"""`grover interpret tokens` and `grover interpret word2vec`: what vectors of token types encode."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from grover_hf.cli.options import Overwrite, given
from grover_hf.cli.printing import print_table


def tokens(
    model: Annotated[str, typer.Option(help="folder of a model, or its name on the Hub")],
    output: Annotated[Path, typer.Option(help="folder for tables and figures")],
    corpus: Annotated[
        Path | None, typer.Option(help="a tokenized genome: frequencies; with no --windows, contexts in its bins")
    ] = None,
    windows: Annotated[
        Path | None, typer.Option(help="a dataset of genome windows: contexts from its test split")
    ] = None,
    config: Annotated[str | None, typer.Option(help="configuration of the windows")] = None,
    revision: Annotated[str | None, typer.Option(help="of the model on the Hub")] = None,
    word2vec: Annotated[Path | None, typer.Option(help="a folder of grover interpret word2vec")] = None,
    annotation: Annotated[
        Path | None, typer.Option(help="a folder with tokens.parquet: the share of each type in each annotation")
    ] = None,
    n_windows: Annotated[int, typer.Option(help="windows that the model reads, evenly spaced")] = 10_000,
    contexts: Annotated[int | None, typer.Option(help="of a type, for self-similarity; else 5,000")] = None,
    fewest: Annotated[int, typer.Option(help="occurrences; types with fewer are left out")] = 100,
    layer: Annotated[int, typer.Option(help="of the contextual means that get components; -1 is the last")] = -1,
    correction: Annotated[
        Literal["loess", "linear"], typer.Option(help="regression that takes GC content from a property")
    ] = "loess",
    less_anisotropy: Annotated[
        bool, typer.Option("--less-anisotropy", help="self-similarity less that of any two tokens")
    ] = False,
    umap: Annotated[bool, typer.Option(help="make UMAP")] = True,
    seed: Annotated[int, typer.Option(help="of UMAP")] = 0,
    overwrite: Overwrite = False,
) -> None:
    """Say what vectors of token types encode: components, correlations, self-similarity (Fig. 4 and 5a)."""
    from grover_hf.interpretation.token_vectors.analysis import TokensPlan
    from grover_hf.interpretation.token_vectors.report import interpret_tokens
    from grover_hf.interpretation.token_vectors.summary import paper_table

    plan = TokensPlan(
        model=model, corpus=corpus, windows=windows, config=config, revision=revision, word2vec=word2vec,
        annotation=annotation, n_windows=n_windows, fewest=fewest, layer=layer, correction=correction,
        less_anisotropy=less_anisotropy, umap=umap, seed=seed, **given(most_contexts=contexts),
    )
    summary = interpret_tokens(plan, output, overwrite=overwrite)
    print_table(paper_table(summary), ("", "paper", "here"))
    print(
        f"{output}: {summary.n_types:,} types, {summary.source}; {summary.n_never} never occur, "
        f"{summary.n_rare} fewer than {summary.fewest} times"
    )


def word2vec(
    windows: Annotated[Path, typer.Argument(help="a dataset of genome windows; its train split is read")],
    tokenizer: Annotated[Path, typer.Option(help="its tokenizer folder, or merges file")],
    output: Annotated[Path, typer.Option(help="folder for the vectors")],
    config: Annotated[str | None, typer.Option(help="configuration of the windows")] = None,
    n_sequences: Annotated[int | None, typer.Option(help="windows that are drawn; else 300,000")] = None,
    vector_size: Annotated[int | None, typer.Option(help="dimensions; else 768")] = None,
    window: Annotated[int | None, typer.Option(help="tokens on each side; else 5")] = None,
    min_count: Annotated[int | None, typer.Option(help="types with fewer tokens get no vector; else 1")] = None,
    epochs: Annotated[int, typer.Option(help="passes over the windows")] = 5,
    workers: Annotated[int, typer.Option(help="threads; with more than one, two runs differ")] = 1,
    seed: Annotated[int, typer.Option(help="of windows, first weights and negative samples")] = 0,
    overwrite: Overwrite = False,
) -> None:
    """Train Word2Vec on tokens (continuous bag of words), which is what the paper sets beside its model."""
    from grover_hf.interpretation.token_vectors.word2vec import Word2VecPlan, write_word2vec

    plan = Word2VecPlan(
        windows=windows, tokenizer=tokenizer, config=config, epochs=epochs, workers=workers, seed=seed,
        **given(n_sequences=n_sequences, vector_size=vector_size, window=window, min_count=min_count),
    )
    facts = write_word2vec(plan, output, overwrite=overwrite).facts
    print(
        f"{output}: {len(facts.tokens):,} types, {facts.vector_size} dimensions, from {facts.n_sequences:,} of "
        f"{facts.of_train_windows:,} train windows, {facts.n_tokens:,} tokens"
    )
