"""`grover quickstart`: the whole way once, from a genome to a model that AutoModel loads."""

import dataclasses
import json
import os
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table

from grover_hf._internals.cores import usable_cores
from grover_hf._internals.files import atomic_write, file_key
from grover_hf._internals.outputs import only_writer, require_writable
from grover_hf._internals.own_packages import require_own_packages
from grover_hf._internals.progress import on_a_terminal
from grover_hf._internals.records import plain, read_json_object, record_of
from grover_hf.analysis.figure_style import require_matplotlib
from grover_hf.analysis.masked_token_paper import ACCURACY, ACCURACY_TOP_60, PERPLEXITY, SHARE_OF_VOCABULARY
from grover_hf.analysis.vocabulary.report import vocabulary_report
from grover_hf.analysis.vocabulary.table import Row
from grover_hf.corpus.facts import DatasetFacts, read_facts
from grover_hf.corpus.tokenized_genome import TokenizedGenome
from grover_hf.errors import InputError
from grover_hf.genome import ReferenceGenome
from grover_hf.genome.synthetic import SIMULATED, simulate_genome
from grover_hf.metrics.predictors import verdict
from grover_hf.metrics.report import EvaluationReport, PretrainingReport, read_metrics
from grover_hf.report.page import require_vega, write_report
from grover_hf.tokenization.bpe_encoding import GenomeEncoder
from grover_hf.tokenization.bpe_training import train_bpe_to_file
from grover_hf.tokenization.export import save_tokenizer
from grover_hf.tokenization.merges import MergeTable

if TYPE_CHECKING:
    from training.pretrain import PretrainRecipe


_MARKER = "quickstart.json"
_CONTENTS = (SIMULATED, "merges.txt*", "tokenizer", "corpus", "windows", "vocabulary.png", "run", "report.html")


@dataclass(frozen=True)
class _Way:
    """What a quickstart is of: the content of its file."""

    genome: str | None
    """Key of the file; None for the simulated genome."""
    chromosomes: str | list[str] | None
    cycles: int
    steps: int | None
    seed: int
    finished: bool = False


def run_quickstart(
    output: Path, *, genome: Path | None = None, chromosomes: str | Sequence[str] | None = None,
    n_cycles: int = 600, max_steps: int | None = None, seed: int = 0, overwrite: bool = False,
) -> None:
    """Go the whole way and print what came of it.

    One that was stopped goes on when it is called in the same way: with the merges that it had learnt; the
    rest is made again.

    Args:
        output: Folder for everything that is made.
        genome: A FASTA file; None for a simulated genome of 5 Mbp.
        chromosomes: As for `ReferenceGenome`.
        n_cycles: Cycles of byte-pair encoding.
        max_steps: Steps of pretraining; None for those of the recipe `tiny_cpu`.
        seed: Seed of the simulation, the windows and the training.
        overwrite: Replace the quickstart that is in `output`.

    Raises:
        InputError: If `output` has a finished quickstart, or another one, and `overwrite` is False; or if it
            has anything else.
    """
    require_own_packages()
    require_matplotlib()
    require_vega()
    _share_the_machine()
    try:
        key = None if genome is None else file_key(genome)
    except FileNotFoundError:
        raise InputError(f"There is no file {genome}.") from None
    way = _Way(
        genome=key,
        chromosomes=chromosomes if chromosomes is None or isinstance(chromosomes, str) else list(chromosomes),
        cycles=n_cycles, steps=max_steps, seed=seed,
    )
    with only_writer(output):
        goes_on = not overwrite and _is_begun(output, way)
        inputs = [genome] if genome else []
        require_writable(
            output, overwrite=overwrite or goes_on, marker=_MARKER, contents=_CONTENTS, inputs=inputs
        )
        _go(output, way, genome, goes_on=goes_on)


def _is_begun(output: Path, way: _Way) -> bool:
    """Say whether a folder has this very quickstart, begun and not finished."""
    try:
        there = record_of(_Way, read_json_object(output / _MARKER), output / _MARKER)
    except FileNotFoundError:
        return False
    if there.finished:
        return False
    if changed := [name for name, value in vars(way).items() if getattr(there, name) != value]:
        raise InputError(
            f"{output} has a quickstart that was begun with another {', '.join(changed)}. Go on as it was begun; "
            "or name another --output, or say --overwrite."
        )
    return True


