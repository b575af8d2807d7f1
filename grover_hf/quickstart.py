"""`grover quickstart`: the whole way once, from a genome to a model that AutoModel loads."""

import dataclasses
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from dataset_builders.build import prepare
from dataset_builders.genome_windows.builder import plan
from grover_hf._internals.files import require_writable
from grover_hf.analysis.figure_style import require_matplotlib
from grover_hf.analysis.vocabulary.report import vocabulary_report
from grover_hf.analysis.vocabulary.table import Row
from grover_hf.corpus.tokenized_genome import TokenizedGenome
from grover_hf.genome import ReferenceGenome
from grover_hf.genome.synthetic import simulate_genome
from grover_hf.tokenization.bpe_encoding import GenomeEncoder
from grover_hf.tokenization.bpe_training import train_bpe_to_file
from grover_hf.tokenization.export import save_tokenizer


def run_quickstart(
    output: Path, *, genome: Path | None = None, chromosomes: str | Sequence[str] | None = None,
    n_cycles: int = 600, max_steps: int | None = None, seed: int = 0, overwrite: bool = False,
) -> None:
    """Go the whole way and print what came of it.

    Args:
        output: Folder for everything that is made.
        genome: A FASTA file; None for a simulated genome of 5 Mbp.
        chromosomes: As for `ReferenceGenome`.
        n_cycles: Cycles of byte-pair encoding.
        max_steps: Steps of pretraining; None for those of the recipe `tiny_cpu`.
        seed: Of the simulation, the windows and the training.
        overwrite: Replace what is in `output`.
    """
    require_matplotlib()
    require_writable(output, overwrite=overwrite, marker="merges.txt", inputs=[genome] if genome else [])
    stages = _Stages()
    name = "simulated genome" if genome is None else genome.name
    if genome is None:
        with stages.timed("simulate a genome"):
            genome = simulate_genome(output / "simulated.fa", seed=seed)
    with stages.timed("open the genome"):
        reference = ReferenceGenome(genome, chromosomes)
    output.mkdir(parents=True, exist_ok=True)
    merges_path, corpus_path, windows_path = (output / name for name in ("merges.txt", "corpus", "windows"))
    with stages.timed("learn the vocabulary"):
        merges = train_bpe_to_file(
            [genome], merges_path, n_cycles=n_cycles, chromosomes=chromosomes, overwrite=overwrite
        )
        encoder = GenomeEncoder(merges)
        save_tokenizer(encoder, output / "tokenizer")
    with stages.timed("tokenize the genome"):
        corpus = TokenizedGenome.build(reference, encoder, corpus_path, overwrite=overwrite)
    with stages.timed("cut windows"):
        prepare(plan(corpus_path, seed=seed), windows_path, overwrite=overwrite)
    with stages.timed("draw the vocabulary"):
        figure = output / "vocabulary.png"
        rows = vocabulary_report(merges_path, corpus_path, figure, [4, 5, 6])
    with stages.timed("pretrain a tiny BERT"):
        report = _pretrain(output, encoder.name, seed, max_steps)
    with stages.timed("ask the model"):
        example = _fill_mask_example(output / "run" / "model", corpus)

    metrics = report["metrics"]
    windows = report["windows"]
    rows += [
        Row("windows, train / test", "> 5 million in all", f"{windows['train']:,} / {windows['test']:,}"),
        Row("masked-token accuracy, top 1", "21 %", f"{metrics['accuracy']:.1%}"),
        Row("  always the most frequent token", "", f"{metrics['most_frequent_token']:.1%}"),
        Row("masked-token accuracy, top 10 %", "75 %", f"{metrics['accuracy_top_10_percent']:.1%}"),
        Row("perplexity (share of the vocabulary)", "72 (12 %)",
            f"{metrics['perplexity']:.0f} ({metrics['share_of_vocabulary']:.0%})"),
    ]
    console = Console(width=None if sys.stdout.isatty() else 100)
    table = Table("", "paper, hg19, BERT-base", f"{name}, tiny BERT", title="What came of it")
    for row in rows:
        table.add_row(*row)
    console.print(table)
    console.print(stages.table())
    print(f"A tiny model after minutes is a demonstration; the paper trained for days.\n{example}")
    print(f"figure: {figure}\nmodel:  {output / 'run' / 'model'}  (AutoModelForMaskedLM.from_pretrained)")


class _Stages:
    """Seconds a stage took."""

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


def _pretrain(output: Path, config_name: str, seed: int, max_steps: int | None) -> dict[str, Any]:
    from grover_hf.corpus.facts import read_facts
    from training.pretrain import PretrainRecipe, pretrain
    from training.runs.recipe import read_recipe

    changes = {
        "dataset": str(output / "windows"), "dataset_config": config_name,
        "tokenizer": str(output / "tokenizer"), "output": str(output / "run"), "seed": seed,
        "overwrite": True,
    }
    recipe = read_recipe(PretrainRecipe, "tiny_cpu", "pretrain", changes)
    if max_steps is not None:
        recipe = dataclasses.replace(recipe, max_steps=max_steps, warmup_steps=max_steps // 10)
    windows = read_facts(output / "windows", config_name)["splits"]
    return pretrain(recipe) | {"windows": windows}


def _fill_mask_example(model: Path, corpus: TokenizedGenome) -> str:
    """Mask the middle token of a stretch of the genome, and ask the pipeline for it."""
    from transformers import pipeline

    ids = corpus.segment_ids(0)
    middle = ids.size // 2
    tokens = [corpus.encoder.tokens[i] for i in ids[max(0, middle - 60) : middle + 61]]
    at = min(60, middle)
    text = "".join(tokens[:at]) + "[MASK]" + "".join(tokens[at + 1 :])
    answers = pipeline("fill-mask", model=str(model), device="cpu")(text, top_k=5)
    said = "  ".join(f"{answer['token_str']} {answer['score']:.3f}" for answer in answers)
    shown = "".join(tokens[max(0, at - 6) : at]) + "[MASK]" + "".join(tokens[at + 1 : at + 7])
    return f"fill-mask  ...{shown}...\n  true: {tokens[at]}   model: {said}"
