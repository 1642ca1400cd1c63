"""The times at which a picture can have been taken."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from detector.base.times import EARLIEST, Times

WRITTEN_IN = 2026  # a computer whose own clock fell back behind this year must not unmake the times of its pictures


@dataclass(frozen=True)
class Period:
    """The times that can be: from `earliest` to `latest`, both included, local and naive."""

    earliest: datetime
    latest: datetime

    @classmethod
    def until(cls, now: datetime) -> Period:
        """From 1970 to the end of next year: clocks may be a year ahead, and zones a day."""
        return cls(EARLIEST, datetime(min(max(now.year, WRITTEN_IN) + 1, 9999), 12, 31, 23, 59, 59, 999_999))

    def including(self, start: datetime | None, end: datetime | None) -> Period:
        """Also a deployment's own time, as a person has stated it."""
        return Period(min(self.earliest, start or self.earliest), max(self.latest, end or self.latest))

    def holds(self, times: Times) -> NDArray[np.bool_]:
        """Whether times datetime64[ms] (N,) can be; NaT cannot."""
        earliest, latest = np.datetime64(self.earliest, "ms"), np.datetime64(self.latest, "ms")
        return (times >= earliest) & (times <= latest)

    def __str__(self) -> str:
        return f"{self.earliest.year} to {self.latest.year}"


def implausible(written: np.datetime64, corrected: np.datetime64, period: Period) -> str:
    """Why a time, as the camera wrote it and after the clock's correction, counts as none, in words."""
    now_said = "" if written == corrected else f", corrected to {_text(corrected)},"
    return f"its time {_text(written)}{now_said} is not in {period}: it counts as none"


def _text(moment: np.datetime64) -> str:
    return "what no calendar has" if np.isnat(moment) else str(moment.astype("datetime64[s]")).replace("T", " ")
