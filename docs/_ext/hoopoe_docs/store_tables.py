"""The store's tables, column by column, from the descriptions in detector/store/schema.py."""

from __future__ import annotations

from collections.abc import Iterable

import pyarrow as pa

from detector.store import schema
from hoopoe_docs.markdown import cell, table

TABLES = {
    "Facts": ("facts/part-*.parquet", schema.FACTS, "What the models saw. A row is a frame; a photo is one frame."),
    "Boxes in the facts": ("the column `detections`", schema.FOUND_BOX, "One of the boxes that were found in a frame."),
    "Another classifier's logits": (
        "species/NAME/part-*.parquet",
        schema.OVERLAY,
        "What `hoopoe reclassify` saw in boxes that the facts hold already.",
    ),
    "Media": ("decisions/media.parquet", schema.MEDIA, "A row is a photo or a video."),
    "Detections": (
        "decisions/detections.parquet",
        schema.DETECTIONS,
        "A row is a box of the facts, counted or not.",
    ),
    "Candidates": ("the column `candidates`", schema.CANDIDATE, "One of the three likeliest species of a box."),
    "Events": ("decisions/events.parquet", schema.EVENTS, "A row is an independent event."),
    "Repeats": ("decisions/repeats.parquet", schema.REPEATS, "A row is one thing that stands in many pictures."),
    "Effort": ("decisions/effort.parquet", schema.EFFORT, "A row is a deployment, blanks included."),
    "Gaps": ("the column `gaps`", schema.GAP, "Days on which no camera of a deployment watched."),
    "Deployments": ("decisions/deployments.parquet", schema.DEPLOYMENTS, "A row is a visit that has media."),
    "Reviews": ("reviews/*.parquet", schema.REVIEWS, "What people said. Only ever added to."),
}


def store_page() -> str:
    """A section a table."""
    parts = []
    for title, (where, fields, what) in TABLES.items():
        place = f"T{where[1:]}" if where.startswith("the ") else f"`{where}`"
        parts.append(f"## {title}\n\n{place}. {what}\n\n{columns(fields)}")
    return "\n".join(parts)


def columns(fields: Iterable[pa.Field]) -> str:
    """A row a column; what has no description is an error."""
    rows = []
    for field in fields:
        words = field.metadata[b"description"].decode()
        null = "may be" if field.nullable else "never"
        rows.append([f"`{field.name}`", type_words(field.type), null, cell(words[0].upper() + words[1:])])
    return table(["column", "type", "null", "what it is"], rows)


def type_words(kind: pa.DataType) -> str:
    """The name of an Arrow type as a person reads it; nested ones have a table of their own."""
    if pa.types.is_list(kind):
        return f"list of {type_words(kind.value_type)}"
    return "struct" if pa.types.is_struct(kind) else cell(str(kind))
