"""A set of ids holds what a set would, in less memory."""

from __future__ import annotations

import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from detector.store.media_ids import MediaIds

IDS = st.integers(0, 2**64 - 1).map(lambda number: f"m{number:016x}")
ANY = IDS | st.sampled_from(["", "m", "mg000000000000000", "m00000000000000000", "mABCDEF0123456789", "m_1234567"])


def test_an_empty_one_holds_nothing():
    ids = MediaIds()
    assert len(ids) == 0
    assert list(ids) == []
    assert "m0123456789abcdef" not in ids
    assert None not in ids


@settings(max_examples=50)
@given(st.lists(ANY), st.lists(ANY), st.lists(ANY))
def test_it_is_a_set(one_by_one, column, asked):
    ids, expected = MediaIds(one_by_one), {*one_by_one, *column}
    ids.update_from(pa.chunked_array([pa.array(column, pa.string())]))
    assert len(ids) == len(expected)
    assert set(ids) == expected
    assert [item in ids for item in [*asked, *expected]] == [item in expected for item in [*asked, *expected]]


def test_ids_of_stores_of_a_time_before_get_their_letter():
    ids = MediaIds()
    ids.update_from(pa.chunked_array([pa.array(["0123456789abcdef"])]))
    assert list(ids) == ["m0123456789abcdef"]
