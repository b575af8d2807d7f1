import numpy as np
import pytest
import torch

from grover_hf import masking
from grover_hf._internals.counter_rng import keyed_uniform
from grover_hf.errors import InputError
from grover_hf.masking import IGNORED, Windows
from tests.oracles import masked_batch
from training.data.padding_free import PaddingFreeCollator

VOCAB = 609
PAPER = {"p_select": 0.022, "p_mask": 0.8, "p_random": 0.1}


def MaskingCollator(**changes):  # noqa: N802 - the class, with the paper's rates
    return masking.MaskingCollator(**{**PAPER, **changes})


def some_ids(n, rng, length=None):
    return [rng.integers(5, VOCAB, length or int(rng.integers(20, 511))).astype(np.uint16) for _ in range(n)]


def windows(ids, epochs=None, examples=None):
    """Windows of an array that has other ids before, between and behind them."""
    gap = np.full(7, 3, np.uint16)
    flat = np.concatenate([gap, *(part for one in ids for part in (one, gap))])
    lengths = np.array([len(one) for one in ids])
    starts = np.cumsum(lengths + len(gap)) - lengths
    of_each = np.arange(len(ids))
    return Windows(
        flat, starts, starts + lengths, np.zeros_like(of_each) if epochs is None else epochs,
        of_each if examples is None else examples,
    )


def test_rates_are_those_of_the_paper_within_four_sigma():
    ids = some_ids(600, np.random.default_rng(0), 510)
    batch = MaskingCollator(vocab_size=VOCAB, seed=1)(windows(ids))
    original = torch.tensor(np.stack(ids).astype(np.int64))
    selected = batch["labels"] != IGNORED
    n = original.numel()

    def within(count, total, p):
        return abs(count / total - p) < 4 * np.sqrt(p * (1 - p) / total)

    n_selected = int(selected.sum())
    assert within(n_selected, n, 0.022)
    assert (batch["labels"][selected] == original[selected[:, 1:-1]]).all()
    now = batch["input_ids"][selected]
    was = batch["labels"][selected]
    assert within(int((now == 4).sum()), n_selected, 0.8)
    assert within(int(((now != 4) & (now != was)).sum()), n_selected, 0.1 * 603 / 604)
    unselected = ~selected[:, 1:-1]
    assert (batch["input_ids"][:, 1:-1][unselected] == original[unselected]).all()


def test_specials_are_never_selected_and_never_drawn():
    ids = some_ids(50, np.random.default_rng(1))
    for one in ids:
        one[::7] = 1  # [UNK]
    batch = MaskingCollator(vocab_size=VOCAB, seed=1, p_select=1.0, p_mask=0.0, p_random=1.0)(windows(ids))
    selected = batch["labels"] != IGNORED
    assert (batch["labels"][selected] >= 5).all()
    drawn = batch["input_ids"][selected]
    assert int(drawn.min()) >= 5
    assert int(drawn.max()) < VOCAB
    for one, row, mask in zip(ids, batch["input_ids"], batch["attention_mask"], strict=True):
        n = len(one)
        assert row[0] == 2
        assert row[n + 1] == 3
        assert (row[n + 2 :] == 0).all()
        assert int(mask.sum()) == n + 2
        assert (row[1 : n + 1][one == 1] == 1).all()


@pytest.mark.parametrize(
    "rates", [PAPER, {**PAPER, "p_select": 0.15}, {"p_select": 1.0, "p_mask": 1 / 3, "p_random": 2 / 3},
              {"p_select": 0.5, "p_mask": 0.0, "p_random": 0.0}],
)
@pytest.mark.parametrize("shape", [(40, None), (3, 510), (1, 1)])
def test_batches_are_those_that_are_filled_position_by_position(rates, shape):
    rng = np.random.default_rng(3)
    ids = some_ids(shape[0], rng, shape[1])
    for one in ids:
        one[::11] = 1
    # Numbers of windows go past 32 bits in no dataset, and may here.
    epochs, examples = rng.integers(0, 9, len(ids)), rng.integers(0, 2**40, len(ids))
    batch = masking.MaskingCollator(vocab_size=VOCAB, seed=7, **rates)(windows(ids, epochs, examples))
    examples_ = list(zip(ids, epochs.tolist(), examples.tolist(), strict=True))
    expected = masked_batch(examples_, vocab_size=VOCAB, seed=7, **rates)
    assert batch.keys() == expected.keys()
    assert all(torch.equal(batch[name], expected[name]) for name in batch)


