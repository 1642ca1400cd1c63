"""Effort: the days on which cameras watched."""

from __future__ import annotations

from datetime import date, datetime, timedelta

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from detector.deployments.effort import Watch, watch
from detector.deployments.table import Deployment
from detector.deployments.visits import Visit, find_outside, make_visit
from detector.store.records import Gap


def visit(
    times: np.ndarray | list[str],
    start: datetime | None = None,
    end: datetime | None = None,
    camera: str = "",
    line: int | None = 2,
) -> Visit:
    """A visit of a camera whose files have these times."""
    row = Deployment("A", start=start, end=end, details=(("cameraID", camera),), line=line)
    taken = np.array(times, "datetime64[ms]")
    inside = ~find_outside(taken, row)
    return make_visit(0, row, taken[inside], taken[inside], np.zeros(int(inside.sum()), bool))


def test_effort_of_nothing() -> None:
    watched = watch([visit(["NaT"])], 7)
    assert (watched.days, watched.active_days, watched.start) == (0, 0, None)
    assert watch([], 7) == Watch(None, None, 0, 0, 0, ())


def test_effort_counts_quiet_days_but_not_long_gaps() -> None:
    days = ["2024-05-01T05", "2024-05-02T23", "2024-05-09T01", "2024-05-17T10"]
    watched = watch([visit(days, end=datetime(2024, 5, 18))], 7)
    assert watched.gaps == (Gap(date(2024, 5, 10), date(2024, 5, 16)),)  # six quiet days from the 3rd on are none
    assert (watched.days, watched.active_days, watched.days_with_files) == (18, 11, 4)


def test_camera_without_files_was_not_active() -> None:
    watched = watch([visit([], datetime(2024, 5, 1), datetime(2024, 5, 30))], 7)
    assert (watched.days, watched.active_days) == (30, 0)


def test_days_are_never_negative() -> None:
    early = ["2024-05-01T10", "2024-05-03T10"]
    assert watch([visit(early, start=datetime(2024, 6, 1))], 7) == Watch(datetime(2024, 6, 1), None, 0, 0, 0, ())
    assert watch([visit(["2024-06-01T10"], end=datetime(2024, 5, 1))], 7) == Watch(
        None, datetime(2024, 5, 1), 0, 0, 0, ()
    )


def test_visits_add_up_and_the_time_between_them_is_a_gap() -> None:
    """The second visit's blanks are its own: its first and last file, not the first visit's end."""
    first = visit([f"2024-01-{day:02}T10" for day in range(1, 32, 3)], datetime(2024, 1, 1), datetime(2024, 1, 31, 23))
    second = visit([f"2024-03-{day:02}T10" for day in range(1, 29, 3)])
    watched = watch([first, second], 7)
    assert (watched.start, watched.end) == (datetime(2024, 1, 1), datetime(2024, 3, 28, 10))
    assert (watched.days, watched.active_days, watched.days_with_files) == (31 + 28, 31 + 28, 21)
    assert watched.gaps == (Gap(date(2024, 2, 1), date(2024, 2, 29)),)


def test_folders_that_no_table_lists_are_one_visit() -> None:
    """A folder a week, a file a folder: the camera hung there all the time."""
    folders = [visit([f"2024-05-{day:02}T10"], line=None) for day in (1, 6, 11)]
    assert (watch(folders, 7).days, watch(folders, 7).active_days, watch(folders, 7).gaps) == (11, 11, ())
    listed = [visit([f"2024-05-{day:02}T10"]) for day in (1, 6, 11)]
    assert watch(listed, 7).days == 3


def test_a_day_counts_once_a_camera() -> None:
    """The card is changed on the 10th; a second camera hangs beside the first from the 8th to the 12th."""
    days = [f"2024-05-{day:02}T10" for day in range(1, 21)]
    one = [visit(days[:10], camera="L"), visit(days[9:], camera="L")]
    other = visit(days[7:12], camera="R")
    assert (watch(one, 7).days, watch([*one, other], 7).days) == (20, 25)
    assert watch([*one, other], 7).active_days == watch([*one, other], 7).days_with_files == 25


def test_days_on_which_one_of_two_cameras_watched_are_no_gap() -> None:
    left = visit(["2024-03-01T06"], datetime(2024, 2, 20), datetime(2024, 3, 10), "L")
    right = visit(["2024-03-01T06"], datetime(2024, 2, 28), datetime(2024, 3, 5), "R")
    watched = watch([left, right], 7)
    assert (watched.days, watched.active_days) == (20 + 7, 1 + 7)
    assert watched.gaps == (Gap(date(2024, 2, 20), date(2024, 2, 27)), Gap(date(2024, 3, 6), date(2024, 3, 10)))


@given(arrays.arrays("int64", st.integers(0, 20), elements=st.integers(0, 40 * 86_400_000)), st.integers(1, 10))
def test_rules_of_effort(milliseconds: np.ndarray, gap_days: int) -> None:
    watched = watch([visit(milliseconds.astype("datetime64[ms]"))], gap_days)
    lost = {day for gap in watched.gaps for day in range(gap.start.toordinal(), gap.end.toordinal() + 1)}
    seen = {moment.date().toordinal() for moment in milliseconds.astype("datetime64[ms]").tolist()}
    assert not lost & seen
    assert watched.active_days == watched.days - len(lost)
    assert watched.days_with_files == len(seen) <= watched.active_days


DAY = st.integers(0, 60)


@given(st.lists(st.tuples(st.sampled_from("LR"), DAY, DAY, st.lists(DAY, max_size=6)), max_size=4), st.integers(1, 10))
def test_effort_equals_a_slow_count(drawn: list, gap_days: int) -> None:
    """Against a calendar that is crossed off day by day."""
    base = datetime(2024, 1, 1)
    visits, periods = [], []
    for camera, one, other, days in drawn:
        start, end = sorted((one, other))
        times = [np.datetime64(base + timedelta(days=day, hours=6)) for day in days]
        visits.append(visit(times, base + timedelta(days=start), base + timedelta(days=end, hours=23), camera))
        periods.append((camera, range(start, end + 1), {day for day in days if start <= day <= end}))
    watched_days, active, with_files = 0, set(), 0
    for camera in "LR":
        days = {day for name, period, _ in periods if name == camera for day in period}
        files = {day for name, _, seen in periods if name == camera for day in seen}
        idle: set[int] = set()
        for day in days - files:
            run = {day}
            while (before := min(run) - 1) in days - files:
                run.add(before)
            while (after := max(run) + 1) in days - files:
                run.add(after)
            idle |= run if len(run) >= gap_days else set()
        watched_days += len(days)
        with_files += len(files)
        active |= {(camera, day) for day in days - idle}
    watched = watch(visits, gap_days)
    assert (watched.days, watched.active_days, watched.days_with_files) == (watched_days, len(active), with_files)
    gaps = {day for gap in watched.gaps for day in range(gap.start.toordinal(), gap.end.toordinal() + 1)}
    span = range(min((p[0] for _, p, _ in periods), default=0), max((p[-1] for _, p, _ in periods), default=-1) + 1)
    assert gaps == {day + base.toordinal() for day in span} - {day + base.toordinal() for _, day in active}