def _go(output: Path, way: _Way, genome: Path | None, *, goes_on: bool) -> None:
    stages = _Stages()
    name = "simulated genome" if genome is None else genome.name
    if genome is None:
        _begin(output, way, goes_on=goes_on)
        with stages.timed("simulate a genome"):
            genome = simulate_genome(output / SIMULATED, seed=way.seed)
    with stages.timed("open the genome"):
        reference = ReferenceGenome(genome, way.chromosomes)
    if way.genome is not None:
        _begin(output, way, goes_on=goes_on)
    merges_path, corpus_path, figure = (output / name for name in ("merges.txt", "corpus", "vocabulary.png"))
    with stages.timed("learn the vocabulary"):
        if merges_path.exists():
            merges = MergeTable.read(merges_path)
        else:
            merges = train_bpe_to_file([reference], merges_path, n_cycles=way.cycles)
        encoder = GenomeEncoder(merges)
        save_tokenizer(encoder, output / "tokenizer")
    with stages.timed("tokenize the genome"):
        corpus = TokenizedGenome.build(reference, encoder, corpus_path, overwrite=True)
    with stages.timed("cut windows"):
        windows = _cut_windows(corpus, output / "windows", seed=way.seed)
    with stages.timed("draw the vocabulary"):
        vocabulary = vocabulary_report(encoder, corpus, figure, [4, 5, 6])
    with stages.timed("pretrain a tiny BERT"):
        recipe, report = _pretrain(output, windows.config, way.seed, way.steps)
    with stages.timed("judge it beside counting"):
        judged = _judge(recipe)
    with stages.timed("ask the model"):
        example = _fill_mask_example(output / "run" / "model", corpus)
    with stages.timed("write a report"):
        page = output / "report.html"
        write_report([output], page, title=f"Quickstart: {name}", overwrite=True)
    _write_way(output, dataclasses.replace(way, finished=True))

    console = Console(width=None if on_a_terminal() else 100)
    console.print(_vocabulary_table(vocabulary, windows.splits, name))
    console.print(_scores_table(report, judged))
    console.print(stages.table())
    print(f"{_verdict(judged)}\nThe model is tiny and was trained for minutes; the paper's, for days.\n{example}")
    print(f"figure: {figure}\nmodel:  {output / 'run' / 'model'}  (AutoModelForMaskedLM.from_pretrained)")
    print(f"report: {page}  (opens in a browser, works offline)")


def _begin(output: Path, way: _Way, *, goes_on: bool) -> None:
    """Make the folder, without what an earlier quickstart left, but for merges to go on with."""
    stays = ("merges.txt*",) if goes_on else ()
    for pattern in _CONTENTS:
        for path in output.glob(pattern) if pattern not in stays else ():
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    output.mkdir(parents=True, exist_ok=True)
    _write_way(output, way)


def _write_way(output: Path, way: _Way) -> None:
    with atomic_write(output / _MARKER) as beside:
        beside.write_text(json.dumps(plain(way), indent=2) + "\n")


def _share_the_machine() -> None:
    """Have PyTorch take as many threads as cores are idle, and let threads sleep while they wait for each other.

    OpenMP reads both from the environment, once, as PyTorch loads it; what the user has set stays. By default the
    threads of a small model spin at each of their many meetings, and use up the time of the very thread that they
    wait for: with six busy processes on two cores, a step took 1 to 9 s, and takes 0.3 to 0.6 s on one thread.
    """
    n_idle = int(usable_cores() + 1.5 - os.getloadavg()[0])
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, min(n_idle, usable_cores()))))
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")


def _cut_windows(corpus: TokenizedGenome, output: Path, *, seed: int) -> DatasetFacts:
    """Cut the tokenized genome into windows; return what is said of them."""
    from dataset_builders.build import prepare
    from dataset_builders.genome_windows.builder import plan

    task = plan(corpus, seed=seed)
    prepare(task, output, overwrite=True)
    return read_facts(output, task.config)


def _vocabulary_table(rows: Sequence[Row], n_windows: dict[str, int], name: str) -> Table:
    table = Table("", "paper, hg19", name, title="The vocabulary")
    for row in rows:
        table.add_row(*row)
    splits = f"{n_windows['train']:,} / {n_windows['test']:,}"
    table.add_row("windows, train / test", "> 5 million in all", splits)
    return table


