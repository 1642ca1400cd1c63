"""Ids of media items as the program gives them out now, in stores of a time when they lacked the letter in front."""

from __future__ import annotations

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
