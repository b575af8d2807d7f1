"""The commands that the rows need: ordinary ones of the product, which anybody can run alone.

Each writes into a folder of its own, DIR/steps/NAME, and several rows may read it.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from grover_hf.reproduction.inputs import Inputs
from grover_hf.reproduction.step import BY_HAND, CPU, GPU, Need, Step

_HUB_MODELS = {
    "nt": ("InstaDeepAI/nucleotide-transformer-500m-human-ref", ()),
    "dnabert2": ("zhihan1996/DNABERT-2-117M", ("--trust-remote-code", "true", "--revision", "COMMIT")),
}
"""Models that the paper fine-tunes beside its own, and what they need."""
_PAPERS_MASKS = ("--p-select", "0.022", "--p-mask", "0.8", "--p-random", "0.1")
"""Methods, "Pretraining"; for a model whose own are not known."""


class _Steps:
    """Steps, as they are put together."""

    def __init__(self, inputs: Inputs, folder: Path) -> None:
        self.inputs = inputs
        self.folder = folder
        self.steps: dict[str, Step] = {}

    def out(self, name: str) -> str:
        return str(self.steps[name].output)

    def add(  # noqa: PLR0913 - a step has as many sides
        self, name: str, verb: str, *words: str, marker: str, minutes: float, needs: tuple[Need | str, ...] = (),
        after: tuple[str, ...] = (), option: str = "--output", suffix: str = "", hardware: str = CPU,
    ) -> None:
        output = self.folder / f"{name}{suffix}"
        self.steps[name] = Step(
            name=name, words=(*verb.split(), *words, option, str(output)), output=output, marker=marker,
            needs=tuple(need if isinstance(need, Need) else Need(need) for need in needs), after=after,
            minutes=minutes, hardware=hardware,
        )

    def baseline(self, dataset: str, name: str, *words: str, minutes: float) -> None:
        self.add(
            f"{dataset}-{name}", "grover baselines", self.out(dataset), *words, marker="metrics.json",
            after=(dataset,), minutes=minutes,
        )

    def finetuning(self, dataset: str, recipe: str, *, minutes: float) -> None:
        model = model_of(self.inputs, "run")
        self.add(
            f"{dataset}-grover", "accelerate launch -m training.finetune", "--config", recipe, "--dataset",
            self.out(dataset), "--model", model, marker="metrics.json", needs=("run",), after=(dataset,),
            minutes=minutes, hardware=GPU,
        )

    def hub_model(self, dataset: str, recipe: str, name: str, *, minutes: float) -> None:
        model, words = _HUB_MODELS[name]
        self.add(
            f"{dataset}-{name}", "accelerate launch -m training.finetune", "--config", recipe, "--dataset",
            self.out(dataset), "--model", model, "--retokenize", "true", *words, marker="metrics.json",
            after=(dataset,), minutes=minutes, hardware=BY_HAND,
        )


def steps_of(inputs: Inputs, folder: Path) -> dict[str, Step]:
    """Return all steps by name, each behind those that it needs.

    Args:
        inputs: What there is; a step that lacks something says so (`Step.absent`).
        folder: Where outputs go.
    """
    made = _Steps(inputs, folder)
    _add_vocabulary(made)
    _add_model(made)
    _add_genome_tasks(made)
    _add_benchmarks(made)
    return made.steps


def with_all_before(names: Sequence[str], steps: dict[str, Step]) -> list[Step]:
    """Return steps and all that they need, in an order in which they can run, the quick ones first.

    >>> from grover_hf.reproduction.inputs import Inputs
    >>> [step.name for step in with_all_before(["corpus"], steps_of(Inputs(), Path("steps")))]
    ['merges', 'tokenizer', 'corpus']
    """
    wanted: set[str] = set()
    stack = list(names)
    while stack:
        name = stack.pop()
        if name not in wanted:
            wanted.add(name)
            stack.extend(steps[name].after)
    longest: dict[str, float] = {}
    for name, step in steps.items():
        # A step is as late as the slowest one before it, so that nothing quick waits for what takes long.
        longest[name] = max([step.minutes, *(longest[one] for one in step.after)])
    order = {name: number for number, name in enumerate(steps)}
    return [steps[name] for name in sorted(wanted, key=lambda name: (longest[name], order[name]))]


def model_of(inputs: Inputs, run: str) -> str:
    """Return the model of a run: its folder `model`, or the run itself if it is a model alone.

    >>> model_of(Inputs(run="/nowhere"), "run")
    '/nowhere/model'
    """
    folder = inputs.shown(run)
    return folder if _is_model(folder) else str(Path(folder) / "model")


def _is_model(folder: str) -> bool:
    return (Path(folder) / "config.json").exists()


def _add_vocabulary(made: _Steps) -> None:
    genome = made.inputs.shown("genome")
    chosen = ("--chromosomes", made.inputs.chromosomes) if made.inputs.chromosomes else ()
    made.add(
        "merges", "grover train-bpe", genome, *chosen, "--cycles", "600", marker="", suffix=".txt",
        needs=("genome",), minutes=2,
    )
    made.add(
        "tokenizer", "grover export-tokenizer", made.out("merges"), marker="tokenizer.json", after=("merges",),
        minutes=0.1,
    )
    made.add(
        "corpus", "grover tokenize", genome, *chosen, "--tokenizer", made.out("tokenizer"), marker="corpus.json",
        needs=("genome",), after=("tokenizer",), minutes=2,
    )
    made.add(
        "vocabulary", "grover vocabulary", made.out("tokenizer"), "--corpus", made.out("corpus"), "--kmers", "6",
        marker="", option="--table", suffix=".csv", after=("tokenizer", "corpus"), minutes=2,
    )
    made.add(
        "sweep", "grover sweep", "--config", "sweep", "--genome", genome, marker="results/curves.csv",
        needs=("genome",), minutes=60 * 24 * 30, hardware=BY_HAND,
    )
    made.add(
        "annotation", "grover interpret annotate", "--corpus", made.out("corpus"), "--bins", "--repeats",
        made.inputs.shown("annotation"), marker="annotation.json", needs=("annotation",), after=("corpus",),
        minutes=2,
    )
    made.add(
        "windows", "grover build genome-windows", "--corpus", made.out("corpus"), marker="*/facts.json",
        after=("corpus",), minutes=15,
    )
    if made.inputs.has("windows"):
        place = Path(made.inputs.shown("windows"))
        made.steps["windows"] = replace(
            made.steps["windows"], output=place, needs=(Need("windows"),), after=(), is_given=True
        )


def _add_model(made: _Steps) -> None:
    inputs = made.inputs
    model = model_of(inputs, "run")
    _add_evaluation(made, "run", "evaluation")
    for k in (4, 5, 6):
        _add_evaluation(made, f"run_{k}mer", f"evaluation-{k}mer")
    windows = inputs.shown("windows")
    made.add(
        "word2vec", "grover interpret word2vec", windows, "--tokenizer", model, marker="word2vec.json",
        needs=("windows", "run"), minutes=90,
    )
    made.add(
        "tokens", "grover interpret tokens", "--model", model, "--windows", windows, "--word2vec",
        made.out("word2vec"), "--no-umap", marker="summary.json", needs=("windows", "run"), after=("word2vec",),
        minutes=60,
    )


def _add_evaluation(made: _Steps, run: str, name: str) -> None:
    """Add the evaluation of a pretraining; or take the one that is in its folder, if there is one alone."""
    folder, windows = made.inputs.shown(run), made.inputs.shown("windows")
    words: tuple[str, ...] = ("--trained-on", windows) if run == "run" and made.inputs.has("windows") else ()
    needs = [run]
    if run == "run" and _is_model(folder):
        words, needs = ("--dataset", windows, *_PAPERS_MASKS), [run, "windows"]
    made.add(name, "grover evaluate", folder, *words, marker="metrics.json", needs=tuple(needs), minutes=120)
    there = sorted(Path(folder).glob("evaluation/*/metrics.json"))
    if len(there) == 1:
        step = made.steps[name]
        words = (*step.words[:-1], str(there[0].parent))
        made.steps[name] = replace(step, output=there[0].parent, words=words, is_given=True)


def _add_genome_tasks(made: _Steps) -> None:
    inputs = made.inputs
    corpus, tokenizer, before = _tokens_of_tasks(made)
    chain = ("--chain", inputs.shown("chain")) if inputs.has("chain") else ()
    made.add(
        "next-6mer", "grover build next-kmer", "--genome", inputs.shown("genome"), "--tokenizer", tokenizer, "--k",
        "6", marker="*/facts.json", needs=("genome",), after=_tokenizer_alone(before), minutes=3,
    )
    # 4,096 classes: the trees are as large as the memory, and more of them take hours.
    made.baseline("next-6mer", "tfidf", "--tokenizer", "kmer-6", "--max-trees", "100", minutes=240)
    made.baseline("next-6mer", "majority", "--method", "majority", minutes=2)
    made.finetuning("next-6mer", "next_kmer", minutes=240)
    made.hub_model("next-6mer", "next_kmer", "dnabert2", minutes=300)
    made.hub_model("next-6mer", "next_kmer", "nt", minutes=900)
    promoters = ("--corpus", corpus, "--promoters", inputs.shown("promoters"), *chain)
    for task in ("prom300", "promscan"):
        made.add(
            task, f"grover build {task}", *promoters, marker="*/facts.json", needs=("genome", "promoters"),
            after=before, minutes=3,
        )
    made.baseline("prom300", "tfidf", "--tokenizer", "kmer-5", minutes=60)
    made.baseline("prom300", "rule", "--method", "canonical-bpe", "--tokenizer", tokenizer, minutes=1)
    made.finetuning("prom300", "prom300", minutes=120)
    made.add(
        "prom300-4mer", "accelerate launch -m training.finetune", "--config", "prom300", "--dataset",
        made.out("prom300"), "--model", model_of(inputs, "run_4mer"), "--retokenize", "true",
        marker="metrics.json", needs=("run_4mer",), after=("prom300",), minutes=120, hardware=GPU,
    )
    made.baseline("promscan", "tfidf", "--tokenizer", "kmer-3", minutes=240)
    made.finetuning("promscan", "promscan", minutes=1_200)
    made.hub_model("promscan", "promscan", "nt", minutes=5_000)
    made.add(
        "ctcf", "grover build ctcf", "--corpus", corpus, "--peaks", inputs.shown("peaks"), "--motif",
        inputs.shown("motif"), marker="*/facts.json", needs=("genome", "peaks", "motif"), after=before, minutes=10,
    )
    made.baseline("ctcf", "tfidf", "--tokenizer", "kmer-4", minutes=120)
    made.finetuning("ctcf", "ctcf", minutes=300)
    made.hub_model("ctcf", "ctcf", "dnabert2", minutes=400)


def _tokens_of_tasks(made: _Steps) -> tuple[str, str, tuple[str, ...]]:
    """Return the tokenized genome of the tasks, its tokenizer, and the steps that make them.

    A model needs rows of its own tokens. Where there is one, the genome is tokenized with its tokenizer.
    """
    if not made.inputs.has("run"):
        return made.out("corpus"), made.out("tokenizer"), ("tokenizer", "corpus")
    tokenizer = model_of(made.inputs, "run")
    words = made.steps["corpus"].words
    place = words.index("--tokenizer")
    made.add(
        "model-corpus", "grover tokenize", *words[2:place], "--tokenizer", tokenizer, marker="corpus.json",
        needs=("genome", "run"), minutes=2,
    )
    return made.out("model-corpus"), tokenizer, ("model-corpus",)


def _tokenizer_alone(before: tuple[str, ...]) -> tuple[str, ...]:
    """Return the steps that make the tokenizer of the tasks; none if it is that of a model."""
    return tuple(name for name in before if name == "tokenizer")


def _add_benchmarks(made: _Steps) -> None:
    _, tokenizer, before = _tokens_of_tasks(made)
    before = _tokenizer_alone(before)
    for task in ("promoter_all", "promoter_tata", "promoter_no_tata", "enhancers", "enhancers_types",
                 "splice_sites_all"):
        name = f"nt-{task.replace('_', '-')}"
        made.add(
            name, "grover build nucleotide-transformer", "--source", made.inputs.shown("nt"), "--task", task,
            "--tokenizer", tokenizer, marker="*/facts.json", needs=(Need("nt", f"{task}/train.*"),), after=before,
            minutes=1,
        )
        # Of splice sites the paper's text has no TF-IDF.
        if task != "splice_sites_all":
            words = "kmer-6" if task.startswith("promoter") else tokenizer
            made.baseline(name, "tfidf", "--tokenizer", words, minutes=20)
    for task in ("enhancers", "enhancers-types", "splice-sites-all"):
        made.finetuning(f"nt-{task}", "nucleotide_transformer", minutes=60)
    made.add(
        "gue-tf-4", "grover build gue", "--source", made.inputs.shown("gue"), "--subset", "tf/4", "--tokenizer",
        tokenizer, marker="*/facts.json", needs=(Need("gue", "tf/4/train.*"),), after=before, minutes=1,
    )
    made.baseline("gue-tf-4", "6mers", "--tokenizer", "kmer-6", minutes=10)
    made.baseline("gue-tf-4", "tokens", "--tokenizer", tokenizer, minutes=10)
    made.finetuning("gue-tf-4", "gue", minutes=30)
