"""Reading and comparing the facts of stores."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from detector.store.facts import FactRow
from detector.store.reader import FactsReader


def unpack_vector(packed: bytes) -> NDArray[np.float32]:
    """The vector (N,) that `pack_vector` packed."""
    return np.frombuffer(packed, "<f2").astype(np.float32)


Facts = dict[tuple[str, str], tuple[FactRow, ...]]


def read_store(store: Path) -> Facts:
    """(card, path) -> rows of the item; no item is there twice."""
    facts: Facts = {}
    for rows in FactsReader(store).items():
        key = (rows[0].card, rows[0].path)
        assert key not in facts, f"{key} is recorded twice"
        facts[key] = rows
    return facts


def without_file_times(facts: Facts) -> Facts:
    """Facts but for the times of files: an object's is that of its upload, which says nothing."""
    return {key: tuple(dataclasses.replace(row, modified_at=None) for row in rows) for key, rows in facts.items()}


def assert_same_facts(facts: Facts, others: Facts, atol: float = 1e-4) -> None:
    """Equal but for rounding."""
    assert facts.keys() == others.keys()
    for key, rows in facts.items():
        assert len(rows) == len(others[key]), key
        for row, other in zip(rows, others[key], strict=True):
            bare = [dataclasses.replace(each, failure="", detections=None) for each in (row, other)]
            assert bare[0] == bare[1]
            assert row.failure == other.failure
            assert len(row.detections or ()) == len(other.detections or ()), key
            for box, twin in zip(row.detections or (), other.detections or (), strict=True):
                for name in ("x", "y", "w", "h", "label_scores"):
                    np.testing.assert_allclose(getattr(box, name), getattr(twin, name), atol=atol)
                assert box.track_id == twin.track_id
                assert (box.logits is None) == (twin.logits is None)
                if box.logits is not None and twin.logits is not None:
                    np.testing.assert_allclose(unpack_vector(box.logits), unpack_vector(twin.logits), atol=0.02)
