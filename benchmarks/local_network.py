"""What both neighbours tell: a plain two-layer network, beside the table of pairs and triples and a model.

python benchmarks/local_network.py RUN [--targets 10000000] [--seeds 1] [--windows 500]

The network sees a token's two neighbours and what stands in its own place, an embedding of 128 dimensions each,
then 512 hidden units, then all tokens. It is trained on RUN's train windows, each token a target in turn, masked
as those that it is judged on, at 15 %, 80/10/10. (A masked model of that rate would see seven times as many tokens
for as many targets.) Judged on RUN's test windows. Intervals: bootstrap over windows.
"""

import argparse

import numpy as np
import torch
from numpy.typing import NDArray

from grover_hf.baselines.neighbour_model import Seen, seen_at
from grover_hf.corpus.window_store import WindowStore
from grover_hf.masking import IGNORED
from grover_hf.metrics.window_bootstrap import WindowResamples, interval
from grover_hf.tokenization.special_tokens import CLS_ID, MASK_ID, N_SPECIAL, SEP_ID
from training.data.window_batches import WindowDataset
from training.evaluation.judging import MaskedModel, baselines_of, count_and_weigh
from training.evaluation.plan import EvaluationPlan
from training.evaluation.subject import collator_of, rows_to_judge, subject_of

_EMBEDDING, _HIDDEN, _TARGETS_A_STEP, _RATE = 128, 512, 1_024, 2e-3
_P_SELECT, _P_MASK, _P_RANDOM = 0.15, 0.8, 0.1


