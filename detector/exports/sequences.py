"""The place of each photo in its burst, in flat memory."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass

from detector.exports.source import ExportSource

_PLACES = """
    SELECT row_number() OVER (PARTITION BY sequence ORDER BY time IS NULL, time, number) - 1,
           count(*) OVER (PARTITION BY sequence)
    FROM photo ORDER BY number
"""


@dataclass(frozen=True)
class SequencePlace:
    """Where a picture stands in its sequence: from 0, by time, and of how many."""

    frame_num: int
    seq_num_frames: int


def photo_places(source: ExportSource) -> Iterator[SequencePlace]:
    """The places of all photos that could be read, in the order of the store."""
    # a burst need not lie together in the order of paths: IMG_9999 is followed by IMG_0001
    with closing(sqlite3.connect("")) as disk:  # a temporary file of its own, which grows in place of memory
        disk.execute("CREATE TABLE photo (number INTEGER PRIMARY KEY, sequence TEXT, time TEXT)")
        rows = (
            (record.sequence_id, None if record.timestamp is None else record.timestamp.isoformat())
            for record in source.media()
            if record.media_type == "photo" and record.failure is None
        )
        disk.executemany("INSERT INTO photo (sequence, time) VALUES (?, ?)", rows)
        for place in disk.execute(_PLACES):
            yield SequencePlace(*place)
