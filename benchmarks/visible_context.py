"""How far a model looks: the loss at a masked token by how many tokens it sees on each side.

python benchmarks/visible_context.py RUN [--targets 2000]

Each target is a token of a test window, 127 tokens or more from its ends, [MASK] in a crop of the window: so many
tokens on each side and nothing else. Beside the model, at the same targets: token frequency, and the table of the
tokens on both sides, counted on the train windows. RUN is a pretraining. Intervals: bootstrap over
targets.
"""

import argparse

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import AutoModelForMaskedLM

from grover_hf.baselines.neighbour_model import Seen
from grover_hf.corpus.window_store import WindowStore
from grover_hf.masking import MaskingCollator
from grover_hf.tokenization.special_tokens import CLS_ID, MASK_ID, SEP_ID
from training.evaluation.judging import baselines_of, count_and_weigh
from training.evaluation.plan import EvaluationPlan
from training.evaluation.subject import subject_of

VISIBLE = (0, 1, 2, 4, 8, 16, 32, 64, 127)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("run")
    parser.add_argument("--targets", type=int, default=2_000)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    subject = subject_of(EvaluationPlan(run=arguments.run))
    train, test = (subject.judged.split(name) for name in ("train", "test"))
    stretches = targets_of(test.store, arguments.targets, arguments.seed)
    middle = VISIBLE[-1]
    truth = stretches[:, middle]
    rows = np.arange(len(truth))
    # What is seen is true, so the table may trust it wholly.
    collator = MaskingCollator(
        vocab_size=len(subject.encoder.tokens), seed=arguments.seed, p_select=0.02, p_mask=1.0, p_random=0.0
    )
    counts, weights = count_and_weigh(train.store, train.places, collator)
    seen = Seen(stretches[:, middle - 1], np.full(len(truth), MASK_ID), stretches[:, middle + 1])
    print("| what is seen | nats (95 %) | less than the line above | perplexity |\n| --- | --- | --- | --- |")
    for name, baseline in reversed(baselines_of(counts, weights, collator).items()):
        show(name.replace("_", " "), -baseline.log_probabilities(seen)[rows, truth].astype(np.float64), None)
    model = AutoModelForMaskedLM.from_pretrained(subject.model).eval()
    previous = None
    for visible in VISIBLE:
        nll = losses(model, stretches, visible)
        show(f"model, {visible} on each side", nll, previous)
        previous = nll


def show(name: str, nll: NDArray[np.float64], previous: NDArray[np.float64] | None) -> None:
    """Print a line of the table."""
    less = "" if previous is None else "{:.3f} ({:.3f} to {:.3f})".format(*interval(previous - nll))
    nats = "{:.3f} ({:.3f} to {:.3f})".format(*interval(nll))
    print(f"| {name} | {nats} | {less} | {np.exp(nll.mean()):.1f} |", flush=True)


def targets_of(store: WindowStore, n_targets: int, seed: int) -> NDArray[np.int64]:
    """Return targets with their context, shape (n_targets, 2 * 127 + 1)."""
    around = VISIBLE[-1]
    rng = np.random.default_rng(seed)
    long = np.flatnonzero(store.lengths > 2 * around)
    rows = rng.choice(long, n_targets)
    places = store.borders[rows] + around + rng.integers(0, store.lengths[rows] - 2 * around)
    return store.input_ids[places[:, None] + np.arange(-around, around + 1)].astype(np.int64)


@torch.no_grad()
def losses(model: torch.nn.Module, stretches: NDArray[np.int64], visible: int) -> NDArray[np.float64]:
    """Return the negative log-likelihood of each target, shape (n_targets,)."""
    middle = stretches.shape[1] // 2
    crops = torch.from_numpy(stretches[:, middle - visible : middle + visible + 1].copy())
    truth = crops[:, visible].clone()
    crops[:, visible] = MASK_ID
    first, last = (torch.full((len(crops), 1), token) for token in (CLS_ID, SEP_ID))
    inputs = torch.cat([first, crops, last], 1)
    found = [
        torch.nn.functional.cross_entropy(model(part).logits[:, visible + 1], true, reduction="none")
        for part, true in zip(inputs.split(64), truth.split(64), strict=True)
    ]
    return torch.cat(found).double().numpy()


def interval(values: NDArray[np.float64]) -> tuple[float, float, float]:
    """Return a mean and its 95 % interval, by bootstrap."""
    means = values[np.random.default_rng(0).integers(0, len(values), (1_000, len(values)))].mean(1)
    return float(values.mean()), *map(float, np.percentile(means, [2.5, 97.5]))


if __name__ == "__main__":
    main()