def _scores_table(report: PretrainingReport, judged: EvaluationReport | InputError) -> Table:
    """Return what is predicted of the same masked tokens by counting and by the model."""
    columns = {"tiny BERT": report.metrics}
    if not isinstance(judged, InputError):
        counted = {"token frequency": "frequency", "neighbour counts": "neighbour_counts"}
        columns = {shown: judged.baselines[kind].metrics for shown, kind in counted.items()} | columns
    table = Table(
        "", *columns, "paper, hg19, BERT-base",
        title=f"Masked tokens of {report.n_windows:,} test windows, predicted by",
    )
    for metric, title, form, paper in (
        ("accuracy", "accuracy, top 1", ".1%", ACCURACY.text()),
        ("accuracy_top_10_percent", "accuracy, top 10 %", ".1%", ACCURACY_TOP_60.text()),
        ("perplexity", "perplexity", ".0f", PERPLEXITY.text()),
        ("share_of_vocabulary", "  of the vocabulary", ".0%", SHARE_OF_VOCABULARY.text()),
    ):
        table.add_row(title, *(format(scores[metric], form) for scores in columns.values()), paper)
    return table


def _verdict(judged: EvaluationReport | InputError) -> str:
    """Return whether the model beats the counts, as one sentence."""
    return f"Not judged beside counting: {judged}" if isinstance(judged, InputError) else verdict(judged)


class _Stages:
    """The stages of the way, and the seconds that each took."""

    def __init__(self) -> None:
        self._seconds: list[tuple[str, float]] = []

    @contextmanager
    def timed(self, name: str) -> Iterator[None]:
        print(f"{name} ...", flush=True)
        begin = time.perf_counter()
        yield
        self._seconds.append((name, time.perf_counter() - begin))

    def table(self) -> Table:
        table = Table("stage", "seconds", title="Time")
        for name, seconds in self._seconds:
            table.add_row(name, f"{seconds:.1f}")
        table.add_row("all", f"{sum(seconds for _, seconds in self._seconds):.1f}")
        return table


def _pretrain(
    output: Path, config_name: str, seed: int, max_steps: int | None
) -> tuple["PretrainRecipe", PretrainingReport]:
    """Train the recipe `tiny_cpu`; return it as it was run, and its report."""
    from training.pretrain import PretrainRecipe, pretrain
    from training.runs.recipe import read_recipe

    changes = {
        "dataset": str(output / "windows"), "dataset_config": config_name,
        "tokenizer": str(output / "tokenizer"), "output": str(output / "run"), "seed": seed,
        "overwrite": True, **({} if max_steps is None else {"max_steps": max_steps}),
    }
    recipe = read_recipe(PretrainRecipe, "tiny_cpu", "pretrain", changes)
    pretrain(recipe)
    return recipe, read_metrics(output / "run", PretrainingReport)


def _judge(recipe: "PretrainRecipe") -> EvaluationReport | InputError:
    """Return how the model does beside counting, on the windows and masks of its own evaluation; or why not."""
    from training.evaluate import evaluate
    from training.evaluation.plan import EvaluationPlan

    try:
        return evaluate(EvaluationPlan(run=recipe.output, windows=recipe.eval_windows, overwrite=True))
    except InputError as error:
        # A genome of some 100 kbp has no room for the blocks that the counts are weighed on.
        return error


def _fill_mask_example(model: Path, corpus: TokenizedGenome) -> str:
    """Mask the middle token of a stretch of the genome, and ask the pipeline for it."""
    from transformers import pipeline

    ids = corpus.segment_ids(0)
    middle = ids.size // 2
    tokens = [corpus.encoder.tokens[i] for i in ids[max(0, middle - 60) : middle + 61]]
    masked = min(60, middle)
    text = "".join(tokens[:masked]) + "[MASK]" + "".join(tokens[masked + 1 :])
    answers = pipeline("fill-mask", model=str(model), device="cpu")(text, top_k=5)
    guesses = "  ".join(f"{answer['token_str']} {answer['score']:.3f}" for answer in answers)
    shown = "".join(tokens[max(0, masked - 6) : masked]) + "[MASK]" + "".join(tokens[masked + 1 : masked + 7])
    return f"fill-mask  ...{shown}...\n  true: {tokens[masked]}   model: {guesses}"
