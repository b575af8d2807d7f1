import math
import pickle

import numpy as np
import pytest
import torch
from datasets import Dataset, Features, List, Value

from grover_hf.corpus.window_store import open_windows
from grover_hf.corpus.windows import sample_window_lengths
from grover_hf.masking import MaskingCollator
from tests.made_up import dataset_facts
from tests.oracles import masked_batch
from training.data.window_batches import WholeBatches, WindowDataset

RATES = {"p_select": 0.15, "p_mask": 0.8, "p_random": 0.1}
LENGTHS = sample_window_lengths(50_030, rng=np.random.default_rng(0))


def batches_of(lengths=LENGTHS, batch_size=64, seed=0, group_by_length=True, epoch=0):
    sampler = WholeBatches(lengths, batch_size, seed=seed, group_by_length=group_by_length)
    sampler.set_epoch(epoch)
    keys = np.array(list(sampler))
    assert len(keys) == len(sampler)
    return keys.reshape(-1, batch_size)


@pytest.mark.parametrize("group_by_length", [True, False])
def test_an_epoch_has_each_window_once_but_for_those_that_fill_no_batch(group_by_length):
    n = len(LENGTHS)
    left_out = []
    for epoch in (0, 3):
        keys = batches_of(group_by_length=group_by_length, epoch=epoch)
        assert len(keys) == n // 64
        numbers = set((keys - epoch * n).ravel().tolist())
        assert len(numbers) == keys.size
        left_out.append(set(range(n)) - numbers)
        assert all(0 <= number < n for number in numbers)
    # Always the same ones would never be learnt from.
    assert left_out[0] != left_out[1]


@pytest.mark.parametrize("batch_size", [16, 64, 256])
def test_grouped_batches_are_tokens_to_99_percent_on_the_windows_of_the_paper(batch_size):
    def share(keys, besides):
        lengths = LENGTHS[keys]
        return (lengths + besides).sum() / ((lengths.max(1) + 2) * batch_size).sum()

    grouped = batches_of(batch_size=batch_size)
    assert share(grouped, besides=2) > 0.99
    # [CLS] and [SEP] are no padding; even if they were:
    assert share(grouped, besides=0) > 0.99
    assert share(batches_of(batch_size=batch_size, group_by_length=False), besides=2) < 0.78


def test_windows_in_the_middle_of_an_epoch_are_as_long_as_at_its_ends():
    thirds = np.array_split(LENGTHS[batches_of()].mean(1), 3)
    for third in thirds:
        standard_error = third.std() / math.sqrt(len(third))
        assert abs(third.mean() - LENGTHS.mean()) < 4 * standard_error


def test_windows_come_with_other_ones_in_each_epoch():
    n = len(LENGTHS)
    first, second = (
        {frozenset(batch) for batch in (batches_of(epoch=epoch) % n).tolist()} for epoch in (0, 1)
    )
    assert not first & second


@pytest.mark.parametrize("group_by_length", [True, False])
def test_the_order_depends_on_seed_epoch_and_batch_size_alone(group_by_length):
    def order(**changes):
        return batches_of(**{"group_by_length": group_by_length, **changes}).ravel()

    np.random.default_rng(5).random(7)
    torch.manual_seed(1)
    np.testing.assert_array_equal(order(), order())
    n = len(LENGTHS)
    assert (order(epoch=1) - n != order()).mean() > 0.9
    assert (order(seed=1) != order()).mean() > 0.9


@pytest.mark.parametrize("step", [1, 3, 4, 6])
@pytest.mark.parametrize("group_by_length", [True, False])
def test_the_windows_of_a_step_are_found_again(step, group_by_length):
    lengths = np.arange(20, 31)
    sampler = WholeBatches(lengths, 3, seed=0, group_by_length=group_by_length)
    sampler.set_epoch((step - 1) // 3)
    expected = [key % 11 for key in list(sampler)[(step - 1) % 3 * 3 :][:3]]
    assert sampler.batch_of_step(step) == ((step - 1) // 3, expected)


@pytest.fixture
def windows(tmp_path):
    """300 windows, and their ids."""
    rng = np.random.default_rng(0)
    rows = [rng.integers(5, 609, n).tolist() for n in sample_window_lengths(300, rng=rng)]
    (tmp_path / "bpe-600").mkdir()
    features = Features({"input_ids": List(Value("uint16"))})
    Dataset.from_dict({"input_ids": rows}, features).to_parquet(tmp_path / "bpe-600" / "w-train.parquet")
    store = open_windows(tmp_path, dataset_facts(splits={"train": 300}))["train"]
    return store, rows


def loaded(dataset, sampler, at_once, n_workers=0):
    collate = MaskingCollator(vocab_size=609, seed=3, **RATES)
    return torch.utils.data.DataLoader(
        dataset, at_once, sampler=sampler, collate_fn=collate, num_workers=n_workers, drop_last=True
    )


@pytest.mark.parametrize("n_workers", [0, 2])
def test_loaded_batches_are_the_windows_of_their_keys_masked_one_by_one(windows, n_workers):
    store, rows = windows
    sampler = WholeBatches(store.lengths, 64, seed=0, group_by_length=True)
    sampler.set_epoch(2)
    keys = np.array(list(sampler)).reshape(-1, 64)
    batches = list(loaded(WindowDataset(store), sampler, 64, n_workers))
    assert len(batches) == len(keys) == 4
    for batch, of_batch in zip(batches, keys.tolist(), strict=True):
        examples = [(rows[key % 300], key // 300, key % 300) for key in of_batch]
        assert {epoch for _, epoch, _ in examples} == {2}
        expected = masked_batch(examples, vocab_size=609, seed=3, **RATES)
        assert all(torch.equal(batch[name], expected[name]) for name in expected)


def test_smaller_pieces_of_a_batch_have_the_same_rows_with_less_padding(windows):
    store, _ = windows
    sampler = WholeBatches(store.lengths, 64, seed=0, group_by_length=False)
    whole = list(loaded(WindowDataset(store), sampler, 64))
    pieces = list(loaded(WindowDataset(store), sampler, 16))
    for number, batch in enumerate(whole):
        for name, padding in (("input_ids", 0), ("attention_mask", 0), ("labels", -100)):
            width = batch[name].shape[1]
            rows = [
                torch.nn.functional.pad(piece[name], (0, width - piece[name].shape[1]), value=padding)
                for piece in pieces[4 * number : 4 * number + 4]
            ]
            assert torch.equal(torch.cat(rows), batch[name])


def test_chosen_windows_are_numbered_as_they_were_chosen(windows):
    store, rows = windows
    chosen = np.array([250, 3, 77])
    dataset = WindowDataset(store, chosen)
    assert len(dataset) == 3
    assert dataset.lengths.tolist() == [len(rows[i]) for i in chosen]
    for key in (1, 5):
        window = pickle.loads(pickle.dumps(dataset))[key]
        assert (window.epochs.tolist(), window.examples.tolist()) == ([key // 3], [key % 3])
        assert window.input_ids[window.starts[0] : window.ends[0]].tolist() == rows[chosen[key % 3]]
