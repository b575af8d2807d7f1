import json
from dataclasses import dataclass, field
from typing import Any

import pytest

from grover_hf._internals.records import plain, read_json_object, record_of
from grover_hf.errors import InputError


@dataclass(frozen=True, kw_only=True)
class Inner:
    name: str


@dataclass(frozen=True, kw_only=True)
class Outer:
    count: int
    share: float
    inner: Inner
    parts: tuple[Inner, ...] = ()
    pair: tuple[float, float] = (0.0, 1.0)
    scores: dict[str, float | list[float]] = field(default_factory=dict)
    flag: bool = False
    note: str | None = None
    details: dict[str, Any] = field(default_factory=dict)


WHOLE = Outer(
    count=3, share=0.5, inner=Inner(name="a"), parts=(Inner(name="b"), Inner(name="c")), pair=(0.25, 0.75),
    scores={"one": 1.0, "many": [0.1, 0.2]}, flag=True, note="x",
)


@pytest.mark.parametrize("record", [WHOLE, Outer(count=0, share=1, inner=Inner(name=""))])
def test_a_record_that_was_written_is_read_as_it_was(record):
    assert record_of(Outer, json.loads(json.dumps(plain(record))) | {"details": {}}, "x.json") == record


def test_only_a_field_that_is_none_by_default_is_left_out_and_may_be_missing():
    content = plain(Outer(count=1, share=0.5, inner=Inner(name="a")))
    assert "note" not in content
    for name in content:
        with pytest.raises(InputError, match=f"x.json lacks {name}"):
            record_of(Outer, {key: value for key, value in content.items() if key != name}, "x.json")


def test_names_of_a_later_version_are_passed_over():
    assert record_of(Inner, {"name": "a", "later": 1}, "x.json") == Inner(name="a")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"count": "3"}, "x.json: count is '3'; it must be an integer"),
        ({"count": True}, "x.json: count is True; it must be an integer"),
        ({"count": 3.0}, "x.json: count is 3.0; it must be an integer"),
        ({"share": "0.5"}, "x.json: share is '0.5'; it must be a number"),
        ({"share": float("nan")}, "x.json: share is nan, not a finite number"),
        ({"flag": 1}, "x.json: flag is 1; it must be true or false"),
        ({"inner": "a"}, "x.json: inner is 'a', not names with values"),
        ({"inner": {"name": 5}}, "x.json: inner: name is 5; it must be text"),
        ({"inner": {}}, "x.json: inner lacks name"),
        ({"parts": [{"name": "b"}, {"name": None}]}, r"x.json: parts\[1\]: name is None; it must be text"),
        ({"pair": [0.1]}, r"x.json: pair is \[0.1\]; it must be a list"),
        ({"scores": {"one": float("inf")}}, "x.json: scores: one is inf, not a finite number"),
        ({"scores": {"many": [0.1, "0.2"]}}, r"x.json: scores: many\[1\] is '0.2'; it must be a number"),
        ({"scores": {"one": None}}, "x.json: scores: one is None; it must be a number"),
    ],
)
def test_what_is_wrong_is_named_by_file_and_field(changes, message):
    with pytest.raises(InputError, match=message):
        record_of(Outer, plain(WHOLE) | changes, "x.json")


@pytest.mark.parametrize("text", ["{", "[1]", "", "null"])
def test_a_file_that_does_not_hold_an_object_is_damaged(tmp_path, text):
    (tmp_path / "x.json").write_text(text)
    with pytest.raises(InputError, match="x.json is damaged"):
        read_json_object(tmp_path / "x.json")


def test_a_file_that_is_missing_or_below_a_file_is_said_to_be_missing(tmp_path):
    (tmp_path / "file").write_text("")
    for path in (tmp_path / "none.json", tmp_path / "file" / "x.json"):
        with pytest.raises(FileNotFoundError):
            read_json_object(path)
