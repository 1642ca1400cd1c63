"""Facts of photos, and what was decided of them, in a line each."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from detector.decisions.options import DecideOptions
from detector.store.records import DetectionRecord, MediaRecord
from detector.store.records_reader import read_media
from detector.store.run_file import SpeciesEntry
from detector.store.schema import pack_vector

Photo = Callable[..., list]
Maker = SimpleNamespace

CLASSES = ["Eurasian hoopoe", "Northern wheatear", "Isabelline wheatear", "Unknown"]
SPECIES = SpeciesEntry(name="classifier", classes=CLASSES)
START = datetime(2024, 5, 1, 6, 30)


def options(**changes: Any) -> DecideOptions:
    return DecideOptions.model_validate(changes)


def logits(*values: float) -> bytes:
    return pack_vector(np.array([*values, 0, 0, 0, 0][:4], np.float64))


HOOPOE, WHEATEAR, TWO_WHEATEARS = logits(12), logits(0, 12), logits(0, 9, 9)


def decided(folder: Path) -> dict[str, MediaRecord]:
    return {item.path: item for item in read_media(folder)}


def boxes(folder: Path) -> list[DetectionRecord]:
    return [found for item in read_media(folder) for found in item.detections]
