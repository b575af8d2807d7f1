import numpy as np
import pytest
import torch

from grover_hf import masking
from grover_hf.errors import InputError
from grover_hf.masking import IGNORED

VOCAB = 609


def MaskingCollator(**changes):  # noqa: N802 - the class, with the paper's rates
    return masking.MaskingCollator(**{"p_select": 0.022, "p_mask": 0.8, "p_random": 0.1, **changes})


def windows(n, rng, length=None):
    return [
        {"input_ids": rng.integers(5, VOCAB, length or int(rng.integers(20, 511))).astype(np.uint16),
         "example": i, "epoch": 0}
        for i in range(n)
    ]


def test_rates_are_those_of_the_paper_within_four_sigma():
    rng = np.random.default_rng(0)
    examples = windows(600, rng, 510)
    batch = MaskingCollator(vocab_size=VOCAB, seed=1)(examples)
    original = torch.tensor(np.stack([example["input_ids"] for example in examples]).astype(np.int64))
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
    rng = np.random.default_rng(1)
    examples = windows(50, rng)
    for example in examples:
        example["input_ids"][::7] = 1  # [UNK]
    batch = MaskingCollator(vocab_size=VOCAB, seed=1, p_select=1.0, p_mask=0.0, p_random=1.0)(examples)
    selected = batch["labels"] != IGNORED
    assert (batch["labels"][selected] >= 5).all()
    drawn = batch["input_ids"][selected]
    assert int(drawn.min()) >= 5
    assert int(drawn.max()) < VOCAB
    for example, row, mask in zip(examples, batch["input_ids"], batch["attention_mask"], strict=True):
        n = len(example["input_ids"])
        assert row[0] == 2
        assert row[n + 1] == 3
        assert (row[n + 2 :] == 0).all()
        assert int(mask.sum()) == n + 2
        assert (row[1 : n + 1][example["input_ids"] == 1] == 1).all()


def test_masks_depend_on_seed_epoch_and_example_alone():
    rng = np.random.default_rng(2)
    examples = windows(8, rng)
    collate = MaskingCollator(vocab_size=VOCAB, seed=1, p_select=0.15)
    batch = collate(examples)

    def row(example, collator=collate):
        alone = collator([example])
        n = len(example["input_ids"])
        return alone["input_ids"][0, : n + 2].tolist()

    for i in (5, 2):
        n = len(examples[i]["input_ids"])
        assert row(examples[i]) == batch["input_ids"][i, : n + 2].tolist()
    assert row({**examples[5], "epoch": 1}) != row(examples[5])
    assert row({**examples[5], "example": 6}) != row(examples[5])
    assert row(examples[5], MaskingCollator(vocab_size=VOCAB, seed=2, p_select=0.15)) != row(examples[5])


@pytest.mark.parametrize("rates", [{"p_select": 0.0}, {"p_mask": 0.9, "p_random": 0.2}, {"p_random": -0.1}])
def test_impossible_rates_are_refused(rates):
    with pytest.raises(InputError, match="must hold"):
        MaskingCollator(vocab_size=VOCAB, seed=0, **rates)
