"""Rows of a pretrained model: masked tokens, and what vectors of token types encode (Fig. 2d-e, 3f-g, 4)."""

import math
from collections.abc import Iterator

from grover_hf.analysis import masked_token_paper as masked
from grover_hf.interpretation.token_vectors import paper as vectors
from grover_hf.interpretation.token_vectors.paper import PaperCorrelation
from grover_hf.reproduction import paper
from grover_hf.reproduction.paper import Bound
from grover_hf.reproduction.readings import lowest_auc, of_component, of_metric, of_mev, of_type
from grover_hf.reproduction.row import Row

_MODEL = (
    "It is the given run's: size, genome, vocabulary and share of masked tokens decide it, and only base BERT "
    "trained on all of hg19 is the paper's."
)
_ONE_VOCABULARY = "Perplexity compares models over one vocabulary only."
_INFERRED = "Not printed there: it follows from the perplexity."
_VECTORS = "Of the given run, and of the windows that it was trained on."


def model_rows() -> Iterator[Row]:
    """Yield the rows."""
    yield from _masked_rows()
    yield from _kmer_rows()
    yield from _type_rows()
    yield from _vector_rows()


def _masked_rows() -> Iterator[Row]:
    for identity, quantity, number, metric, where in (
        ("accuracy", "masked tokens, right at the first guess", masked.ACCURACY, "accuracy", "Results, Fig. 2d"),
        ("accuracy-top-60", "masked tokens, among the likeliest 10 % of the dictionary", masked.ACCURACY_TOP_60,
         "accuracy_top_10_percent", "Results, Fig. 2d"),
        ("perplexity", "perplexity of masked tokens", masked.PERPLEXITY, "perplexity", "Results, Fig. 2e"),
        ("perplexity-share", "the same as a share of the dictionary", masked.SHARE_OF_VOCABULARY,
         "share_of_vocabulary", "Results, Fig. 2e"),
        ("bits-a-base", "bits a base", paper.bits_a_base(masked.PERPLEXITY), "bits_per_base", "inferred"),
    ):
        extra = f" {_INFERRED}" if where == "inferred" else ""
        yield Row(
            id=identity, quantity=quantity, paper=number, where=where, why=_MODEL + extra, steps=("evaluation",),
            read=of_metric("evaluation", metric),
        )
    yield Row(
        id="loss", quantity="loss a masked token, nats", paper=paper.nats(masked.PERPLEXITY), where="inferred",
        why=f"{_MODEL} {_INFERRED}", steps=("evaluation",), read=of_metric("evaluation", "perplexity", math.log),
    )


def _kmer_rows() -> Iterator[Row]:
    for k, perplexity in masked.PERPLEXITY_OF_KMERS.items():
        step = f"evaluation-{k}mer"
        for identity, quantity, number, metric, transform, where in (
            ("perplexity", "perplexity", perplexity, "perplexity", None, "Results, Fig. 2e"),
            ("perplexity-share", "perplexity as a share of the dictionary", masked.SHARE_OF_KMERS[k],
             "share_of_vocabulary", None, "Results, Fig. 2e"),
            ("loss", "loss a masked token, nats", paper.nats(perplexity), "perplexity", math.log, "inferred"),
            ("bits-a-base", "bits a base", paper.bits_a_base(perplexity, k), "bits_per_base", None, "inferred"),
        ):
            yield Row(
                id=f"{identity}-{k}mers", quantity=f"{quantity}, model of {k}-mers", paper=number, where=where,
                why=f"{_ONE_VOCABULARY} {_MODEL}", steps=(step,), read=of_metric(step, metric, transform),
            )


def _type_rows() -> Iterator[Row]:
    for token in masked.BEST_TYPES:
        yield Row(
            id=f"accuracy-{token}", quantity=f"accuracy of {token}, of the best types",
            paper=Bound(masked.BEST_TYPES_ABOVE, is_lower=True), where="Results, Fig. 3g", steps=("evaluation",),
            read=of_type("evaluation", token), why=f"A piece of Alu repeats, told by its neighbours. {_MODEL}",
        )
    token = masked.WORST_TYPE
    yield Row(
        id=f"accuracy-{token}", quantity=f"accuracy of {token}, the worst type",
        paper=Bound(masked.WORST_TYPE_BELOW, is_lower=False), where="Results, Fig. 3g", steps=("evaluation",),
        read=of_type("evaluation", token), why=_MODEL,
    )
    yield Row(
        id="lowest-auc", quantity="lowest AUC of a type", paper=Bound(masked.AUC_ABOVE, is_lower=True),
        where="Results, Fig. 3f", steps=("evaluation",), read=lowest_auc("evaluation"),
        why="One type against the rest: the paper does not say how its AUC is made.",
    )


def _vector_rows() -> Iterator[Row]:
    for identity, quantity, kind, number in (
        ("mev-word2vec", "MEV of Word2Vec", "word2vec", vectors.MEV_WORD2VEC),
        ("mev-static", "MEV of the model's input table", "static", vectors.MEV_MODEL),
        ("mev-contextual", "MEV of mean contextual vectors, last layer", "last", vectors.MEV_MODEL),
    ):
        why = _VECTORS if kind == "word2vec" else f"{_VECTORS} The paper has one number, and names both objects."
        yield Row(
            id=identity, quantity=quantity, paper=number, where="Results, Fig. 4a", steps=("tokens",), why=why,
            read=of_mev(kind),
        )
    for kind, name, correlations, where in (
        ("word2vec", "Word2Vec", vectors.WORD2VEC, "Fig. 4c, g"),
        ("contextual_mean", "mean contextual vectors", vectors.MODEL, "Fig. 4i-n"),
    ):
        for correlation in correlations:
            yield _component_row(kind, name, correlation, where)


def _component_row(kind: str, name: str, correlation: PaperCorrelation, where: str) -> Row:
    return Row(
        id=f"{'word2vec' if kind == 'word2vec' else 'model'}-pc{correlation.component}",
        quantity=f"Spearman's rho, PC{correlation.component} of {name} and {correlation.property}",
        paper=correlation.rho, where=where, steps=("tokens",), read=of_component(kind, correlation),
        why=f"{_VECTORS} The sign of a component means nothing; ours is turned to the paper's.",
    )
