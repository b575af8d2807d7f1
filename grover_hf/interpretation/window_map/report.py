"""`grover interpret windows`: from folders of vectors and annotation to a map, scores and figures."""

import functools
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from grover_hf._internals.files import atomic_folder, sha256_of_file
from grover_hf._internals.outputs import only_writer, require_writable
from grover_hf._internals.progress import progress_bar
from grover_hf.analysis.figure_style import require_matplotlib
from grover_hf.corpus.row_choice import evenly_spaced_rows
from grover_hf.corpus.splits import block_size
from grover_hf.errors import InputError
from grover_hf.genome import Interval
from grover_hf.genome.reference import ReferenceGenome
from grover_hf.inference.embeddings.folder import EmbeddingFacts
from grover_hf.inference.embeddings.reading import finished_facts, read_embeddings
from grover_hf.interpretation.window_map.inputs import PLACE, TABLE, read_annotation
from grover_hf.interpretation.window_map.layout import far_out, require_umap, umap_points
from grover_hf.interpretation.window_map.plan import WindowMapPlan, WindowMapReport, Windows
from grover_hf.interpretation.window_map.results import CONTENTS, SCORES, write_results
from grover_hf.interpretation.window_map.scores import NotJudged, WindowScore, judge, questions_of
from grover_hf.metrics.report import versions
from grover_hf.probing.features import GC, MODEL, RANDOM, Features, gc_features, kmer_features


def map_windows(plan: WindowMapPlan, output: Path, *, overwrite: bool = False) -> WindowMapReport:
    """Draw windows of a genome by their vectors, and say how well annotation can be told from these.

    Memory: the vectors of the windows that are drawn, and the same again; words of TF-IDF.

    Args:
        plan: What to draw.
        output: Folder for `map.parquet`, `scores.csv`, `scores.json` and the figures.
        overwrite: Replace what an earlier call wrote.

    Raises:
        InputError: If an input cannot be used, the folders are of different windows or genomes, or `output` is
            something else.
    """
    plan.require_sound()
    require_matplotlib()
    require_umap()
    given = [plan.embeddings, plan.annotation, plan.genome, plan.random_weights]
    inputs = [path for path in given if path is not None]
    with only_writer(output):
        require_writable(output, overwrite=overwrite, marker=SCORES, contents=CONTENTS, inputs=inputs)
        genome = ReferenceGenome(plan.genome, chromosomes=plan.chromosomes)
        windows = _read(plan)
        features, random_sha256 = _features(plan, windows, genome)
        points = umap_points(
            windows.vectors, neighbours=plan.neighbours, min_dist=plan.min_dist, seed=plan.seed
        )
        n_bases = int((windows.table["end"] - windows.table["start"]).sum())
        block_bp = block_size(n_bases) if plan.block_bp is None else plan.block_bp
        scores, not_judged = _judged(plan, windows, features, block_bp)
        hidden = far_out(points) if plan.hide_outliers else np.zeros(len(points), np.bool_)
        report = WindowMapReport(
            embeddings=windows.facts.provenance, random_weights_sha256=random_sha256,
            annotation_sha256=sha256_of_file(plan.annotation / TABLE), genome_sha256=windows.facts.genome_sha256,
            n_windows=len(points), of_windows=windows.facts.n_regions,
            n_without_vector=int((~windows.kept).sum()), n_hidden=int(hidden.sum()),
            neighbours=plan.neighbours, min_dist=plan.min_dist, covered=plan.covered, folds=plan.folds,
            block_bp=block_bp, seed=plan.seed, scores=scores, not_judged=not_judged, versions=versions(),
        )
        with atomic_folder(output) as part:
            write_results(part, report, windows, points, shown=~hidden)
    return report


def _read(plan: WindowMapPlan) -> Windows:
    choice = functools.partial(evenly_spaced_rows, n_chosen=plan.windows)
    embedded = read_embeddings(plan.embeddings, choice)
    kept = np.asarray(np.isfinite(embedded.vectors).all(axis=1))
    table = embedded.regions.loc[kept, PLACE].reset_index(drop=True)
    return Windows(
        table, embedded.vectors[kept], read_annotation(plan.annotation, table), kept, embedded.facts
    )


def _features(
    plan: WindowMapPlan, windows: Windows, genome: ReferenceGenome
) -> tuple[dict[str, Features], str | None]:
    """Return what each predictor goes by, and the digest of the random weights."""
    if (digest := genome.sha256()) != windows.facts.genome_sha256:
        raise InputError(
            f"{plan.genome} has digest {digest[:12]}, the genome of {plan.embeddings} "
            f"{windows.facts.genome_sha256[:12]}: they are different. If it was tokenized with --chromosomes, say "
            "the same here."
        )
    columns = (windows.table[name].tolist() for name in PLACE)
    sequences = [genome.fetch(Interval(*place)) for place in zip(*columns, strict=True)]
    features: dict[str, Features] = {MODEL: windows.vectors}
    random_sha256 = None
    if plan.random_weights is not None:
        facts = _require_random(plan.random_weights, windows.facts, plan.embeddings)
        choice = functools.partial(evenly_spaced_rows, n_chosen=plan.windows)
        random = read_embeddings(plan.random_weights, choice)
        if not random.regions.loc[windows.kept, PLACE].reset_index(drop=True).equals(windows.table):
            raise InputError(f"{plan.random_weights} has other windows than {plan.embeddings}: embed both alike.")
        features[RANDOM], random_sha256 = random.vectors[windows.kept], facts.model_sha256
    for k in plan.kmers:
        # Words and how rare they are come from all windows: no class is looked at.
        if (words := kmer_features(sequences, sequences, k)) is not None:
            features[f"{k}-mers"] = words
    return features | {GC: gc_features(sequences)}, random_sha256


def _require_random(folder: Path, facts: EmbeddingFacts, other: Path) -> EmbeddingFacts:
    """Return what the vectors of random weights are of; they must be of the same windows, by other weights."""
    random = finished_facts(folder)
    names = ("vocabulary_sha256", "genome_sha256", "n_regions", "dimensions", "layer", "pooling")
    for name in names:
        if (mine := getattr(random, name)) != (its := getattr(facts, name)):
            raise InputError(f"{folder} has {name} {mine}, {other} has {its}: embed both alike.")
    if random.model_sha256 is not None and random.model_sha256 == facts.model_sha256:
        raise InputError(f"{folder} is of the same weights as {other}; take a model that has learnt nothing.")
    return random


def _judged(
    plan: WindowMapPlan, windows: Windows, features: Mapping[str, Features], block_bp: int
) -> tuple[list[WindowScore], list[NotJudged]]:
    questions = [
        question for annotation in windows.annotations
        for question in questions_of(annotation, covered=plan.covered)
    ]
    scores: list[WindowScore] = []
    not_judged: list[NotJudged] = []
    a_question = plan.folds * len(features)
    with progress_bar(total=len(questions) * a_question, what="fits") as bar:
        for number, question in enumerate(questions, 1):
            found = judge(
                question, features, windows.places, n_folds=plan.folds, block_bp=block_bp, seed=plan.seed,
                step=bar.update,
            )
            if isinstance(found, NotJudged):
                not_judged.append(found)
            else:
                scores += found
            bar.update(number * a_question - bar.n)
    return scores, not_judged