def test_a_probability_is_met_exactly_at_its_border():
    # The smallest p_select that takes a position, and the largest that does not.
    ids, epochs = some_ids(1, np.random.default_rng(0), 1), np.zeros(1, np.int64)
    drawn = float(keyed_uniform(7, 0, 0, 1, 0))
    for p_select, n_selected in ((drawn, 0), (np.nextafter(drawn, 1), 1)):
        batch = MaskingCollator(vocab_size=VOCAB, seed=7, p_select=p_select)(windows(ids, epochs))
        assert int((batch["labels"] != IGNORED).sum()) == n_selected


def test_masks_depend_on_seed_epoch_and_example_alone():
    ids = some_ids(8, np.random.default_rng(2))
    collate = MaskingCollator(vocab_size=VOCAB, seed=1, p_select=0.15)
    batch = collate(windows(ids))

    def row(i, epoch=0, example=None, collator=collate):
        alone = collator(windows([ids[i]], np.array([epoch]), np.array([i if example is None else example])))
        return alone["input_ids"][0, : len(ids[i]) + 2].tolist()

    for i in (5, 2):
        assert row(i) == batch["input_ids"][i, : len(ids[i]) + 2].tolist()
    assert row(5, epoch=1) != row(5)
    assert row(5, example=6) != row(5)
    assert row(5, collator=MaskingCollator(vocab_size=VOCAB, seed=2, p_select=0.15)) != row(5)


@pytest.mark.parametrize("rates", [{"p_select": 0.0}, {"p_mask": 0.9, "p_random": 0.2}, {"p_random": -0.1}])
def test_impossible_rates_are_refused(rates):
    with pytest.raises(InputError, match="must hold"):
        MaskingCollator(vocab_size=VOCAB, seed=0, **rates)


def test_soft_masked_tokens_get_their_weight_in_padded_batches_and_in_rows():
    rng = np.random.default_rng(5)
    given = windows(some_ids(9, rng, 40)[:4] + some_ids(3, rng))
    soft_masked = rng.random(given.input_ids.size) < 0.5
    given = given._replace(soft_mask=np.packbits(soft_masked))
    for collate in (
        MaskingCollator(vocab_size=VOCAB, seed=1, p_select=0.3, repeat_weight=0.25),
        PaddingFreeCollator(
            padded=MaskingCollator(vocab_size=VOCAB, seed=1, p_select=0.3, repeat_weight=0.25)
        ),
    ):
        batch = collate(given)
        [labels, weights] = (batch[name].numpy().reshape(-1) for name in ("labels", "loss_weights"))
        assert batch["loss_weights"].shape == batch["labels"].shape
        place, expected = 0, np.zeros(labels.size)
        width = batch["labels"].shape[1] if len(batch["labels"]) > 1 else None
        for start, end in zip(given.starts, given.ends, strict=True):
            for token in range(start, end):
                at = place + 1 + token - start
                expected[at] = (0.25 if soft_masked[token] else 1.0) * (labels[at] != IGNORED)
            place += width or end - start + 2
        np.testing.assert_array_equal(weights, expected)
        assert {0.0, 0.25, 1.0} == set(weights.tolist())


def test_where_all_tokens_count_alike_a_batch_has_no_weights():
    given = windows(some_ids(2, np.random.default_rng(0)))
    assert set(MaskingCollator(vocab_size=VOCAB, seed=1)(given)) == {"input_ids", "attention_mask", "labels"}
    with pytest.raises(InputError, match="repeat_weight is 0.5, and no window says"):
        MaskingCollator(vocab_size=VOCAB, seed=1, repeat_weight=0.5)(given)
