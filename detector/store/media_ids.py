"""Ids of media items as the program gives them out now, and sets of them in 8 bytes each, for stores of clusters."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Set

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

_OLD_LENGTH = 16  # hexadecimal digits, of which a spreadsheet made numbers: 1234567890123456, 12e4567890123456
_LENGTH = 17  # of an id: `m` and 16 hexadecimal digits
_FRESH = 65_536  # ids at least that are added one by one before they are sorted in


def current_id(text: str) -> str:
    """The id of a media item, or what begins with one (`id:frame:box`), with its letter."""
    item = text.partition(":")[0]
    return f"m{text}" if len(item) == _OLD_LENGTH else text


def with_current_ids(batch: pa.RecordBatch) -> pa.RecordBatch:
    """The rows of a part with current ids in their column `media_id`, if they have one."""
    place = batch.schema.get_field_index("media_id")
    if place < 0:
        return batch
    ids = batch.column(place)
    old = pc.equal(pc.binary_length(ids), _OLD_LENGTH)
    if not pc.any(old).as_py():
        return batch
    current = pc.if_else(old, pc.binary_join_element_wise("m", ids, ""), ids)
    return batch.set_column(place, batch.schema.field(place), current)


class MediaIds(Set[str]):
    """A set of ids, to which more are added.

    Args:
        ids: The first ones.
    """

    def __init__(self, ids: Iterable[str] = ()) -> None:
        self._sorted: NDArray[np.uint64] = np.zeros(0, np.uint64)
        self._fresh: set[int] = set()
        self._others: set[str] = set()  # what is no id of ours
        self.update(ids)

    def __contains__(self, item: object) -> bool:
        if not isinstance(item, str):
            return False
        number = _number(item)
        if number is None:
            return item in self._others
        if number in self._fresh:
            return True
        place = int(self._sorted.searchsorted(np.uint64(number)))
        return place < len(self._sorted) and int(self._sorted[place]) == number

    def __len__(self) -> int:
        return len(self._sorted) + len(self._fresh) + len(self._others)

    def __iter__(self) -> Iterator[str]:
        for number in (*self._sorted.tolist(), *self._fresh):
            yield f"m{number:016x}"
        yield from self._others

    def add(self, item: str) -> None:
        """Add an id."""
        number = _number(item)
        if number is None:
            self._others.add(item)
        elif item not in self:
            self._fresh.add(number)
            if len(self._fresh) > max(_FRESH, len(self._sorted) // 8):
                self._sort_in(np.zeros(0, np.uint64))

    def update(self, ids: Iterable[str]) -> None:
        """Add ids."""
        for item in ids:
            self.add(item)

    def update_from(self, ids: pa.ChunkedArray) -> None:
        """Add the ids of a column."""
        ids = pc.unique(ids)
        ours = pc.match_substring_regex(ids, r"^m[0-9a-f]{16}$")
        self.update(map(current_id, ids.filter(pc.invert(ours)).to_pylist()))
        text = "".join(ids.filter(ours).to_pylist()).encode()
        digits = np.frombuffer(text, np.uint8).reshape(-1, _LENGTH)[:, 1:]
        values = np.where(digits >= ord("a"), digits - (ord("a") - 10), digits - ord("0")).astype(np.uint64)
        self._sort_in((values << np.arange(60, -1, -4, dtype=np.uint64)).sum(axis=1, dtype=np.uint64))

    def _sort_in(self, numbers: NDArray[np.uint64]) -> None:
        """Sort in numbers, and those that were added one by one."""
        fresh = np.fromiter(self._fresh, np.uint64, len(self._fresh))
        self._sorted = np.unique(np.concatenate([self._sorted, numbers, fresh]))
        self._fresh.clear()


def _number(item: str) -> int | None:
    """The number that an id is; None: it is none."""
    if len(item) != _LENGTH or item[0] != "m":
        return None
    try:
        number = int(item[1:], 16)
    except ValueError:
        return None
    return number if f"m{number:016x}" == item else None
