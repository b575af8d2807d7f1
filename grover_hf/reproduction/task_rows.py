"""Rows of the tasks: next 6-mers, promoters, CTCF, and the two benchmarks (Fig. 2b-c, 6, Supplementary Fig. 6)."""

from collections.abc import Iterator

from grover_hf.analysis.results.table import PAPER, PaperScore
from grover_hf.analysis.vocabulary.paper import PaperNumber
from grover_hf.corpus.facts import DatasetFacts
from grover_hf.reproduction import paper
from grover_hf.reproduction.paper import Bound, printed
from grover_hf.reproduction.readings import best_of, of_facts, of_metric, rows_with_label
from grover_hf.reproduction.row import Row

_FINETUNED = "Of the given run, fine-tuned: a smaller model, or one of less sequence, is not the paper's."
_HUB = (
    "Another's model of the Hub, fine-tuned: this command does not start it, since it needs the network, and the "
    "code of its repository may have to be read first."
)
_TAKEN_OVER = "The paper takes it over from the model's own publication; there is nothing to run."
_FEW_ROWS = "It grows with the number of rows: on fewer than all of hg19 has, a forest of words learns little."


def task_rows() -> Iterator[Row]:
    """Yield the rows."""
    yield from _next_6mer_rows()
    yield from _promoter_rows()
    yield from _ctcf_rows()
    yield from _nt_rows()
    yield from _gue_rows()


def _scores(builder: str, task: str) -> tuple[PaperScore, PaperScore | None]:
    model, tfidf = PAPER[builder, task]
    assert model is not None
    return model, tfidf


def _score_row(
    identity: str, quantity: str, number: PaperNumber | Bound, where: str, step: str, why: str, *,
    metric: str = "mcc",
) -> Row:
    return Row(
        id=identity, quantity=quantity, paper=number, where=where, steps=(step,), read=of_metric(step, metric),
        why=why,
    )


def _next_6mer_rows() -> Iterator[Row]:
    model, tfidf = _scores("NextKmer", "next_6mer")
    assert tfidf is not None
    for identity, name, number, where, step, why in (
        ("grover", "GROVER", printed(model), model.where, "grover", _FINETUNED),
        ("dnabert2", "DNABERT-2", paper.NEXT_6MER_DNABERT2, "Results, Fig. 2b", "dnabert2", _HUB),
        ("kmer-models", "models of k-mers, the Nucleotide Transformer among them", paper.NEXT_6MER_KMER_MODELS,
         "Results, Fig. 2b", "nt", _HUB),
        ("tfidf", "TF-IDF of 6-mers", printed(tfidf), tfidf.where, "tfidf",
         f"{_FEW_ROWS} At most 100 trees here, for 4,096 classes take memory; the paper does not name its words."),
    ):
        yield _score_row(
            f"next-6mer-{identity}", f"next 6-mer, accuracy, {name}", number, where, f"next-6mer-{step}", why,
            metric="accuracy",
        )
    yield _score_row(
        "next-6mer-chance", "next 6-mer, accuracy of the most frequent answer", paper.NEXT_6MER_CHANCE,
        "not in the paper: 1 of 4,096", "next-6mer-majority",
        "6-mers are not equally frequent: the most frequent one is right more often than one of 4,096.",
        metric="accuracy",
    )


def _promoter_rows() -> Iterator[Row]:
    model, tfidf = _scores("Prom300", "prom300")
    assert tfidf is not None
    yield Row(
        id="promoters", quantity="promoters that are given", paper=paper.PROMOTERS,
        where="not in the paper: EPDnew 006", steps=("prom300",),
        read=of_facts("prom300", _n_given, "start sites"),
        why="All start sites of the file, before those outside the genome are left out.",
    )
    yield _score_row(
        "prom300-grover", "Prom300, MCC, GROVER", printed(model), model.where, "prom300-grover",
        f"{_FINETUNED} The row prom300-rule shows what it may rest on.",
    )
    yield _score_row(
        "prom300-rule", "Prom300, MCC of a rule without a model, beside GROVER", printed(model), model.where,
        "prom300-rule",
        "Not a row of the paper: byte-pair encoding never leaves two tokens that it would merge, and shuffled "
        "tokens have such pairs. The rule looks for one, and nearly solves the task.",
    )
    yield _score_row(
        "prom300-4mer", "Prom300, MCC, model of 4-mers", paper.PROM300_4MERS, "Fig. 6b", "prom300-4mer",
        "A model of 4-mers cannot see pairs that byte-pair encoding would have merged.",
    )
    yield _score_row(
        "prom300-tfidf", f"Prom300, MCC, TF-IDF of {tfidf.words}", printed(tfidf), tfidf.where, "prom300-tfidf",
        f"{_FEW_ROWS} How it grows is measured in benchmarks/README.md; the paper has about 59,000 rows.",
    )
    model, tfidf = _scores("PromScan", "promscan")
    assert tfidf is not None
    yield _score_row(
        "promscan-grover", "PromScan, MCC, GROVER", printed(model), model.where, "promscan-grover", _FINETUNED
    )
    yield _score_row(
        "promscan-nt", "PromScan, MCC, the Nucleotide Transformer", paper.PROMSCAN_NT, "Fig. 6e", "promscan-nt",
        _HUB,
    )
    yield _score_row(
        "promscan-tfidf", f"PromScan, MCC, TF-IDF of {tfidf.words}", printed(tfidf), tfidf.where, "promscan-tfidf",
        f"{_FEW_ROWS} Windows that overlap fall into train and test, as the paper has it.",
    )


