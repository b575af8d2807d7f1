"""What must be said before the numbers: the warnings of a report, from what the runs say of themselves."""

from collections.abc import Iterator
from typing import NamedTuple

from grover_hf.genome.synthetic import SIMULATED
from grover_hf.metrics.predictors import beats_neighbours, verdict
from grover_hf.metrics.report import FinetuningReport, ProbeReport
from grover_hf.report.inputs import Found, is_of

_FEW_WINDOWS, _FEW_ROWS = 100, 200


class Caveat(NamedTuple):
    """A warning."""

    text: str
    folder: str
    """Of which run it is."""


def caveats(found: Found) -> list[Caveat]:
    """Return the warnings of everything that was found, the gravest first."""
    return [*_of_models(found), *_of_tasks(found)]


def _of_models(found: Found) -> Iterator[Caveat]:
    for run in found.pretrainings:
        dataset = run.report.dataset
        genomes = [dataset.genome] if dataset.genome else [*(dataset.genomes or {}).values()]
        if any(genome.name == SIMULATED for genome in genomes):
            yield Caveat("The genome is simulated: nothing here is about a real one.", str(run.folder))
        if run.report.step is not None:
            yield Caveat(f"The training goes on: these are weights after step {run.report.step:,}.",
                         str(run.folder))
    for one in found.evaluations:
        folder, report = str(one.folder), one.report
        if not beats_neighbours(report):
            yield Caveat(verdict(report), folder)
        if report.share_of_bases_seen_in_training:
            share = f"{report.share_of_bases_seen_in_training:.1%}"
            yield Caveat(f"{share} of the judged bases were trained on: the scores measure memory too.", folder)
        if report.n_windows < _FEW_WINDOWS:
            yield Caveat(f"Judged on {report.n_windows} windows only: see how wide the intervals are.", folder)
    for run in found.pretrainings:
        if not any(is_of(one, run) for one in found.evaluations):
            yield Caveat(
                f"Not judged beside counting: `grover evaluate {run.folder}` says what neighbour counts reach.",
                str(run.folder),
            )


def _of_tasks(found: Found) -> Iterator[Caveat]:
    for path, report in found.tasks:
        folder, config = str(path), report.dataset.config or ""
        if report.dataset.builder == "Prom300" and "retokenized" not in config:
            yield Caveat(
                "This Prom300 can be solved without a model, by pairs of tokens that byte-pair encoding would "
                "have merged.", folder,
            )
        if report.n_rows < _FEW_ROWS:
            yield Caveat(f"{report.task}: {report.n_rows} test rows only.", folder)
        if isinstance(report, FinetuningReport) and report.n_trainings < 3 and not report.model.random_weights:
            yield Caveat(
                f"{report.task}: {report.n_trainings} training(s): how much a seed matters is not known.", folder
            )
        if isinstance(report, ProbeReport):
            worse = [name for name, of in report.model_minus_control.items() if of["mcc"].ci95[0] <= 0]
            if worse:
                yield Caveat(f"{report.task}: the embeddings are not better than {', '.join(worse)}.", folder)
