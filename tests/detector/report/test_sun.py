"""Time by the sun, beside almanacs."""

from datetime import date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from detector.report.sun import sun_edges, sun_minute

JERUSALEM, LONDON, TROMSO, SYDNEY = (31.778, 35.235), (51.5074, -0.1278), (69.6492, 18.9553), (-33.8688, 151.2093)


@pytest.mark.parametrize(
    ("place", "day", "offset_min", "sunrise", "sunset"),
    [
        (JERUSALEM, date(2024, 6, 21), 180, "05:34", "19:47"),
        (JERUSALEM, date(2024, 12, 21), 120, "06:35", "16:40"),
        (LONDON, date(2024, 3, 20), 0, "06:03", "18:13"),
        (LONDON, date(2024, 6, 20), 60, "04:43", "21:21"),
        (SYDNEY, date(2024, 12, 21), 660, "05:41", "20:05"),
    ],
)
def test_the_sun_rises_and_sets_as_almanacs_say(place, day, offset_min, sunrise, sunset):
    def minutes(text):
        return int(text[:2]) * 60 + int(text[3:])

    rise, fall = sun_edges(day, *place)
    assert (rise + offset_min) % 1440 == pytest.approx(minutes(sunrise), abs=3)
    assert (fall + offset_min) % 1440 == pytest.approx(minutes(sunset), abs=3)


def test_sunrise_is_at_six_and_sunset_at_eighteen():
    rise, fall = sun_edges(date(2024, 6, 21), *JERUSALEM)
    for minute, expected in ((rise, 360), (fall, 1080), ((rise + fall) / 2, 720)):
        local = round(minute + 180) % 1440
        moment = datetime(2024, 6, 21, local // 60, local % 60)
        assert sun_minute(moment, 180, *JERUSALEM) == pytest.approx(expected, abs=2)


def test_where_the_sun_does_not_set_there_is_no_time_by_it():
    assert sun_minute(datetime(2024, 6, 21, 12), 120, *TROMSO) is None
    assert sun_minute(datetime(2024, 12, 21, 12), 60, *TROMSO) is None
    assert sun_minute(datetime(2024, 3, 20, 12), 60, *TROMSO) is not None


@given(
    st.datetimes(datetime(1990, 1, 1), datetime(2090, 1, 1)),
    st.integers(-720, 840), st.floats(-90, 90), st.floats(-180, 180),
)  # fmt: skip
def test_any_moment_anywhere_is_a_minute_of_the_day_or_none(moment, offset_min, latitude, longitude):
    minute = sun_minute(moment, offset_min, latitude, longitude)
    assert minute is None or 0 <= minute < 1440
