"""Initial weights of a BERT for DNA, other than its stock ones: it begins with what pairs of tokens say.

A small BERT with its stock start stays for hours at what token frequency alone predicts. It would have to find
at once that neighbours matter, which position they are at, and which token goes with which; each is worth
nothing without the others. All three can be had before the first step: positions and heads by construction, and
which token goes with which by counting the train windows once. Nothing is held fixed afterwards, and the model
is stock BERT all the same, with an output embedding of its own, so that AutoModel loads it.

**Where things lie.** The H dimensions of a hidden state are, with P = min(size of a head, 32) and fits of rank
r - 1,

    own           2r    what the token here says of its neighbours: of the right one, then of the left one
    received      2r    what the left neighbour, then the right one, says of the token here
    code          rest  the token's identity, whatever it says
    position      P     sines and cosines of the position, and nothing else

**Positions.** Position p has the pairs (sin w_i p, cos w_i p), i = 1 ... P/2. The frequencies w_i fall
geometrically from 0.9 pi, which tells neighbours apart, to 2 pi / 700, so that no two positions within 512 look
alike. Words and positions have the same norm, so that after the layer norm, where a vector has the square norm
H, half of it is in the positions, and each pair has the amplitude sqrt(H / P).

**Heads.** The heads of the first layer look at -1, +1, -2, +2, ... A head's key picks the position pairs, its
query the same ones turned by w_i times the head's offset, both scaled by c. The score of a query at i and a key
at j is then

    c^2 (H / P) sum_k cos(w_k (j - i - offset)) / sqrt(d),    d: size of a head,

the same for all tokens, and greatest at j = i + offset, where it is c^2 H / (2 sqrt(d)); c makes that
`SHARPNESS`.

**What pairs say.** p(t | left neighbour l) is fitted as softmax over t of log f(t) + A_l . U_t, of rank r - 1,
by maximum likelihood on all pairs of the train windows; p(t | right neighbour) alike, with B and W. If the
neighbours are independent given t, then log p(t | l, r) = log f(t) + A_l . U_t + B_r . W_t + constant: logits
that are linear in what two heads carry. "own" holds A and B, the first two heads write them to "received" of
their neighbours, the output embedding has U and W there, and the output bias is log f. A, B, U and W are turned
so that each sums to 0 over its r dimensions: then the mean that a layer norm takes away changes nothing.

**All else does nothing yet.** The other heads, the feed-forward networks and the later layers have random
weights, but what they add to the hidden state is 0. The head's dense layer is the identity, its bias so large
that GELU is one too. A token that is seen, though it is to be predicted (20 % of them in BERT), is found by its
own embedding: the output embedding holds that, too, but for what it shares with [MASK], scaled to `SEEN` more in
the logit of the token that is there.

Pieces of this are known: residual branches that begin at 0 (Zhang et al. 2019, "Fixup"), the output bias at log
frequency (Karpathy 2019, "A recipe for training neural networks"), log-bilinear models of neighbours (Mnih and
Hinton 2007, "Three new graphical models for statistical language modelling"). What it gives is in
benchmarks/README.md.
"""

import contextlib
import math
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import BertConfig, BertForMaskedLM

from grover_hf.errors import InputError
from grover_hf.tokenization.special_tokens import MASK_ID, N_SPECIAL

STOCK, NEIGHBOUR_HEADS, NEIGHBOUR_COUNTS = INITIALIZATIONS = ("stock", "neighbour_heads", "neighbour_counts")
"""As transformers has it; positions, heads and the output bias; and what pairs say, which is all of the above."""
SHARPNESS = 20.0
"""Score of a head at its offset: over 0.9 of the attention is there at any length up to 510."""
SEEN = 6.0
"""About -log f(t): half of the tokens that are seen and to be predicted are what they seem to be, in BERT."""
_HIGHEST, _LOWEST = 0.9 * math.pi, 2 * math.pi / 700
_POSITION_DIMENSIONS = 32
_OWN, _RECEIVED = 0.5, 0.3
"""Share of "own" in the square norm of a word, and of "received" in that of a hidden state, on average."""
_MOST_OWN = 0.96
"""Of a word; the code has the rest."""
_GELU_IS_IDENTITY = 6.0
_LARGER = 3.0
"""Embeddings are so much larger than other weights. A step of Adam has the size of the learning rate, whatever the
size of the weight: so they change more slowly, in proportion, and less of what they begin with is lost."""
_PRIOR = 200.0
"""Without it, a start from ten thousand tokens is far worse than token frequency; from millions it is as good."""
_FIT_STEPS, _FIT_RATE, _MOST_CONTEXTS = 300, 0.05, 700


