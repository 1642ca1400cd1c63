"""Independent events as columns: what the page draws activity from, by the clock and by the sun."""

from __future__ import annotations

from array import array
from collections.abc import Mapping

from detector.report.gallery import EPOCH
from detector.report.names import Names
from detector.report.scripts import Scripts
from detector.report.sun import sun_minute
from detector.store.records import EventRecord

ROWS = 20_000  # of a chunk
COLUMNS = ("name", "place", "start", "sun", "count")


class EventColumns:
    """The events of a store.

    Args:
        names: What they are called.
        places: Deployment -> its place in the list.
        coordinates: Deployment -> latitude and longitude, where known.
    """

    def __init__(self, names: Names, places: Mapping[str, int], coordinates: Mapping[str, tuple[float, float]]) -> None:
        self._names, self._places, self._coordinates = names, places, coordinates
        self._columns = {name: array("q") for name in COLUMNS}

    def __len__(self) -> int:
        return len(self._columns["name"])

    def add(self, event: EventRecord) -> None:
        """Count an event."""
        values = {
            "name": self._names.add_event(event),
            "place": self._places[event.deployment_id],
            "start": int((event.start - EPOCH).total_seconds() // 60),
            "sun": self._sun(event),
            "count": event.count,
        }
        for key, value in values.items():
            self._columns[key].append(value)

    def _sun(self, event: EventRecord) -> int:
        place = self._coordinates.get(event.deployment_id)
        if place is None or event.utc_offset_min is None:
            return -1
        minute = sun_minute(event.start, event.utc_offset_min, *place)
        return -1 if minute is None else minute

    def write(self, scripts: Scripts) -> dict[str, int]:
        """Write the chunks; returns how many rows and chunks there are."""
        chunks = range(0, len(self), ROWS)
        for chunk, first in enumerate(chunks):
            columns = {name: values[first : first + ROWS].tolist() for name, values in self._columns.items()}
            scripts.write(f"events-{chunk:04}", columns)
        return {"events": len(self), "eventChunks": len(chunks)}
