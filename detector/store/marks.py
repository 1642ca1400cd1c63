"""What a part says of itself: who it is, and whose logits it holds. A part's name alone may be given again."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa

from detector.store.files import open_parquet
from detector.store.run_file import SpeciesEntry

_PART, _CLASSIFIER, _FAILURES = b"hoopoe.part", b"hoopoe.classifier", b"hoopoe.failures"


@dataclass(frozen=True)
class Marks:
    """The marks of a part of the facts, or of another classifier's logits over one.

    Attributes:
        part: Id of the part, or of that which it lies over; empty in stores of a time before there were marks.
        classifier: Key of the classifier whose logits it holds; None: not marked.
        failures: Media id -> why not all boxes could be classified again: in an overlay, or in a part of the facts that
            was written anew when an overlay counted.
    """

    part: str = ""
    classifier: str | None = None
    failures: Mapping[str, str] = field(default_factory=dict)

    def on(self, table: pa.Table) -> pa.Table:
        """The table with these marks."""
        marks = {_PART: self.part, _FAILURES: json.dumps(dict(self.failures))}
        if self.classifier is not None:
            marks[_CLASSIFIER] = self.classifier
        return table.replace_schema_metadata({**(table.schema.metadata or {}), **marks})


def new_part_id() -> str:
    """An id that no other part has."""
    return secrets.token_hex(8)


def classifier_key(species: SpeciesEntry | None) -> str:
    """What tells one classifier from another."""
    return "" if species is None else species.sha256 or species.name


def marks_of(path: Path, hint: str) -> Marks:
    """The marks of a part.

    Raises:
        DataError: It is damaged.
    """
    with open_parquet(path, hint) as file:
        found = file.schema_arrow.metadata or {}
    classifier = found.get(_CLASSIFIER)
    return Marks(
        part=found.get(_PART, b"").decode(),
        classifier=None if classifier is None else classifier.decode(),
        failures=json.loads(found.get(_FAILURES, b"{}")),
    )
