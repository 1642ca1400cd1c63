"""What cannot be a time is none, and no sum of times leaves the calendar."""

from datetime import datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from detector.base.times import Period, add_ms, implausible, safe_add, seconds_that_can_be

NOW = datetime(2030, 5, 3)


def _times(*moments: object) -> np.ndarray:
    return np.array(moments, "datetime64[ms]")


def test_no_times() -> None:
    assert Period.until(NOW).holds(_times()).tolist() == []
    assert add_ms(_times(), np.zeros(0, np.int64)).tolist() == []
    assert seconds_that_can_be([]).tolist() == []
    assert safe_add(None, 1.0) is None


def test_a_time_can_be_from_1970_to_the_end_of_next_year() -> None:
    times = _times("1969-12-31T23:59:59", "1970-01-01", "2031-12-31T23:59:59", "2032-01-01", "9999-12-31", "0001-01-01")
    assert Period.until(NOW).holds(times).tolist() == [False, True, True, False, False, False]
    assert not Period.until(NOW).holds(_times("NaT"))[0]


def test_a_computer_whose_clock_fell_back_believes_pictures_nevertheless() -> None:
    assert Period.until(datetime(2001, 1, 1)).holds(_times("2026-11-28"))[0]


@pytest.mark.parametrize("year", [1, 9998, 9999])
def test_any_year_of_the_computer_has_a_period(year: int) -> None:
    assert Period.until(datetime(year, 1, 1)).holds(_times("2024-05-01")).all()


def test_a_deployment_widens_what_can_be() -> None:
    period = Period.until(NOW).including(datetime(1965, 3, 1), datetime(1966, 1, 1))
    assert period.holds(_times("1965-06-01", "2024-01-01", "1964-01-01")).tolist() == [True, True, False]
    assert period.including(None, None) == period


def test_the_reason_names_the_time_and_what_can_be() -> None:
    written, corrected, none = _times("9999-12-31T23:59:59", "9998-12-31", "NaT")
    period = Period.until(NOW)
    assert implausible(written, written, period) == (
        "its time 9999-12-31 23:59:59 is not in 1970 to 2031: it counts as none"
    )
    assert "23:59:59, corrected to 9998-12-31 00:00:00, is not" in implausible(written, corrected, period)
    assert "corrected to what no calendar has, is not" in implausible(written, none, period)


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
