import hashlib

import pytest

from grover_hf.errors import InputError
from grover_hf.tokenization.merges import MergeTable

TABLE = MergeTable((("T", "T"), ("A", "A"), ("AA", "TT"), ("C", "AATT")))


def test_ids_are_specials_bases_then_merges():
    assert TABLE.tokens == (
        "[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "A", "C", "G", "T", "TT", "AA", "AATT", "CAATT",
    )
    assert TABLE.vocab_size == 13


def test_digest_is_that_of_the_tokens_joined_by_newline():
    assert TABLE.vocabulary_sha256 == hashlib.sha256("\n".join(TABLE.tokens).encode()).hexdigest()


def test_a_written_file_reads_back_and_is_what_tokenizers_reads(tmp_path):
    TABLE.write(tmp_path / "merges.txt")
    assert MergeTable.read(tmp_path / "merges.txt") == TABLE
    lines = (tmp_path / "merges.txt").read_text().splitlines()
    assert lines[0].startswith("#version: 0.2 cycles=4 ")
    assert lines[1:] == ["T T", "A A", "AA TT", "C AATT"]


def test_first_is_what_a_shorter_training_gives():
    assert TABLE.first(2).merges == (("T", "T"), ("A", "A"))
    with pytest.raises(InputError, match="5 cycles were asked for; the table has 4"):
        TABLE.first(5)


def test_a_plain_file_of_another_tool_is_read(tmp_path):
    path = tmp_path / "merges.txt"
    path.write_text("#version: 0.2\nA A\nAA AA\n")
    assert MergeTable.read(path).merges == (("A", "A"), ("AA", "AA"))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda text: text[: text.rindex("C ")], "should hold 4 merges and holds 3"),
        (lambda text: text[:-3], "ends in the middle of line 5"),
        (lambda text: text.replace("A A\nAA TT", "AA TT\nA A"), "merge 2 .AA TT. needs 'AA'"),
        (lambda text: text.replace("T T\nA A", "A A\nT T"), "was changed after it was written"),
        (lambda text: text.replace("A A\n", "U U\n"), "merge 2 has 'U'"),
        (lambda text: text.replace("A A\n", "T T\n"), "makes 'TT' again"),
        (lambda text: text.replace("A A\n", "AA\n"), "line 3: 'AA' is not two tokens"),
        (lambda text: text.replace("0.2 ", "0.2 - ").replace("T T\nA A", "A A\nT T"), "first line was changed"),
        (lambda text: text.replace(" cycles", "cycles").replace("A A\n", ""), "first line was changed"),
        (lambda text: text.replace(" cycles=4", ""), "has vocabulary_sha256 where cycles and"),
        (lambda text: text.partition("\n")[2], "first line is not '#version"),
        (lambda text: text.replace("A A", "\u0120A A"), "not plain text"),
    ],
)
def test_a_damaged_file_says_how(tmp_path, change, message):
    path = tmp_path / "merges.txt"
    TABLE.write(path)
    path.write_text(change(path.read_text()), encoding="utf-8")
    with pytest.raises(InputError, match=message) as error:
        MergeTable.read(path)
    assert str(path) in str(error.value)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(InputError, match="no merges file .*gone.txt"):
        MergeTable.read(tmp_path / "gone.txt")
