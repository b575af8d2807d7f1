import itertools
import pickle

import numpy as np
import pytest
from datasets import Dataset, Features, List, Value

from grover_hf._internals.files import cache_dir
from grover_hf.corpus.soft_mask import looked_up
from grover_hf.corpus.window_store import open_windows
from grover_hf.errors import InputError
from tests.made_up import dataset_facts

FACTS = dataset_facts()
N = {"train": 2_500, "test": 31}


def write_split(folder, name, rows, dtype="uint16", **lists):
    features = Features({"input_ids": List(Value(dtype)), **{name: List(Value("bool")) for name in lists}})
    folder.mkdir(parents=True, exist_ok=True)
    table = Dataset.from_dict({"input_ids": rows, **lists}, features)
    table.to_parquet(folder / f"windows-{name}.parquet", batch_size=100)


@pytest.fixture(scope="module")
def rows():
    rng = np.random.default_rng(0)
    return {name: [rng.integers(5, 609, n).tolist() for n in rng.integers(1, 60, N[name])] for name in N}


@pytest.fixture
def dataset(tmp_path, rows):
    for name in N:
        write_split(tmp_path / "bpe-600", name, rows[name])
    return tmp_path


def windows_of(store):
    return [store.input_ids[a:b].tolist() for a, b in itertools.pairwise(store.borders.tolist())]


def test_the_windows_of_a_split_are_its_rows(dataset, rows):
    stores = open_windows(dataset, FACTS)
    for name, n in N.items():
        assert windows_of(stores[name]) == rows[name]
        assert len(stores[name]) == n
        assert stores[name].lengths.tolist() == [len(row) for row in rows[name]]


def test_a_store_knows_which_tokens_are_soft_masked_where_the_rows_say_it(tmp_path, rows):
    soft_masked = [[(token * 7 + place) % 3 == 0 for place, token in enumerate(row)] for row in rows["test"]]
    for number, part in enumerate((slice(0, 9), slice(9, 10), slice(10, None))):
        name = f"test-{number:05}-of-00003"
        write_split(tmp_path / "bpe-600", name, rows["test"][part], soft_masked=soft_masked[part])
    for store in (open_windows(tmp_path, FACTS)["test"], open_windows(tmp_path, FACTS)["test"]):
        assert windows_of(store) == rows["test"]
        found = looked_up(store.soft_mask, np.arange(store.input_ids.size)).tolist()
        assert found == list(itertools.chain(*soft_masked))
        assert pickle.loads(pickle.dumps(store)).soft_mask.tolist() == store.soft_mask.tolist()


def test_a_store_of_rows_that_do_not_say_it_has_no_soft_mask(dataset):
    assert open_windows(dataset, FACTS)["test"].soft_mask is None


def test_rows_that_say_it_of_other_tokens_are_refused(tmp_path):
    write_split(tmp_path / "bpe-600", "test", [[5, 6]], soft_masked=[[True]])
    with pytest.raises(InputError, match="has 2 tokens, and 1 values of soft_masked"):
        open_windows(tmp_path, FACTS)


def test_shards_are_joined_in_order(tmp_path, rows):
    for number, part in enumerate((rows["test"][:10], rows["test"][10:11], rows["test"][11:])):
        write_split(tmp_path / "kmer-6", f"test-{number:05}-of-00003", part)
    stores = open_windows(tmp_path, dataset_facts(config="kmer-6"))
    assert stores.keys() == {"test"}
    assert windows_of(stores["test"]) == rows["test"]


def test_what_is_in_the_cache_is_mapped_and_not_made_again(dataset, rows):
    path = open_windows(dataset, FACTS)["train"].path
    before = path.stat()
    for parquet in dataset.rglob("*.parquet"):
        parquet.write_bytes(b"")
    store = open_windows(dataset, FACTS)["train"]
    assert windows_of(store) == rows["train"]
    assert (path.stat().st_ino, path.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    for array in (store.input_ids, store.borders):
        assert not array.flags.owndata
        assert not array.flags.writeable


@pytest.mark.parametrize(
    "spoil",
    [
        lambda content: content[:-1],
        lambda content: content[: len(content) // 2],
        lambda content: content[:20],
        lambda content: b"",
        lambda content: content + b"\0",
        lambda content: b"windows1" + content[8:],
        lambda content: content[:40] + bytes(24) + content[64:],
    ],
    ids=["a byte short", "half", "half a header", "empty", "a byte more", "another format", "of another dataset"],
)
def test_a_torn_or_foreign_file_in_the_cache_is_made_again(dataset, rows, spoil):
    path = open_windows(dataset, FACTS)["test"].path
    whole = path.read_bytes()
    path.write_bytes(spoil(whole))
    assert windows_of(open_windows(dataset, FACTS)["test"]) == rows["test"]
    assert path.read_bytes() == whole


def test_another_dataset_has_another_file(dataset, rows):
    first = open_windows(dataset, FACTS)["test"]
    write_split(dataset / "bpe-600", "test", rows["test"][::-1])
    second = open_windows(dataset, dataset_facts(sha256="1" * 64))["test"]
    assert windows_of(second) == windows_of(first)[::-1]


def test_nothing_is_left_in_the_cache_of_a_conversion_that_fails(tmp_path, rows):
    write_split(tmp_path / "bpe-600", "test", rows["test"])
    write_split(tmp_path / "bpe-600", "train", rows["test"], dtype="int64")
    with pytest.raises(InputError, match=r"windows-train.parquet has no token ids to train on"):
        open_windows(tmp_path, FACTS)
    assert not list((cache_dir() / "windows").iterdir())


def test_a_worker_gets_the_path_and_no_tokens(dataset, rows):
    store = open_windows(dataset, FACTS)["train"]
    sent = pickle.dumps(store)
    assert len(sent) < 1_000
    assert windows_of(pickle.loads(sent)) == rows["train"]
