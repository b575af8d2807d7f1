"""Rows of the vocabulary (Results, "Building a frequency-balanced vocabulary on the human genome", and Fig. 3)."""

from collections.abc import Iterator

from grover_hf.analysis.vocabulary import paper as vocabulary
from grover_hf.analysis.vocabulary.paper import PaperNumber
from grover_hf.corpus.facts import DatasetFacts
from grover_hf.reproduction import paper
from grover_hf.reproduction.readings import chosen_by_sweep, of_bins, of_facts, of_vocabulary, share_of_alu
from grover_hf.reproduction.row import Row

_BRANCH = (
    "The first merges are near-ties, TG or CA, and all others follow from which wins; on part of hg19 that is "
    "another than on all of it."
)
_SIZE = "It grows with the genome: the paper's is of 2.86 Gbp."
_WHOLE = "It is of all of hg19: on less, there are fewer."


def vocabulary_rows() -> Iterator[Row]:
    """Yield the rows."""
    yield Row(
        id="cycles", quantity="cycles of byte-pair encoding that are chosen", paper=paper.CHOSEN_CYCLES,
        where="Results, Fig. 2a", steps=("sweep",), read=chosen_by_sweep,
        why=f"Of {paper.SCANNED_CYCLES} scanned, with {paper.BEST_CYCLES} as good: a model is pretrained and "
        "fine-tuned for each count, which this command does not start.",
    )
    for identity, quantity, number, where, why in _LINES:
        yield Row(
            id=identity, quantity=quantity, paper=number, where=where, why=why, steps=("vocabulary", "corpus"),
            read=of_vocabulary(quantity),
        )
    yield Row(
        id="bin-bases", quantity="mean bases of a window of 510 tokens", paper=paper.BIN_BASES,
        where="Results, Fig. 5", steps=("corpus",),
        read=of_bins(lambda bins: float((bins["end"] - bins["start"]).mean())),
        why="As `grover embed --bins` cuts the tokenized genome. The last window of a segment is shorter, so that "
        "N-free pieces of a few hundred kb lower the mean.",
    )
    yield Row(
        id="bins", quantity="windows of 510 tokens", paper=paper.WINDOWS, where="Methods", why=_WHOLE,
        steps=("corpus",), read=of_bins(lambda bins: float(len(bins))),
    )
    yield Row(
        id="bins-hidden", quantity="windows that a figure leaves out as outliers", paper=paper.WINDOWS_HIDDEN,
        where="Methods",
        why="A choice for one picture of the authors' model; `grover interpret windows --hide-outliers` gives its "
        "own as n_hidden in scores.json.",
    )
    yield Row(
        id="samples", quantity="windows for pretraining", paper=paper.TRAINING_SAMPLES, where="Methods",
        steps=("windows",), read=of_facts("windows", _train_rows, "train windows"),
        why="One tiling of hg19 gives about 1.45 million train windows; more than 5 million need several "
        "(`--tilings`), whose windows overlap.",
    )
    yield Row(
        id="alu", quantity="share of the genome that Alu repeats cover", paper=paper.ALU, where="Discussion",
        steps=("annotation",), read=share_of_alu,
        why="Of bases in windows, on chromosomes that have a repeat in the file; Alus lie where genes are, so "
        "that pieces of a genome differ.",
    )


def _train_rows(facts: DatasetFacts, _: object) -> float:
    return float(facts.splits["train"])


_FIG_3 = "Results, Fig. 3"
_LINES: tuple[tuple[str, str, PaperNumber | str, str, str], ...] = (
    ("types", "types that occur", vocabulary.TYPES_THAT_OCCUR, "Results, Fig. 3a",
     f"604 types of the vocabulary, less single bases that never stand alone. {_BRANCH}"),
    ("single-bases", "single bases that occur", "G", _FIG_3,
     f"Others stand at ends of N-free pieces, and on some branches inside. {_BRANCH}"),
    ("median-frequency", "median frequency of a type", vocabulary.MEDIAN_FREQUENCY, "Results, Fig. 3a", _SIZE),
    ("median-frequency-a-million", "the same a million bases", vocabulary.MEDIAN_A_MILLION_BASES,
     "Results, Fig. 3a", "The median over the size of hg19, which can be compared on part of a genome too."),
    ("more-than-100000", "types with more than 100,000 tokens", "most", "Results, Fig. 3a", _SIZE),
    ("rarest-6mer", "tokens of the rarest 6-mer", vocabulary.KMER_FREQUENCIES[6][0], "Introduction",
     f"{_SIZE} k-mers are cut without overlap here; the paper does not say how its are counted."),
    ("most-frequent-6mer", "tokens of the most frequent 6-mer", vocabulary.KMER_FREQUENCIES[6][1], "Introduction",
     f"{_SIZE} k-mers are cut without overlap here; the paper does not say how its are counted."),
    ("mean-length", "mean bases a token", vocabulary.MEAN_BASES, "Results, Fig. 3b", _BRANCH),
    ("most-common-length", "most common length of a token", str(vocabulary.MOST_COMMON_LENGTH), "Results, Fig. 3b",
     "The share of each length is in `grover vocabulary`."),
    ("longest", "A16 and T16", "yes and yes", _FIG_3,
     f"Whether both are types: runs of one base grow long only where the genome has many. {_BRANCH}"),
    ("longest-types", "longest types", "A16 T16", _FIG_3, f"Pieces of Alu repeats may be longer. {_BRANCH}"),
    ("2mers", "types of 2 bases", vocabulary.TYPES_BY_LENGTH[2], "Fig. 3d", _BRANCH),
    ("share-of-2mers", "share of possible 2-mers", vocabulary.SHARE_OF_POSSIBLE[2], "Results, Fig. 3d",
     "10 of 16 are 62.5 %, which the paper rounds up."),
    ("4mers", "types of 4 bases", vocabulary.TYPES_BY_LENGTH[4], "Fig. 3d", _BRANCH),
    ("share-of-4mers", "share of possible 4-mers", vocabulary.SHARE_OF_POSSIBLE[4], "Results, Fig. 3d", _BRANCH),
    ("5mers", "types of 5 bases", vocabulary.TYPES_BY_LENGTH[5], "Results, Fig. 3c", _BRANCH),
    ("6mers", "types of 6 bases", vocabulary.TYPES_BY_LENGTH[6], "Results, Fig. 3c", _BRANCH),
    ("cg", "CG is a token", "no", "Results, Fig. 3", _BRANCH),
    ("starts", "types that start with A or T", vocabulary.START_WITH_A_OR_T, "Results, Fig. 3e", _BRANCH),
    ("expected-starts", "share of A and T in the bases", vocabulary.OF_BASES_A_OR_T, "Results, Fig. 3e",
     "What would be expected of first bases; part of a genome may be richer in G and C."),
)
"""Name, line of the table, the paper's number and place, explanation."""
