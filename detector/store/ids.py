"""Ids of media items as the program gives them out now, also in stores of a time when they lacked the letter in front;
and sets of millions of them."""

from __future__ import annotations

import re
from array import array
from collections.abc import Iterable, Iterator, Set

import pyarrow as pa
import pyarrow.compute as pc

_OLD_LENGTH = 16  # hexadecimal digits, of which a spreadsheet made numbers: 1234567890123456, 12e4567890123456


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


class IdSet(Set[str]):
    """A set of ids in 13 to 27 bytes each, where Python's takes 120: the hashes that they are, in a table of numbers.

    Args:
        ids: What it holds at first.
    """

    def __init__(self, ids: Iterable[str] = ()) -> None:
        self._table = array("Q", bytes(8 << _FIRST_BITS))
        self._count = 0
        self._others: set[str] = set()  # what is no id of ours
        self.update(ids)

    def __len__(self) -> int:
        return self._count + len(self._others)

    def __contains__(self, item: object) -> bool:
        number = _number(item)
        return item in self._others if number is None else self._table[self._slot(number)] == number

    def __iter__(self) -> Iterator[str]:
        yield from (f"m{number:016x}" for number in self._table if number)
        yield from self._others

    def add(self, item: str) -> bool:
        """Add an id; whether it is new."""
        number = _number(item)
        if number is None:
            new = item not in self._others
            self._others.add(item)
            return new
        slot = self._slot(number)
        if self._table[slot]:
            return False
        self._table[slot] = number
        self._count += 1
        if self._count > _FULLEST * len(self._table):
            self._grow()
        return True

    def update(self, items: Iterable[str]) -> None:
        """Add ids."""
        for item in items:
            self.add(item)

    def _slot(self, number: int) -> int:
        """Where a number is, or would be."""
        mask = len(self._table) - 1
        slot = number & mask
        while (found := self._table[slot]) and found != number:
            slot = (slot + 1) & mask
        return slot

    def _grow(self) -> None:
        before = self._table
        self._table = array("Q", bytes(16 * len(before)))
        for number in before:
            if number:
                self._table[self._slot(number)] = number


_ID = re.compile(r"m[0-9a-f]{16}")
_FIRST_BITS = 10
_FULLEST = 0.6  # of the table


def _number(item: object) -> int | None:
    """The hash that an id is; None: it is no id of ours, or the one whose hash is 0."""
    if not (isinstance(item, str) and _ID.fullmatch(item)):
        return None
    return int(item[1:], 16) or None
