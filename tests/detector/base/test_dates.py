"""Dates of tables: ISO's, and the one other reading that fits them all."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from detector.base.dates import day_first, parse_date


def numbered(texts: list[str]) -> list[tuple[str, str]]:
    return [(f"row {number}", text) for number, text in enumerate(texts, 2)]


def test_no_dates_need_no_reading() -> None:
    assert day_first([]) is None
    assert day_first(numbered(["", "2024-05-01", "soon", "01/01/2024", "05/05/2024 7:03"])) is None


@pytest.mark.parametrize(
    ("texts", "first"),
    [(["01/05/2024", "13/05/2024"], True), (["1/5/2024", "5/13/2024 7:03"], False), (["31.12.2024"], True)],
)
def test_one_date_tells_for_all(texts: list[str], first: bool) -> None:
    assert day_first(numbered(texts)) is first


def test_what_both_or_neither_reading_fits_is_an_error_that_names_rows() -> None:
    with pytest.raises(ValueError, match=r"'01/05/2024' \(row 3\) may begin with the day or with the month"):
        day_first(numbered(["01/01/2024", "01/05/2024"]))
    with pytest.raises(ValueError, match=r"'13/05/2024' \(row 2\) .* '05/13/2024' \(row 3\)"):
        day_first(numbered(["13/05/2024", "05/13/2024"]))


MORNING = datetime(2024, 5, 1, 6, 30)


@pytest.mark.parametrize(
    ("text", "time", "has_clock"),
    [
        ("2024-05-01", datetime(2024, 5, 1), False),
        ("2024-5-1 6:30", MORNING, True),
        ("2024/05/01 06:30:00", MORNING, True),
        ("2024:05:01 06:30:00", MORNING, True),
        ("2024-05-01T06:30", MORNING, True),
        ("2024-05-01T06:30:00.250", MORNING + timedelta(seconds=0.25), True),
        ("2024-05-01T06:30:00Z", MORNING.replace(tzinfo=UTC), True),
        ("2024-05-01T06:30:00+03:00", MORNING.replace(tzinfo=timezone(timedelta(hours=3))), True),
        ("2024-05-01 06:30 -0330", MORNING.replace(tzinfo=timezone(-timedelta(hours=3, minutes=30))), True),
        ("20240501", datetime(2024, 5, 1), False),
        ("20240501T063000", MORNING, True),
        ("01/05/2024 6:30", MORNING, True),
        ("1.5.2024 6:30:00 AM", MORNING, True),
        ("01-05-2024 12:30 a.m.", datetime(2024, 5, 1, 0, 30), True),
        ("01-05-2024 12:30 pm", datetime(2024, 5, 1, 12, 30), True),
    ],
)
def test_dates_are_read(text: str, time: datetime, has_clock: bool) -> None:
    found = parse_date(text, True)
    assert (found.time, found.time.utcoffset(), found.has_clock) == (time, time.utcoffset(), has_clock)
    assert found.local == time.replace(tzinfo=None)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "not a time"),
        ("soon", "not a time"),
        ("2024-05-01 06:30:15." + "0" * 5000, "not a time"),
        ("01/05/24", "year of 2 digits"),
        ("2024-13-01", "not a time"),
        ("2024-02-30", "not a time"),
        ("30/02/2024", "not a time"),
        ("2024-05-01 24:00", "hours"),
        ("2024-05-01 13:00 PM", "hours of AM and PM"),
        ("2024-05-01 10:00+15:00", "14 hours"),
        ("9999-12-31", "not in 1970 to 2100"),
        ("0001-01-01", "not in 1970 to 2100"),
        ("00000000", "not a time"),
        ("45413.41667", "format the column as a date"),
        ("45413", "format the column as a date"),
        ("2024-W18-3", "not a time"),
        ("٢٠٢٤-٠٥-٠١", "not a time"),
    ],
)
def test_what_is_no_date_says_why(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        parse_date(text)


@given(st.lists(st.dates(date(1970, 1, 1), date(2100, 12, 31)), max_size=5), st.booleans(), st.sampled_from("-/."))
def test_a_column_is_read_as_it_was_written_or_refused(days: list[date], first: bool, sign: str) -> None:
    form = sign.join(("%d", "%m", "%Y") if first else ("%m", "%d", "%Y"))
    texts = [day.strftime(form) for day in days]
    try:
        reading = day_first(numbered(texts))
    except ValueError:
        assert all(day.day <= 12 for day in days)
    else:
        assert [parse_date(text, reading).time.date() for text in texts] == days
