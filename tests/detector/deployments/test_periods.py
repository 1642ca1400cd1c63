"""What cannot be the time of a picture is none."""

from datetime import datetime

import numpy as np
import pytest

from detector.deployments.periods import Period, implausible

NOW = datetime(2030, 5, 3)


def _times(*moments: object) -> np.ndarray:
    return np.array(moments, "datetime64[ms]")


def test_no_times() -> None:
    assert Period.until(NOW).holds(_times()).tolist() == []


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
