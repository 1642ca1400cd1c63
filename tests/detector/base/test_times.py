"""No sum of times leaves the calendar."""

from datetime import datetime, timedelta

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from detector.base.times import add_ms, safe_add, seconds_that_can_be


def _times(*moments: object) -> np.ndarray:
    return np.array(moments, "datetime64[ms]")


def test_no_times() -> None:
    assert add_ms(_times(), np.zeros(0, np.int64)).tolist() == []
    assert seconds_that_can_be([]).tolist() == []
    assert safe_add(None, 1.0) is None


@given(st.datetimes() | st.none(), st.floats())
def test_adding_never_leaves_the_calendar(moment: datetime | None, seconds: float) -> None:
    later = safe_add(moment, seconds)
    assert later is None or (moment is not None and abs((later - moment).total_seconds() - seconds) < 1e-3)


@given(st.datetimes(), st.integers(-(2**63), 2**63 - 1))
def test_adding_to_arrays_never_leaves_the_calendar(moment: datetime, milliseconds: int) -> None:
    moment = moment.replace(microsecond=0)
    [later] = add_ms(_times(moment), milliseconds).tolist()
    try:
        expected = moment + timedelta(milliseconds=milliseconds)
    except OverflowError:
        expected = None
    assert later == expected


@given(st.lists(st.floats()))
def test_seconds_into_a_video_are_sane(seconds: list[float]) -> None:
    for given_s, kept in zip(seconds, seconds_that_can_be(seconds).tolist(), strict=True):
        assert kept == (given_s if 0 < given_s <= 366 * 86400 else 0)