def _ctcf_rows() -> Iterator[Row]:
    model, tfidf = _scores("Ctcf", "ctcf")
    assert tfidf is not None
    scan = (
        "It depends on the background: on part of hg19, FIMO's default gives two thirds more than equal bases. "
        "Chance alone gives more than 500,000 in hg19, so that the paper's list is a capped one."
    )
    yield Row(
        id="ctcf-motifs", quantity="motifs of CTCF, p < 1e-4", paper=paper.CTCF_MOTIFS, where="Results", why=scan,
        steps=("ctcf",), read=of_facts("ctcf", _n_given, "occurrences"),
    )
    yield Row(
        id="ctcf-bound", quantity="motifs of CTCF that are bound", paper=paper.CTCF_BOUND, where="Results",
        steps=("ctcf",), read=of_facts("ctcf", rows_with_label(1), "rows that are bound"),
        why=f"Occurrences on chromosomes without any peak are left out. {scan}",
    )
    yield _score_row("ctcf-grover", "CTCF, MCC, GROVER", printed(model), model.where, "ctcf-grover", _FINETUNED)
    yield _score_row(
        "ctcf-dnabert2", "CTCF, MCC, DNABERT-2", paper.CTCF_DNABERT2, "Fig. 6h", "ctcf-dnabert2", _HUB
    )
    yield _score_row(
        "ctcf-tfidf", f"CTCF, MCC, TF-IDF of {tfidf.words}", printed(tfidf), tfidf.where, "ctcf-tfidf",
        f"The unbound motifs are others than the paper's. {_FEW_ROWS}",
    )


def _nt_rows() -> Iterator[Row]:
    for task in ("enhancers", "enhancers_types", "splice_sites_all"):
        model, tfidf = _scores("NucleotideTransformer", task)
        step = f"nt-{task.replace('_', '-')}"
        yield _score_row(
            f"{step}-grover", f"NT {task}, MCC, GROVER", printed(model), model.where, f"{step}-grover", _FINETUNED
        )
        if tfidf is not None:
            yield _score_row(
                f"{step}-tfidf", f"NT {task}, MCC, TF-IDF of tokens", printed(tfidf), tfidf.where, f"{step}-tfidf",
                "The vocabulary is another, if it is not of all of hg19; the benchmark was revised, and the paper "
                "used its first release.",
            )
    tasks = ("promoter-all", "promoter-tata", "promoter-no-tata")
    steps = tuple(f"nt-{task}-tfidf" for task in tasks)
    yield Row(
        id="nt-promoter-tfidf", quantity="NT promoters, MCC, the best TF-IDF of 6-mers", where="Results, Fig. 6j",
        paper=paper.NT_PROMOTER_TFIDF, steps=steps, read=best_of(*(of_metric(step, "mcc") for step in steps)),
        why='"Up to": the best of three tasks here, with 6-mers; the paper does not name its words.',
    )
    for name, number in (("the Nucleotide Transformer", paper.NT_SPLICE_NT), ("DNABERT", paper.NT_SPLICE_DNABERT)):
        yield Row(
            id=f"nt-splice-sites-all-{'nt' if name.startswith('the') else 'dnabert'}",
            quantity=f"NT splice_sites_all, MCC, {name}", paper=number, where="Results, Fig. 6j", why=_TAKEN_OVER,
        )


def _gue_rows() -> Iterator[Row]:
    model, tfidf = _scores("Gue", "tf/4")
    assert tfidf is not None
    yield _score_row("gue-tf-4-grover", "GUE tf/4, MCC, GROVER", printed(model), model.where, "gue-tf-4-grover",
                     _FINETUNED)
    yield _score_row(
        "gue-tf-4-6mers", f"GUE tf/4, MCC, TF-IDF of {tfidf.words}", printed(tfidf), tfidf.where, "gue-tf-4-6mers",
        "The paper does not say how its 6-mers are cut; here they do not overlap.",
    )
    yield _score_row(
        "gue-tf-4-tokens", "GUE tf/4, MCC, TF-IDF of tokens", paper.GUE_TFIDF_BPE, tfidf.where, "gue-tf-4-tokens",
        "The vocabulary is another, if it is not of all of hg19.",
    )
    for identity, name, number in (
        ("dnabert2", "DNABERT-2", paper.GUE_DNABERT2), ("nt", "the Nucleotide Transformer", paper.GUE_NT)
    ):
        yield Row(
            id=f"gue-tf-4-{identity}", quantity=f"GUE tf/4, MCC, {name}", paper=number, where=model.where,
            why=_TAKEN_OVER,
        )


def _n_given(facts: DatasetFacts, _: object) -> float:
    return float(facts.n_given or 0)