class PairFactors(NamedTuple):
    """A fit of log p(target | context) - log p(target), up to a constant of the context."""

    context: torch.Tensor
    """Shape (V, rank)."""
    target: torch.Tensor
    """Shape (V, rank)."""


def weight_std(hidden_size: int) -> float:
    """Return the standard deviation of initial weights with which a layer keeps the scale of its input.

    BERT's own is 0.02, whatever its width.

    Examples:
        >>> round(weight_std(768), 3), round(weight_std(128), 3)
        (0.036, 0.088)
    """
    return 1 / math.sqrt(hidden_size)


def head_offsets(n_heads: int) -> tuple[int, ...]:
    """Return where the heads of the first layer look, in tokens from their own.

    Examples:
        >>> head_offsets(5)
        (-1, 1, -2, 2, -3)
    """
    return tuple((head // 2 + 1) * (-1, 1)[head % 2] for head in range(n_heads))


def rank_of_pairs(config: BertConfig) -> int:
    """Return the rank at which a model's start holds what pairs say.

    Raises:
        InputError: If the model is too narrow.

    Examples:
        >>> from grover_hf import grover_config
        >>> rank_of_pairs(grover_config(size="base")), rank_of_pairs(grover_config(size="small"))
        (63, 43)
    """
    size = config.hidden_size // config.num_attention_heads
    dimensions = min(size, (config.hidden_size - _position_dimensions(config) - 2) // 5, config.vocab_size)
    if dimensions < 2 or config.num_attention_heads < 2:
        raise InputError(
            f"initialization {NEIGHBOUR_COUNTS} needs two heads and a wider model; this one has "
            f"{config.num_attention_heads} heads and {config.hidden_size} dimensions."
        )
    return dimensions - 1


@torch.no_grad()
def look_at_neighbours(model: BertForMaskedLM) -> None:
    """Give the positions dimensions of their own, and each head of the first layer a neighbour to look at.

    Args:
        model: Changed in place.

    Raises:
        InputError: If its heads have an odd number of dimensions.
    """
    config, embeddings = model.config, model.bert.embeddings
    hidden, n_heads = config.hidden_size, config.num_attention_heads
    size, dimensions = hidden // n_heads, _position_dimensions(config)
    if dimensions % 2:
        raise InputError(f"A head has {size} dimensions; sines and cosines of positions need pairs of them.")
    frequencies = torch.exp(torch.linspace(math.log(_HIGHEST), math.log(_LOWEST), dimensions // 2).double())
    angles = torch.arange(config.max_position_embeddings)[:, None] * frequencies
    pairs = torch.stack([angles.sin(), angles.cos()], -1).flatten(1).float()
    embeddings.word_embeddings.weight[:, -dimensions:] = 0
    embeddings.token_type_embeddings.weight.zero_()
    embeddings.position_embeddings.weight.zero_()
    # As much of a vector's square norm for the position as for the word.
    amplitude = float(embeddings.word_embeddings.weight.norm(dim=1).median()) / math.sqrt(dimensions / 2)
    embeddings.position_embeddings.weight[:, -dimensions:] = amplitude * pairs
    layers: Any = model.bert.encoder.layer
    attention = layers[0].attention.self
    scale = math.sqrt(SHARPNESS * 2 * math.sqrt(size) / hidden)
    for head, offset in enumerate(head_offsets(n_heads)):
        turned = torch.block_diag(*(_rotation(float(w) * offset) for w in frequencies))
        for weight, matrix in ((attention.query.weight, turned), (attention.key.weight, torch.eye(dimensions))):
            rows = weight[head * size : (head + 1) * size]
            rows.zero_()
            rows[:dimensions, -dimensions:] = scale * matrix


@torch.no_grad()
def predict_frequencies(model: BertForMaskedLM, singles: NDArray[np.int64]) -> None:
    """Set the output bias to the logarithm of token frequencies.

    Args:
        model: Changed in place.
        singles: Occurrences of each id, shape (V,); one is added to each.
    """
    model.get_output_embeddings().bias.copy_(_log_frequencies(singles))


def fit_pairs(counts: NDArray[np.int64], rank: int, *, seed: int, prior: float = 0) -> PairFactors:
    """Fit p(target | context) = softmax over targets of log f(target) + context . target, by maximum likelihood.

    300 steps of Adam, each on all contexts, or on 700 of them where there are more; in one thread, so that the
    number of threads does not change the weights that a training begins with. A second for 609 tokens, half a
    minute for 4,101.

    Args:
        counts: Occurrences of each context with each target, shape (V, V).
        rank: Rank of the fit.
        seed: Of the random start.
        prior: So many more occurrences of each context, with targets as frequent as they are: where few were
            counted, a context says little.

    Returns:
        Factors with the same scale in each dimension, float32.

    Examples:
        Tokens that alternate say all of their neighbours:

        >>> counts = np.array([[0, 50], [50, 0]])
        >>> context, target = fit_pairs(counts, rank=1, seed=0)
        >>> (context @ target.T).softmax(1).round().int().tolist()
        [[0, 1], [1, 0]]
    """
    with _one_thread():
        return _fitted(counts, rank, seed, prior)


def _fitted(counts: NDArray[np.int64], rank: int, seed: int, prior: float) -> PairFactors:
    occurrences = torch.from_numpy(counts + prior * counts.sum(0) / max(1, counts.sum())).float()
    occurrences /= occurrences.sum()
    bias = _log_frequencies(counts.sum(0))
    generator = torch.Generator().manual_seed(seed)
    context, target = (
        (0.3 * torch.randn(len(counts), rank, generator=generator)).requires_grad_() for _ in range(2)
    )
    optimizer = torch.optim.Adam([context, target])
    order = rows = torch.arange(len(counts))
    for step in range(_FIT_STEPS):
        if len(counts) > _MOST_CONTEXTS:
            if len(order) < _MOST_CONTEXTS:
                order = torch.randperm(len(counts), generator=generator)
            rows, order = order[:_MOST_CONTEXTS], order[_MOST_CONTEXTS:]
        optimizer.param_groups[0]["lr"] = _FIT_RATE * (1 - step / _FIT_STEPS)
        optimizer.zero_grad()
        loss = -(occurrences[rows] * (context[rows] @ target.T + bias).log_softmax(1)).sum()
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        left, scales, right = torch.linalg.svd(context @ target.T, full_matrices=False)
        scales = scales[:rank].sqrt()
        return PairFactors(left[:, :rank] * scales, right[:rank].T * scales)


@torch.no_grad()
def begin_with_pairs(
    model: BertForMaskedLM, singles: NDArray[np.int64], pairs: NDArray[np.int64], *, seed: int
) -> None:
    """Set all weights so that the model predicts a masked token from both its neighbours; see the module.

    Args:
        model: With an output embedding of its own and weights of scale `initializer_range`; changed in place.
        singles: Occurrences of each id in the train windows, shape (V,).
        pairs: Occurrences of each left id with each right id, shape (V, V).
        seed: Of the codes and of the fit.

    Raises:
        InputError: If the model is too narrow, or its output embedding is that of its input.
    """
    config, hidden = model.config, model.config.hidden_size
    output = model.get_output_embeddings()
    words = model.bert.embeddings.word_embeddings.weight
    if output.weight is words:
        raise InputError(f"initialization {NEIGHBOUR_COUNTS} needs tie_embeddings: false.")
    rank = rank_of_pairs(config)
    predict_frequencies(model, singles)
    # What the left neighbour says, then what the right one says.
    with torch.enable_grad():
        fits = [fit_pairs(counts, rank, seed=seed, prior=_PRIOR) for counts in (pairs, pairs.T)]
    summing_to_0 = _orthogonal_to_ones(rank + 1)
    own = torch.cat([fit.context @ summing_to_0 for fit in fits], 1)
    target = torch.cat([fit.target @ summing_to_0 for fit in fits], 1)
    r = rank + 1
    norm = _LARGER * config.initializer_range * math.sqrt(hidden - _position_dimensions(config))

    # Words: of equal norm all, so that the layer norm scales all alike.
    frequencies = _log_frequencies(singles).exp()
    rms = math.sqrt(float((own.square().sum(1) * frequencies).sum()))
    share = math.sqrt(_OWN) * norm / rms
    held = own * share
    held *= (math.sqrt(_MOST_OWN) * norm / held.norm(dim=1, keepdim=True)).clamp(max=1)
    held[:N_SPECIAL] = 0
    words.zero_()
    words[:, : 2 * r] = held
    code = slice(4 * r, hidden - _position_dimensions(config))
    words[:, code] = _codes(len(words), code.stop - code.start, seed)
    words[:, code] *= (norm**2 - held.square().sum(1, keepdim=True)).sqrt()
    look_at_neighbours(model)

    # The first two heads carry "own" of a neighbour to "received" here.
    layers: Any = model.bert.encoder.layer
    attention = layers[0].attention
    size = hidden // config.num_attention_heads
    after_first_norm = share * math.sqrt(hidden / 2) / norm
    carried = math.sqrt(_RECEIVED * hidden) / rms / after_first_norm
    attention.output.dense.weight.zero_()
    for head in range(2):
        values = attention.self.value.weight[head * size : (head + 1) * size]
        values.zero_()
        values[:r, head * r : (head + 1) * r] = math.sqrt(carried) * torch.eye(r)
        received = slice((2 + head) * r, (3 + head) * r)
        attention.output.dense.weight[received, head * size : head * size + r] = math.sqrt(carried) * torch.eye(r)

    for number, layer in enumerate(layers):
        layer.output.dense.weight.zero_()
        if number:
            layer.attention.output.dense.weight.zero_()
    transform: Any = model.cls.predictions.transform
    transform.dense.weight.copy_(torch.eye(hidden))
    transform.dense.bias.fill_(_GELU_IS_IDENTITY)
    transform.LayerNorm.weight.fill_(1 / _LARGER)

    after_second_norm = 1 / math.sqrt(1 + _RECEIVED) / _LARGER
    output.weight.zero_()
    output.weight[:, 2 * r : 4 * r] = target / (carried * after_first_norm * after_second_norm)
    # A token that is seen speaks for itself; [MASK] speaks for none.
    mask = words[MASK_ID] / norm
    seen = words - torch.outer(words @ mask, mask)
    output.weight[N_SPECIAL:] += seen[N_SPECIAL:] * (SEEN / (norm * math.sqrt(hidden / 2) * after_second_norm))


@contextlib.contextmanager
def _one_thread() -> Iterator[None]:
    n_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(n_threads)


def _position_dimensions(config: BertConfig) -> int:
    return min(_POSITION_DIMENSIONS, int(config.hidden_size // config.num_attention_heads))


def _rotation(angle: float) -> torch.Tensor:
    """Return what turns (sin a, cos a) into (sin (a + angle), cos (a + angle))."""
    cos, sin = math.cos(angle), math.sin(angle)
    return torch.tensor([[cos, sin], [-sin, cos]])


def _log_frequencies(occurrences: NDArray[np.int64]) -> torch.Tensor:
    known = occurrences.astype(np.float64) + 1
    return torch.from_numpy(np.log(known / known.sum())).float()


def _orthogonal_to_ones(n: int) -> torch.Tensor:
    """Return n - 1 orthonormal rows, each of which sums to 0, shape (n - 1, n)."""
    rows: torch.Tensor = torch.linalg.svd(torch.eye(n) - 1 / n)[0].T
    return rows[: n - 1]


def _codes(n_words: int, dimensions: int, seed: int) -> torch.Tensor:
    """Return random vectors of norm 1 that sum to 0, shape (n_words, dimensions)."""
    codes: torch.Tensor = torch.randn(n_words, dimensions, generator=torch.Generator().manual_seed(seed))
    codes -= codes.mean(1, keepdim=True)
    codes /= codes.norm(dim=1, keepdim=True)
    return codes
