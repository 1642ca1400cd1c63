"""Names of files in which a running number stands behind a date, where others have the time of day."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

RUNNING_NUMBER = "behind the date in its name stands a running number, and no time of day"
_DATED = re.compile(
    r"(?P<before>.*(?<!\d)(?:19|20)\d\d(?P<sign>[-_.]?)\d\d(?P=sign)\d\d[-_ .T]{0,2})(?P<digits>\d{6})(?!\d)"
)
_TIME_OF_DAY = re.compile(r"(?:[01]\d|2[0-3])[0-5]\d[0-5]\d")
_FIRST_NO_NUMBER = "010000"  # what numbers of up to four digits look like is the hour after midnight


def running_numbers(paths: Sequence[str]) -> NDArray[np.bool_]:
    """Which of these files (N,) have a running number for a time of day, such as 20240503_000123.jpg.

    One name does not show it. Names of a folder that are alike but for their digits do: they hold numbers where one of
    them is no time of day (000175), or all of them are in the hour after midnight.
    """
    alike: dict[str, list[int]] = {}
    digits: dict[int, str] = {}
    for row, path in enumerate(paths):
        if match := _DATED.match(path):
            alike.setdefault(re.sub(r"\d", "0", match["before"]), []).append(row)
            digits[row] = match["digits"]
    found = np.zeros(len(paths), bool)
    for rows in alike.values():
        texts = [digits[row] for row in rows]
        found[rows] = max(texts) < _FIRST_NO_NUMBER or not all(map(_TIME_OF_DAY.fullmatch, texts))
    return found