class LocalNetwork(torch.nn.Module):
    """p(token | left neighbour, what stands in its place, right neighbour)."""

    def __init__(self, vocab_size: int) -> None:
        super().__init__()
        self.embeddings = torch.nn.ModuleList(torch.nn.Embedding(vocab_size, _EMBEDDING) for _ in Seen._fields)
        self.layers = torch.nn.Sequential(
            torch.nn.Linear(3 * _EMBEDDING, _HIDDEN), torch.nn.GELU(), torch.nn.Linear(_HIDDEN, vocab_size)
        )

    def forward(self, seen: torch.Tensor) -> torch.Tensor:
        """Return logits, shape (n, V), of ids that are seen, shape (n, 3)."""
        embedded = [embedding(ids) for embedding, ids in zip(self.embeddings, seen.T, strict=True)]
        logits: torch.Tensor = self.layers(torch.cat(embedded, 1))
        return logits


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("run")
    parser.add_argument("--targets", type=int, default=10_000_000)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--windows", type=int, default=500)
    arguments = parser.parse_args()
    plan = EvaluationPlan(
        run=arguments.run, windows=arguments.windows, p_select=_P_SELECT, p_mask=_P_MASK, p_random=_P_RANDOM,
        seed=0,
    )
    subject = subject_of(plan)
    collator = collator_of(plan, subject)
    test, train = (subject.judged.split(name) for name in ("test", "train"))
    windows = WindowDataset(test.store, rows_to_judge(test.places, plan.windows))
    model = MaskedModel(subject.model, n_tokens=collator.vocab_size, longest=int(windows.lengths.max()))
    parts, of_model = [], []
    for first in range(0, len(windows), 16):
        numbers = np.arange(first, min(first + 16, len(windows)))
        batch = collator(windows.__getitems__(numbers.tolist()))
        masked = batch["labels"].numpy() != IGNORED
        true = batch["labels"].numpy()[masked]
        parts.append((*seen_at(batch["input_ids"].numpy(), masked), true, numbers[np.nonzero(masked)[0]]))
        of_model.append(-model.log_probabilities(batch, bf16=False)[np.arange(len(true)), true].astype(np.float64))
    left, centre, right, true, window = (np.concatenate(column) for column in zip(*parts, strict=True))
    seen = Seen(left, centre, right)
    losses = {"model": np.concatenate(of_model)}
    for seed in range(arguments.seeds):
        network = trained(train.store, collator.vocab_size, arguments.targets, seed)
        losses[f"network, {arguments.targets / 1e6:g} M targets, seed {seed}"] = nll_of(network, seen, true)
    for name, baseline in baselines_of(*count_and_weigh(train.store, train.places, collator), collator).items():
        losses[name.replace("_", " ")] = -np.concatenate([
            baseline.log_probabilities(Seen(*(column[rows] for column in seen)))[np.arange(len(rows)), true[rows]]
            for rows in np.array_split(np.arange(len(true)), len(true) // 4_096 + 1)
        ]).astype(np.float64)
    hidden = centre == MASK_ID
    both = hidden & (left >= N_SPECIAL) & (right >= N_SPECIAL)
    resamples = WindowResamples(window, len(windows), rng=np.random.default_rng(0))
    print("| | perplexity (95 %) | at [MASK] | at [MASK], both neighbours seen | nats more than the model's |")
    print("| --- | --- | --- | --- | --- |")
    for name, nll in losses.items():
        cells = []
        for chosen in (np.ones_like(hidden), hidden, both):
            low, high = np.exp(mean_interval(nll, chosen, resamples))
            cells.append(f"{np.exp(nll[chosen].mean()):.1f} ({low:.1f} to {high:.1f})")
        more = nll - losses["model"]
        low, high = mean_interval(more, np.ones_like(hidden), resamples)
        cells.append(f"{more.mean():.3f} ({low:.3f} to {high:.3f})" if name != "model" else "")
        print(f"| {name} | {' | '.join(cells)} |")


def trained(store: WindowStore, vocab_size: int, n_targets: int, seed: int) -> LocalNetwork:
    """Train a network on tokens of train windows, in a random order; the learning rate falls to 0."""
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    network = LocalNetwork(vocab_size)
    optimizer = torch.optim.AdamW(network.parameters(), lr=_RATE, betas=(0.9, 0.98), weight_decay=0.01)
    n_steps = n_targets // _TARGETS_A_STEP
    padded, places = with_borders(store)
    order = places[:0]
    for step in range(n_steps):
        if len(order) < _TARGETS_A_STEP:
            order = rng.permutation(places)
        chosen, order = order[:_TARGETS_A_STEP], order[_TARGETS_A_STEP:]
        truth = padded[chosen[:, None] + np.arange(-1, 2)].astype(np.int64)
        selected = rng.random(truth.shape) < _P_SELECT
        selected[:, 1] = True
        given = np.where(selected & (truth >= N_SPECIAL), corrupted(truth, vocab_size, rng), truth)
        optimizer.param_groups[0]["lr"] = _RATE * min(1, (step + 1) / 100) * (1 - step / n_steps)
        loss = torch.nn.functional.cross_entropy(network(torch.from_numpy(given)), torch.from_numpy(truth[:, 1]))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return network.eval()


def with_borders(store: WindowStore) -> tuple[NDArray[np.uint16], NDArray[np.int64]]:
    """Return the windows, each between [CLS] and [SEP], and where their tokens stand."""
    pieces = [
        np.concatenate([[CLS_ID], store.input_ids[first:end], [SEP_ID]]).astype(np.uint16)
        for first, end in zip(store.borders[:-1], store.borders[1:], strict=True)
    ]
    padded = np.concatenate(pieces)
    return padded, np.flatnonzero(padded >= N_SPECIAL)


def corrupted(truth: NDArray[np.int64], vocab_size: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Return what stands in the place of tokens that are to be predicted."""
    drawn = rng.random(truth.shape)
    other = rng.integers(N_SPECIAL, vocab_size, truth.shape)
    return np.where(drawn < _P_MASK, MASK_ID, np.where(drawn < _P_MASK + _P_RANDOM, other, truth))


@torch.inference_mode()
def nll_of(network: LocalNetwork, seen: Seen, true: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the negative log-likelihood of tokens, shape (n,)."""
    inputs, labels = torch.from_numpy(np.stack(seen, 1)), torch.from_numpy(true)
    parts = [
        torch.nn.functional.cross_entropy(network(some), truth, reduction="none")
        for some, truth in zip(inputs.split(8_192), labels.split(8_192), strict=True)
    ]
    return torch.cat(parts).double().numpy()


def mean_interval(
    values: NDArray[np.float64], chosen: NDArray[np.bool_], resamples: WindowResamples
) -> NDArray[np.float64]:
    """Return the 95 % interval of the mean over the chosen tokens, shape (2,)."""
    return interval((resamples.sums(values * chosen) / resamples.sums(chosen.astype(np.float64)))[:, 0])


if __name__ == "__main__":
    main()
