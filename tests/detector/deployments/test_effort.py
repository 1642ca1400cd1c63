"""Effort: the days on which cameras watched."""

from __future__ import annotations

from datetime import date, datetime

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from detector.deployments.effort import watch
from detector.store.records import Gap


def test_effort_of_nothing() -> None:
    watched = watch(np.array(["NaT"], "datetime64[ms]"), None, None, 7)
    assert (watched.days, watched.active_days, watched.start) == (0, 0, None)


def test_effort_counts_quiet_days_but_not_long_gaps() -> None:
    days = ["2024-05-01T05", "2024-05-02T23", "2024-05-09T01", "2024-05-17T10"]
    watched = watch(np.array(days, "datetime64[ms]"), None, datetime(2024, 5, 18), 7)
    assert watched.gaps == (Gap(date(2024, 5, 10), date(2024, 5, 16)),)  # six quiet days from the 3rd on are none
    assert (watched.days, watched.active_days, watched.days_with_files) == (18, 11, 4)


def test_camera_without_files_was_not_active() -> None:
    watched = watch(np.zeros(0, "datetime64[ms]"), datetime(2024, 5, 1), datetime(2024, 5, 30), 7)
    assert (watched.days, watched.active_days) == (30, 0)


@given(arrays.arrays("int64", st.integers(0, 20), elements=st.integers(0, 40 * 86_400_000)), st.integers(1, 10))
def test_rules_of_effort(milliseconds: np.ndarray, gap_days: int) -> None:
    watched = watch(milliseconds.astype("datetime64[ms]"), None, None, gap_days)
    lost = {day for gap in watched.gaps for day in range(gap.start.toordinal(), gap.end.toordinal() + 1)}
    seen = {moment.date().toordinal() for moment in milliseconds.astype("datetime64[ms]").tolist()}
    assert not lost & seen
    assert watched.active_days == watched.days - len(lost)
    assert watched.days_with_files == len(seen) <= watched.active_days
