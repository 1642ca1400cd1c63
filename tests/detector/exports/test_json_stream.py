"""Streamed JSON is the JSON that json.dumps would have written of the whole."""

import io
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detector.exports.files import whole_text
from detector.exports.json_stream import Spool, write_array, write_object

SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=5)


def streamed(members):
    out = io.StringIO()
    write_object(out, members)
    return out.getvalue()


def test_an_empty_object_and_an_empty_array_are_json():
    assert json.loads(streamed([])) == {}
    assert json.loads(streamed([("images", iter([]))])) == {"images": []}


@settings(max_examples=40)
@given(st.dictionaries(st.text(), VALUES), st.lists(VALUES))
def test_a_streamed_object_equals_the_plain_dump(members, items):
    text = streamed([*members.items(), ("\0items", iter(items))])
    assert json.loads(text) == json.loads(json.dumps({**members, "\0items": items}))


@settings(max_examples=40)
@given(st.lists(VALUES))
def test_spooled_items_equal_the_plain_dump(tmp_path_factory, items):
    out = io.StringIO()
    with Spool(tmp_path_factory.getbasetemp()) as spool:
        for item in items:
            spool.add(item)
        write_array(out, spool.items())
    assert json.loads(out.getvalue()) == json.loads(json.dumps(items))


def test_a_late_member_sees_what_an_earlier_one_did():
    seen = []

    def members():
        yield "images", (seen.append(n) or n for n in range(3))
        yield "count", len(seen)

    assert json.loads(streamed(members())) == {"images": [0, 1, 2], "count": 3}


def test_numbers_that_json_cannot_hold_are_refused():
    with pytest.raises(ValueError, match="Out of range"):
        streamed([("conf", float("nan"))])


def test_an_interrupted_file_leaves_the_old_one_and_no_rest(tmp_path):
    path = tmp_path / "results.json"
    path.write_text("old")
    with pytest.raises(ZeroDivisionError), whole_text(path) as out:
        out.write(str(1 / 0))
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]
