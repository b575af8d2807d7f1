from pathlib import Path

import numpy as np
import pytest

from dataset_builders.build import prepare
from dataset_builders.genome_windows.builder import plan as windows_plan
from grover_hf.baselines.neighbour_model import choose_weights
from grover_hf.corpus.facts import read_facts
from grover_hf.corpus.row_choice import rows_of_first_tiling
from grover_hf.corpus.splits import Places, bases_also_in
from grover_hf.errors import InputError
from grover_hf.masking import MaskingCollator
from training.evaluation import judging
from training.evaluation.judging import count_and_weigh, held_out_split
from training.evaluation.subject import WindowsConfig


@pytest.fixture(scope="module")
def by_block(inputs, tmp_path_factory):
    """Windows of the simulated genome in three tilings, split by block."""
    folder = tmp_path_factory.mktemp("by-block") / "windows"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GROVER_CACHE", str(folder.parent / "cache"))
        corpus = Path(inputs["tokenizer"]).parent
        prepare(windows_plan(corpus, tilings=3, split_by="block", block_bp=20_000), folder)
    config = "bpe-600.by-block"
    return WindowsConfig(folder, config, read_facts(folder, config))


def chosen(places, rows):
    return Places(*(column[rows] for column in places))


def test_the_first_tiling_covers_the_split_once(by_block):
    places = by_block.split("test").places
    first = chosen(places, rows_of_first_tiling(places))
    assert len(first.starts) < 0.5 * len(places.starts)
    # They overlap nowhere, and are where the others are.
    assert bases_also_in(first, first) == (first.ends - first.starts).sum()
    order = np.lexsort((first.starts, first.chroms))
    starts, ends, chroms = first.starts[order], first.ends[order], first.chroms[order]
    assert (starts[1:] >= ends[:-1])[chroms[1:] == chroms[:-1]].all()
    assert bases_also_in(places, first) > 0.9 * (places.ends - places.starts).sum()


def test_weights_are_chosen_on_train_windows_of_which_no_base_is_counted_and_then_all_are(by_block, monkeypatch):
    train, places = by_block.split("train")
    split = held_out_split(places, seed=0)
    assert bases_also_in(chosen(places, split == 1), chosen(places, split == 0)) == 0
    assert 0 < (split == 1).sum() < 0.5 * len(split)

    n_counted = []

    def look(counts, seen, true):
        n_counted.append(counts.singles.sum())
        assert len(true) < train.lengths[split == 1].sum()
        return choose_weights(counts, seen, true)

    monkeypatch.setattr(judging, "choose_weights", look)
    collator = MaskingCollator(vocab_size=609, seed=0, p_select=0.15, p_mask=0.8, p_random=0.1)
    counts, _ = count_and_weigh(train, places, collator)
    assert n_counted == [train.lengths[split == 0].sum()]
    assert counts.singles.sum() == train.lengths.sum()


def test_too_few_windows_to_hold_any_out_are_refused():
    places = Places(["a", "a"], np.array([0, 500]), np.array([500, 1_000]))
    with pytest.raises(InputError, match="2 train windows are too few to hold out blocks of 50,000 bp"):
        held_out_split(places, seed=0)
