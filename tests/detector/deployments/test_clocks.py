"""Clocks: corrected, with the right offset on the days on which it changes, and odd ones told."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from detector.deployments.clock_checks import clock_problems, video_shift_hours
from detector.deployments.clocks import ClockPair, correct, parse_clock_shift, parse_zone, utc_offsets


def times(*texts: str) -> np.ndarray:
    return np.array(texts, "datetime64[ms]")


def test_no_times() -> None:
    nothing = times()
    assert len(correct(nothing, parse_clock_shift("2016-01-01=2024-05-03"))) == 0
    assert len(utc_offsets(nothing, UTC).minutes) == 0
    assert list(clock_problems(nothing, np.zeros(0, bool), None, datetime(2024, 1, 1))) == []


def test_one_pair_moves_all_times() -> None:
    pairs = parse_clock_shift("2016-01-01 00:05=2024-05-03 10:22")
    moved = correct(times("2016-01-01T00:05", "2016-01-02T00:05", "2015-12-31T00:05", "NaT"), pairs)
    assert [moment and (moment.day, moment.hour) for moment in moved.tolist()] == [(3, 10), (4, 10), (2, 10), None]


def test_second_pair_ends_what_the_first_moves() -> None:
    pairs = parse_clock_shift("2016-01-01 00:00=2024-05-03 10:00; 2024-01-01=2024-01-01")
    moved = correct(times("2016-01-01T01:00", "2024-05-01T07:00"), pairs)
    assert moved.tolist() == [datetime(2024, 5, 3, 11), datetime(2024, 5, 1, 7)]


@given(*[st.datetimes().map(lambda moment: moment.replace(microsecond=0))] * 3)
def test_no_correction_leaves_the_calendar(taken: datetime, wrong: datetime, right: datetime) -> None:
    [moved] = correct(np.array([taken], "datetime64[ms]"), (ClockPair(wrong, right),)).tolist()
    try:
        assert moved == taken + (right - wrong)
    except OverflowError:
        assert moved is None


@pytest.mark.parametrize(
    "text", ["2024-05-01", "yesterday=2024-05-01", "2024=", "2024-05-02=2024-05-01;2024-05-01=2024-05-01"]
)
def test_wrong_shifts_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"wrong|not a time"):
        parse_clock_shift(text)


ZONES = ("Asia/Jerusalem", "Europe/London", "Australia/Lord_Howe", "Asia/Kathmandu")


@given(st.datetimes(datetime(1990, 1, 1), datetime(2035, 1, 1)), st.sampled_from(ZONES))
def test_offsets_are_those_of_zoneinfo(moment: datetime, name: str) -> None:
    offsets = utc_offsets(np.array([moment], "datetime64[ms]"), ZoneInfo(name))
    expected = moment.replace(tzinfo=ZoneInfo(name)).utcoffset()
    assert timedelta(minutes=int(offsets.minutes[0])) == expected


def test_hour_that_occurs_twice_is_the_first() -> None:
    """Israel went back from 02:00 (+3) to 01:00 (+2) on 27 October 2024, and forward at 02:00 on 29 March 2024."""
    zone = parse_zone("Asia/Jerusalem")
    found = utc_offsets(times("2024-10-27T00:59", "2024-10-27T01:30", "2024-10-27T02:00", "NaT"), zone)
    assert found.minutes.tolist() == [180, 180, 120, 0]
    assert found.ambiguous.tolist() == [False, True, False, False]
    spring = utc_offsets(times("2024-03-29T01:59", "2024-03-29T02:30", "2024-03-29T03:00"), zone)
    assert spring.minutes.tolist() == [120, 120, 180]
    assert spring.missing.tolist() == [False, True, False]


@pytest.mark.parametrize(
    ("text", "minutes"),
    [
        ("+02:00", 120),
        ("UTC-3", -180),
        ("+0530", 330),
        ("utc", 0),
        ("Z", 0),
        ("Asia/Jerusalem", 120),
        ("asia/jerusalem", 120),
        ("America/New York", -300),
        ("2", 120),
        ("+2", 120),
        ("02:00", 120),
        ("2:00:00", 120),
        ("5.5", 330),
        ("-3,5", -210),
        ("5,75", 345),
        ("UTC\u22123", -180),
        ("GMT +14", 840),
        ("-12", -720),
    ],
)
def test_zones_of_either_kind(text: str, minutes: int) -> None:
    assert utc_offsets(times("2024-01-01"), parse_zone(text)).minutes.tolist() == [minutes]


def test_wrong_zone_names_the_nearest() -> None:
    with pytest.raises(ValueError, match="did you mean Asia/Jerusalem"):
        parse_zone("Asia/Jerusalm")
    with pytest.raises(ValueError, match="did you mean Asia/Jerusalem"):
        parse_zone("Jerusalem time")
    with pytest.raises(ValueError, match="not a time zone"):
        parse_zone("../../etc/passwd")


@pytest.mark.parametrize("text", ["+15:00", "-13", "120", "2.1", "99", "+2:60", "+", "IST"])
def test_what_is_no_offset_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"not an offset|not a time zone"):
        parse_zone(text)


def test_right_time_in_utc_is_that_of_the_zone() -> None:
    [pair] = parse_clock_shift("2016-01-01=2024-05-01T06:30:00Z", zone=parse_zone("Asia/Jerusalem"))
    assert pair.right == datetime(2024, 5, 1, 9, 30)


def test_offset_behind_a_time_is_dropped() -> None:
    [pair] = parse_clock_shift("2016-01-01=2024-05-01T06:30:00+03:00")
    assert pair.right == datetime(2024, 5, 1, 6, 30)


def test_sound_clock_has_no_problems() -> None:
    taken = times(*(f"2024-05-{day:02d}T{day:02d}:17" for day in range(1, 20)))
    assert list(clock_problems(taken, np.zeros(len(taken), bool), None, datetime(2024, 6, 1))) == []


def test_a_new_year_is_no_reset() -> None:
    taken = np.arange(
        np.datetime64("2023-11-20T12", "ms"), np.datetime64("2024-02-20T12", "ms"), np.timedelta64(1, "D")
    )
    assert list(clock_problems(taken, np.zeros(len(taken), bool), None, datetime(2024, 6, 1))) == []


def test_resets_and_futures_are_told() -> None:
    taken = times("2016-01-01T00:03", "2016-01-02T07:00", "2024-05-01", "2024-05-02", "2024-05-03", "2031-05-01", "NaT")
    said = list(clock_problems(taken, np.zeros(7, bool), None, datetime(2024, 6, 1)))
    assert [sentence[:9] for sentence in said] == ["2 files a", "1 files a"]
    assert "factory" in said[0]
    assert "future" in said[1]


@pytest.mark.parametrize("hours", [-3, 2, 0])
def test_videos_in_utc_are_told_by_their_photos(hours: int) -> None:
    rng = np.random.default_rng(0)
    triggers = np.datetime64("2024-05-01", "s") + np.sort(rng.integers(0, 20 * 86_400, 40)).astype("timedelta64[s]")
    photos = triggers.astype("datetime64[ms]")
    videos = (triggers + np.timedelta64(10, "s") + np.timedelta64(hours, "h")).astype("datetime64[ms]")
    both = np.concatenate([photos, videos])
    is_video = np.arange(80) >= 40
    assert video_shift_hours(both, is_video) == hours
    told = [sentence for sentence in clock_problems(both, is_video, None, datetime(2025, 1, 1)) if "videos" in sentence]
    assert len(told) == (hours != 0)


def test_time_lapse_photos_say_nothing_of_videos() -> None:
    photos = np.arange(np.datetime64("2024-05-01", "ms"), np.datetime64("2024-05-03", "ms"), np.timedelta64(60, "s"))
    videos = photos[::100] + np.timedelta64(20, "s")
    assert video_shift_hours(np.concatenate([photos, videos]), np.arange(len(photos) + len(videos)) >= len(photos)) == 0
